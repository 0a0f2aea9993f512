#include "smbd/fsa/notify_index.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "idl/level.h"

namespace Atoll::fsa {

namespace {

constexpr std::string_view state_key = "state";  // no path: those begin with a slash

bool is_below(std::string_view path, std::string_view directory) {
    return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

}  // namespace

bool NotifyIndex::anyone() {
    if (database_ == nullptr) return false;
    const auto number = database_->sequence_number();
    if (known_ && number && *number == seen_) return some_;
    // The number is older than the count: who comes in between is seen next time.
    known_ = number.ok();
    seen_ = number ? *number : 0;
    some_ = !load_state() || state_.watches > 0;
    hear_own_.clear();
    for (const local_watcher& one : state_.local_watchers) {
        if (one.wants_own_changes) hear_own_.push_back(one.process);
    }
    return some_;
}

// False: it cannot be read.
bool NotifyIndex::load_state() {
    bool decoded = true;
    state_ = {};
    const auto fetched = database_->parse(as_bytes(state_key), [&](Bytes value) { decoded = decode(value, state_).ok(); });
    return fetched && decoded;
}

const std::vector<directory_watch>& NotifyIndex::watches_of(std::string_view directory) {
    record_.watches.clear();
    const auto fetched = database_->parse(as_bytes(directory), [&](Bytes value) {
        if (!decode(value, record_)) record_.watches.clear();
    });
    if (!fetched) log_error("{}", fetched.error().message());
    return record_.watches;
}

// One that does not decode counts as empty: it must not make a directory unwatchable for good.
bool NotifyIndex::load(const tdb::LockedRecord& locked) {
    record_.watches.clear();
    if (!locked.exists()) return true;
    if (decode(locked.value(), record_)) return true;
    log_error("{}: a record that does not decode", database_->name());
    record_.watches.clear();
    return false;
}

Result<void> NotifyIndex::change_count(int64_t by) {
    auto locked = database_->fetch_locked(as_bytes(state_key));
    if (!locked) return locked.failure();
    if (!locked->exists() || !decode(locked->value(), state_)) state_ = {};
    if (by < 0 && state_.watches < static_cast<uint64_t>(-by)) {
        state_.watches = 0;
    } else {
        state_.watches += static_cast<uint64_t>(by);
    }
    encoded_.clear();
    encode(state_, encoded_, idl::written_level());
    return locked->store(encoded_);
}

// The count is never too low: it rises first and falls last.
Result<void> NotifyIndex::append(std::string_view directory, const directory_watch* watches, size_t count) {
    if (auto counted = change_count(static_cast<int64_t>(count)); !counted) return counted;
    auto entered = enter(directory, watches, count);
    if (!entered) (void)change_count(-static_cast<int64_t>(count)).ok();
    return entered;
}

Result<void> NotifyIndex::enter(std::string_view directory, const directory_watch* watches, size_t count) {
    auto locked = database_->fetch_locked(as_bytes(directory));
    if (!locked) return locked.failure();
    (void)load(*locked);
    if (record_.watches.size() + count > MAX_DIRECTORY_WATCHES)
        return fail(Code::no_space, std::string(directory), "too many watches of one directory");
    record_.watches.insert(record_.watches.end(), watches, watches + count);
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    return locked->store(encoded_);
}

Result<void> NotifyIndex::add(std::string_view directory, const directory_watch& watch) { return append(directory, &watch, 1); }

// How many went.
template <class Predicate>
size_t NotifyIndex::take_out(std::string_view directory, Predicate which) {
    size_t gone = 0;
    {
        auto locked = database_->fetch_locked(as_bytes(directory));
        if (!locked || !locked->exists() || !load(*locked)) return 0;
        gone = std::erase_if(record_.watches, which);
        if (gone == 0) return 0;
        encoded_.clear();
        encode(record_, encoded_, idl::written_level());
        const auto stored = record_.watches.empty() ? locked->remove() : locked->store(encoded_);
        if (!stored) {
            log_error("{}", stored.error().message());
            return 0;
        }
    }
    if (auto counted = change_count(-static_cast<int64_t>(gone)); !counted) log_error("{}", counted.error().message());
    return gone;
}

void NotifyIndex::remove(std::string_view directory, const tdb::server_id& holder, uint64_t open_id) {
    (void)take_out(directory, [&](const directory_watch& w) { return w.open_id == open_id && w.holder == holder; });
}

std::vector<std::string> NotifyIndex::directories() {
    std::vector<std::string> found;
    const auto visited = database_->traverse([&](Bytes key, Bytes) {
        if (as_text(key) != state_key) found.emplace_back(as_text(key));
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("{}", visited.error().message());
    return found;
}

std::vector<NotifyIndex::Moved> NotifyIndex::move(std::string_view from, std::string_view to) {
    std::vector<Moved> moved;
    for (const std::string& directory : directories()) {
        if (directory != from && !is_below(directory, from)) continue;
        const auto watches = watches_of(directory);
        if (watches.empty()) continue;
        std::string now(to);
        now.append(directory, from.size());
        // First in, then out: at no time they are nowhere.
        if (auto entered = append(now, watches.data(), watches.size()); !entered) log_error("{}", entered.error().message());
        (void)take_out(directory, [&](const directory_watch& w) { return std::find(watches.begin(), watches.end(), w) != watches.end(); });
        moved.push_back({std::move(now), watches});
    }
    return moved;
}

std::vector<std::string> NotifyIndex::end_processes(const messaging::ServerIds& ended) {
    const auto is_theirs = [&](const directory_watch& w) { return ended.contains(messaging::ServerId(w.holder)); };
    std::vector<std::string> watched;
    const auto visited = database_->traverse([&](Bytes key, Bytes value) {
        if (as_text(key) == state_key || !decode(value, record_)) return tdb::Visit::go_on;
        if (std::ranges::any_of(record_.watches, is_theirs)) watched.emplace_back(as_text(key));
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("{}", visited.error().message());
    drop_local_watchers(ended);
    std::erase_if(watched, [&](const std::string& directory) { return take_out(directory, is_theirs) == 0; });
    return watched;
}

const std::vector<local_watcher>& NotifyIndex::local_watchers() {
    if (!load_state()) state_ = {};
    return state_.local_watchers;
}

const tdb::server_id* NotifyIndex::hears_own_changes(uint32_t node) const {
    const auto found = std::ranges::find_if(hear_own_, [&](const tdb::server_id& one) { return one.vnn == node; });
    return found == hear_own_.end() ? nullptr : &*found;
}

Result<void> NotifyIndex::set_local_watcher(const tdb::server_id& process, bool wants_own_changes) {
    auto locked = database_->fetch_locked(as_bytes(state_key));
    if (!locked) return locked.failure();
    if (!locked->exists() || !decode(locked->value(), state_)) state_ = {};
    std::erase_if(state_.local_watchers, [&](const local_watcher& one) { return one.process.vnn == process.vnn; });
    if (state_.local_watchers.size() >= MAX_LOCAL_WATCHERS)
        return fail(Code::no_space, database_->name(), "too many nodes look at local changes");
    state_.local_watchers.push_back({process, wants_own_changes});
    encoded_.clear();
    encode(state_, encoded_, idl::written_level());
    return locked->store(encoded_);
}

void NotifyIndex::drop_local_watchers(const messaging::ServerIds& ended) {
    const auto has_ended = [&](const local_watcher& one) { return ended.contains(messaging::ServerId(one.process)); };
    if (std::ranges::none_of(local_watchers(), has_ended)) return;
    auto locked = database_->fetch_locked(as_bytes(state_key));
    if (!locked || !locked->exists() || !decode(locked->value(), state_)) return;
    std::erase_if(state_.local_watchers, has_ended);
    encoded_.clear();
    encode(state_, encoded_, idl::written_level());
    if (auto stored = locked->store(encoded_); !stored) log_error("{}", stored.error().message());
}

}  // namespace Atoll::fsa
