// What smb.conf says of a share, as the file system's options.
#pragma once

#include <string>

#include "conf/configuration.h"
#include "vfs/vfs.h"

namespace Atoll::vfs {

// `path`: the share's, with its macros expanded.
Options options_of(const conf::ShareConf& share, std::string path);

}  // namespace Atoll::vfs
