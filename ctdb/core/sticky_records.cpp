#include "ctdb/core/sticky_records.h"

#include "ctdb/core/limits.h"

namespace Atoll::ctdb {
namespace {

constexpr Time rests = 1 * second;  // without a move: the record is not contended any more

}  // namespace

bool StickyRecords::moved(const RecordKey& key, bool others_wait) {
    const auto found = moving_.find(key);
    if (found != moving_.end() && context_.now < found->second.sticky_until) {
        found->second.last = context_.now;
        return true;
    }
    if (!others_wait || !context_.shared.records.sticks(key)) {
        if (found != moving_.end()) moving_.erase(found);
        return false;
    }
    if (found == moving_.end() && moving_.size() >= limits::max_sticky_records) return false;
    Moving& moving = moving_[key];
    moving.last = context_.now;
    if (++moving.moves <= context_.policy.sticky_moves) return false;
    context_.took(Transition::record_stuck);
    moving = Moving{0, context_.now, context_.now + context_.policy.sticky_for};
    return true;
}

void StickyRecords::pin(const RecordKey& key) {
    if (context_.policy.sticky_pin != 0) pins_[key] = context_.now + context_.policy.sticky_pin;
}

std::vector<RecordKey> StickyRecords::unpin() {
    std::vector<RecordKey> free;
    for (const auto& [key, until] : pins_) {
        if (context_.now >= until) free.push_back(key);
    }
    for (const RecordKey& key : free) {
        context_.took(Transition::record_unpinned);
        pins_.erase(key);
    }
    return free;
}

void StickyRecords::freeze(Slot slot) {
    std::erase_if(pins_, [&](const auto& pin) { return context_.slot_of(pin.first) == slot; });
}

void StickyRecords::tick() {
    if (context_.now - forgot_ < rests) return;
    forgot_ = context_.now;
    std::erase_if(
        moving_, [&](const auto& entry) { return context_.now - entry.second.last >= rests && context_.now >= entry.second.sticky_until; });
}

}  // namespace Atoll::ctdb
