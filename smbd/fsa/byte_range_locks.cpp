#include "smbd/fsa/byte_range_locks.h"

#include <algorithm>

#include "base/log.h"
#include "idl/level.h"
#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/limits.h"
#include "smbd/fsa/record_key.h"
#include "smbd/fsa/share_modes.h"
#include "tdb/grants/grants.h"

namespace Atoll::fsa {

namespace {

NtStatus failed(const Error& error) {
    log_error("brlock: {}", error.message());
    return NtStatus::INSUFFICIENT_RESOURCES;
}

// The range {0, 0}, which conflicts with nothing (MS-FSA 2.1.4.10).
bool is_empty(const LockRange& range) { return range.offset == 0 && range.length == 0; }

uint64_t last_of(const LockRange& range) { return range.offset + range.length - 1; }

// MS-FSA 2.1.5.8 and 2.1.5.9: no byte lies beyond 64 bits.
bool is_valid(const LockRange& range) { return range.length == 0 || last_of(range) >= range.offset; }

}  // namespace

// An empty record_ if there is none, or one that does not decode.
Result<tdb::LockedRecord, NtStatus> ByteRangeLocks::fetch(const FileId& id) {
    const RecordKey key = key_of(id);
    auto locked = params_.brlock.fetch_locked(key);
    if (!locked) return failed(locked.error());
    read(locked->exists() ? locked->value() : Bytes());
    return std::move(*locked);
}

void ByteRangeLocks::read(Bytes value) {
    if (!value.empty()) {
        const auto decoded = decode(value, record_);
        if (decoded) return;
        log_error("brlock: {}", decoded.error().message());
    }
    record_.holders.clear();
    record_.exclusive.clear();
    record_.shared.clear();
    record_.empty.clear();
}

bool ByteRangeLocks::look(const FileId& id) {
    const RecordKey key = key_of(id);
    const auto found = params_.brlock.parse(key, [this](Bytes value) { read(value); });
    if (!found) log_error("brlock: {}", found.error().message());
    return found && *found;
}

Result<void, NtStatus> ByteRangeLocks::store(tdb::LockedRecord& record) {
    if (exclusive_.empty() && shared_.empty() && empty_.empty()) {
        if (auto r = record.remove(); !r) return failed(r.error());
        return {};
    }
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    if (auto r = record.store(encoded_); !r) return failed(r.error());
    return {};
}

// MS-FSA 2.1.4.10. Exclusive locks of different opens never overlap each other, so few of those of others are looked at.
bool ByteRangeLocks::in_the_way(uint64_t open_id, uint64_t first, uint64_t last, bool exclusive, bool lock_intent) const {
    if (exclusive && shared_.any_overlap(first, last)) return true;
    bool found = false;
    exclusive_.for_each_overlap(first, last, [&](const LockEntry& entry) {
        found = entry.open_id != open_id || (exclusive && lock_intent);
        return !found;
    });
    return found;
}

uint32_t ByteRangeLocks::own_place(const Owner& owner) {
    auto& holders = record_.holders;
    const uint64_t durable_open = owner.durable ? owner.open_id : 0;
    const auto own = std::ranges::find_if(
        holders, [&](const lock_holder& one) { return one.durable_open == durable_open && holder_of(one.holder) == params_.self; });
    if (own != holders.end()) return static_cast<uint32_t>(own - holders.begin());
    const auto free = std::ranges::find_if(holders, [](const lock_holder& one) { return one.locks == 0; });
    lock_holder& place = free != holders.end() ? *free : holders.emplace_back();
    place = {server_id_of(params_.self), 0, durable_open};
    return static_cast<uint32_t>(&place - holders.data());
}

void ByteRangeLocks::count_out(uint32_t place) {
    if (place < record_.holders.size() && record_.holders[place].locks > 0) record_.holders[place].locks--;
}

NtStatus ByteRangeLocks::add(const Owner& owner, const LockRange& range) {
    const LockEntry entry{range.offset, last_of(range), owner.open_id, 0};
    if (!is_empty(range) && in_the_way(owner.open_id, entry.offset, entry.last, range.exclusive, true)) return NtStatus::LOCK_NOT_GRANTED;
    if (exclusive_.size() + shared_.size() + empty_.size() >= limits::max_byte_range_locks) return NtStatus::INSUFFICIENT_RESOURCES;
    if (record_.holders.size() >= MAX_LOCK_HOLDERS) return NtStatus::INSUFFICIENT_RESOURCES;
    LockEntry added = entry;
    added.holder = own_place(owner);
    record_.holders[added.holder].locks++;
    LockArray& locks = is_empty(range) ? empty_ : range.exclusive ? exclusive_ : shared_;
    locks.insert(added);
    return NtStatus::SUCCESS;
}

Result<void, NtStatus> ByteRangeLocks::lock(const Owner& owner, std::span<const LockRange> ranges, Wait* wait) {
    if (!std::ranges::all_of(ranges, is_valid)) return NtStatus::INVALID_LOCK_RANGE;
    auto record = fetch(owner.id);
    if (!record) return record.failure();
    const auto add_all = [&] {
        for (const LockRange& range : ranges) {
            if (const NtStatus status = add(owner, range); status != NtStatus::SUCCESS) return status;
        }
        return NtStatus::SUCCESS;
    };
    NtStatus status = add_all();
    if (status == NtStatus::LOCK_NOT_GRANTED) {  // only now is it worth asking whether the others still live
        read(record->value());                   // without what was added before
        if (drop_dead()) {
            if (auto r = store(*record); !r) return r;
            status = add_all();
        }
    }
    if (status == NtStatus::SUCCESS) return store(*record);
    if (status == NtStatus::LOCK_NOT_GRANTED && wait != nullptr) return arm(*record, *wait, Monotonic::max());
    return status;
}

Result<void, NtStatus> ByteRangeLocks::arm(const tdb::LockedRecord& record, Wait& wait, Monotonic deadline) {
    if (params_.watches == nullptr || params_.loop == nullptr) return NtStatus::LOCK_NOT_GRANTED;
    if (auto armed = wait.arm(*params_.watches, *params_.loop, record, deadline); !armed) return failed(armed.error());
    return NtStatus::PENDING;
}

Result<void, NtStatus> ByteRangeLocks::wait_for_change(const FileId& id, Wait& wait, std::chrono::nanoseconds delay) {
    const RecordKey key = key_of(id);
    auto locked = params_.brlock.fetch_locked(key);
    if (!locked) return failed(locked.error());
    return arm(*locked, wait, monotonic_now() + delay);
}

// MS-FSA 2.1.5.9: of a shared and an exclusive lock of the same range the exclusive one goes first.
NtStatus ByteRangeLocks::remove(const Owner& owner, const LockRange& range) {
    if (!is_valid(range)) return NtStatus::INVALID_LOCK_RANGE;
    const uint64_t last = last_of(range);
    LockEntry removed;
    const bool found = is_empty(range) ? empty_.remove(0, last, owner.open_id, removed)
                                       : exclusive_.remove(range.offset, last, owner.open_id, removed) ||
                                             shared_.remove(range.offset, last, owner.open_id, removed);
    if (!found) return NtStatus::RANGE_NOT_LOCKED;
    count_out(removed.holder);
    return NtStatus::SUCCESS;
}

Result<void, NtStatus> ByteRangeLocks::unlock(const Owner& owner, std::span<const LockRange> ranges, size_t& done) {
    done = 0;
    auto record = fetch(owner.id);
    if (!record) return record.failure();
    NtStatus status = NtStatus::SUCCESS;
    while (done < ranges.size()) {
        status = remove(owner, ranges[done]);
        if (status != NtStatus::SUCCESS) break;
        done++;
    }
    if (done > 0) {
        if (auto r = store(*record); !r) return r;
    }
    if (status != NtStatus::SUCCESS) return status;
    return {};
}

size_t ByteRangeLocks::count(const FileId& id, uint64_t open_id) {
    if (!look(id)) return 0;
    size_t found = 0;
    for (const LockArray* locks : {&exclusive_, &shared_, &empty_}) {
        for (size_t i = 0; i < locks->size(); i++) found += locks->at(i).open_id == open_id;
    }
    return found;
}

void ByteRangeLocks::unlock_all(const Owner& owner) {
    auto record = fetch(owner.id);
    if (!record) return;
    for (LockArray* locks : {&exclusive_, &shared_, &empty_}) {
        locks->remove_if([&](const LockEntry& entry) {
            if (entry.open_id != owner.open_id) return false;
            count_out(entry.holder);
            return true;
        });
    }
    (void)store(*record).ok();  // it has been logged; the entries go when this process ends
}

void ByteRangeLocks::drop_holder(size_t place) {
    for (LockArray* locks : {&exclusive_, &shared_, &empty_}) {
        locks->remove_if([&](const LockEntry& entry) { return entry.holder == place; });
    }
    record_.holders[place].locks = 0;
}

bool ByteRangeLocks::drop_dead() {
    if (!params_.holder_exists) return false;
    bool any = false;
    for (size_t i = 0; i < record_.holders.size(); i++) {
        lock_holder& one = record_.holders[i];
        const Holder holder = holder_of(one.holder);
        if (one.locks == 0 || is_disconnected(one.holder) || holder == params_.self || params_.holder_exists(holder)) continue;
        if (one.durable_open != 0) continue;  // the housekeeper sees to it
        drop_holder(i);
        any = true;
    }
    return any;
}

bool ByteRangeLocks::forbid(const Owner& owner, uint64_t offset, uint64_t length, bool write, std::optional<uint32_t>& unlocked_at) {
    if (length == 0) return false;
    const uint64_t last = offset + length - 1;
    const auto sequence = params_.brlock.sequence_number();
    if (!locked_only_here(owner.id)) {
        if (!fetch(owner.id)) return true;
    } else if (sequence && unlocked_at == *sequence) {
        return false;
    } else if (!look(owner.id)) {
        if (sequence) unlocked_at = *sequence;
        return false;
    }
    if (!in_the_way(owner.open_id, offset, last, write, false)) return false;
    auto record = fetch(owner.id);
    if (!record || !drop_dead()) return true;
    (void)store(*record).ok();  // it has been logged, and the dead are left out all the same
    return in_the_way(owner.open_id, offset, last, write, false);
}

bool ByteRangeLocks::locked_only_here(const FileId& id) {
    if (params_.node_grants == nullptr || params_.directories != nullptr) return true;  // all nodes' locks are in brlock.tdb
    const auto there = params_.node_grants->has(key_of(id), grants::rights{.unlocked = true});
    return there && *there;
}

bool ByteRangeLocks::any_of_node(const FileId& id, uint32_t node) {
    if (!look(id)) return false;
    return std::ranges::any_of(record_.holders, [&](const lock_holder& one) {
        return one.locks > 0 && (is_disconnected(one.holder) || holder_of(one.holder).node == node);
    });
}

bool ByteRangeLocks::any_below(const FileId& id, uint64_t size) {
    if (!look(id)) return false;
    const auto begins_below = [size](const LockArray& locks) { return !locks.empty() && locks.at(0).offset < size; };
    return begins_below(exclusive_) || begins_below(shared_);
}

void ByteRangeLocks::posix_pieces(const Owner& owner, const LockRange& range, std::span<const LockRange> without,
                                  std::vector<PosixPiece>& out) {
    out.clear();
    if (range.length == 0 || !is_valid(range)) return;
    const uint64_t first = range.offset, last = last_of(range);
    edges_.clear();
    if (look(owner.id)) {
        for (const LockRange& gone : without) (void)remove(owner, gone);
        for (const LockArray* locks : {&exclusive_, &shared_}) {
            const int exclusive = locks == &exclusive_ ? 1 : 0;
            locks->for_each_overlap(first, last, [&](const LockEntry& entry) {
                if (entry.open_id != owner.open_id || entry.last < entry.offset) return true;
                edges_.push_back({std::max(entry.offset, first), exclusive, 1 - exclusive});
                if (entry.last < last) edges_.push_back({entry.last + 1, -exclusive, exclusive - 1});
                return true;
            });
        }
    }
    std::ranges::sort(edges_, {}, &Edge::at);
    int exclusive = 0, shared = 0;
    uint64_t from = first;
    const auto state = [&] {
        return exclusive > 0 ? vfs::RangeLock::exclusive : shared > 0 ? vfs::RangeLock::shared : vfs::RangeLock::none;
    };
    for (const Edge& edge : edges_) {
        const vfs::RangeLock before = state();
        exclusive += edge.exclusive;
        shared += edge.shared;
        if (edge.at == from || state() == before) continue;
        out.push_back({from, edge.at - 1, before});
        from = edge.at;
    }
    out.push_back({from, last, state()});
}

void ByteRangeLocks::end_holders(const Holders& holders) {
    std::vector<FileId> found;
    const auto is_theirs = [&](const lock_holder& one) { return one.locks > 0 && holders.contains(holder_of(one.holder)); };
    auto visited = params_.brlock.traverse([&](Bytes key, Bytes value) {
        if (key.size() != RecordKey().size()) return tdb::Visit::go_on;
        read(value);
        if (std::ranges::any_of(record_.holders, is_theirs)) found.push_back(id_of(key));
        return tdb::Visit::go_on;
    });
    if (!visited) log_error("brlock: {}", visited.error().message());
    for (const FileId& id : found) {
        auto record = fetch(id);
        if (!record) continue;
        for (size_t i = 0; i < record_.holders.size(); i++) {
            lock_holder& one = record_.holders[i];
            if (!is_theirs(one)) continue;
            if (one.durable_open == 0) {
                drop_holder(i);
            } else {
                one.holder = disconnected_holder(one.durable_open);
            }
        }
        (void)store(*record).ok();  // it has been logged; whoever meets the entries next drops them
    }
}

}  // namespace Atoll::fsa
