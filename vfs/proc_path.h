// Names of open files, for system calls that know no descriptor, or none opened with O_PATH.
#pragma once

#include <sys/types.h>

#include "base/bytes.h"

namespace Atoll::vfs {

// "/proc/self/fd/N"
struct ProcPath {
    explicit ProcPath(int fd);
    ProcPath(int parent, const char* leaf);  // "/proc/self/fd/N/leaf"
    char text[14 + 12 + 256 + 2];
};

// getxattr(2) of a descriptor opened with O_PATH, and lgetxattr(2) of a name in a directory. From Linux 6.13 on without the way from the
// root of the file system through /proc/self/fd, which is most of what they cost there. Any thread.
ssize_t get_xattr_of(int fd, const char* name, MutableBytes out);
ssize_t get_xattr_at(int parent, const char* leaf, const char* name, MutableBytes out);

}  // namespace Atoll::vfs
