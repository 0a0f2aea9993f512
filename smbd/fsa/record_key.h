// Whose key a file has.
#pragma once

#include "smbd/fsa/file_key.h"
#include "smbd/fsa/types.h"
#include "vfs/vfs.h"

namespace Atoll::fsa {

// Of the unnamed stream.
inline FileId id_of(const vfs::FileId& id, const vfs::Stat& stat) {
    return {id.volume, id.inode, stat.is_directory() ? id.generation | FileId::of_directory : id.generation & ~FileId::of_directory, 0};
}

}  // namespace Atoll::fsa
