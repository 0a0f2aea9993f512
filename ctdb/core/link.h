// Exactly once and in order: what slots' messages between two sessions travel in, over a path that may lose, delay, double and reorder them
// (a connection that breaks and is made again does). A link lives as long as both sessions.
#pragma once

#include <deque>
#include <functional>
#include <map>

#include "ctdb/core/context.h"

namespace Atoll::ctdb {

class Links {
 public:
    using Deliver = std::function<void(Pnn from, protocol::slot_message& message)>;

    Links(Context& context, Deliver deliver) : context_(context), deliver_(std::move(deliver)) {}

    // To a member of the view that is not this node.
    void send(Pnn to, protocol::slot_message message);
    void receive(Pnn from, protocol::frame& frame);
    void acknowledged(Pnn from, const protocol::acknowledge& acknowledge);
    // Another view was accepted: links to sessions that are not in it end.
    void view_changed();
    void session_ended() { links_.clear(), due_.clear(); }
    // Acknowledges what came and was not acknowledged by a frame: what came twice or early, and the last of limits::max_unanswered_frames.
    // Called at the end of each event.
    void flush();
    // Acknowledges the rest, and sends again what was not acknowledged.
    void tick();
    // Members whose link holds more than it may.
    [[nodiscard]] bool stuck(Pnn pnn) const;

 private:
    struct Link {
        Session session = 0;  // the peer's
        uint64_t sent = 0;
        std::deque<protocol::frame> unacknowledged;
        Time resent = 0;
        uint64_t lost = 0;       // the last number that counted as lost when frames were sent again
        uint64_t resent_to = 0;  // the last of those
        uint64_t received = 0;
        std::map<uint64_t, protocol::slot_message> early;
        size_t unanswered = 0;  // frames that came and were not acknowledged
    };

    Link* link_of(Pnn pnn, Session session);
    void forget_acknowledged(Pnn pnn, Link& link, uint64_t received);
    void resend(Pnn pnn, Link& link);
    void deliver(Pnn from, Session session, protocol::slot_message& message);
    void transmit(Pnn to, Link& link, protocol::frame& frame);
    void acknowledge(Pnn to, Link& link);

    Context& context_;
    Deliver deliver_;
    std::map<Pnn, Link> links_;
    std::vector<Pnn> due_;  // whose links are to acknowledge at once, unless a frame has done so meanwhile
};

}  // namespace Atoll::ctdb
