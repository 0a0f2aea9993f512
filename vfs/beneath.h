// Resolving a path without leaving a directory: openat2, and where that refuses a symlink that in truth stays inside, a walk.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace Atoll::vfs {

struct Beneath {
    int root = -1;  // descriptor of the directory
    bool follow_symlinks = true;
    bool wide_links = false;       // symlinks may lead anywhere
    const std::string& path;       // of the root as configured, and
    const std::string& real_path;  // without symlinks: absolute symlinks that point below either are taken as relative to the root
};

// Opens `path` ("" the root itself) with open(2) `flags`. EXDEV: a symlink leads out. ELOOP: too many, or one that may not be followed.
Result<UniqueFd, int> open_beneath(const Beneath& beneath, const char* path, int flags, mode_t mode);

// One openat2; retries EAGAIN (a rename raced with "..") and EINTR a bounded number of times.
Result<UniqueFd, int> open_once(int directory, const char* path, int flags, mode_t mode, uint64_t resolve);

}  // namespace Atoll::vfs
