#include "vfs/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <string_view>

#include "base/limits.h"

namespace Atoll::vfs {

namespace {

constexpr int max_races = 16;  // renames or symlinks that change under us before we give up

Result<std::string, int> read_link(int fd) {
    std::array<char, PATH_MAX> target;
    const ssize_t n = ::readlinkat(fd, "", target.data(), target.size());
    if (n < 0) return errno;
    return std::string(target.data(), static_cast<size_t>(n));
}

// What is left of the absolute path `target` below `root`; false if it is not below it.
bool strip_root(std::string_view target, std::string_view root, std::string& rest) {
    if (root.empty() || !target.starts_with(root)) return false;
    target.remove_prefix(root.size());
    if (!target.empty() && target.front() != '/' && root.back() != '/') return false;
    rest = target;
    return true;
}

// Turns a path with symlinks into one without, component by component, as the kernel would, but with the share's root as an absolute
// symlink's root where the symlink points below it.
class Walk {
 public:
    Walk(const Beneath& beneath, bool follow_leaf) : beneath_(beneath), follow_leaf_(follow_leaf) {}

    Result<std::string, int> run(const char* path) {
        pending_ = path;
        while (!pending_.empty()) {
            if (auto r = step(); !r) return r.failure();
        }
        return std::move(done_);
    }

 private:
    Result<void, int> step() {
        const size_t slash = pending_.find('/');
        const std::string component = pending_.substr(0, slash);
        pending_.erase(0, slash == std::string::npos ? slash : slash + 1);
        if (component.empty() || component == ".") return {};
        if (component == "..") return up();

        const size_t length = done_.size();
        if (!done_.empty()) done_ += '/';
        done_ += component;
        if (pending_.empty() && !follow_leaf_) return {};
        auto fd = open_once(beneath_.root, done_.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC, 0,
                            RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
        if (!fd) return pending_.empty() && fd.error() == ENOENT ? Result<void, int>() : fd.failure();
        auto target = read_link(fd->get());
        if (!target) {
            if (target.error() == EINVAL || target.error() == ENOENT) return {};  // not a symlink
            return target.failure();
        }
        done_.resize(length);
        return follow(*target);
    }

    Result<void, int> up() {
        if (done_.empty()) return leave();
        const size_t slash = done_.rfind('/');
        done_.resize(slash == std::string::npos ? 0 : slash);
        return {};
    }

    // ".." at the root: on into its parent, as an absolute path that may come back.
    Result<void, int> leave() {
        std::string above = beneath_.real_path.substr(0, beneath_.real_path.rfind('/'));
        while (pending_.starts_with("../")) {
            pending_.erase(0, 3);
            above.resize(above.empty() ? 0 : above.rfind('/'));
        }
        if (pending_ == "..") return EXDEV;
        return enter(above + "/" + pending_);
    }

    Result<void, int> enter(const std::string& absolute) {
        std::string rest;
        if (!strip_root(absolute, beneath_.real_path, rest) && !strip_root(absolute, beneath_.path, rest)) return EXDEV;
        done_.clear();
        pending_ = std::move(rest);
        return check_length();
    }

    Result<void, int> follow(const std::string& target) {
        if (++links_ > limits::max_symlink_depth) return ELOOP;
        if (target.empty()) return ENOENT;
        const std::string on = pending_.empty() ? target : target + "/" + pending_;
        if (target.front() == '/') return enter(on);
        pending_ = on;
        return check_length();
    }

    Result<void, int> check_length() const {
        if (pending_.size() >= PATH_MAX) return ENAMETOOLONG;
        return {};
    }

    const Beneath& beneath_;
    bool follow_leaf_;
    size_t links_ = 0;
    std::string done_;     // resolved, without symlinks, relative to the root
    std::string pending_;  // still to be resolved from there
};

Result<UniqueFd, int> open_walking(const Beneath& beneath, const char* path, int flags, mode_t mode) {
    for (int race = 0; race < max_races; race++) {
        auto plain = Walk(beneath, (flags & O_NOFOLLOW) == 0).run(path);
        if (!plain) return plain.failure();
        auto fd = open_once(beneath.root, plain->c_str(), flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
        // ELOOP: what was no symlink during the walk is one now.
        if (fd || fd.error() != ELOOP || (flags & O_NOFOLLOW) != 0) return fd;
    }
    return ELOOP;
}

}  // namespace

Result<UniqueFd, int> open_once(int directory, const char* path, int flags, mode_t mode, uint64_t resolve) {
    struct open_how how {};
    how.flags = static_cast<uint64_t>(flags);
    how.mode = (flags & O_CREAT) != 0 ? mode & 07777u : 0;
    how.resolve = resolve;
    for (int race = 0;; race++) {
        const long fd = ::syscall(SYS_openat2, directory, *path == '\0' ? "." : path, &how, sizeof how);
        if (fd >= 0) return UniqueFd(static_cast<int>(fd));
        if ((errno != EAGAIN && errno != EINTR) || race == max_races) return errno;
    }
}

Result<UniqueFd, int> open_beneath(const Beneath& beneath, const char* path, int flags, mode_t mode) {
    if (!beneath.follow_symlinks)
        return open_once(beneath.root, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (beneath.wide_links) return open_once(beneath.root, path, flags, mode, RESOLVE_NO_MAGICLINKS);
    auto fd = open_once(beneath.root, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    if (fd || fd.error() != EXDEV) return fd;
    return open_walking(beneath, path, flags, mode);
}

}  // namespace Atoll::vfs
