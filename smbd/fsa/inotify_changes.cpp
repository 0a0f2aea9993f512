// The kernel's inotify: watches of single directories, which say what changes in them but not who changes it. See local_changes.h.
#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/loop/identity.h"
#include "base/unique_fd.h"
#include "smbd/fsa/change_queue.h"
#include "smbd/fsa/change_source.h"
#include "smbd/fsa/limits.h"

namespace Atoll::fsa {

namespace {

using Kind = LocalChange::Kind;

constexpr uint32_t watched_events =
    IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW;
// A change of attributes may be of any of these: the kernel does not tell.
constexpr uint32_t attribute_filter = notify_filter::attributes | notify_filter::last_write | notify_filter::last_access |
                                      notify_filter::creation | notify_filter::ea | notify_filter::security;

std::string joined(const std::string& directory, std::string_view name) {
    std::string path = directory;
    if (path.size() > 1) path += '/';
    path += name;
    return path;
}

bool is_at_or_below(const std::string& path, const std::string& directory) {
    return path.starts_with(directory) && (path.size() == directory.size() || directory.size() == 1 || path[directory.size()] == '/');
}

bool is_directory(int parent, const dirent& entry) {
    if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
    struct stat info {};
    return ::fstatat(parent, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

class Inotify final : public ChangeSource {
 public:
    Inotify(const ChangeSourceParams& params, UniqueFd fd)
        : params_(params),
          fd_(std::move(fd)),
          watch_(params_.loop, fd_.get(), [this] { take_queued(); }),
          due_(params_.loop, [this] { report_due(); }),
          buffer_(limits::local_change_buffer) {
        watch_.watch_read(true);
    }

    bool watch(const std::string& path, bool tree) override;
    void unwatch(const std::string& path) override;
    void take_queued() override;
    void process_ended(uint64_t) override {}
    void own_change(std::string_view path, NotifyAction action) override { queue_.own(path, action, monotonic_now()); }

 private:
    enum class Look : uint8_t { silent, reporting };  // whether what is found in a directory has just been made

    bool add(const std::string& path);
    bool add_tree(const std::string& path, Look look);
    void look_into(const std::string& path, Look look, std::vector<std::string>& below);
    void say_full();
    void remove_unwanted();
    [[nodiscard]] bool is_wanted(const std::string& path) const;
    [[nodiscard]] bool is_in_tree(const std::string& path) const;
    void forget(int watch);
    void drop_left();
    void move(const std::string& from, const std::string& to);

    void take(const inotify_event& event, std::string_view name);
    void take_name(const inotify_event& event, const std::string& path, bool directory);
    void lost();
    void hold(LocalChange change);
    void report_due();
    void report(const LocalChange& change);

    ChangeSourceParams params_;
    UniqueFd fd_;
    loop::FdWatch watch_;
    loop::Timer due_;
    std::vector<char> buffer_;
    std::map<std::string, bool> asked_for_;  // path to whether its tree is watched
    std::map<std::string, int> watches_;     // by path, sorted: what is below a directory follows it
    std::map<int, std::string> paths_;       // by watch
    std::string left_;                       // of the last IN_MOVED_FROM of a directory
    uint32_t left_cookie_ = 0;
    ChangeQueue queue_;
    size_t looked_at_ = 0;  // entries, in the walk at hand
    bool said_full_ = false;
};

// --- What is watched

bool Inotify::watch(const std::string& path, bool tree) {
    const loop::RootScope root;  // whoever watches it has it open
    const auto found = asked_for_.find(path);
    if (found != asked_for_.end() && found->second == tree) return true;
    asked_for_[path] = tree;
    looked_at_ = 0;
    const bool there = tree ? add_tree(path, Look::silent) : add(path);
    if (!there) asked_for_.erase(path);
    if (!tree) remove_unwanted();
    return there;
}

void Inotify::unwatch(const std::string& path) {
    if (asked_for_.erase(path) > 0) remove_unwanted();
}

bool Inotify::add(const std::string& path) {
    if (watches_.contains(path)) return true;
    if (watches_.size() >= limits::max_inotify_watches) {
        say_full();
        return false;
    }
    const int number = ::inotify_add_watch(fd_.get(), path.c_str(), watched_events);
    if (number < 0) {
        if (errno == ENOSPC) say_full();
        return false;
    }
    forget(number);  // the same directory by a former path
    watches_[path] = number;
    paths_[number] = path;
    return true;
}

// Whether the top is watched. First a directory is watched, then it is looked into: nothing that is made in it goes unseen.
bool Inotify::add_tree(const std::string& path, Look look) {
    std::vector<std::string> waiting{path};
    bool top = false;
    while (!waiting.empty()) {
        const std::string next = std::move(waiting.back());
        waiting.pop_back();
        const bool added = add(next);
        top = top || (added && next == path);
        if (added) look_into(next, look, waiting);
    }
    return top;
}

void Inotify::look_into(const std::string& path, Look look, std::vector<std::string>& below) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return;
    DIR* const stream = ::fdopendir(fd.get());
    if (stream == nullptr) return;
    (void)fd.release();
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name(entry->d_name);
        if (name == "." || name == "..") continue;
        if (++looked_at_ > limits::max_inotify_entries) {
            say_full();
            break;
        }
        const bool directory = is_directory(::dirfd(stream), *entry);
        if (look == Look::reporting) hold({Kind::added, directory, true, 0, 0, joined(path, name), {}});
        if (directory) below.push_back(joined(path, name));
    }
    ::closedir(stream);
}

void Inotify::say_full() {
    if (std::exchange(said_full_, true)) return;
    log_warning(
        "local changes: more than {} directories below watched ones, or than fs.inotify.max_user_watches lets: what changes in others goes "
        "unseen",
        limits::max_inotify_watches);
}

bool Inotify::is_in_tree(const std::string& path) const {
    return std::any_of(asked_for_.begin(), asked_for_.end(),
                       [&](const auto& one) { return one.second && is_at_or_below(path, one.first); });
}

bool Inotify::is_wanted(const std::string& path) const { return asked_for_.contains(path) || is_in_tree(path); }

void Inotify::remove_unwanted() {
    for (auto it = watches_.begin(); it != watches_.end();) {
        if (is_wanted(it->first)) {
            ++it;
            continue;
        }
        (void)::inotify_rm_watch(fd_.get(), it->second);
        paths_.erase(it->second);
        it = watches_.erase(it);
    }
}

void Inotify::forget(int watch) {
    const auto found = paths_.find(watch);
    if (found == paths_.end()) return;
    const auto by_path = watches_.find(found->second);
    if (by_path != watches_.end() && by_path->second == watch) watches_.erase(by_path);
    paths_.erase(found);
}

// A directory that has not come anywhere has left what is watched, with all below it.
void Inotify::drop_left() {
    if (std::exchange(left_cookie_, 0) == 0) return;
    for (auto it = watches_.lower_bound(left_); it != watches_.end() && it->first.starts_with(left_);) {
        if (!is_at_or_below(it->first, left_)) {
            ++it;
            continue;
        }
        (void)::inotify_rm_watch(fd_.get(), it->second);
        paths_.erase(it->second);
        it = watches_.erase(it);
    }
}

// The watches of a directory that has another name now, and of those below it, go with it.
void Inotify::move(const std::string& from, const std::string& to) {
    std::vector<std::pair<std::string, int>> moved;
    for (auto it = watches_.lower_bound(from); it != watches_.end() && it->first.starts_with(from);) {
        if (!is_at_or_below(it->first, from)) {
            ++it;
            continue;
        }
        moved.emplace_back(to + it->first.substr(from.size()), it->second);
        it = watches_.erase(it);
    }
    for (auto& [path, number] : moved) {
        paths_[number] = path;
        watches_[std::move(path)] = number;
    }
    // Who watches them hears of it once it is reported, and asks by the new name.
    std::map<std::string, bool> asked_for;
    for (const auto& [path, tree] : asked_for_) asked_for[is_at_or_below(path, from) ? to + path.substr(from.size()) : path] = tree;
    asked_for_ = std::move(asked_for);
    remove_unwanted();
}

// --- What happens

void Inotify::take_queued() {
    const loop::RootScope root;  // to watch and look into new directories
    looked_at_ = 0;
    for (unsigned i = 0; i < limits::local_change_reads; i++) {
        const ssize_t n = ::read(fd_.get(), buffer_.data(), buffer_.size());
        if (n <= 0) break;
        const auto size = static_cast<size_t>(n);
        for (size_t at = 0; at + sizeof(inotify_event) <= size;) {
            inotify_event event{};
            std::memcpy(&event, buffer_.data() + at, sizeof event);
            at += sizeof event;
            const size_t length = std::min<size_t>(event.len, size - at);
            take(event, {buffer_.data() + at, ::strnlen(buffer_.data() + at, length)});
            at += length;
        }
    }
    drop_left();
}

void Inotify::take(const inotify_event& event, std::string_view name) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return lost();
    if (left_cookie_ != 0 && ((event.mask & IN_MOVED_TO) == 0 || event.cookie != left_cookie_)) drop_left();
    const auto found = paths_.find(event.wd);
    if (found == paths_.end()) return;
    if ((event.mask & (IN_IGNORED | IN_UNMOUNT)) != 0) return forget(event.wd);
    if (name.empty()) return;  // of the directory itself: its parent's watch tells of it
    const std::string path = joined(found->second, name);
    const bool directory = (event.mask & IN_ISDIR) != 0;
    if ((event.mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)) != 0) return take_name(event, path, directory);
    const uint32_t filter = (event.mask & IN_MODIFY) != 0 ? notify_filter::size | notify_filter::last_write : attribute_filter;
    hold({Kind::modified, directory, false, 0, filter, path, {}});
}

