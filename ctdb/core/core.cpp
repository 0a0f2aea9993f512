#include "ctdb/core/core.h"

#include <algorithm>

namespace Atoll::ctdb {

Core::Core(const Config& config, SharedState& shared, const PersistentStore& persistent)
    : config_(config),
      context_(config_, shared),
      peers_(context_),
      membership_(context_, peers_, *this),
      outside_lock_(context_),
      quorum_(context_, peers_, membership_),
      leadership_(context_, peers_, membership_, config.by_majority ? static_cast<LockRequests&>(quorum_) : outside_lock_),
      links_(context_, [this](Pnn from, protocol::slot_message& message) { on_slot_message(from, message); }),
      sticky_(context_),
      locator_(context_, *this, sticky_),
      mirrors_(context_, *this),
      delegations_(context_, *this),
      holder_(context_, *this, mirrors_, delegations_, sticky_),
      vacuum_(context_, *this, locator_, holder_, mirrors_),
      addresses_(context_),
      persistent_(context_, *this, persistent, membership_) {
    shared.lease = NodeLease();
    for (SlotGate& gate : shared.gates) gate = SlotGate();
    shared.records.clear();
}

std::span<const Action> Core::handle(Event event, Time now) {
    context_.actions.clear();
    pass_time(now);
    std::visit([this](auto& e) { on(e); }, event);
    answer_leader();
    // Before any view that rests on them.
    if (membership_.flags() != told_flags_ || membership_.leading() != told_term_) send_keepalives();
    deliver_own();
    watch_lease();
    deliver_own();
    locator_.recover_more();
    deliver_own();
    links_.flush();
    return context_.actions;
}

// What the majority says of the lock, as if it were an event.
void Core::answer_leader() {
    while (auto answer = quorum_.answer()) std::visit([this](auto& e) { on(e); }, *answer);
}

// A step that is longer than the time between two events can be says nothing about how much time has passed elsewhere.
void Core::pass_time(Time now) {
    const Time step = now > context_.now ? now - context_.now : 0;
    context_.now = std::max(context_.now, now);
    if (step <= config_.clock_step || context_.planted(Planted::trusts_clock_jumps)) context_.waited += step;
}

void Core::on(Ticked&) {
    membership_.tick();
    if (context_.now - kept_alive_ >= config_.keepalive) send_keepalives();
    peers_.note(config_.me, own_keepalive());
    if (config_.by_majority) quorum_.tick();
    leadership_.tick();
    links_.tick();
    sticky_.tick();
    delegations_.tick();
    holder_.tick();
    vacuum_.tick();
    persistent_.tick();
}

void Core::send_keepalives() {
    kept_alive_ = context_.now;
    told_flags_ = membership_.flags();
    told_term_ = membership_.leading();
    const protocol::keepalive keepalive = own_keepalive();
    for (const Pnn pnn : config_.nodes) {
        if (pnn != config_.me) context_.send(pnn, keepalive);
    }
}

// A member whose link is stuck is as good as silent.
protocol::keepalive Core::own_keepalive() const {
    std::vector<Pnn> unheard = membership_.unheard();
    for (const protocol::member& member : context_.view.members) {
        if (links_.stuck(member.pnn) && std::find(unheard.begin(), unheard.end(), member.pnn) == unheard.end())
            unheard.push_back(member.pnn);
    }
    protocol::keepalive keepalive = membership_.keepalive(locator_.settled(), addresses_, unheard);
    keepalive.persisted = persistent_.coordinator().persisted();
    return keepalive;
}

void Core::on(ClientReleased& event) {
    mirrors_.released(event.key);
    holder_.client_released(event.key);
}

void Core::on(ClientGone& event) {
    mirrors_.client_gone(event.client);
    delegations_.client_gone(event.client);
    holder_.client_gone(event.client);
}

// The leader goes on without it, or others try for the lock of a leader that was.
void Core::on(PeerEnded& event) {
    peers_.ended(event.pnn, event.incarnation);
    leadership_.tick();
}

void Core::on(Received& event) {
    const protocol::message& message = event.message;
    const Pnn from = message.from;
    if (message.to != config_.me || from == config_.me || !std::binary_search(config_.nodes.begin(), config_.nodes.end(), from)) return;
    auto& body = event.message.body;
    if (body.is_alive()) on_keepalive(from, body.alive());
    if (body.is_leased()) membership_.lease(body.leased());
    if (body.is_expelled()) membership_.expelled(body.expelled());
    if (body.is_viewed()) on_view(body.viewed());
    if (body.is_framed()) links_.receive(from, body.framed());
    if (body.is_of_quorum() && config_.by_majority) quorum_.receive(from, body.of_quorum());
    if (body.is_acknowledged()) links_.acknowledged(from, body.acknowledged());
}

void Core::on_keepalive(Pnn from, const protocol::keepalive& keepalive) {
    membership_.heard(from, keepalive);
    if (peers_.of(from).last.sent == keepalive.sent) leadership_.answer(from, keepalive);
}

// One that does not fit this cluster's configuration is not accepted.
void Core::on_view(const std::vector<uint8_t>& bytes) {
    protocol::view view;
    if (!decode(Bytes(bytes), view).ok() || view.locators.size() != config_.slots || view.located_since.size() != config_.slots) return;
    if (view.level > config_.newest_level) return;
    membership_.propose(view);
}

void Core::on_slot_message(Pnn from, protocol::slot_message& message) {
    if (context_.session == 0) return;
    auto& body = message.body;
    if (body.is_wanted()) locator_.want(from, body.wanted());
    if (body.is_yielded()) locator_.yielded(from, body.yielded());
    if (body.is_offered()) locator_.offered(from, body.offered());
    if (body.is_refused()) delegations_.refused(body.refused().key);
    if (body.is_refused()) holder_.refused(from, body.refused());
    if (body.is_recalled()) holder_.recalled(from, body.recalled());
    if (body.is_given()) holder_.given(from, body.given());
    if (body.is_mirroring()) mirrors_.keep(from, body.mirroring());
    if (body.is_was_mirrored()) mirrors_.kept(from, body.was_mirrored());
    if (body.is_forgetting()) vacuum_.forget(from, body.forgetting());
    if (body.is_was_forgotten()) vacuum_.forgotten(from, body.was_forgotten());
    if (body.is_wanted_to_read()) locator_.read_want(from, body.wanted_to_read());
    if (body.is_delegating()) holder_.asked_to_lend(from, body.delegating());
    if (body.is_was_delegated()) delegations_.came(from, body.was_delegated());
    if (body.is_revoking()) delegations_.give_up(from, body.revoking());
    if (body.is_was_revoked()) holder_.revoked(from, body.was_revoked());
    if (body.is_recovering()) holder_.recover(from, body.recovering());
    if (body.is_finished()) holder_.recovered(from, body.finished());
    persistent_.receive(from, message);
}

void Core::send(Pnn to, protocol::slot_message message) {
    if (to == config_.me) {
        own_.push_back(std::move(message));
    } else {
        links_.send(to, std::move(message));
    }
}

void Core::deliver_own() {
    while (!own_.empty()) {
        protocol::slot_message message = std::move(own_.front());
        own_.pop_front();
        on_slot_message(config_.me, message);
    }
}

void Core::watch_lease() {
    const bool has = lease_holds(context_.shared.lease, context_.now);
    if (has == had_lease_) return;
    had_lease_ = has;
    context_.took(has ? Transition::lease_revived : Transition::lease_lapsed);
    if (has) holder_.lease_revived();
}

void Core::view_accepted(const protocol::view& former) {
    links_.view_changed();
    locator_.view_accepted(former);
    mirrors_.view_accepted(former);
    vacuum_.view_accepted();
    holder_.view_accepted(former);
    addresses_.view_accepted();
    persistent_.view_accepted();
}

void Core::session_ended() {
    own_.clear();
    links_.session_ended();
    locator_.session_ended();
    mirrors_.session_ended();
    delegations_.session_ended();
    sticky_.session_ended();
    vacuum_.session_ended();
    holder_.session_ended();
    addresses_.session_ended();
    persistent_.session_ended();
    context_.act(EndClients{});
}

Pnn Core::leader() const {
    if (leadership_.leading()) return config_.me;
    for (const Pnn pnn : config_.nodes) {
        if (pnn != config_.me && hears(pnn) && peers_.of(pnn).last.term != 0 && peers_.of(pnn).last.term == membership_.highest_term())
            return pnn;
    }
    return no_node;
}

std::optional<Phase> Core::leading_phase() const {
    if (leadership_.asking()) return quorum_.stands() ? Phase::standing : Phase::taking_lock;
    return quorum_.voter().casting() ? std::optional(Phase::casting) : std::nullopt;
}

Phase Core::phase() const {
    const bool stopped = any(membership_.flags() & node_flags::NODE_STOPPED);
    if (context_.session == 0) {
        if (stopped) return Phase::stopped;
        if (membership_.kept_out()) return Phase::banned;
        return leading_phase().value_or(Phase::joining);
    }
    const protocol::member* me = find_member(context_.view, config_.me);
    if (me != nullptr && me->leaving) return Phase::leaving;
    if (const auto phase = leading_phase()) return *phase;
    if (!lease_holds(context_.shared.lease, context_.now)) return Phase::without_lease;
    if (leadership_.leading()) {
        if (leadership_.writing()) return Phase::writing_register;
        if (!leadership_.settled()) return Phase::leading_unsettled;
    }
    if (!locator_.settled()) return Phase::collecting;
    if (holder_.frozen()) return Phase::frozen;
    if (delegations_.revoking()) return Phase::revoking;
    if (!persistent_.replica().open() || without_synced(context_.view)) return Phase::closed;
    if (persistent_.coordinator().deciding()) return Phase::deciding;
    if (persistent_.replica().writing()) return Phase::storing;
    return leadership_.leading() ? Phase::leading : Phase::following;
}

}  // namespace Atoll::ctdb
