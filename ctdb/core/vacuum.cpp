#include "ctdb/core/vacuum.h"

#include "ctdb/core/limits.h"

namespace Atoll::ctdb {

void Vacuum::tick() {
    if (context_.session == 0 || !keys_.empty()) return;
    size_t records = 0;
    for (size_t slots = 0; slots < limits::max_vacuum_slots && records < limits::max_vacuum_records && keys_.empty(); slots++) {
        next_ = (next_ + 1) % context_.config.slots;
        if (context_.shared.gates[next_].open) records += look_at(next_);
    }
}

// What has no value and is used by nobody; how many records it looked at. Clients may take it meanwhile: each step looks again.
size_t Vacuum::look_at(Slot slot) {
    size_t records = 0;
    std::vector<RecordKey> empty;
    context_.shared.records.each(slot, [&](const RecordKey& key, const Copy& copy) {
        records++;
        const bool unused = copy.dmaster && copy.holder == 0 && !copy.wanted && copy.value.empty();
        if (unused && empty.size() < protocol::MAX_COPIES) empty.push_back(key);
    });
    if (context_.view.locators[slot] != context_.config.me) {
        for (const RecordKey& key : empty) holder_.give_back_unasked(key);
        return records;
    }
    slot_ = slot;
    having_.clear();
    for (const RecordKey& key : empty) {
        Copy copy;
        if (!locator_.is_unused(key, copy) || holder_.is_waited_for(key)) continue;
        const std::set<Pnn> copies = locator_.copies_of(key);
        if (!copies.empty()) {
            if (!raise(key, copy)) continue;
            having_.insert(copies.begin(), copies.end());
            keys_.emplace(key, std::move(copy));
        } else if (locator_.forget(key)) {
            mirrors_.went(key);
            context_.took(Transition::record_vacuumed_here);
        }
    }
    if (!keys_.empty()) ask(!context_.planted(Planted::vacuums_at_once));
    return records;
}

// What is stored from now on is newer than the removal that others are told of. Of a mirrored record it is anyway, by its sequence.
bool Vacuum::raise(const RecordKey& key, Copy& copy) {
    if (copy.sequence != 0) return true;
    const Copy seen = copy;
    copy.rsn++;
    return context_.shared.records.replace(key, seen, copy);
}

void Vacuum::ask(bool older) {
    older_ = older;
    missing_ = having_;
    protocol::forget forget{slot_, context_.view.id, ++asked_, older, {}};
    for (const auto& [key, copy] : keys_) forget.records.push_back({key, copy.sequence == 0 ? copy.rsn - 1 : copy.rsn, copy.sequence});
    for (const Pnn pnn : missing_) transport_.send_body(pnn, forget);
}

// Whoever has another view, in which a session that has ended may still send copies, has the slot frozen, is the dmaster after all, or has
// sent a copy that may be on its way still, forgets nothing.
void Vacuum::forget(Pnn from, const protocol::forget& forget) {
    if (forget.slot >= context_.config.slots) return;
    const SlotGate& gate = context_.shared.gates[forget.slot];
    const bool frozen = !gate.open && gate.epoch != 0;
    const bool valid = !frozen && context_.view.id == forget.view && context_.view.locators[forget.slot] == from;
    protocol::forgotten answer{forget.number, {}};
    for (const protocol::removed_record& removed : forget.records) {
        const bool here = context_.slot_of(removed.key) == forget.slot;
        if (!valid || !here || mirrors_.on_their_way(removed.key) || !forget_copy(removed, forget.older)) answer.kept.push_back(removed.key);
    }
    transport_.send_body(from, std::move(answer));
}

// What is older first becomes the removal: dropped at once, it could leave a still older one with another member as the newest of all.
bool Vacuum::forget_copy(const protocol::removed_record& removed, bool older) {
    Copy copy;
    if (!context_.shared.records.read(removed.key, copy)) return true;
    if (copy.dmaster || copy.rsn > removed.rsn) return false;
    if (!older) {
        context_.took(Transition::copy_forgotten);
        return context_.shared.records.remove(removed.key, copy);
    }
    Copy removal;
    removal.rsn = removed.rsn;
    removal.sequence = removed.sequence;
    return copy.value.empty() || context_.shared.records.replace(removed.key, copy, removal);
}

void Vacuum::forgotten(Pnn from, const protocol::forgotten& forgotten) {
    // An answer to a question of a round that another view has ended says nothing.
    const bool late = forgotten.number != asked_ && !context_.planted(Planted::counts_late_answers);
    if (keys_.empty() || late || missing_.erase(from) == 0) return;
    for (const RecordKey& key : forgotten.kept) {
        if (keys_.erase(key) > 0) context_.took(Transition::vacuum_given_up);
    }
    if (missing_.empty()) finish();
}

// Who has used a record meanwhile may have left copies of it.
void Vacuum::give_up_used() {
    if (context_.planted(Planted::vacuums_in_flight)) return;
    std::erase_if(keys_, [&](const auto& seen) {
        Copy copy;
        return !locator_.is_unused(seen.first, copy) || copy != seen.second || holder_.is_waited_for(seen.first);
    });
}

void Vacuum::finish() {
    give_up_used();
    if (keys_.empty()) return;
    if (older_) return ask(false);
    for (const auto& [key, copy] : std::exchange(keys_, {})) {
        if (!locator_.forget(key)) continue;
        mirrors_.went(key);
        context_.took(Transition::record_vacuumed);
    }
}

}  // namespace Atoll::ctdb
