// What the parts of a core share: its configuration, the time of the event in hand, the view it has accepted, and the way out.
#pragma once

#include <utility>
#include <vector>

#include "ctdb/core/config.h"
#include "ctdb/core/events.h"
#include "ctdb/core/phases.h"
#include "ctdb/core/shared_state.h"

namespace Atoll::ctdb {

struct Context {
    Context(const Config& c, SharedState& s) : config(c), shared(s), policy(c.policy) {}

    const Config& config;
    SharedState& shared;
    Policy policy;

    Time now = 0;
    // Time that has surely passed: `now` without its leaps. Whoever waits for another node's time to run out waits by this.
    Time waited = 0;
    Session session = 0;
    protocol::view view;  // the last accepted; without members while session is 0

    Transitions transitions;
    std::vector<Action> actions;

    [[nodiscard]] bool planted(Planted fault) const { return config.planted == fault; }
    void took(Transition transition) { transitions.took(transition); }
    [[nodiscard]] Slot slot_of(const RecordKey& key) const { return shared.records.slot_of(key); }
    // `duration` of any node's clock has passed for it once so much of ours has: clocks run within 1/128 of each other, and one event may
    // come after a leap too short to be told from work.
    [[nodiscard]] Time surely(Time duration) const { return duration + duration / 64 + config.clock_step; }
    template <class Body>
    void act(Body action) {
        actions.emplace_back(std::in_place_type<Body>, std::move(action));
    }
    [[nodiscard]] bool has_lease() const { return lease_holds(shared.lease, now) || planted(Planted::ignore_node_lease); }

    template <class Body>
    void send(Pnn to, Body body) {
        protocol::message message;
        message.from = config.me;
        message.to = to;
        message.body.value = std::move(body);
        message.kind = static_cast<protocol::message_kind>(message.body.value.index());
        act(Send{std::move(message)});
    }
};

}  // namespace Atoll::ctdb
