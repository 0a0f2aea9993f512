#include "ctdb/core/holder.h"

#include <algorithm>

namespace Atoll::ctdb {

void Holder::client_wants(Client client, const RecordKey& key) {
    Waiting& waiting = waiting_[key];
    if (std::find(waiting.clients.begin(), waiting.clients.end(), client) == waiting.clients.end()) {
        context_.took(Transition::client_queued);
        waiting.clients.push_back(client);
    }
    serve(key);
}

void Holder::client_gone(Client client) {
    for (auto at = waiting_.begin(); at != waiting_.end();) {
        if (std::erase(at->second.clients, client) > 0) context_.took(Transition::client_gone);
        at = at->second.clients.empty() && !at->second.asked ? waiting_.erase(at) : std::next(at);
    }
}

void Holder::client_released(const RecordKey& key) {
    const Slot slot = slot_of_key(key);
    if (unoffered_.contains(slot)) offer_when_free(slot);
    serve(key);
}

// Gives the record to the next client, gives it back, or asks for it: whatever its state calls for. Clients that lock it by themselves
// change that state: then it is looked at again.
void Holder::serve(const RecordKey& key) {
    if (context_.session == 0) return;
    while (!serve_as_it_is(key)) {
    }
}

bool Holder::serve_as_it_is(const RecordKey& key) {
    Copy copy;
    const bool here = context_.shared.records.read(key, copy) && copy.dmaster && gate_of(key).open;
    if (!here) {
        const auto found = waiting_.find(key);
        if (found != waiting_.end()) ask(key, found->second);
        return true;
    }
    const Copy seen = copy;
    if (copy.holder != 0 && !(context_.planted(Planted::yields_while_held) && recalled_.contains(key))) {
        copy.wanted = leaves(key) || waiting_.contains(key) || delegations_.asked_for(key);
        return copy.wanted == seen.wanted || context_.shared.records.replace(key, seen, copy);
    }
    return serve_free(key, copy);
}

// Nobody locks or moves a record that others read: they give up their copies first. Who would read gets one when nobody waits for more.
bool Holder::serve_free(const RecordKey& key, Copy& copy) {
    const bool waited_for = clients_wait_for(key) && context_.has_lease();
    if (copy.delegated && (leaves(key) || waited_for)) return !delegations_.revoke(key);
    if (leaves(key)) return give_back(key, copy);
    return !waited_for && delegations_.asked_for(key) ? delegations_.lend(key, copy) : grant(key, copy);
}

bool Holder::clients_wait_for(const RecordKey& key) const {
    const auto found = waiting_.find(key);
    return found != waiting_.end() && !found->second.clients.empty();
}

// To the first client that waits. A recall that comes later waits until it has had its turn, so a contended record does some work at each
// node.
bool Holder::grant(const RecordKey& key, Copy& copy) {
    const Copy seen = copy;
    const auto found = waiting_.find(key);
    if (found == waiting_.end() || found->second.clients.empty() || !context_.has_lease()) {
        if (found != waiting_.end() && found->second.clients.empty()) waiting_.erase(found);
        copy.wanted = waiting_.contains(key);
        return context_.shared.records.replace(key, seen, copy);
    }
    copy.holder = found->second.clients.front();
    copy.wanted = found->second.clients.size() > 1 || delegations_.asked_for(key);
    if (!context_.shared.records.replace(key, seen, copy)) return false;
    context_.took(Transition::client_granted);
    found->second.clients.pop_front();
    found->second.asked = false;
    if (found->second.clients.empty()) waiting_.erase(found);
    context_.act(GrantRecord{copy.holder, key});
    return true;
}

void Holder::ask(const RecordKey& key, Waiting& waiting) {
    const SlotGate& gate = gate_of(key);
    if (waiting.asked || waiting.clients.empty() || (!gate.open && gate.epoch != 0)) return;
    if (waiting.refused_at != 0 && context_.now - waiting.refused_at < context_.config.want_again) return;
    waiting.asked = true;
    waiting.refused_at = 0;
    context_.took(Transition::record_wanted);
    transport_.send_body(context_.view.locators[slot_of_key(key)], protocol::want{key, gate.epoch});
}

void Holder::refused(Pnn from, const protocol::refuse& refuse) {
    const auto found = waiting_.find(refuse.key);
    SlotGate& gate = gate_of(refuse.key);
    const Slot slot = slot_of_key(refuse.key);
    if (from != context_.view.locators[slot]) return;
    if (refuse.epoch > gate.epoch && !frozen_.contains(slot)) {
        context_.took(Transition::epoch_learnt);
        gate.epoch = refuse.epoch;
        gate.open = true;
    }
    if (found == waiting_.end()) return;
    found->second.asked = false;
    if (refuse.epoch == 0) {
        found->second.refused_at = context_.now;
        return;
    }
    serve(refuse.key);
}

void Holder::recalled(Pnn from, const protocol::recall& recall) {
    Copy copy;
    const SlotGate& gate = gate_of(recall.key);
    const bool valid = gate.open && gate.epoch == recall.epoch && context_.view.locators[slot_of_key(recall.key)] == from;
    if (!(valid || context_.planted(Planted::skip_epoch_check)) || !context_.shared.records.read(recall.key, copy) || !copy.dmaster) {
        context_.took(Transition::record_stale);
        return;
    }
    recalled_.insert(recall.key);
    if (sticky_.pinned(recall.key)) context_.took(Transition::record_pinned);
    if (copy.holder != 0) context_.took(Transition::recall_deferred);
    serve(recall.key);
}

// Clients of this node that still wait ask again, behind those of the others.
bool Holder::give_back(const RecordKey& key, Copy& copy) {
    const Copy seen = copy;
    copy.dmaster = false;
    copy.wanted = false;
    if (!context_.shared.records.replace(key, seen, copy)) return false;
    context_.took(Transition::record_yielded);
    recalled_.erase(key);
    mirrors_.went(key);
    delegations_.went(key);
    sticky_.went(key);
    const Slot slot = slot_of_key(key);
    transport_.send_body(context_.view.locators[slot],
                         protocol::yield{key, context_.shared.gates[slot].epoch, copy.rsn, copy.sequence, copy.value});
    const auto found = waiting_.find(key);
    if (found == waiting_.end()) return true;
    found->second.asked = false;
    ask(key, found->second);
    return true;
}

void Holder::give_back_unasked(const RecordKey& key) {
    Copy copy;
    const bool unused = context_.shared.records.read(key, copy) && copy.dmaster && copy.holder == 0 && copy.value.empty();
    if (!unused || is_waited_for(key) || !gate_of(key).open) return;
    if (give_back(key, copy)) context_.took(Transition::yielded_unasked);
}

void Holder::given(Pnn from, protocol::give& give) {
    const SlotGate& gate = gate_of(give.key);
    if (!(gate.open && gate.epoch == give.epoch) && !context_.planted(Planted::skip_epoch_check)) {
        context_.took(Transition::record_stale);
        return;
    }
    Copy copy;
    copy.rsn = give.rsn;
    copy.sequence = give.sequence;
    copy.dmaster = true;
    copy.value = std::move(give.value);
    context_.shared.records.write(give.key, copy);
    mirrors_.came(give.key, copy, from != context_.config.me ? from : give.former);
    if (give.sticky) sticky_.pin(give.key);
    const auto found = waiting_.find(give.key);
    if (found != waiting_.end()) found->second.asked = false;
    serve(give.key);
}

void Holder::asked_to_lend(Pnn from, const protocol::delegate& delegate) {
    if (delegations_.asked(from, delegate)) serve(delegate.key);
}

void Holder::revoked(Pnn from, const protocol::revoked& revoked) {
    if (delegations_.revoked(from, revoked)) serve(revoked.key);
}

void Holder::tick() {
    if (context_.session == 0) return;
    for (const RecordKey& key : sticky_.unpin()) serve(key);
    std::vector<RecordKey> again;
    for (const auto& [key, waiting] : waiting_) {
        if (!waiting.asked && waiting.refused_at != 0) again.push_back(key);
    }
    for (const RecordKey& key : again) serve(key);
}

void Holder::lease_revived() {
    std::vector<RecordKey> keys;
    for (const auto& [key, waiting] : waiting_) keys.push_back(key);
    for (const RecordKey& key : keys) serve(key);
}

}  // namespace Atoll::ctdb
