#include "ctdb/core/delegations.h"

#include <algorithm>

namespace Atoll::ctdb {

// Whoever has found no copy asks for one, and is answered once: if there is none then, the record has to come.
void Delegations::client_reads(Client client, const RecordKey& key) {
    const Slot slot = context_.slot_of(key);
    const SlotGate& gate = context_.shared.gates[slot];
    Copy copy;
    const bool here = context_.shared.records.read(key, copy) && may_read_locally(copy, gate, context_.shared.lease, context_.now);
    const bool frozen = !gate.open && gate.epoch != 0;
    if (context_.session == 0 || here || frozen) return context_.act(RecordReadable{client, key, here});
    const auto [at, first] = reading_.try_emplace(key, Reading{{}, context_.now});
    auto& clients = at->second.clients;
    if (std::find(clients.begin(), clients.end(), client) == clients.end()) clients.push_back(client);
    if (!first) return;
    context_.took(Transition::read_wanted);
    transport_.send_body(context_.view.locators[slot], protocol::read_want{key, gate.epoch});
}

void Delegations::client_gone(Client client) {
    for (auto& [key, reading] : reading_) std::erase(reading.clients, client);
}

void Delegations::answer(const RecordKey& key, bool readable) {
    const auto found = reading_.extract(key);
    if (found.empty()) return;
    for (const Client client : found.mapped().clients) context_.act(RecordReadable{client, key, readable});
}

// A dmaster that no view or message names any more does not answer, and one whose client keeps the record locked answers late.
void Delegations::tick() {
    std::vector<RecordKey> late;
    for (const auto& [key, reading] : reading_) {
        if (context_.now - reading.since >= context_.config.read_patience) late.push_back(key);
    }
    for (const RecordKey& key : late) {
        context_.took(Transition::read_given_up);
        answer(key, false);
    }
}

void Delegations::came(Pnn from, protocol::delegation& delegation) {
    if (!delegation.granted) return answer(delegation.key, false);
    const SlotGate& gate = context_.shared.gates[context_.slot_of(delegation.key)];
    Copy copy;
    const bool has = context_.shared.records.read(delegation.key, copy);
    const bool newer = has && (copy.dmaster || copy.rsn > delegation.rsn);
    if (!gate.open || gate.epoch != delegation.epoch || newer || from == context_.config.me) {
        context_.took(Transition::delegation_void);
        return answer(delegation.key, false);
    }
    context_.took(Transition::delegation_came);
    copy = Copy();
    copy.rsn = delegation.rsn;
    copy.delegated = true;
    copy.value = std::move(delegation.value);
    context_.shared.records.write(delegation.key, copy);
    answer(delegation.key, true);
}

// Clients look at the copy under its chain lock: once it is cleared nobody reads it.
void Delegations::give_up(Pnn from, const protocol::revoke& revoke) {
    const SlotGate& gate = context_.shared.gates[context_.slot_of(revoke.key)];
    Copy copy;
    if (gate.epoch == revoke.epoch && context_.shared.records.read(revoke.key, copy) && copy.delegated && !copy.dmaster) {
        context_.took(Transition::delegation_given_up);
        clear(revoke.key);
    }
    transport_.send_body(from, protocol::revoked{revoke.key, revoke.epoch});
}

// The lmaster's question may have crossed the record's yielding: then the reader hears that it has to ask for it. Where the slot is being
// recovered it hears that from its own node.
bool Delegations::asked(Pnn from, const protocol::delegate& delegate) {
    const Slot slot = context_.slot_of(delegate.key);
    const SlotGate& gate = context_.shared.gates[slot];
    if (!gate.open || gate.epoch != delegate.epoch || context_.view.locators[slot] != from) {
        context_.took(Transition::record_stale);
        return false;
    }
    Copy copy;
    const bool here = context_.shared.records.read(delegate.key, copy) && copy.dmaster;
    const bool member = delegate.reader != context_.config.me && find_member(context_.view, delegate.reader) != nullptr;
    if (!member) return false;
    if (!here || !may_be_lent(delegate.key, copy)) {
        refuse(delegate.reader, delegate.key);
        return false;
    }
    lent_[delegate.key].asking.insert(delegate.reader);
    if (copy.holder != 0 || revoking_.contains(delegate.key)) context_.took(Transition::delegation_deferred);
    return true;
}

void Delegations::refuse(Pnn reader, const RecordKey& key) {
    context_.took(Transition::delegation_refused);
    protocol::delegation delegation;
    delegation.key = key;
    delegation.epoch = context_.shared.gates[context_.slot_of(key)].epoch;
    transport_.send_body(reader, std::move(delegation));
}

bool Delegations::may_be_lent(const RecordKey& key, const Copy& copy) const {
    return context_.shared.records.lends(key) && copy.sequence == 0 && !copy.value.empty();
}

bool Delegations::asked_for(const RecordKey& key) const {
    const auto found = lent_.find(key);
    return found != lent_.end() && !found->second.asking.empty();
}

bool Delegations::lend(const RecordKey& key, const Copy& copy) {
    if (revoking_.contains(key)) return true;
    if (!context_.has_lease() || !may_be_lent(key, copy)) {
        went(key);
        return false;
    }
    Copy lent = copy;
    lent.delegated = true;
    lent.wanted = false;
    if (lent != copy && !context_.shared.records.replace(key, copy, lent)) return false;
    Lent& to = lent_[key];
    const Epoch epoch = context_.shared.gates[context_.slot_of(key)].epoch;
    for (const Pnn pnn : std::exchange(to.asking, {})) {
        context_.took(Transition::delegated);
        to.readers[pnn] = find_member(context_.view, pnn)->session;
        transport_.send_body(pnn, protocol::delegation{key, epoch, true, lent.rsn, lent.value});
    }
    return true;
}

void Delegations::went(const RecordKey& key) {
    const auto found = lent_.find(key);
    if (found == lent_.end()) return;
    for (const Pnn pnn : std::exchange(found->second.asking, {})) refuse(pnn, key);
    if (found->second.readers.empty()) lent_.erase(found);
}

bool Delegations::revoke(const RecordKey& key) {
    const auto found = lent_.find(key);
    const bool read = found != lent_.end() && !found->second.readers.empty();
    if (read && revoking_.insert(key).second) {
        context_.took(Transition::delegations_revoked);
        const Epoch epoch = context_.shared.gates[context_.slot_of(key)].epoch;
        for (const auto& [pnn, session] : found->second.readers) transport_.send_body(pnn, protocol::revoke{key, epoch});
    }
    if (read && !context_.planted(Planted::changes_beside_readers)) return false;
    finish(key);
    return true;
}

bool Delegations::revoked(Pnn from, const protocol::revoked& revoked) {
    const auto found = lent_.find(revoked.key);
    const bool round = found != lent_.end() && revoking_.contains(revoked.key);
    if (!round || context_.shared.gates[context_.slot_of(revoked.key)].epoch != revoked.epoch) return false;
    found->second.readers.erase(from);
    if (!found->second.readers.empty()) return false;
    context_.took(Transition::delegations_ended);
    finish(revoked.key);
    return true;
}

// Nobody reads copies of it any more. Who has asked meanwhile is still to be answered.
void Delegations::finish(const RecordKey& key) {
    clear(key);
    revoking_.erase(key);
    const auto found = lent_.find(key);
    if (found == lent_.end()) return;
    found->second.readers.clear();
    if (found->second.asking.empty()) lent_.erase(found);
}

// What the dmaster stores from now on has a higher RSN than what others have read: a recovery sees which is the newer.
void Delegations::clear(const RecordKey& key) {
    Copy seen;
    while (context_.shared.records.read(key, seen) && seen.delegated) {
        Copy next = seen;
        next.delegated = false;
        if (next.dmaster && !context_.planted(Planted::forgets_lending)) next.rsn++;
        if (context_.shared.records.replace(key, seen, next)) return;
    }
}

// The slot goes on when every member has been here, so nobody changes a record beside a reader. Who waits for a copy asks for the record
// instead.
void Delegations::freeze(Slot slot) {
    const auto of_slot = [&](const auto& entry) { return context_.slot_of(entry.first) == slot; };
    std::vector<RecordKey> keys;
    std::erase_if(lent_, of_slot);
    std::erase_if(revoking_, [&](const RecordKey& key) { return context_.slot_of(key) == slot; });
    for (const auto& entry : reading_) {
        if (of_slot(entry)) keys.push_back(entry.first);
    }
    for (const RecordKey& key : keys) answer(key, false);
}

bool Delegations::ends(const Copy& copy) const { return copy.delegated && (copy.dmaster || !context_.planted(Planted::keeps_delegations)); }

void Delegations::end_copies(const std::vector<RecordKey>& keys) {
    if (!keys.empty()) context_.took(Transition::delegations_frozen);
    for (const RecordKey& key : keys) clear(key);
}

// A session that is in no view has no lease either. Who waits for an answer may have asked one that is lost: it asks for the record.
std::vector<RecordKey> Delegations::view_accepted() {
    std::vector<RecordKey> unread;
    for (auto at = lent_.begin(); at != lent_.end();) {
        auto& [key, lent] = *at;
        const bool read = !lent.readers.empty();
        std::erase_if(lent.readers,
                      [&](const auto& reader) { return find_session(context_.view, reader.first, reader.second) == nullptr; });
        std::erase_if(lent.asking, [&](Pnn pnn) { return find_member(context_.view, pnn) == nullptr; });
        if (read && lent.readers.empty()) unread.push_back(key);
        at = !read && lent.asking.empty() ? lent_.erase(at) : std::next(at);
    }
    for (const RecordKey& key : unread) {
        context_.took(Transition::delegation_lost);
        finish(key);
    }
    while (!reading_.empty()) answer(RecordKey(reading_.begin()->first), false);
    return unread;
}

void Delegations::session_ended() {
    lent_.clear();
    revoking_.clear();
    while (!reading_.empty()) answer(RecordKey(reading_.begin()->first), false);
}

}  // namespace Atoll::ctdb
