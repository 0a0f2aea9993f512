// Extended attributes as "user." xattrs, docs/formats/extended_attributes.md.
#pragma once

#include <span>

#include "smbd/fsa/types.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

// What is wrong with attributes that are to be set, whatever the file has: INVALID_EA_NAME (MS-FSA 2.1.5.15.6: name or flags);
// ACCESS_DENIED for a name under which the server keeps its own data.
Result<void, NtStatus> check_extended_attributes(const vfs::Vfs& vfs, std::span<const ExtendedAttribute> list);

// Sets and deletes what check_extended_attributes has found good, with rights that were checked when the file was opened. EA_TOO_LARGE
// before anything is changed; EAS_NOT_SUPPORTED if the file system has none, DISK_FULL if it has no room.
Result<void, NtStatus> store_extended_attributes(vfs::Vfs& vfs, const vfs::File& file, std::span<const ExtendedAttribute> list);

}  // namespace Atoll::fsa
