#include "tdb/grants/home_records.h"

#include <algorithm>

#include "base/log.h"
#include "idl/level.h"

namespace Atoll::grants {

namespace {

template <class Entry>
NodeSession who_is(const Entry& entry) {
    return {entry.node, entry.session};
}

bool exclude(const rights& a, const rights& b) { return !empty(in_the_way(a, b)); }

}  // namespace

Result<tdb::LockedRecord> HomeRecords::lock(Bytes file) {
    if (nodes_.self().session == 0) return fail(Code::dead, database_.name(), "the node does not serve");
    auto locked = database_.fetch_locked(file);
    if (!locked) return locked;
    record_ = {};
    // A record that does not decode must not be taken for one that excludes nothing.
    if (locked->exists()) {
        if (auto r = decode(locked->value(), record_); !r) return r.failure();
    }
    return locked;
}

Result<void> HomeRecords::write(tdb::LockedRecord& record) {
    std::erase_if(record_.holders, [](const node_share& entry) { return empty(entry.held); });
    drop_idle_mark();
    if (record_.holders.empty() && record_.wants.empty()) return record.remove();
    encoded_.clear();
    encode(record_, encoded_, idl::written_level());
    return record.store(encoded_);
}

bool HomeRecords::drop_ended() {
    const auto void_ = [&](const auto& entry) {
        const NodeSession who = who_is(entry), self = nodes_.self();
        return who.node == self.node ? who != self : planted_ == Planted::buries_the_living || nodes_.ended(who);
    };
    return std::erase_if(record_.holders, void_) + std::erase_if(record_.wants, void_) > 0;
}

void HomeRecords::drop_idle_mark() {
    const auto keeps = [](const node_share& entry) { return entry.held.opens != 0 || entry.held.deletion; };
    if (std::ranges::none_of(record_.holders, keeps)) record_.mark.reset();
}

// What of another node's is in the way. Of a file that is marked nobody opens anything while others have it open, whatever they share.
rights HomeRecords::excluded(const rights& wanted, const rights& theirs) const {
    rights out = in_the_way(wanted, theirs);
    if (record_.mark && !record_.mark->withdrawn && wanted.opens != 0 && planted_ != Planted::ignores_mark) out.opens = theirs.opens;
    return out;
}

void HomeRecords::forget(const Gone& gone) {
    for (node_share& entry : record_.holders) {
        if (who_is(entry) == gone.who && (entry.stamp == gone.stamp || planted_ == Planted::trusts_old_answers))
            entry.held = without(entry.held, gone.what);
    }
}

void HomeRecords::drop_wants(std::span<const uint64_t> live) {
    std::erase_if(record_.wants, [&](const node_want& want) {
        return who_is(want) == nodes_.self() && std::ranges::find(live, want.number) == live.end();
    });
}

bool HomeRecords::conflicts_before(size_t end, const NodeSession& who, const rights& wanted) const {
    const auto first = record_.wants.begin(), last = first + static_cast<ptrdiff_t>(end);
    return std::any_of(first, last, [&](const node_want& want) { return who_is(want) != who && exclude(wanted, want.wanted); });
}

// Among those who wait; the end if it does not.
size_t HomeRecords::place_of(uint64_t number) const {
    const auto own =
        std::ranges::find_if(record_.wants, [&](const node_want& want) { return who_is(want) == nodes_.self() && want.number == number; });
    return static_cast<size_t>(own - record_.wants.begin());
}

void HomeRecords::look(const rights& wanted, uint64_t number, Found& found) const {
    const NodeSession self = nodes_.self();
    for (const node_share& entry : record_.holders) {
        if (who_is(entry) == self || planted_ == Planted::ignores_others) continue;
        rights way = excluded(wanted, entry.held);
        if (planted_ == Planted::keeps_over_deletion && wanted.deletion) way.opens = 0;
        if (!empty(way)) found.in_the_way.push_back({entry.node, entry.session, entry.stamp, way});
    }
    if (planted_ == Planted::ignores_turn || planted_ == Planted::trusts_old_answers) return;
    for (size_t i = 0, own = place_of(number); i < own; i++) {
        const node_want& want = record_.wants[i];
        if (who_is(want) != self && exclude(wanted, want.wanted)) found.ahead.push_back(want.node);
    }
}

void HomeRecords::find_next(Found& found) const {
    const NodeSession self = nodes_.self();
    for (size_t i = 0; i < record_.wants.size(); i++) {
        const node_want& want = record_.wants[i];
        if (who_is(want) != self && !conflicts_before(i, who_is(want), want.wanted)) found.next.push_back(want);
    }
    for (const node_share& entry : record_.holders) {
        if (who_is(entry) == self) found.held = entry.held;
    }
}

node_share& HomeRecords::own_entry() {
    const NodeSession self = nodes_.self();
    const auto own = std::ranges::find_if(record_.holders, [&](const node_share& entry) { return who_is(entry) == self; });
    if (own != record_.holders.end()) return *own;
    return record_.holders.emplace_back(node_share{self.node, self.session, 0, {}});
}

// First it stands in the record of the cluster, then in that of the node.
Result<bool> HomeRecords::add(tdb::LockedRecord& record, const rights& wanted, uint64_t number, Enter enter) {
    if (record_.holders.size() >= MAX_HOLDERS) return fail(Code::no_space, database_.name(), "too many nodes hold the file");
    node_share& own = own_entry();
    const bool was_open = own.held.opens != 0 || own.held.deletion;
    // One in force would have been in the way if others had it open: nobody has, then.
    if (wanted.opens != 0 && !was_open && record_.mark && !record_.mark->withdrawn) record_.mark.reset();
    own.held = merged(own.held, wanted);
    own.stamp = stamps_();
    const uint64_t stamp = own.stamp;
    if (const size_t place = place_of(number); place < record_.wants.size())
        record_.wants.erase(record_.wants.begin() + static_cast<ptrdiff_t>(place));
    if (auto r = write(record); !r) return r.failure();
    if (auto r = enter(stamp); !r) return r.failure();
    return true;
}

Result<bool> HomeRecords::take(Bytes file, const rights& wanted, Enter enter) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    drop_ended();
    Found found;
    look(wanted, 0, found);
    if (!found.in_the_way.empty() || !found.ahead.empty()) return false;
    return add(*locked, wanted, 0, enter);
}

