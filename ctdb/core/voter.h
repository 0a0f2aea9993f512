// A node as a voter, where there is no cluster lock: what it has promised, its copy of the register, and what it says when it is asked.
//
// A promise and a copy are on the disk before they are answered. What comes while the disk is at work is dropped: whoever asks, asks again.
// Who has said yes to a holder's look promises no other for as long as that lets the holder lead. A node whose disk has nothing does not
// vote before it has learned, from every other node, what that has; and whoever teaches it counts nothing any more that it had said before
// (Quorum::learned_from), so nothing rests on what it has forgotten.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <set>

#include "ctdb/core/peers.h"

namespace Atoll::ctdb {

using protocol::promise;
using protocol::register_copy;

// Of two copies the newer one.
inline std::pair<Term, uint64_t> rank_of(const register_copy& copy) { return {copy.term, copy.number}; }

// The way to other nodes, and to this one, which asks itself as it asks others.
class QuorumMail {
 public:
    explicit QuorumMail(Context& context) : context_(context) {}

    template <class Body>
    void send(Pnn to, Body body) {
        protocol::quorum_message message;
        message.body.value = std::move(body);
        message.kind = static_cast<protocol::quorum_kind>(message.body.value.index());
        if (to == context_.config.me) {
            own.push_back(std::move(message));
        } else {
            context_.send(to, std::move(message));
        }
    }

    std::deque<protocol::quorum_message> own;

 private:
    Context& context_;
};

class Voter {
 public:
    Voter(Context& context, Peers& peers, QuorumMail& mail);

    void asked(Pnn from, const protocol::stand& stand);
    void asked(Pnn from, const protocol::store& store);
    void asked(Pnn from, const protocol::look& look);
    void asked(Pnn from, const protocol::learn& question);
    void resigned(Pnn from, const protocol::resign& resign);
    void taught(Pnn from, const protocol::teach& teach);
    void written(bool ok);
    void tick();

    [[nodiscard]] bool may_vote() const { return ballot_.has_value(); }
    [[nodiscard]] bool casting() const { return next_.has_value(); }
    // What it has promised, or is about to.
    [[nodiscard]] promise promising() const { return next_ ? next_->promised : ballot_ ? ballot_->promised : promise(); }
    // What it has on its disk of the register.
    [[nodiscard]] const register_copy* copy() const { return ballot_ ? &ballot_->stored : nullptr; }
    // Of whom it waits to hear what they have, before it votes.
    [[nodiscard]] std::set<Pnn> unlearned() const;

 private:
    using Answer = std::function<void()>;

    void cast(protocol::ballot next, Answer answer);
    [[nodiscard]] bool bound(const promise& candidate) const;
    [[nodiscard]] bool may_hold(const promise& holder) const;
    void bind(Pnn holder, uint64_t incarnation);
    void vote(const promise& candidate, bool granted);
    void say_stored(const promise& holder, uint64_t number, bool ok);
    void affirm(const protocol::look& look);
    void learn();
    [[nodiscard]] register_copy first_copy() const;

    Context& context_;
    Peers& peers_;
    QuorumMail& mail_;
    std::optional<protocol::ballot> ballot_;  // on the disk; none: it may have had one and lost it
    std::optional<protocol::ballot> next_;    // on its way there
    Answer answer_;                           // once it is
    // To whom it has said yes: its vote is bound until then, by Context::waited.
    Pnn holder_ = no_node;
    uint64_t holder_incarnation_ = 0;
    Time bound_until_ = 0;
    // While it has nothing.
    std::set<Pnn> teachers_;
    promise learned_promise_;
    std::optional<register_copy> learned_copy_;
    Time learned_ = 0;  // when it last asked
};

}  // namespace Atoll::ctdb
