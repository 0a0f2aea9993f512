// The POSIX backend: bytes of files and directories.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "vfs/posix.h"

namespace Atoll::vfs {

Result<size_t, int> PosixVfs::pread(const File& file, MutableBytes out, uint64_t offset) {
    size_t got = 0;
    while (got < out.size()) {
        const ssize_t n = ::pread(file.fd.get(), out.data() + got, out.size() - got, static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return Failure<int>(errno);
        if (n == 0) break;
        got += static_cast<size_t>(n);
    }
    return got;
}

Result<size_t, int> PosixVfs::pread_cached(const File& file, MutableBytes out, uint64_t offset) {
    const iovec vector{out.data(), out.size()};
    // tmpfs and ramfs refuse RWF_NOWAIT, and need it not: at worst a page comes back from swap.
    const ssize_t n = ::preadv2(file.fd.get(), &vector, 1, static_cast<off_t>(offset), in_memory_ ? 0 : RWF_NOWAIT);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EOPNOTSUPP) reads_cached_.store(false, std::memory_order_relaxed);
    return Failure<int>(errno);
}

Result<size_t, int> PosixVfs::pwrite(const File& file, Bytes data, uint64_t offset) {
    size_t put = 0;
    while (put < data.size()) {
        const ssize_t n = ::pwrite(file.fd.get(), data.data() + put, data.size() - put, static_cast<off_t>(offset + put));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && put > 0) break;  // the next write tells why
        if (n < 0) return Failure<int>(errno);
        put += static_cast<size_t>(n);
    }
    return put;
}

Result<void, int> PosixVfs::fsync(const File& file) {
    if (::fsync(file.fd.get()) != 0) return errno;
    return {};
}

Result<void, int> PosixVfs::truncate(const File& file, uint64_t size) {
    if (size > INT64_MAX) return EFBIG;
    if (::ftruncate(file.fd.get(), static_cast<off_t>(size)) != 0) return errno;
    return {};
}

Result<void, int> PosixVfs::allocate(const File& file, Allocate how, uint64_t offset, uint64_t length) {
    if (offset > INT64_MAX || length > INT64_MAX - offset) return EFBIG;
    int mode = FALLOC_FL_KEEP_SIZE;
    if (how == Allocate::punch_hole) mode |= FALLOC_FL_PUNCH_HOLE;
    if (how == Allocate::zero_range) mode |= FALLOC_FL_ZERO_RANGE;
    if (::fallocate(file.fd.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length)) != 0) return errno;
    return {};
}

Result<size_t, int> PosixVfs::copy_range(const File& source, uint64_t from, const File& target, uint64_t to, size_t length) {
    auto in = static_cast<loff_t>(from), out = static_cast<loff_t>(to);
    ssize_t n = -1;
    do {
        n = ::copy_file_range(source.fd.get(), &in, target.fd.get(), &out, length, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return Failure<int>(errno);
    return static_cast<size_t>(n);
}

Result<void, int> PosixVfs::clone_range(const File& source, uint64_t from, const File& target, uint64_t to, uint64_t length) {
    struct file_clone_range range {};
    range.src_fd = source.fd.get();
    range.src_offset = from;
    range.src_length = length;
    range.dest_offset = to;
    if (::ioctl(target.fd.get(), FICLONERANGE, &range) != 0) return errno == ENOTTY ? EOPNOTSUPP : errno;
    return {};
}

Result<uint64_t, int> PosixVfs::seek(const File& file, Seek what, uint64_t offset) {
    if (offset > INT64_MAX) return Failure<int>(ENXIO);
    const off_t found = ::lseek(file.fd.get(), static_cast<off_t>(offset), what == Seek::data ? SEEK_DATA : SEEK_HOLE);
    if (found < 0) return Failure<int>(errno);
    return static_cast<uint64_t>(found);
}

Result<void, int> PosixVfs::set_compressed(const File& file, bool compressed) {
    UniqueFd readable;
    int fd = file.fd.get();
    if (file.path_only) {  // its flags cannot be changed by such a descriptor
        readable.reset(::open(ProcPath(fd).text, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        if (!readable) return errno;
        fd = readable.get();
    }
    int flags = 0;
    if (::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0) return errno == ENOTTY ? EOPNOTSUPP : errno;
    const int wanted = compressed ? (flags | FS_COMPR_FL) & ~FS_NOCOMP_FL : flags & ~FS_COMPR_FL;
    if (wanted != flags && ::ioctl(fd, FS_IOC_SETFLAGS, &wanted) != 0) return errno;
    return {};
}

// The lock is the open file description's: it ends with the last descriptor of it, and other descriptors of this process do not share it.
Result<void, int> PosixVfs::lock_range(const File& file, RangeLock lock, uint64_t offset, uint64_t length) {
    if (offset > INT64_MAX || length > INT64_MAX) return EOVERFLOW;
    struct flock range {};
    range.l_whence = SEEK_SET;
    range.l_start = static_cast<off_t>(offset);
    range.l_len = static_cast<off_t>(length);
    const auto set = [&](short type) {
        range.l_type = type;
        return ::fcntl(file.fd.get(), F_OFD_SETLK, &range) == 0;
    };
    if (lock == RangeLock::none) {
        if (!set(F_UNLCK)) return errno;
        return {};
    }
    const bool exclusive = lock == RangeLock::exclusive;
    if (set(exclusive ? F_WRLCK : F_RDLCK)) return {};
    if (errno == EBADF && set(exclusive ? F_RDLCK : F_WRLCK)) return {};
    if (errno == EACCES) return EAGAIN;
    return errno;
}

Result<size_t, int> PosixVfs::read_directory(const File& directory, MutableBytes out) {
    const long n = ::syscall(SYS_getdents64, directory.fd.get(), out.data(), out.size());
    if (n < 0) return Failure<int>(errno);
    return static_cast<size_t>(n);
}

Result<void, int> PosixVfs::seek_directory(const File& directory, int64_t position) {
    if (::lseek(directory.fd.get(), position, SEEK_SET) < 0) return errno;
    return {};
}

}  // namespace Atoll::vfs
