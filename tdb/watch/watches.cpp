#include "tdb/watch/watches.h"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "base/bytes.h"
#include "base/log.h"
#include "idl/level.h"

namespace Atoll::watch {
namespace {

constexpr auto retry_interval = std::chrono::milliseconds(5);

bool same(const waiter& a, const waiter& b) { return a.watch == b.watch && a.who == b.who; }

bool before(const waiter& a, const waiter& b) {
    return std::tie(a.who.vnn, a.who.pid, a.who.unique_id, a.watch) < std::tie(b.who.vnn, b.who.pid, b.who.unique_id, b.watch);
}

}  // namespace

Watches::Watches(loop::Loop& loop, messaging::Messaging& messaging, tdb::Database& companion)
    : messaging_(messaging), companion_(companion), self_(messaging.self().to_record()), retry_(loop, [this] { retry(); }) {
    ATOLL_ASSERT(companion_.rank() == tdb::Rank::watches);
    messaging_.receive(messaging::message_record_changed, [this](messaging::Message& message) { woken(message.payload); });
}

Watches::~Watches() {
    for (const Watch* watch : places_) ATOLL_ASSERT(watch == nullptr);
    for (const Observed& observed : observed_) observed.database->set_observer(nullptr);
    messaging_.receive(messaging::message_record_changed, {});
}

void Watches::observe(tdb::Database& database, std::string_view name, tdb::Database* companion) {
    if (companion == nullptr) companion = &companion_;
    ATOLL_ASSERT(companion->rank() == tdb::Rank::watches);
    observed_.push_back({&database, std::string(name), companion});
    database.set_observer(this);
}

void Watches::find(const tdb::Database& database, Bytes key, Companion& companion) const {
    const auto observed = std::find_if(observed_.begin(), observed_.end(), [&](const Observed& one) { return one.database == &database; });
    ATOLL_ASSERT(observed != observed_.end() && "only records of an observed database are watched");
    companion.database = observed->companion;
    companion.key.assign(as_bytes(observed->name));
    companion.key.append_zeros(1);
    companion.key.append(key);
}

// One that does not decode counts as empty: it must not make a record unusable for good.
void Watches::load(const tdb::LockedRecord& companion) {
    if (companion.exists()) {
        const auto decoded = decode(companion.value(), record_);
        if (decoded) return;
        log_error("{}: {}", companion.database().name(), decoded.error().message());
    }
    record_.waiters.clear();
}

Result<void> Watches::store(tdb::LockedRecord& companion) {
    if (record_.waiters.empty()) return companion.remove();
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    return companion.store(encoded_);
}

// --- Who changes a record

Result<bool> Watches::about_to_change(tdb::Database& database, Bytes key) {
    find(database, key, found_);
    const auto watched = found_.database->exists(found_.key);
    if (!watched || !*watched) return watched;
    auto companion = fetch_locked(found_);
    if (!companion) return companion.failure();
    load(*companion);
    if (record_.waiters.empty()) return false;  // a watch may be cancelled without its record's lock
    // Those that another process has yet to wake too: should it be dead, nobody else would.
    for (waiter& waiting : record_.waiters) waiting.waker = self_;
    if (auto stored = store(*companion); !stored) return stored.failure();
    waking_.assign(record_.waiters.begin(), record_.waiters.end());
    waking_for_.assign(found_);
    return true;
}

void Watches::released(tdb::Database& database, Bytes key) {
    find(database, key, found_);
    // Another record may have been changed between.
    if (waking_for_ == found_) {
        wake_known(found_);
    } else {
        wake(found_);
    }
}

// Wakes those whom this process is to wake for one record.
void Watches::wake(const Companion& companion) {
    {
        auto locked = fetch_locked(companion);
        if (!locked) return retry_later(companion);
        load(*locked);
    }
    waking_.clear();
    for (const waiter& waiting : record_.waiters) {
        if (waiting.waker == self_) waking_.push_back(waiting);
    }
    wake_known(companion);
}

// Sends the wake-ups of waking_; then strikes out who has been woken, and who has ended. Nothing is held meanwhile: whoever arms a watch
// of the record now has seen the change.
void Watches::wake_known(const Companion& companion) {
    waking_for_.key.clear();
    if (waking_.empty()) return;
    std::sort(waking_.begin(), waking_.end(), before);
    bool all = true;
    auto kept = waking_.begin();  // those woken are moved to the front
    for (auto first = waking_.begin(); first != waking_.end();) {
        const auto last = std::find_if(first, waking_.end(), [&](const waiter& other) { return other.who != first->who; });
        if (wake_process(&*first, &*first + (last - first))) {
            kept = std::move(first, last, kept);
        } else {
            all = false;
        }
        first = last;
    }
    waking_.erase(kept, waking_.end());
    strike_out_woken(companion);
    if (!all) retry_later(companion);
}

// One message for all watches that one process has of the record. False: it has to be tried again.
bool Watches::wake_process(const waiter* first, const waiter* last) {
    payload_.clear();
    for (const waiter* waiting = first; waiting != last; waiting++) store_le<uint64_t>(payload_.extend(8).data(), waiting->watch);
    const auto sent = messaging_.send_at_once(messaging::ServerId(first->who), messaging::message_record_changed, payload_);
    if (sent) {
        counters_.messages++;
        return true;
    }
    if (sent.error().code == Code::dead) {
        counters_.gone += static_cast<uint64_t>(last - first);
        return true;
    }
    if (sent.error().code != Code::busy) log_warning("a wake-up: {}", sent.error().message());
    counters_.deferred++;
    return false;
}

void Watches::strike_out_woken(const Companion& companion) {
    auto locked = fetch_locked(companion);
    Result<void> outcome;
    if (locked) {
        load(*locked);
        std::erase_if(record_.waiters, [&](const waiter& one) {
            return std::any_of(waking_.begin(), waking_.end(), [&](const waiter& done) { return same(one, done); });
        });
        outcome = store(*locked);
    } else {
        outcome = locked.failure();
    }
    // They stay, and are sent a wake-up more that finds nobody.
    if (!outcome) log_error("{}", outcome.error().message());
}

void Watches::retry_later(const Companion& companion) {
    if (std::ranges::find(unfinished_, companion) == unfinished_.end()) unfinished_.emplace_back().assign(companion);
    if (!retry_.is_set()) retry_.set_in(retry_interval);
}

void Watches::retry() {
    std::vector<Companion> again;
    again.swap(unfinished_);
    for (const Companion& companion : again) wake(companion);
}

// --- Who waits

size_t Watches::take_place(Watch& watch) {
    const auto free = std::find(places_.begin(), places_.end(), nullptr);
    const auto place = static_cast<size_t>(free - places_.begin());
    if (free == places_.end()) {
        places_.push_back(&watch);
    } else {
        *free = &watch;
    }
    return place;
}

// The record is held.
Result<void> Watches::enter(const Companion& companion, uint64_t watch) {
    bool orphans = false;
    {
        auto locked = fetch_locked(companion);
        if (!locked) return locked.failure();
        load(*locked);
        orphans = take_over_from_dead(nullptr);
        if (record_.waiters.size() >= MAX_WAITERS) return fail(Code::no_space, companion.database->name(), "too many wait for one record");
        waiter& added = record_.waiters.emplace_back();
        added.who = self_;
        added.watch = watch;
        if (auto stored = store(*locked); !stored) return stored;
    }
    counters_.armed++;
    if (orphans) wake(companion);
    return {};
}

void Watches::strike_out(const Companion& companion, uint64_t watch) {
    auto locked = fetch_locked(companion);
    if (!locked) return log_error("{}", locked.error().message());
    load(*locked);
    if (std::erase_if(record_.waiters, [&](const waiter& one) { return one.watch == watch && one.who == self_; }) == 0) return;
    if (auto stored = store(*locked); !stored) log_error("{}", stored.error().message());
}

void Watches::woken(Bytes watches) {
    for (ByteReader reader(watches); reader.remaining() >= 8;) {
        const uint64_t number = reader.u64();
        const auto place = static_cast<uint32_t>(number);
        Watch* watch = place < places_.size() ? places_[place] : nullptr;
        if (watch == nullptr || !watch->armed_ || watch->number() != number) {
            counters_.stale++;
            continue;
        }
        counters_.woken++;
        watch->wake(Woken::changed);
    }
}

// --- Who finds that another has died

// Makes this process the waker of those in record_ whose waker is dead: of `known_dead`, or whoever turns out to be. True if there are any.
bool Watches::take_over_from_dead(const messaging::ServerIds* known_dead) {
    bool any = false;
    for (waiter& waiting : record_.waiters) {
        if (!waiting.waker || *waiting.waker == self_) continue;
        const messaging::ServerId waker(*waiting.waker);
        if (known_dead != nullptr ? !known_dead->contains(waker) : messaging_.exists(waker)) continue;
        waiting.waker = self_;
        counters_.finished++;
        any = true;
    }
    return any;
}

void Watches::end_processes(const messaging::ServerIds& ended) {
    if (ended.empty()) return;
    end_processes_of(companion_, ended);
    std::vector<tdb::Database*> apart;
    for (const Observed& one : observed_) {
        if (one.companion == &companion_ || std::ranges::find(apart, one.companion) != apart.end()) continue;
        end_processes_of(*apart.emplace_back(one.companion), ended);
    }
}

void Watches::end_processes_of(tdb::Database& companions, const messaging::ServerIds& ended) {
    std::vector<Companion> concerned;
    const auto visited = companions.traverse([&](Bytes key, Bytes value) {
        const auto decoded = decode(value, record_);
        const bool concerns =
            decoded && std::any_of(record_.waiters.begin(), record_.waiters.end(), [&](const waiter& one) {
                return ended.contains(messaging::ServerId(one.who)) || (one.waker && ended.contains(messaging::ServerId(*one.waker)));
            });
        if (concerns) {
            concerned.emplace_back().database = &companions;
            concerned.back().key.assign(key);
        }
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("{}", visited.error().message());
    for (const Companion& companion : concerned) end_processes_in(companion, ended);
}

void Watches::end_processes_in(const Companion& companion, const messaging::ServerIds& ended) {
    bool orphans = false;
    {
        auto locked = fetch_locked(companion);
        if (!locked) return log_error("{}", locked.error().message());
        load(*locked);
        orphans = take_over_from_dead(&ended);
        counters_.gone += std::erase_if(record_.waiters, [&](const waiter& one) { return ended.contains(messaging::ServerId(one.who)); });
        if (auto stored = store(*locked); !stored) return log_error("{}", stored.error().message());
    }
    if (orphans) wake(companion);
}

}  // namespace Atoll::watch
