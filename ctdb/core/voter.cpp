#include "ctdb/core/voter.h"

#include <algorithm>

namespace Atoll::ctdb {

// What the node said before it was started is forgotten. It can have been said to nobody but the one that it has promised.
Voter::Voter(Context& context, Peers& peers, QuorumMail& mail)
    : context_(context), peers_(peers), mail_(mail), ballot_(context.config.ballot) {
    if (ballot_ && ballot_->promised.term != 0) bind(ballot_->promised.pnn, ballot_->promised.incarnation);
    if (!ballot_ && context_.planted(Planted::votes_unlearned)) ballot_ = protocol::ballot{{}, first_copy()};
}

void Voter::bind(Pnn holder, uint64_t incarnation) {
    holder_ = holder;
    holder_incarnation_ = incarnation;
    bound_until_ = context_.waited + context_.surely(context_.config.lock_validity);
}

// To another that may still lead. It does not if it has ended, or asks for votes itself.
bool Voter::bound(const promise& candidate) const {
    if (context_.waited >= bound_until_ || context_.planted(Planted::votes_beside_holder)) return false;
    if (holder_ == candidate.pnn && holder_incarnation_ <= candidate.incarnation) return false;
    const Peer& holder = peers_.of(holder_);
    const bool ended = holder.ended_incarnation >= holder_incarnation_;
    const bool replaced = holder.known && holder.last.incarnation > holder_incarnation_;
    return holder_ == no_node || (!ended && !replaced);
}

void Voter::cast(protocol::ballot next, Answer answer) {
    next_ = std::move(next);
    answer_ = std::move(answer);
    context_.act(WriteBallot{*next_});
    if (context_.planted(Planted::votes_undurably)) written(true);
}

void Voter::written(bool ok) {
    if (!next_) return;
    const Answer answer = std::move(answer_);
    if (ok) ballot_ = std::move(*next_);
    next_.reset();
    if (!ok) context_.took(Transition::ballot_unfit);
    if (ok) answer();
}

void Voter::asked(Pnn from, const protocol::stand& stand) {
    const promise& candidate = stand.candidate;
    if (!ballot_ || candidate.pnn != from) return;
    if (bound(candidate)) {
        context_.took(Transition::vote_withheld);
        return vote(candidate, false);
    }
    if (candidate.term == 0 || candidate == ballot_->promised) return vote(candidate, true);
    const bool twice = context_.planted(Planted::votes_twice) && candidate.term == ballot_->promised.term;
    if (candidate.term <= ballot_->promised.term && !twice) {
        context_.took(Transition::vote_refused);
        return vote(candidate, false);
    }
    if (next_) return;
    cast({candidate, ballot_->stored}, [this, candidate] {
        context_.took(Transition::vote_granted);
        vote(candidate, true);
    });
}

void Voter::vote(const promise& candidate, bool granted) {
    protocol::vote answer{candidate, context_.config.incarnation, granted, ballot_->promised.term, ballot_->stored};
    if (!granted || candidate.term == 0) answer.stored.view.clear();
    mail_.send(candidate.pnn, std::move(answer));
}

bool Voter::may_hold(const promise& holder) const {
    const bool twice = context_.planted(Planted::votes_twice) && holder.term == ballot_->promised.term;
    return holder == ballot_->promised || holder.term > ballot_->promised.term || twice;
}

// A copy that a majority has promised to have: who missed that promise makes it now.
void Voter::asked(Pnn from, const protocol::store& store) {
    const promise& holder = store.holder;
    const uint64_t number = store.content.number;
    if (!ballot_ || holder.pnn != from || store.content.term != holder.term) return;
    if (!may_hold(holder)) {
        context_.took(Transition::copy_refused);
        return say_stored(holder, number, false);
    }
    if (rank_of(store.content) == rank_of(ballot_->stored) && holder == ballot_->promised) return say_stored(holder, number, true);
    if (next_ || rank_of(store.content) < rank_of(ballot_->stored)) return;
    cast({holder, store.content}, [this, holder, number] {
        context_.took(Transition::copy_stored);
        say_stored(holder, number, true);
    });
}

void Voter::say_stored(const promise& holder, uint64_t number, bool ok) {
    mail_.send(holder.pnn, protocol::stored{holder, context_.config.incarnation, number, ok, ballot_->promised.term});
}

// Not while another is being promised.
void Voter::asked(Pnn from, const protocol::look& look) {
    if (!ballot_ || look.holder.pnn != from || (next_ && next_->promised != ballot_->promised)) return;
    if (!may_hold(look.holder)) {
        context_.took(Transition::look_refused);
        mail_.send(from, protocol::looked{look.holder, context_.config.incarnation, look.asked, false, ballot_->promised.term});
    } else if (look.holder == ballot_->promised) {
        affirm(look);
    } else if (!next_) {
        cast({look.holder, ballot_->stored}, [this, look] { affirm(look); });
    }
}

void Voter::affirm(const protocol::look& look) {
    context_.took(Transition::look_affirmed);
    bind(look.holder.pnn, look.holder.incarnation);
    mail_.send(look.holder.pnn, protocol::looked{look.holder, context_.config.incarnation, look.asked, true, ballot_->promised.term});
}

void Voter::resigned(Pnn from, const protocol::resign& resign) {
    if (ballot_ && ballot_->promised.term == resign.term && ballot_->promised.pnn == from && holder_ == from) bound_until_ = 0;
}

void Voter::asked(Pnn from, const protocol::learn& question) {
    if (next_) return;
    mail_.send(from, protocol::teach{question.incarnation, context_.config.nodes, ballot_});
}

// Where nothing was ever voted on, all have to start from one list.
void Voter::taught(Pnn from, const protocol::teach& teach) {
    if (ballot_ || teach.asker != context_.config.incarnation) return;
    const std::vector<uint32_t>& starts_from = teach.has ? teach.has->stored.voters : teach.nodes;
    const bool unused = !teach.has || teach.has->stored.term == 0;
    if (unused && starts_from != context_.config.nodes) return;
    teachers_.insert(from);
    if (teach.has && (!learned_copy_ || rank_of(teach.has->stored) > rank_of(*learned_copy_))) learned_copy_ = teach.has->stored;
    if (teach.has && teach.has->promised.term > learned_promise_.term) learned_promise_ = teach.has->promised;
    learn();
}

std::set<Pnn> Voter::unlearned() const {
    if (ballot_) return {};
    std::set<Pnn> nodes(context_.config.nodes.begin(), context_.config.nodes.end());
    if (learned_copy_) {
        nodes.insert(learned_copy_->voters.begin(), learned_copy_->voters.end());
        nodes.insert(learned_copy_->former.begin(), learned_copy_->former.end());
    }
    nodes.erase(context_.config.me);
    for (const Pnn pnn : teachers_) nodes.erase(pnn);
    return nodes;
}

register_copy Voter::first_copy() const { return {0, 0, context_.config.nodes, context_.config.nodes, {}}; }

// To whom it may have said yes, it does not know.
void Voter::learn() {
    if (next_ || !unlearned().empty()) return;
    cast({learned_promise_, learned_copy_.value_or(first_copy())}, [this] {
        context_.took(Transition::votes_learned);
        if (ballot_->promised.term != 0) bind(no_node, 0);
    });
}

void Voter::tick() {
    if (ballot_ || next_) return;
    learn();
    if (context_.waited - learned_ < context_.config.keepalive && learned_ != 0) return;
    learned_ = context_.waited;
    for (const Pnn pnn : unlearned()) mail_.send(pnn, protocol::learn{context_.config.incarnation, context_.config.nodes});
}

}  // namespace Atoll::ctdb
