#include "smbd/fsa/change_queue.h"

#include "smbd/fsa/limits.h"

namespace Atoll::fsa {

using Kind = LocalChange::Kind;

bool ChangeQueue::came(LocalChange change, Monotonic now) {
    if (merge(change)) return true;
    if (held_.size() >= limits::max_held_changes) {
        held_.clear();
        found_.clear();
        return false;
    }
    if (change.found) found_.insert(change.path);
    held_.push_back({std::move(change), now + limits::local_change_delay});
    return true;
}

// What says no more than one that is held already, or completes it: one of the last, for such come together.
bool ChangeQueue::merge(const LocalChange& change) {
    if (change.kind == Kind::added && !change.found && found_.contains(change.path)) return true;
    size_t near = limits::near_changes;
    for (auto held = held_.rbegin(); held != held_.rend() && near > 0; ++held, near--) {
        LocalChange& one = held->change;
        if (change.kind == Kind::added && change.cookie != 0 && one.cookie == change.cookie && one.kind == Kind::removed) {
            one.kind = Kind::renamed;
            one.to = change.path;
            return true;
        }
        if (change.kind == Kind::modified && one.kind == change.kind && one.path == change.path) {
            one.filter |= change.filter;
            return true;
        }
    }
    return false;
}

void ChangeQueue::own(std::string_view path, NotifyAction action, Monotonic now) {
    forget(now);
    // What the kernel tells of when a stream changes is a change of its file.
    if (action >= NotifyAction::added_stream) path = path.substr(0, path.rfind(':'));
    if (recent_.size() >= limits::max_own_changes) forget_first();
    Effect effect = Effect::other;
    if (action == NotifyAction::added || action == NotifyAction::renamed_new_name) effect = Effect::came;
    if (action == NotifyAction::removed || action == NotifyAction::renamed_old_name) effect = Effect::went;
    recent_.push_back({std::string(path), effect, now + limits::own_change_memory});
    Own& own = own_[recent_.back().path];
    own.told++;
    if (effect == Effect::came) own.came.add();
    if (effect == Effect::went) own.went.add();
}

void ChangeQueue::forget_first() {
    const Recent& first = recent_.front();
    const auto own = own_.find(first.path);
    if (first.effect == Effect::came) own->second.came.forget();
    if (first.effect == Effect::went) own->second.went.forget();
    if (--own->second.told == 0) own_.erase(own);
    recent_.pop_front();
}

void ChangeQueue::forget(Monotonic now) {
    while (!recent_.empty() && recent_.front().until <= now) forget_first();
}

bool ChangeQueue::is_own(const LocalChange& change) {
    const auto found = own_.find(change.path);
    if (found == own_.end()) return false;
    Own& own = found->second;
    if (change.kind == Kind::modified) return true;
    if (!(change.kind == Kind::added ? own.came : own.went).match()) return false;
    if (change.kind != Kind::renamed) return true;
    const auto to = own_.find(change.to);
    if (to != own_.end()) (void)to->second.came.match();
    return true;
}

std::optional<LocalChange> ChangeQueue::take(Monotonic now) {
    forget(now);
    while (!held_.empty() && held_.front().due <= now) {
        LocalChange change = std::move(held_.front().change);
        held_.pop_front();
        if (change.found) found_.erase(change.path);
        if (!is_own(change)) return change;
    }
    return std::nullopt;
}

std::optional<Monotonic> ChangeQueue::next() const {
    if (held_.empty()) return std::nullopt;
    return held_.front().due;
}

}  // namespace Atoll::fsa
