#include "tdb/file/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace Atoll::tdb {

int Disk::write(int fd, uint64_t offset, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        if (written == 0) return EIO;
        bytes = bytes.subspan(static_cast<size_t>(written));
        offset += static_cast<uint64_t>(written);
    }
    return 0;
}

int Disk::sync(int fd) { return ::fdatasync(fd) == 0 ? 0 : errno; }

int Disk::allocate(int fd, uint64_t offset, uint64_t length) {
    int outcome;
    do {
        outcome = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(length));
    } while (outcome == EINTR);
    return outcome;
}

int Disk::truncate(int fd, uint64_t length) { return ::ftruncate(fd, static_cast<off_t>(length)) == 0 ? 0 : errno; }

Disk& Disk::system() {
    static Disk disk;
    return disk;
}

}  // namespace Atoll::tdb
