// A member's part in the recovery of a slot: freeze, offer, go on.
#include <tuple>

#include "ctdb/core/holder.h"

namespace Atoll::ctdb {

void Holder::recover(Pnn from, const protocol::recover& recover) {
    if (recover.slot >= context_.config.slots) return;
    if (recover.epoch > context_.view.id) {
        context_.took(Transition::slot_early);
        auto& [sender, epoch] = early_recovers_[recover.slot];
        if (recover.epoch > epoch) std::tie(sender, epoch) = std::pair(from, recover.epoch);
        return;
    }
    SlotGate& gate = context_.shared.gates[recover.slot];
    if (recover.epoch <= gate.epoch || context_.view.locators[recover.slot] != from) {
        context_.took(Transition::slot_stale);
        return;
    }
    context_.took(Transition::slot_frozen);
    gate.epoch = recover.epoch;
    gate.open = false;
    frozen_.insert(recover.slot);
    delegations_.freeze(recover.slot);
    sticky_.freeze(recover.slot);
    std::erase_if(recalled_, [&](const RecordKey& key) { return slot_of_key(key) == recover.slot; });
    for (auto& [key, waiting] : waiting_) {
        if (slot_of_key(key) == recover.slot) waiting.asked = false;
    }
    unoffered_.insert(recover.slot);
    offer_when_free(recover.slot);
}

// A client that locked a record before the gate closed may still change it: the copies are offered once it is done.
void Holder::offer_when_free(Slot slot) {
    SlotCopies found = copies_of(slot);
    if (!found.delegated.empty()) {
        delegations_.end_copies(found.delegated);
        found = copies_of(slot);
    }
    if (found.held) {
        context_.took(Transition::slot_offer_deferred);
        return;
    }
    unoffered_.erase(slot);
    offer(slot, found.copies);
}

Holder::SlotCopies Holder::copies_of(Slot slot) const {
    const bool waits = !context_.planted(Planted::offers_while_held);
    SlotCopies found;
    context_.shared.records.each(slot, [&](const RecordKey& key, const Copy& copy) {
        if (delegations_.ends(copy)) found.delegated.push_back(key);
        found.held = found.held || (waits && copy.holder != 0);
        if (!found.held) found.copies.push_back(protocol::copy{key, copy.rsn, copy.sequence, copy.dmaster, copy.value});
    });
    return found;
}

void Holder::offer(Slot slot, std::vector<protocol::copy>& copies) {
    context_.took(Transition::slot_offered);
    const Pnn to = context_.view.locators[slot];
    protocol::offer offer;
    offer.slot = slot;
    offer.epoch = context_.shared.gates[slot].epoch;
    for (protocol::copy& copy : copies) {
        if (offer.copies.size() == protocol::MAX_COPIES) {
            transport_.send_body(to, std::move(offer));
            offer.copies.clear();
        }
        offer.copies.push_back(std::move(copy));
    }
    offer.last = true;
    transport_.send_body(to, std::move(offer));
}

void Holder::recovered(Pnn from, const protocol::recovered& recovered) {
    if (recovered.slot >= context_.config.slots) return;
    SlotGate& gate = context_.shared.gates[recovered.slot];
    if (gate.epoch != recovered.epoch || gate.open) {
        context_.took(Transition::slot_stale);
        return;
    }
    for (const RecordKey& key : recovered.lost) {
        Copy copy;
        if (!context_.shared.records.read(key, copy)) continue;
        copy.dmaster = false;
        context_.shared.records.write(key, copy);
        mirrors_.went(key);
    }
    if (!recovered.last) return;
    context_.took(Transition::slot_reopened);
    frozen_.erase(recovered.slot);
    gate.open = true;
    note_mirrors(recovered.slot, from);
    serve_slot(recovered.slot);
}

// The lmaster keeps a copy of each mirrored record that it was offered, so a recovery makes up for a lost mirror too.
void Holder::note_mirrors(Slot slot, Pnn locator) {
    std::vector<std::pair<RecordKey, Copy>> mirrored;
    context_.shared.records.each_mirrored(slot, [&](const RecordKey& key, const Copy& copy) {
        if (copy.dmaster && copy.sequence != 0) mirrored.emplace_back(key, copy);
    });
    for (const auto& [key, copy] : mirrored) mirrors_.came(key, copy, locator != context_.config.me ? locator : no_node);
}

void Holder::serve_slot(Slot slot) {
    std::vector<RecordKey> keys;
    for (const auto& [key, waiting] : waiting_) {
        if (slot_of_key(key) == slot) keys.push_back(key);
    }
    for (const RecordKey& key : keys) serve(key);
}

// What was asked of an lmaster that is none any more is asked again.
void Holder::view_accepted(const protocol::view& former) {
    for (auto& [key, waiting] : waiting_) {
        const Slot slot = slot_of_key(key);
        const Pnn locator = context_.view.locators[slot];
        const protocol::member* before =
            slot < former.locators.size() && former.locators[slot] == locator ? find_member(former, locator) : nullptr;
        if (before != nullptr && find_session(context_.view, locator, before->session) != nullptr) continue;
        waiting.asked = false;
        if (waiting.refused_at == 0) waiting.refused_at = context_.now;
    }
    for (const RecordKey& key : delegations_.view_accepted()) serve(key);
    const auto early = std::exchange(early_recovers_, {});
    for (const auto& [slot, from] : early) recover(from.first, protocol::recover{slot, from.second});
}

void Holder::session_ended() {
    for (SlotGate& gate : context_.shared.gates) gate = SlotGate();
    if (!context_.planted(Planted::keeps_ended_session)) context_.shared.records.clear();
    recalled_.clear();
    frozen_.clear();
    unoffered_.clear();
    early_recovers_.clear();
    for (auto& [key, waiting] : waiting_) waiting = Waiting{std::move(waiting.clients), false, context_.now};
}

}  // namespace Atoll::ctdb
