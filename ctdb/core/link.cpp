#include "ctdb/core/link.h"

#include "ctdb/core/limits.h"

namespace Atoll::ctdb {

Links::Link* Links::link_of(Pnn pnn, Session session) {
    const protocol::member* member = find_session(context_.view, pnn, session);
    if (context_.session == 0 || member == nullptr) return nullptr;
    Link& link = links_[pnn];
    if (link.session != session) {
        link = Link();
        link.session = session;
    }
    return &link;
}

void Links::send(Pnn to, protocol::slot_message message) {
    const protocol::member* member = find_member(context_.view, to);
    if (member == nullptr) return;
    Link* link = link_of(to, member->session);
    if (link == nullptr || link->unacknowledged.size() >= limits::max_unacknowledged) return;
    protocol::frame frame;
    frame.from_session = context_.session;
    frame.to_session = link->session;
    frame.number = ++link->sent;
    frame.message = std::move(message);
    if (link->unacknowledged.empty()) link->resent = context_.now;
    link->unacknowledged.push_back(std::move(frame));
    transmit(to, *link, link->unacknowledged.back());
}

void Links::transmit(Pnn to, Link& link, protocol::frame& frame) {
    frame.received = link.received;
    link.unanswered = 0;
    context_.send(to, frame);
}

void Links::receive(Pnn from, protocol::frame& frame) {
    Link* link = frame.to_session == context_.session ? link_of(from, frame.from_session) : nullptr;
    if (link == nullptr) {
        context_.took(Transition::frame_foreign);
        return;
    }
    forget_acknowledged(from, *link, frame.received);
    // Frames that go back acknowledge most. Of a peer that sends again what came, or of which something is missing, nothing is kept
    // waiting.
    const bool expected = frame.number == link->received + 1 && link->early.empty();
    if (++link->unanswered >= limits::max_unanswered_frames || !expected) due_.push_back(from);
    if (frame.number <= link->received) {
        context_.took(Transition::frame_repeated);
        if (context_.planted(Planted::duplicated_reply)) deliver_(from, frame.message);
        return;
    }
    if (frame.number > link->received + 1) {
        context_.took(Transition::frame_early);
        // Those that are next are kept, so that what is sent again does not need to come in order.
        if (link->early.size() >= limits::max_early_frames) {
            const auto last = std::prev(link->early.end());
            if (last->first <= frame.number) return;
            link->early.erase(last);
        }
        link->early.emplace(frame.number, std::move(frame.message));
        return;
    }
    link->received++;
    deliver(from, frame.from_session, frame.message);
}

// Delivers a message and those that had come before it. What a message sets off may end the link.
void Links::deliver(Pnn from, Session session, protocol::slot_message& message) {
    deliver_(from, message);
    for (Link* link = link_of(from, session); link != nullptr; link = link_of(from, session)) {
        const auto next = link->early.begin();
        if (next == link->early.end() || next->first > link->received + 1) return;
        protocol::slot_message early = std::move(next->second);
        const bool repeated = next->first <= link->received;
        link->early.erase(next);
        if (repeated) continue;
        link->received++;
        deliver_(from, early);
    }
}

void Links::acknowledged(Pnn from, const protocol::acknowledge& acknowledge) {
    if (acknowledge.to_session != context_.session) return;
    if (Link* link = link_of(from, acknowledge.from_session)) forget_acknowledged(from, *link, acknowledge.received);
}

// When a lot that was sent again has arrived, but for what the peer may not have acknowledged yet, the next follows at once: what was lost
// while the peer had not entered its session yet may be many frames.
void Links::forget_acknowledged(Pnn pnn, Link& link, uint64_t received) {
    while (!link.unacknowledged.empty() && link.unacknowledged.front().number <= received) {
        link.unacknowledged.pop_front();
        link.resent = context_.now;
    }
    const bool more = !link.unacknowledged.empty() && link.unacknowledged.front().number <= link.lost;
    if (more && received + limits::max_unanswered_frames > link.resent_to) resend(pnn, link);
}

void Links::view_changed() {
    for (auto at = links_.begin(); at != links_.end();) {
        at = find_session(context_.view, at->first, at->second.session) != nullptr ? std::next(at) : links_.erase(at);
    }
}

void Links::flush() {
    for (const Pnn pnn : due_) {
        const auto found = links_.find(pnn);
        if (found != links_.end()) acknowledge(pnn, found->second);
    }
    due_.clear();
}

void Links::acknowledge(Pnn to, Link& link) {
    if (std::exchange(link.unanswered, 0) == 0) return;
    protocol::acknowledge acknowledge;
    acknowledge.from_session = context_.session;
    acknowledge.to_session = link.session;
    acknowledge.received = link.received;
    context_.send(to, acknowledge);
}

void Links::tick() {
    for (auto& [pnn, link] : links_) {
        acknowledge(pnn, link);
        if (link.unacknowledged.empty() || context_.now - link.resent < context_.config.resend) continue;
        link.lost = link.sent;
        resend(pnn, link);
    }
}

void Links::resend(Pnn pnn, Link& link) {
    link.resent = context_.now;
    size_t resent = 0;
    for (protocol::frame& frame : link.unacknowledged) {
        if (frame.number > link.lost || resent++ == limits::max_resent) break;
        context_.took(Transition::frame_resent);
        link.resent_to = frame.number;
        transmit(pnn, link, frame);
    }
}

bool Links::stuck(Pnn pnn) const {
    const auto found = links_.find(pnn);
    return found != links_.end() && found->second.unacknowledged.size() >= limits::max_unacknowledged;
}

}  // namespace Atoll::ctdb
