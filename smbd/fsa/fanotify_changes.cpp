// The kernel's fanotify: names who made a change, and knows whole file systems. See local_changes.h.

#include <fcntl.h>
#include <sys/fanotify.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/loop/identity.h"
#include "base/unique_fd.h"
#include "smbd/fsa/change_source.h"
#include "smbd/fsa/limits.h"

namespace Atoll::fsa {

namespace {

constexpr uint64_t watched_events = FAN_CREATE | FAN_DELETE | FAN_MODIFY | FAN_ATTRIB | FAN_RENAME | FAN_ONDIR;
// A change of attributes may be of any of these: the kernel does not tell.
constexpr uint32_t attribute_filter = notify_filter::attributes | notify_filter::last_write | notify_filter::last_access |
                                      notify_filter::creation | notify_filter::ea | notify_filter::security;

std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// A mount that events of its file system are resolved by.
struct Mount {
    uint64_t file_system = 0;  // fsid
    int id = 0;
    UniqueFd fd;
    size_t marks = 0;
};

struct Mark {
    UniqueFd fd;
    bool tree = false;
    Mount* mount = nullptr;
};

// What one event's information records name.
struct Named {
    std::string path, old_path, new_path;
    bool has_path = false, has_old = false, has_new = false;
};

class Fanotify final : public ChangeSource {
 public:
    Fanotify(const ChangeSourceParams& params, UniqueFd fd)
        : params_(params),
          fd_(std::move(fd)),
          watch_(params_.loop, fd_.get(), [this] { take_queued(); }),
          buffer_(limits::local_change_buffer),
          event_(limits::local_change_buffer / sizeof(uint64_t)) {
        watch_.watch_read(true);
    }

    bool watch(const std::string& path, bool tree) override;
    void unwatch(const std::string& path) override;
    void take_queued() override;
    void process_ended(uint64_t pid) override { own_.erase(pid); }

 private:
    Mount* mount_of(int fd);
    bool set_tree(Mark& mark, bool tree);
    void release(Mount& mount);

    void take_all(std::span<const char> events);
    void take(const fanotify_event_metadata& event);
    bool is_own(uint64_t pid);
    Named names_of(const fanotify_event_metadata& event);
    bool resolve(const fanotify_event_info_fid& info, std::string& path);
    void report(uint64_t mask, const Named& named);