void Inotify::take_name(const inotify_event& event, const std::string& path, bool directory) {
    const bool came = (event.mask & (IN_CREATE | IN_MOVED_TO)) != 0;
    hold({came ? Kind::added : Kind::removed, directory, false, event.cookie, 0, path, {}});
    if (!directory) return;
    if ((event.mask & IN_MOVED_FROM) != 0) {
        left_ = path;
        left_cookie_ = event.cookie;
    } else if (left_cookie_ != 0) {
        move(left_, path);
        left_cookie_ = 0;
    }
    // What is in a directory that comes from elsewhere is no news of its own.
    if (came && is_in_tree(path)) (void)add_tree(path, (event.mask & IN_CREATE) != 0 ? Look::reporting : Look::silent);
}

void Inotify::lost() {
    log_notice("local changes came faster than they could be looked at");
    params_.notifier.report_lost();
}

void Inotify::hold(LocalChange change) {
    if (!queue_.came(std::move(change), monotonic_now())) lost();
    if (!due_.is_set()) due_.set_in(limits::local_change_delay);
}

void Inotify::report_due() {
    while (const auto change = queue_.take(monotonic_now())) report(*change);
    if (const auto next = queue_.next()) due_.set_at(*next);
}

void Inotify::report(const LocalChange& change) {
    const uint32_t name_filter = change.directory ? notify_filter::dir_name : notify_filter::file_name;
    switch (change.kind) {
        case Kind::added: return params_.notifier.report(change.path, NotifyAction::added, name_filter);
        case Kind::removed: return params_.notifier.report(change.path, NotifyAction::removed, name_filter);
        case Kind::modified: return params_.notifier.report(change.path, NotifyAction::modified, change.filter);
        case Kind::renamed: return params_.notifier.report_rename(&change.path, &change.to, change.directory);
    }
}

}  // namespace

std::unique_ptr<ChangeSource> make_inotify(const ChangeSourceParams& params) {
    UniqueFd fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (fd) return std::make_unique<Inotify>(params, std::move(fd));
    log_notice("inotify: {}", std::strerror(errno));
    return nullptr;
}

}  // namespace Atoll::fsa
