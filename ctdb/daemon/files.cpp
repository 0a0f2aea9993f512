#include "ctdb/daemon/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/file.h"
#include "ctdb/shared/node_clock.h"

namespace Atoll::ctdb {
namespace {

Result<void> write_all(int fd, std::string_view content, const std::string& path) {
    while (!content.empty()) {
        const ssize_t n = ::write(fd, content.data(), content.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, path, "cannot write");
        content.remove_prefix(static_cast<size_t>(n));
    }
    return {};
}

}  // namespace

Result<void> replace_file(const std::string& path, std::string_view content) {
    const std::string next = path + ".new";
    const UniqueFd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd) return fail_errno(errno, next, "cannot create");
    if (auto written = write_all(fd.get(), content, next); !written) return written;
    if (::fsync(fd.get()) != 0) return fail_errno(errno, next, "cannot sync");
    if (::rename(next.c_str(), path.c_str()) != 0) return fail_errno(errno, path, "cannot replace");
    return sync_directory_of(path);
}

Result<uint64_t> next_incarnation(const std::string& path) {
    uint64_t last = 0;
    const auto text = read_file(path, 64);
    if (!text && text.error().code != Code::not_found) return text.failure();
    if (text) {
        const char* end = text->data() + text->find_last_not_of('\n') + 1;
        const auto [at, error] = std::from_chars(text->data(), end, last);
        if (error != std::errc() || at != end) return fail(Code::corrupt, path, "is not a number");
    }
    const uint64_t next = std::max<uint64_t>(last + 1, wall_now());
    if (auto written = replace_file(path, std::to_string(next) + "\n"); !written) return written.failure();
    return next;
}

Result<UniqueFd> claim_pid_file(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    if (!fd) return fail_errno(errno, path, "cannot create");
    struct flock whole {};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(fd.get(), F_SETLK, &whole) != 0) return fail(Code::busy, path, "a ctdbd is running");
    if (::ftruncate(fd.get(), 0) != 0) return fail_errno(errno, path, "cannot empty");
    if (auto written = write_all(fd.get(), std::to_string(::getpid()) + "\n", path); !written) return written.failure();
    return fd;
}

Result<void> make_directories(const std::string& path) {
    for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
        const std::string part = path.substr(0, at);
        if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno(errno, part, "cannot make the directory");
        if (at == path.npos) return {};
    }
}

}  // namespace Atoll::ctdb
