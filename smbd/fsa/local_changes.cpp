#include "smbd/fsa/local_changes.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "smbd/fsa/change_source.h"
#include "smbd/fsa/notify_messages.h"

namespace Atoll::fsa {

namespace {

class KernelChanges final : public LocalChanges {
 public:
    explicit KernelChanges(Params params);
    ~KernelChanges() override;
    void processes_ended(const messaging::ServerIds& processes) override;

 private:
    void look(const std::string& path);
    bool watch(const std::string& path, bool tree);
    void use_inotify();
    void become_local_watcher(bool wants_own_changes);

    Params params_;
    Notifier notifier_;
    std::unique_ptr<ChangeSource> fanotify_, inotify_;  // null: the kernel does not let us, or nobody has needed it
    bool inotify_tried_ = false;
    std::map<std::string, ChangeSource*> watched_;  // by path
    look_at_watches look_;
    notify_told own_;
    bool said_unseen_ = false;
};

KernelChanges::KernelChanges(Params params)
    : params_(std::move(params)), notifier_(&params_.notify_index, &params_.messaging, &params_.loop, nullptr) {
    if (params_.by_fanotify) fanotify_ = make_fanotify({params_.loop, notifier_, params_.own_processes});
    params_.messaging.receive(message_look_at_watches, [this](messaging::Message& message) {
        if (!decode(message.payload, look_)) return;
        look(look_.directory);
        if (look_.open_id != 0) (void)params_.messaging.send(message.from, message_watched, message.payload).ok();
    });
    params_.messaging.receive(message_own_change, [this](messaging::Message& message) {
        if (!inotify_ || !decode(message.payload, own_)) return;
        for (const told_change& change : own_.changes) inotify_->own_change(change.name, static_cast<NotifyAction>(change.action));
    });
    become_local_watcher(false);
    for (const std::string& directory : notifier_.index.directories()) look(directory);
}

KernelChanges::~KernelChanges() {
    params_.messaging.receive(message_look_at_watches, {});
    params_.messaging.receive(message_own_change, {});
}

void KernelChanges::processes_ended(const messaging::ServerIds& processes) {
    for (ChangeSource* source : {fanotify_.get(), inotify_.get()}) {
        if (source == nullptr) continue;
        source->take_queued();
        for (const messaging::ServerId& process : processes) source->process_ended(process.pid);
    }
    for (const std::string& directory : notifier_.index.end_processes(processes)) look(directory);
    // Other nodes end those of a lost one too, and may have been first.
    const uint32_t own = params_.messaging.self().node;
    if (std::ranges::all_of(processes, [own](const messaging::ServerId& process) { return process.node == own; })) return;
    std::vector<std::string> all;
    for (const auto& [directory, source] : watched_) all.push_back(directory);
    for (const std::string& directory : all) look(directory);
}

// Makes it as notify_index wants it.
void KernelChanges::look(const std::string& path) {
    const auto& watches = notifier_.index.watches_of(path);
    const bool tree = std::any_of(watches.begin(), watches.end(), [](const directory_watch& w) { return w.tree; });
    if (!watches.empty()) {
        if (watch(path, tree) || std::exchange(said_unseen_, true)) return;
        return log_notice("local changes of {}, and perhaps of others, are not seen", path);
    }
    const auto found = watched_.find(path);
    if (found == watched_.end()) return;
    found->second->unwatch(path);
    watched_.erase(found);
}

bool KernelChanges::watch(const std::string& path, bool tree) {
    const auto found = watched_.find(path);
    if (found != watched_.end()) {
        if (found->second->watch(path, tree)) return true;
        found->second->unwatch(path);
        watched_.erase(found);
    }
    if (fanotify_ && fanotify_->watch(path, tree)) {
        watched_[path] = fanotify_.get();
        return true;
    }
    use_inotify();
    if (!inotify_ || !inotify_->watch(path, tree)) return false;
    watched_[path] = inotify_.get();
    return true;
}

// From then on our processes tell what they change.
void KernelChanges::use_inotify() {
    if (std::exchange(inotify_tried_, true)) return;
    inotify_ = make_inotify({params_.loop, notifier_, params_.own_processes});
    if (inotify_) become_local_watcher(true);
}

void KernelChanges::become_local_watcher(bool wants_own_changes) {
    const auto set = notifier_.index.set_local_watcher(params_.messaging.self().to_record(), wants_own_changes);
    if (!set) log_error("{}", set.error().message());
}

}  // namespace

std::unique_ptr<LocalChanges> LocalChanges::start(Params params) { return std::make_unique<KernelChanges>(std::move(params)); }

}  // namespace Atoll::fsa