Result<Found> HomeRecords::try_to_take(Bytes file, const rights& wanted, uint64_t number, std::span<const uint64_t> live, const Gone* gone,
                                       Enter enter) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    drop_ended();
    drop_wants(live);
    if (gone != nullptr) forget(*gone);
    Found found;
    look(wanted, number, found);
    if (found.in_the_way.empty() && found.ahead.empty()) {
        auto added = add(*locked, wanted, number, enter);
        if (!added) return added.failure();
        found.taken = *added;
        find_next(found);
        return found;
    }
    if (place_of(number) == record_.wants.size()) {
        if (record_.wants.size() >= MAX_WANTS) return fail(Code::no_space, database_.name(), "too many wait for the file");
        record_.wants.push_back({nodes_.self().node, nodes_.self().session, number, wanted});
    }
    if (auto r = write(*locked); !r) return r.failure();
    return found;
}

Result<Found> HomeRecords::keep_waiting(Bytes file, std::span<const uint64_t> live) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    const size_t before = record_.wants.size();
    const bool ended = drop_ended();
    drop_wants(live);
    if (ended || record_.wants.size() != before) {
        if (auto r = write(*locked); !r) return r.failure();
    }
    Found found;
    if (record_.wants.size() != before) find_next(found);
    return found;
}

Result<rights> HomeRecords::give_up(Bytes file, const rights& lost, Left left) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    const auto kept = left();
    if (!kept) return kept;
    for (node_share& entry : record_.holders) {
        if (who_is(entry) == nodes_.self()) entry.held = without(entry.held, without(lost, *kept));
    }
    if (auto r = write(*locked); !r) return r.failure();
    return *kept;
}

Result<void> HomeRecords::set_mark(Bytes file, const std::optional<deletion_mark>& mark) {
    auto locked = lock(file);
    if (!locked) return locked.failure();
    drop_ended();
    record_.mark = mark;
    return write(*locked);
}

Result<std::optional<deletion_mark>> HomeRecords::mark_of(Bytes file) {
    Result<void> decoded;
    record_ = {};
    auto seen = database_.parse(file, [&](Bytes value) { decoded = decode(value, record_); });
    if (!seen) return seen.failure();
    if (!decoded) return decoded.failure();
    return record_.mark;
}

}  // namespace Atoll::grants