    ChangeSourceParams params_;
    UniqueFd fd_;
    loop::FdWatch watch_;
    std::vector<char> buffer_;
    std::vector<uint64_t> event_;        // one event, aligned
    std::map<std::string, Mark> marks_;  // by path
    std::vector<std::unique_ptr<Mount>> mounts_;
    std::map<uint64_t, size_t> trees_;   // marks with their trees, by file system
    std::map<uint64_t, Monotonic> own_;  // pids, and when they were last found
    bool looked_for_own_ = false;        // since the last read
};

// --- What is marked

bool Fanotify::watch(const std::string& path, bool tree) {
    const auto found = marks_.find(path);
    if (found != marks_.end()) return set_tree(found->second, tree);
    const loop::RootScope root;  // whoever watches it has it open
    Mark mark;
    mark.fd = UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!mark.fd) return false;
    mark.mount = mount_of(mark.fd.get());
    if (mark.mount == nullptr) return false;
    const std::string itself = proc_path(mark.fd.get());
    if (::fanotify_mark(fd_.get(), FAN_MARK_ADD, watched_events | FAN_EVENT_ON_CHILD, AT_FDCWD, itself.c_str()) != 0) {
        release(*mark.mount);
        return false;
    }
    if (set_tree(marks_[path] = std::move(mark), tree)) return true;
    unwatch(path);
    return false;
}

bool Fanotify::set_tree(Mark& mark, bool tree) {
    if (mark.tree == tree) return true;
    size_t& trees = trees_[mark.mount->file_system];
    if (trees == (tree ? 0u : 1u)) {  // the first, or the last
        const loop::RootScope root;
        const unsigned how = (tree ? FAN_MARK_ADD : FAN_MARK_REMOVE) | FAN_MARK_FILESYSTEM;
        const int marked = ::fanotify_mark(fd_.get(), how, watched_events, AT_FDCWD, proc_path(mark.fd.get()).c_str());
        if (marked != 0 && tree) return false;
    }
    trees = tree ? trees + 1 : trees - 1;
    mark.tree = tree;
    return true;
}

void Fanotify::unwatch(const std::string& path) {
    const auto found = marks_.find(path);
    if (found == marks_.end()) return;
    (void)set_tree(found->second, false);
    const loop::RootScope root;
    (void)::fanotify_mark(fd_.get(), FAN_MARK_REMOVE, watched_events | FAN_EVENT_ON_CHILD, AT_FDCWD,
                          proc_path(found->second.fd.get()).c_str());
    release(*found->second.mount);
    marks_.erase(found);
}

// Null: its file system has no file handles.
Mount* Fanotify::mount_of(int fd) {
    struct statfs file_system;
    alignas(file_handle) char memory[sizeof(file_handle) + MAX_HANDLE_SZ];
    auto* handle = reinterpret_cast<file_handle*>(memory);
    handle->handle_bytes = MAX_HANDLE_SZ;
    int id = 0;
    if (::fstatfs(fd, &file_system) != 0 || ::name_to_handle_at(fd, "", handle, &id, AT_EMPTY_PATH) != 0) return nullptr;
    uint64_t fsid = 0;
    std::memcpy(&fsid, &file_system.f_fsid, sizeof fsid);
    for (auto& mount : mounts_) {
        if (mount->file_system != fsid || mount->id != id) continue;
        mount->marks++;
        return mount.get();
    }
    UniqueFd opened(::open(proc_path(fd).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));  // open_by_handle_at takes no O_PATH
    if (!opened) return nullptr;
    mounts_.push_back(std::make_unique<Mount>(Mount{fsid, id, std::move(opened), 1}));
    return mounts_.back().get();
}

void Fanotify::release(Mount& mount) {
    if (--mount.marks > 0) return;
    std::erase_if(mounts_, [&](const auto& one) { return one.get() == &mount; });
}

// --- What happens

void Fanotify::take_queued() {
    const loop::RootScope root;  // to open directories by their handles
    for (unsigned i = 0; i < limits::local_change_reads; i++) {
        looked_for_own_ = false;
        const ssize_t size = ::read(fd_.get(), buffer_.data(), buffer_.size());
        if (size <= 0) return;
        take_all(std::span(buffer_).first(static_cast<size_t>(size)));
    }
}

// Events follow each other at multiples of four bytes, which is less than their structure wants: each is taken from an aligned copy.
void Fanotify::take_all(std::span<const char> events) {
    while (events.size() >= sizeof(fanotify_event_metadata)) {
        uint32_t length = 0;
        std::memcpy(&length, events.data() + offsetof(fanotify_event_metadata, event_len), sizeof length);
        if (length < sizeof(fanotify_event_metadata) || length > events.size()) return;
        std::memcpy(event_.data(), events.data(), length);
        take(*reinterpret_cast<const fanotify_event_metadata*>(event_.data()));
        events = events.subspan(length);
    }
}

void Fanotify::take(const fanotify_event_metadata& event) {
    if (event.vers != FANOTIFY_METADATA_VERSION) return;
    if ((event.mask & FAN_Q_OVERFLOW) != 0) {
        log_notice("local changes came faster than they could be looked at");
        return params_.notifier.report_lost();
    }
    if (is_own(static_cast<uint64_t>(event.pid))) return;
    report(event.mask, names_of(event));
}

// Who is not known is looked for once in a batch of events: processes of ours begin before they change anything. One that has ended stays
// known until that is told, and not only as long as it is found: its last changes may not have been looked at yet.
bool Fanotify::is_own(uint64_t pid) {
    if (own_.contains(pid)) return true;
    if (std::exchange(looked_for_own_, true)) return false;
    const Monotonic now = monotonic_now();
    for (const uint64_t own : params_.own_processes()) own_[own] = now;
    std::erase_if(own_, [&](const auto& known) { return now - known.second > limits::ended_process_memory; });
    return own_.contains(pid);
}

Named Fanotify::names_of(const fanotify_event_metadata& event) {
    Named named;
    const char* at = reinterpret_cast<const char*>(&event) + event.metadata_len;
    const char* const end = reinterpret_cast<const char*>(&event) + event.event_len;
    while (at + sizeof(fanotify_event_info_header) <= end) {
        const auto* info = reinterpret_cast<const fanotify_event_info_fid*>(at);
        switch (info->hdr.info_type) {
            case FAN_EVENT_INFO_TYPE_DFID_NAME: named.has_path = resolve(*info, named.path); break;
            case FAN_EVENT_INFO_TYPE_OLD_DFID_NAME: named.has_old = resolve(*info, named.old_path); break;
            case FAN_EVENT_INFO_TYPE_NEW_DFID_NAME: named.has_new = resolve(*info, named.new_path); break;
            default: break;
        }
        if (info->hdr.len == 0) break;
        at += info->hdr.len;
    }
    return named;
}

// The directory's path now, and the name; false if the directory is gone, and with it whoever could watch it but by its removal.
bool Fanotify::resolve(const fanotify_event_info_fid& info, std::string& path) {
    uint64_t fsid = 0;
    std::memcpy(&fsid, &info.fsid, sizeof fsid);
    alignas(file_handle) char memory[sizeof(file_handle) + MAX_HANDLE_SZ];
    auto* handle = reinterpret_cast<file_handle*>(memory);
    std::memcpy(memory, info.handle, sizeof(file_handle));
    if (handle->handle_bytes > MAX_HANDLE_SZ) return false;
    std::memcpy(memory, info.handle, sizeof(file_handle) + handle->handle_bytes);
    const char* name = reinterpret_cast<const char*>(info.handle) + sizeof(file_handle) + handle->handle_bytes;
    for (const auto& mount : mounts_) {
        if (mount->file_system != fsid) continue;
        const UniqueFd directory(::open_by_handle_at(mount->fd.get(), handle, O_PATH | O_CLOEXEC));
        if (!directory) continue;
        path.resize(PATH_MAX);
        const ssize_t length = ::readlink(proc_path(directory.get()).c_str(), path.data(), path.size());
        if (length <= 0 || path[0] != '/') continue;
        path.resize(static_cast<size_t>(length));
        if (std::strcmp(name, ".") == 0) return true;
        if (path.size() > 1) path += '/';
        path += name;
        return true;
    }
    return false;
}

// Events of one process about one name come as one while they wait: what is there now tells in which order name and file went and came.
void Fanotify::report(uint64_t mask, const Named& named) {
    const bool directory = (mask & FAN_ONDIR) != 0;
    if ((mask & FAN_RENAME) != 0)
        params_.notifier.report_rename(named.has_old ? &named.old_path : nullptr, named.has_new ? &named.new_path : nullptr, directory);
    if (!named.has_path) return;
    const uint32_t name_filter = directory ? notify_filter::dir_name : notify_filter::file_name;
    const bool came = (mask & FAN_CREATE) != 0, went = (mask & FAN_DELETE) != 0;
    const bool there = came && went && ::faccessat(AT_FDCWD, named.path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (went && there) params_.notifier.report(named.path, NotifyAction::removed, name_filter);
    if (came) params_.notifier.report(named.path, NotifyAction::added, name_filter);
    uint32_t filter = 0;
    if ((mask & FAN_MODIFY) != 0) filter |= notify_filter::size | notify_filter::last_write;
    if ((mask & FAN_ATTRIB) != 0 && !went) filter |= attribute_filter;
    if (filter != 0) params_.notifier.report(named.path, NotifyAction::modified, filter);
    if (went && !there) params_.notifier.report(named.path, NotifyAction::removed, name_filter);
}

}  // namespace

std::unique_ptr<ChangeSource> make_fanotify(const ChangeSourceParams& params) {
    const unsigned flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS | FAN_REPORT_DFID_NAME;
    UniqueFd fd(::fanotify_init(flags, O_RDONLY | O_LARGEFILE));
    if (!fd) {
        log_notice("fanotify: {}: local changes are seen by inotify", std::strerror(errno));
        return nullptr;
    }
    return std::make_unique<Fanotify>(params, std::move(fd));
}

}  // namespace Atoll::fsa
