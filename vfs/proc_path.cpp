#include "vfs/proc_path.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>

namespace Atoll::vfs {

namespace {

#ifdef SYS_getxattrat
constexpr long getxattrat_number = SYS_getxattrat;
#else
constexpr long getxattrat_number = 464;  // the same on every architecture but alpha
#endif

// struct xattr_args of linux/xattr.h, which Debian 12 does not have yet.
struct XattrArguments {
    alignas(8) uint64_t value;
    uint32_t size;
    uint32_t flags;
};

constexpr int not_open = -1;
std::atomic<int> descriptor_directory{not_open};
std::atomic<bool> has_getxattrat{true};

// A child's descriptors are in another directory.
void forget_in_child() {
    const int parents = descriptor_directory.exchange(not_open);
    if (parents != not_open) ::close(parents);
}

// /proc/self/fd. not_open if it cannot be had.
int open_descriptor_directory() {
    if (const int known = descriptor_directory.load(std::memory_order_acquire); known != not_open) return known;
    static const bool watching = ::pthread_atfork(nullptr, nullptr, forget_in_child) == 0;
    if (!watching) return not_open;
    const int opened = ::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int expected = not_open;
    if (opened < 0 || descriptor_directory.compare_exchange_strong(expected, opened)) return opened;
    ::close(opened);  // another thread was first
    return expected;
}

// False: the kernel does not have it, or what confines this process (EPERM, which reading never gives) does not.
bool try_getxattrat(int directory, const char* path, int flags, const char* name, MutableBytes out, ssize_t& result) {
    if (directory == not_open || !has_getxattrat.load(std::memory_order_relaxed)) return false;
    XattrArguments arguments{reinterpret_cast<uintptr_t>(out.data()), static_cast<uint32_t>(out.size()), 0};
    result = ::syscall(getxattrat_number, directory, path, flags, name, &arguments, sizeof arguments);
    if (result >= 0 || (errno != ENOSYS && errno != EPERM)) return true;
    has_getxattrat.store(false, std::memory_order_relaxed);
    return false;
}

}  // namespace

ProcPath::ProcPath(int fd) { std::snprintf(text, sizeof text, "/proc/self/fd/%d", fd); }
ProcPath::ProcPath(int parent, const char* leaf) { std::snprintf(text, sizeof text, "/proc/self/fd/%d/%s", parent, leaf); }

ssize_t get_xattr_of(int fd, const char* name, MutableBytes out) {
    char number[12];
    *std::to_chars(number, number + sizeof number - 1, fd).ptr = '\0';
    ssize_t result = 0;
    if (try_getxattrat(open_descriptor_directory(), number, 0, name, out, result)) return result;
    return ::getxattr(ProcPath(fd).text, name, out.data(), out.size());
}

ssize_t get_xattr_at(int parent, const char* leaf, const char* name, MutableBytes out) {
    ssize_t result = 0;
    if (try_getxattrat(parent, leaf, AT_SYMLINK_NOFOLLOW, name, out, result)) return result;
    return ::lgetxattr(ProcPath(parent, leaf).text, name, out.data(), out.size());
}

}  // namespace Atoll::vfs
