#include "ctdb/core/mirrors.h"

#include "ctdb/core/limits.h"

namespace Atoll::ctdb {

bool Mirrors::there(const Place& place) const {
    if (place.pnn == no_node) return false;
    const protocol::member* member = find_session(context_.view, place.pnn, place.session);
    return member != nullptr && !member->leaving;
}

Mirrors::Place Mirrors::place_of(Pnn pnn) const {
    const protocol::member* member = pnn != context_.config.me ? find_member(context_.view, pnn) : nullptr;
    return member != nullptr ? Place{pnn, member->session} : Place{};
}

// The lmaster, which keeps a copy of each record that moves anyway; where that is this node, the next member.
Mirrors::Place Mirrors::mirror_of(const RecordKey& key) const {
    const Place locator = place_of(context_.view.locators[context_.slot_of(key)]);
    if (there(locator)) return locator;
    Place first;
    for (const protocol::member& member : context_.view.members) {
        if (member.pnn == context_.config.me || member.leaving) continue;
        if (member.pnn > context_.config.me) return {member.pnn, member.session};
        if (first.pnn == no_node) first = {member.pnn, member.session};
    }
    return first;
}

// One whose session has ended meanwhile is not answered: it is ended with it.
void Mirrors::stored(Client client, const RecordKey& key) {
    Copy copy;
    if (context_.session == 0 || !context_.shared.records.read(key, copy) || !copy.dmaster || copy.holder != client) return;
    Entry& entry = entries_[key];
    entry.waiting = client;
    send(key, entry, copy);
    if (context_.planted(Planted::answers_before_mirror)) answer(key, entry);
}

void Mirrors::client_gone(Client client) {
    for (auto& [key, entry] : entries_) {
        if (entry.waiting == client) entry.waiting = 0;
    }
}

void Mirrors::released(const RecordKey& key) {
    Copy copy;
    if (!context_.shared.records.read(key, copy) || !copy.dmaster || copy.sequence == 0) return;
    const auto found = entries_.find(key);
    if (found != entries_.end() && (found->second.safe >= copy.sequence || found->second.sequence >= copy.sequence)) return;
    entries_[key].rsn = copy.rsn;
    unsafe_.insert(key);
    secure_more();
}

void Mirrors::came(const RecordKey& key, const Copy& copy, Pnn other) {
    if (copy.sequence == 0) return;
    Entry& entry = entries_[key];
    entry.rsn = copy.rsn;
    entry.at = place_of(other);
    entry.safe = there(entry.at) ? copy.sequence : 0;
    entry.sent = {};
    entry.sequence = 0;
    securing_.erase(key);
    unsafe_.erase(key);
    if (entry.safe != 0) return;
    unsafe_.insert(key);
    secure_more();
}

void Mirrors::went(const RecordKey& key) {
    if (entries_.erase(key) == 0) return;
    unsafe_.erase(key);
    if (securing_.erase(key) > 0) secure_more();
}

void Mirrors::send(const RecordKey& key, Entry& entry, const Copy& copy) {
    entry.rsn = copy.rsn;
    entry.sequence = copy.sequence;
    entry.sent = mirror_of(key);
    if (entry.sent.pnn == no_node) {
        context_.took(Transition::store_alone);
        return answer(key, entry);
    }
    const Epoch epoch = context_.shared.gates[context_.slot_of(key)].epoch;
    sent_[key][entry.sent.pnn]++;
    transport_.send_body(entry.sent.pnn, protocol::mirror{key, epoch, copy.rsn, copy.sequence, copy.value});
}

void Mirrors::answer(const RecordKey& key, Entry& entry) {
    const Client client = std::exchange(entry.waiting, 0);
    if (client != 0) context_.act(RecordMirrored{client, key});
}

// The sender's slot may be frozen here, and what this node has of it may have been offered: the sender offers only after the store, so
// the recovery has it then; and if the sender is lost, the next one asks again.
void Mirrors::keep(Pnn from, protocol::mirror& mirror) {
    const SlotGate& gate = context_.shared.gates[context_.slot_of(mirror.key)];
    Copy copy;
    const bool has = context_.shared.records.read(mirror.key, copy);
    if ((gate.open && mirror.epoch < gate.epoch) || (has && (copy.dmaster || copy.rsn > mirror.rsn))) {
        context_.took(Transition::mirror_stale);
        transport_.send_body(from, protocol::mirrored{mirror.key, mirror.rsn, mirror.sequence, false});
        return;
    }
    if (!has || copy.rsn < mirror.rsn || copy.sequence < mirror.sequence) {
        context_.took(Transition::mirror_kept);
        copy = Copy();
        copy.rsn = mirror.rsn;
        copy.sequence = mirror.sequence;
        copy.value = std::move(mirror.value);
        context_.shared.records.write(mirror.key, copy);
    }
    transport_.send_body(from, protocol::mirrored{mirror.key, mirror.rsn, mirror.sequence, true});
}

void Mirrors::kept(Pnn from, const protocol::mirrored& mirrored) {
    forget_answered(from, mirrored.key);
    const auto found = entries_.find(mirrored.key);
    if (found == entries_.end() || !mirrored.kept || found->second.sent.pnn != from || found->second.rsn != mirrored.rsn) return;
    Entry& entry = found->second;
    if (mirrored.sequence != entry.sequence) return;
    entry.at = entry.sent;
    entry.safe = mirrored.sequence;
    entry.sent = {};
    unsafe_.erase(mirrored.key);
    if (entry.waiting != 0) {
        context_.took(Transition::store_mirrored);
        answer(mirrored.key, entry);
    }
    if (securing_.erase(mirrored.key) > 0) {
        context_.took(Transition::mirrored_anew);
        secure_more();
    }
}

void Mirrors::forget_answered(Pnn from, const RecordKey& key) {
    const auto found = sent_.find(key);
    if (found == sent_.end()) return;
    const auto to = found->second.find(from);
    if (to != found->second.end() && --to->second == 0) found->second.erase(to);
    if (found->second.empty()) sent_.erase(found);
}

bool Mirrors::on_their_way(const RecordKey& key) const {
    const auto found = sent_.find(key);
    if (found == sent_.end()) return false;
    for (const auto& [pnn, count] : found->second) {
        if (find_member(context_.view, pnn) != nullptr) return true;
    }
    return false;
}

// Whoever has a second copy may have been lost: another gets one, and what waits goes there. A view in which the members are the same is
// not looked at.
void Mirrors::view_accepted(const protocol::view& former) {
    if (context_.view.members == former.members) return;
    for (auto at = sent_.begin(); at != sent_.end();) {
        std::erase_if(at->second, [&](const auto& to) {
            const protocol::member* before = find_member(former, to.first);
            return before == nullptr || find_session(context_.view, to.first, before->session) == nullptr;
        });
        at = at->second.empty() ? sent_.erase(at) : std::next(at);
    }
    std::set<RecordKey, KeyLess> again;
    for (auto& [key, entry] : entries_) {
        const bool under_way = entry.sent.pnn != no_node && there(entry.sent);
        if (under_way || (entry.waiting == 0 && there(entry.at) && entry.sent.pnn == no_node)) continue;
        context_.took(Transition::mirror_lost);
        securing_.erase(key);
        if (entry.waiting != 0) {
            again.insert(key);
        } else {
            unsafe_.insert(key);
        }
    }
    for (const RecordKey& key : again) secure(key);
    secure_more();
}

void Mirrors::secure(const RecordKey& key) {
    Copy copy;
    const auto found = entries_.find(key);
    if (found == entries_.end()) return;
    if (!context_.shared.records.read(key, copy) || !copy.dmaster) {
        entries_.erase(found);
        return;
    }
    send(key, found->second, copy);
}

void Mirrors::secure_more() {
    while (!unsafe_.empty() && securing_.size() < limits::max_mirrored_anew) {
        const RecordKey key = *unsafe_.begin();
        unsafe_.erase(unsafe_.begin());
        secure(key);
        const auto found = entries_.find(key);
        if (found != entries_.end() && found->second.sent.pnn != no_node) securing_.insert(key);
    }
}

void Mirrors::session_ended() {
    entries_.clear();
    sent_.clear();
    unsafe_.clear();
    securing_.clear();
}

}  // namespace Atoll::ctdb
