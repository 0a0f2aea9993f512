#include "smbd/fsa/notify_watches.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/utf.h"
#include "idl/level.h"
#include "smbd/fsa/core.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/notify_messages.h"
#include "vfs/path.h"

namespace Atoll::fsa {

namespace {

constexpr size_t entry_header = 12, entry_alignment = 4;  // MS-FSCC 2.7.1

size_t aligned(size_t size) { return (size + entry_alignment - 1) & ~(entry_alignment - 1); }

}  // namespace

size_t NotifyEvents::wire_size_with(std::string_view name) const {
    return aligned(wire_size_) + entry_header + utf16le_size(name).value_or(0);
}

void NotifyEvents::add(NotifyAction action, std::string_view name) {
    if (!utf16le_size(name)) return;
    wire_size_ = wire_size_with(name);
    entries_.push_back({action, names_.size(), name.size()});
    names_ += name;
}

void NotifyEvents::clear() {
    entries_.clear();
    names_.clear();
    wire_size_ = 0;
}

NotifyWatches::NotifyWatches(tdb::Database* notify_index, messaging::Messaging* messaging, loop::Loop* loop)
    : messaging_(messaging), loop_(loop), index_(messaging != nullptr && loop != nullptr ? notify_index : nullptr) {
    if (!index_.usable()) return;
    messaging_->receive(message_notify, [this](messaging::Message& message) {
        if (decode(message.payload, news_)) told(news_);
    });
    messaging_->receive(message_watched, [this](messaging::Message& message) {
        if (!decode(message.payload, look_)) return;
        const auto found = watched_.find(look_.open_id);
        const bool is_own = message.from.node == messaging_->self().node;
        if (is_own && found != watched_.end() && found->second->path == look_.directory) watched_locally(*found->second);
    });
    ask_again_ = std::make_unique<loop::Timer>(*loop_, [this] { ask_again(); });
}

NotifyWatches::~NotifyWatches() {
    ATOLL_ASSERT(watched_.empty());
    if (!index_.usable()) return;
    messaging_->receive(message_notify, {});
    messaging_->receive(message_watched, {});
}

// MS-FSA 2.1.5.11
NtStatus NotifyWatches::wait(OpenFile& open, NotifyWait& wait, NotifyEvents& events) {
    if (!index_.usable()) return NtStatus::NOT_SUPPORTED;
    if (open.marked_deleted) return NtStatus::DELETE_PENDING;
    const auto found = watched_.find(open.open_id);
    Watched* watched = found == watched_.end() ? nullptr : found->second.get();
    if (watched == nullptr) {
        auto begun = begin(open, wait);
        if (!begun) return begun.error();
        watched = *begun;
    }
    if (watched->first == nullptr && (watched->lost || !watched->events.empty())) return collect(*watched, wait.room, events);
    wait.next_ = nullptr;
    (watched->first == nullptr ? watched->first : watched->last->next_) = &wait;
    watched->last = &wait;
    return NtStatus::PENDING;
}

Result<NotifyWatches::Watched*, NtStatus> NotifyWatches::begin(OpenFile& open, const NotifyWait& wait) {
    auto path = real_path(open.file);
    if (!path) return nt_status_from_errno(path.error());
    auto watched = std::make_unique<Watched>();
    watched->open = &open;
    watched->path = std::move(*path);
    watched->limit = std::min<size_t>(wait.room, limits::max_notify_buffer);
    directory_watch entry;
    entry.holder = messaging_->self().to_record();
    entry.open_id = open.open_id;
    entry.filter = wait.filter & notify_filter::all;
    entry.tree = wait.tree;
    if (auto added = index_.add(watched->path, entry); !added) {
        log_error("{}", added.error().message());
        return NtStatus::INSUFFICIENT_RESOURCES;
    }
    ask_local_watcher(open.open_id, *watched);
    return (watched_[open.open_id] = std::move(watched)).get();
}

// All nodes' local watchers are asked, and this one's is waited for. What is lost on the way, or meets a local watcher that has just ended,
// is asked again.
void NotifyWatches::ask_local_watcher(uint64_t open_id, Watched& watched) {
    if (index_.local_watchers().empty()) return;
    watched.watching = false;
    watched.patience = monotonic_now() + limits::local_watch_patience;
    send_look(open_id, watched.path);
    if (!ask_again_->is_set()) ask_again_->set_in(limits::local_watch_retry);
}

void NotifyWatches::send_look(uint64_t open_id, const std::string& directory) {
    const auto& watchers = index_.local_watchers();
    if (watchers.empty()) return;
    look_.open_id = open_id;
    look_.directory = directory;
    encoded_.clear();
    encode(look_, encoded_, idl::written_level());
    for (const local_watcher& one : watchers)
        (void)messaging_->send(messaging::ServerId(one.process), message_look_at_watches, encoded_).ok();
}

void NotifyWatches::ask_again() {
    bool more = false;
    for (auto& [open_id, watched] : watched_) {
        if (watched->watching) continue;
        if (monotonic_now() < watched->patience) {
            send_look(open_id, watched->path);
            more = true;
        } else {
            log_notice("local changes of {} may go unseen: whoever looks at them does not answer", watched->path);
            watched_locally(*watched);
        }
    }
    if (more) ask_again_->set_in(limits::local_watch_retry);
}

bool NotifyWatches::sees_local_changes(const OpenFile& open) const {
    const auto found = watched_.find(open.open_id);
    return found != watched_.end() && found->second->watching;
}

void NotifyWatches::watched_locally(Watched& watched) {
    if (std::exchange(watched.watching, true)) return;
    for (NotifyWait* wait = watched.first; wait != nullptr; wait = wait->next_) wait->watching();
}

void NotifyWatches::told(const notify_told& news) {
    for (const told_change& change : news.changes) {
        for (const told_watch& watch : change.watches) {
            const auto found = watched_.find(watch.open_id);
            if (news.news == notify_news::NOTIFY_MOVED) moved(watch.open_id, change.name);
            if (found == watched_.end()) continue;
            Watched& watched = *found->second;
            switch (news.news) {
                case notify_news::NOTIFY_CHANGED:
                    if (watch.name_offset <= change.name.size())
                        take(watched, static_cast<NotifyAction>(change.action), std::string_view(change.name).substr(watch.name_offset));
                    break;
                case notify_news::NOTIFY_LOST:
                    watched.events.clear();
                    watched.lost = true;
                    break;
                case notify_news::NOTIFY_MARKED_DELETED: watched.marked_deleted = true; break;
                case notify_news::NOTIFY_MOVED: break;
            }
            make_ready(watch.open_id, watched);
        }
    }
}

void NotifyWatches::take(Watched& watched, NotifyAction action, std::string_view name) {
    if (watched.lost) return;
    // `veto files`: what is not there for the client does not change either.
    if (!watched.open->root().check_veto(name)) return;
    // One more change of what is said to have changed is no news.
    if (action == NotifyAction::modified && !watched.events.empty()) {
        const auto last = watched.events[watched.events.size() - 1];
        if (last.action == action && last.name == name) return;
    }
    const size_t room = watched.first != nullptr ? std::max<size_t>(watched.first->room, watched.limit) : watched.limit;
    if (watched.events.wire_size_with(name) > room) {
        watched.events.clear();
        watched.lost = true;
        return;
    }
    watched.events.add(action, name);
}

// Its record is at the new place already; if it was closed meanwhile, it is taken out there.
void NotifyWatches::moved(uint64_t open_id, const std::string& path) {
    const auto found = watched_.find(open_id);
    if (found == watched_.end()) return index_.remove(path, messaging_->self().to_record(), open_id);
    found->second->path = path;
    ask_local_watcher(open_id, *found->second);
}

void NotifyWatches::make_ready(uint64_t open_id, Watched& watched) {
    const bool any = watched.first != nullptr && (watched.lost || !watched.events.empty());
    if (watched.ready || (!any && !watched.marked_deleted)) return;
    watched.ready = true;
    ready_.push_back(open_id);
    loop_->defer(*this);
}

// MS-FSA 2.1.5.11.1: all or nothing.
NtStatus NotifyWatches::collect(Watched& watched, size_t room, NotifyEvents& events) {
    events.clear();
    const bool fits = !watched.lost && watched.events.wire_size() <= room;
    if (fits) std::swap(events, watched.events);
    watched.events.clear();
    watched.lost = false;
    return fits ? NtStatus::SUCCESS : NtStatus::NOTIFY_ENUM_DIR;
}

// In the order of requests, the oldest gets all there is.
void NotifyWatches::run_deferred() {
    for (size_t i = 0; i < ready_.size(); i++) {  // a completed request may bring the next one
        const auto found = watched_.find(ready_[i]);
        if (found == watched_.end() || !found->second->ready) continue;
        Watched& watched = *found->second;
        watched.ready = false;
        if (watched.marked_deleted) {
            end(found, NtStatus::DELETE_PENDING);
            continue;
        }
        NotifyWait* wait = watched.first;
        if (wait == nullptr || (!watched.lost && watched.events.empty())) continue;
        watched.first = wait->next_;
        const NtStatus status = collect(watched, wait->room, handed_out_);
        wait->changed(status, handed_out_);
    }
    ready_.clear();
}

void NotifyWatches::forget(OpenFile& open, NotifyWait& wait) {
    const auto found = watched_.find(open.open_id);
    ATOLL_ASSERT(found != watched_.end());
    Watched& watched = *found->second;
    NotifyWait* previous = nullptr;
    for (NotifyWait* one = watched.first; one != &wait; one = one->next_) previous = one;
    (previous == nullptr ? watched.first : previous->next_) = wait.next_;
    if (watched.last == &wait) watched.last = previous;
}

void NotifyWatches::end(Place place, NtStatus status) {
    const std::unique_ptr<Watched> watched = std::move(place->second);
    const uint64_t open_id = place->first;
    watched_.erase(place);
    index_.remove(watched->path, messaging_->self().to_record(), open_id);
    send_look(0, watched->path);
    handed_out_.clear();
    for (NotifyWait* wait = watched->first; wait != nullptr;) {
        NotifyWait* const next = wait->next_;
        wait->changed(status, handed_out_);
        wait = next;
    }
}

// MS-FSA 2.1.5.5, phase 5
void NotifyWatches::close(OpenFile& open) {
    if (watched_.empty()) return;
    const auto found = watched_.find(open.open_id);
    if (found != watched_.end()) end(found, NtStatus::NOTIFY_CLEANUP);
}

}  // namespace Atoll::fsa
