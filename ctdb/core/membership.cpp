#include "ctdb/core/membership.h"

#include <algorithm>

#include "ctdb/core/addresses.h"

namespace Atoll::ctdb {

void Membership::lead(Term term) {
    leading_ = term;
    if (term != 0) note_leader(context_.config.me, term);
}

void Membership::note_leader(Pnn pnn, Term term) {
    if (term < highest_term_) return;
    if (term > highest_term_ && pnn != context_.config.me) context_.took(Transition::leader_seen);
    highest_term_ = term;
    leader_heard_ = context_.waited;
    leader_ = pnn;
}

bool Membership::led() const {
    return leader_ != no_node && !peers_.gone(leader_) && context_.waited - leader_heard_ <= context_.config.dead_after;
}

void Membership::heard(Pnn from, const protocol::keepalive& keepalive) {
    if (peers_.note(from, keepalive) && keepalive.term != 0) note_leader(from, keepalive.term);
}

void Membership::lease(const protocol::lease& lease) {
    if (lease.term < highest_term_ || lease.session != context_.session || context_.session == 0 || lease.sent > context_.now) return;
    context_.took(Transition::lease_renewed);
    extend_lease(lease.sent + context_.config.lease);
}

void Membership::extend_lease(Time deadline) {
    NodeLease& held = context_.shared.lease;
    if (context_.session == 0) return;
    held.session = context_.session;
    held.deadline = std::max<Time>(held.deadline, deadline);
}

void Membership::expelled(const protocol::expel& expel) {
    if (expel.term < highest_term_ || expel.session != context_.session) return;
    context_.took(Transition::expelled);
    if (context_.session != 0) end_session();
    if (expel.ban == 0) return;
    ban(expel.ban);
}

void Membership::propose(const protocol::view& view) {
    if (term_of(view.id) < highest_term_ || view.id < last_view_) return;
    if (context_.session != 0 && view.id == last_view_) return;
    highest_term_ = term_of(view.id);
    const protocol::member* me = find_member(view, context_.config.me);
    if (me != nullptr && me->incarnation != context_.config.incarnation) me = nullptr;
    if (context_.session != 0 && (me == nullptr || me->session != context_.session)) {
        last_view_ = view.id;
        end_session();
    }
    if (me == nullptr) return;
    // The leader says it again until it is accepted.
    if (context_.session == 0 && (me->session <= last_session_ || kept_out() || observer_.holds_addresses())) return;
    accept(view, me->session);
}

void Membership::accept(const protocol::view& view, Session session) {
    context_.took(Transition::view_accepted);
    if (context_.session == 0) context_.took(Transition::session_begun);
    const protocol::view former = std::exchange(context_.view, view);
    last_view_ = view.id;
    last_session_ = session;
    level_ = std::max(level_, view.level);
    context_.session = session;
    for (const protocol::member& member : view.members) {
        if (find_session(former, member.pnn, member.session) == nullptr) peers_.expect(member.pnn);
    }
    observer_.view_accepted(former);
}

// The lease goes first: whoever reads it later finds that nothing may be used.
void Membership::end_session() {
    context_.took(Transition::session_ended);
    context_.shared.lease = NodeLease();
    context_.session = 0;
    context_.view = protocol::view();
    observer_.session_ended();
}

void Membership::set_flag(node_flags flag, bool on) { flags_ = on ? flags_ | flag : flags_ & ~flag; }

void Membership::ban(Time duration) {
    set_flag(node_flags::NODE_BANNED, duration != 0);
    banned_until_ = context_.waited + duration;
}

void Membership::tick() {
    if (any(flags_ & node_flags::NODE_BANNED) && context_.waited >= banned_until_) {
        context_.took(Transition::ban_over);
        set_flag(node_flags::NODE_BANNED, false);
    }
}

std::vector<Pnn> Membership::unheard() const {
    std::vector<Pnn> found;
    for (const protocol::member& member : context_.view.members) {
        if (member.pnn != context_.config.me && peers_.silent(member.pnn)) found.push_back(member.pnn);
    }
    return found;
}

protocol::keepalive Membership::keepalive(bool settled, const Addresses& addresses, const std::vector<Pnn>& unheard) const {
    protocol::keepalive keepalive;
    keepalive.incarnation = context_.config.incarnation;
    keepalive.session = context_.session;
    keepalive.term = leading_;
    keepalive.view = context_.session != 0 ? context_.view.id : 0;
    keepalive.settled = settled;
    keepalive.flags = flags_;
    keepalive.sent = context_.now;
    keepalive.level = level_;
    keepalive.newest_level = newest_level_;
    keepalive.unheard = unheard;
    keepalive.addresses = addresses.held();
    keepalive.takeable = addresses.takeable();
    return keepalive;
}

}  // namespace Atoll::ctdb
