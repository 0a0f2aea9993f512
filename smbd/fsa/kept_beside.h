// What this server keeps of a file in extended attributes of its own, under names that clients neither see nor set as EAs.
#pragma once

#include "base/bytes.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

inline constexpr const char* reparse_xattr = "user.AtollReparsePoint";  // docs/formats/reparse.md
inline constexpr const char* object_id_xattr = "user.AtollObjectId";    // docs/formats/object_id.md

// As root where the user may not write the file: what he may change of it was checked by what it was opened for. VOLUME_NOT_UPGRADED where
// the file system has no such attributes. Removing what is not there succeeds.
Result<void, NtStatus> set_beside(vfs::Vfs& vfs, const vfs::File& file, const char* name, Bytes value);
Result<void, NtStatus> remove_beside(vfs::Vfs& vfs, const vfs::File& file, const char* name);

}  // namespace Atoll::fsa
