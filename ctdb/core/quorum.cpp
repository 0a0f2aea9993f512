#include "ctdb/core/quorum.h"

#include <algorithm>

namespace Atoll::ctdb {
namespace {

// View ids have room for so many.
constexpr Term highest_possible_term = 0xFFFFFFFF;

}  // namespace

Quorum::Quorum(Context& context, Peers& peers, const Membership& membership)
    : context_(context), peers_(peers), membership_(membership), mail_(context), voter_(context, peers, mail_) {
    me_ = promise{0, context.config.me, context.config.incarnation};
}

template <class Has>
bool Quorum::is_majority(const std::vector<uint32_t>& nodes, const Has& has) const {
    const auto count = static_cast<size_t>(std::count_if(nodes.begin(), nodes.end(), has));
    return context_.planted(Planted::half_is_majority) ? 2 * count >= nodes.size() : 2 * count > nodes.size();
}

template <class Has>
bool Quorum::suffices(const register_copy& by, const Has& has) const {
    if (context_.planted(Planted::forgets_voters)) return is_majority(context_.config.nodes, has);
    return is_majority(by.voters, has) && is_majority(by.former, has);
}

// All that may have a vote, and those that are to have one.
std::set<Pnn> Quorum::everyone() const {
    std::set<Pnn> nodes(context_.config.nodes.begin(), context_.config.nodes.end());
    const register_copy* copy = step_ == Step::holding ? &written_ : voter_.copy();
    if (copy == nullptr) return nodes;
    nodes.insert(copy->voters.begin(), copy->voters.end());
    nodes.insert(copy->former.begin(), copy->former.end());
    return nodes;
}

// How many nodes are to try before this one, so that they do not take each other's votes.
size_t Quorum::rank() const {
    constexpr node_flags kept_off = node_flags::NODE_STOPPED | node_flags::NODE_BANNED | node_flags::NODE_NO_LEAD;
    return static_cast<size_t>(std::count_if(context_.config.nodes.begin(), context_.config.nodes.end(), [&](Pnn pnn) {
        const Peer& peer = peers_.of(pnn);
        return pnn < context_.config.me && peer.known && !peers_.silent(pnn) && !peers_.gone(pnn) && !any(peer.last.flags & kept_off);
    }));
}

void Quorum::take() {
    step_ = Step::waiting;
    since_ = context_.waited + rank() * context_.config.tick;
    promised_ = voter_.promising().term;
    if (context_.waited >= since_ && voter_.may_vote()) sound();
}

void Quorum::tick() {
    voter_.tick();
    if (step_ == Step::none) return;
    if (step_ == Step::holding) {
        if (context_.now > confirmed_ + 2 * context_.config.lock_validity) return lost();
        ask_stores_again();
        return write_next();
    }
    if (context_.waited > since_ + context_.config.election) return give_up();
    if (step_ == Step::waiting && context_.waited >= since_ && voter_.may_vote()) return sound();
    if (step_ == Step::sounding || step_ == Step::standing) ask_votes();
    if (step_ == Step::adopting) ask_stores_again();
}

void Quorum::sound() {
    step_ = Step::sounding;
    since_ = context_.waited;
    me_.term = 0;
    granted_.clear();
    refused_.clear();
    ask_votes();
}

void Quorum::stand() {
    me_.term = std::max({highest_, membership_.highest_term(), voter_.promising().term}) + 1;
    if (me_.term > highest_possible_term) return give_up();
    step_ = Step::standing;
    granted_.clear();
    refused_.clear();
    ask_votes();
}

void Quorum::ask_votes() {
    context_.took(Transition::vote_asked);
    for (const Pnn pnn : everyone()) {
        if (!granted_.contains(pnn)) mail_.send(pnn, protocol::stand{me_});
    }
}

void Quorum::came(Pnn from, const protocol::vote& vote) {
    highest_ = std::max(highest_, vote.promised);
    if ((step_ != Step::sounding && step_ != Step::standing) || vote.candidate != me_) return;
    if (!vote.granted) {
        refused_.insert(from);
        if (step_ == Step::standing && (vote.promised > me_.term || hopeless())) give_up();
        return;
    }
    refused_.erase(from);
    granted_[from] = vote.stored;
    const auto newest = std::max_element(granted_.begin(), granted_.end(),
                                         [](const auto& a, const auto& b) { return rank_of(a.second) < rank_of(b.second); });
    if (!suffices(newest->second, [&](Pnn pnn) { return granted_.contains(pnn); })) return;
    if (step_ == Step::sounding) return stand();
    adopt(register_copy(newest->second));
}

// Others have promised the term to somebody else.
bool Quorum::hopeless() const {
    const register_copy* copy = voter_.copy();
    return copy != nullptr && !suffices(*copy, [&](Pnn pnn) { return !refused_.contains(pnn); });
}

void Quorum::adopt(const register_copy& newest) {
    context_.took(Transition::votes_won);
    if (!newest.view.empty()) context_.took(Transition::register_adopted);
    step_ = Step::adopting;
    since_ = context_.waited;
    writing_ = newest;
    writing_->term = me_.term;
    writing_->number = 1;
    writing_id_ = 0;
    has_.clear();
    if (context_.planted(Planted::trusts_minority)) return stored();
    ask_stores();
}

void Quorum::taken() {
    protocol::view view;
    const bool empty = written_.view.empty();
    if (!empty && !decode(Bytes(written_.view), view)) {
        give_up();
        return release();
    }
    step_ = Step::holding;
    confirmed_ = context_.now - 1;  // a look that is asked for at once is later
    affirmed_.clear();
    answers_.emplace_back(LockTaken{me_.term, empty ? std::nullopt : std::optional(std::move(view))});
}

void Quorum::write(WriteRegister write) {
    if (step_ != Step::holding || write.term != me_.term) {
        answers_.emplace_back(RegisterWritten{write.view.id, false});
        return;
    }
    wanted_ = std::move(write.view);
    write_next();
}

// One at a time.
void Quorum::write_next() {
    if (step_ != Step::holding || writing_) return;
    register_copy next = written_;
    const bool changes = next_voters(next);
    if (!changes && !wanted_) return;
    if (changes) context_.took(Transition::voters_changed);
    next.number++;
    writing_id_ = 0;
    if (wanted_) {
        Buffer bytes;
        encode(*wanted_, bytes, wanted_->level);
        next.view.assign(bytes.data(), bytes.data() + bytes.size());
        writing_id_ = wanted_->id;
        wanted_.reset();
    }
    writing_ = std::move(next);
    has_.clear();
    ask_stores();
}

// A new list, once a majority of it answers; and then that list alone.
bool Quorum::next_voters(register_copy& next) const {
    if (next.former != next.voters) {
        next.former = next.voters;
        return true;
    }
    const auto answers = [&](Pnn pnn) {
        const auto found = affirmed_.find(pnn);
        return found != affirmed_.end() && found->second + context_.config.lock_validity > context_.now;
    };
    if (next.voters == context_.config.nodes || !is_majority(context_.config.nodes, answers)) return false;
    next.voters = context_.config.nodes;
    return true;
}

void Quorum::ask_stores_again() {
    if (writing_ && context_.waited - stores_asked_ >= context_.config.resend) ask_stores();
}

void Quorum::ask_stores() {
    stores_asked_ = context_.waited;
    for (const Pnn pnn : everyone()) {
        if (!has_.contains(pnn)) mail_.send(pnn, protocol::store{me_, *writing_});
    }
}

void Quorum::came(Pnn from, const protocol::stored& stored_there) {
    if ((step_ != Step::adopting && step_ != Step::holding) || stored_there.holder != me_) return;
    if (!stored_there.ok) return met(stored_there.promised);
    if (!writing_ || stored_there.number != writing_->number) return;
    has_.insert(from);
    if (suffices(*writing_, [&](Pnn pnn) { return has_.contains(pnn); })) stored();
}

void Quorum::stored() {
    written_ = std::move(*writing_);
    writing_.reset();
    if (step_ == Step::adopting) return taken();
    if (writing_id_ != 0) answers_.emplace_back(RegisterWritten{writing_id_, true});
    write_next();
}

void Quorum::check(const CheckLock& check) {
    if (step_ != Step::holding || check.term != me_.term) {
        answers_.emplace_back(LockChecked{check.term, check.asked, false});
        return;
    }
    for (const Pnn pnn : everyone()) mail_.send(pnn, protocol::look{me_, check.asked});
}

void Quorum::came(Pnn from, const protocol::looked& looked) {
    if (step_ != Step::holding || looked.holder != me_) return;
    if (!looked.ok) return met(looked.promised);
    Time& last = affirmed_[from];
    last = std::max(last, looked.asked);
    if (looked.asked <= confirmed_ || looked.asked > context_.now) return;
    const auto said_yes = [&](Pnn pnn) {
        const auto found = affirmed_.find(pnn);
        return found != affirmed_.end() && found->second >= looked.asked;
    };
    if (!suffices(writing_ ? *writing_ : written_, said_yes)) return;
    confirmed_ = looked.asked;
    answers_.emplace_back(LockChecked{me_.term, confirmed_, true});
}

void Quorum::met(Term higher) {
    highest_ = std::max(highest_, higher);
    if (higher < me_.term) return;
    context_.took(Transition::higher_term_met);
    lost();
}

void Quorum::lost() {
    if (step_ != Step::holding) return give_up();
    context_.took(Transition::majority_lost);
    step_ = Step::none;
    answers_.emplace_back(LockChecked{me_.term, context_.now, false});
}

void Quorum::give_up() {
    context_.took(Transition::election_lost);
    step_ = Step::none;
    answers_.emplace_back(LockRefused{});
}

void Quorum::release() {
    step_ = Step::none;
    writing_.reset();
    wanted_.reset();
    if (me_.term == 0) return;
    context_.took(Transition::resigned);
    for (const Pnn pnn : everyone()) mail_.send(pnn, protocol::resign{me_.term});
    me_.term = 0;
}

bool Quorum::is_stale(Pnn from, uint64_t incarnation) const {
    const auto oldest = oldest_.find(from);
    return oldest != oldest_.end() && incarnation < oldest->second;
}

// It has forgotten what it said.
void Quorum::learned_from(Pnn from, uint64_t incarnation) {
    uint64_t& oldest = oldest_[from];
    if (incarnation <= oldest) return;
    oldest = incarnation;
    if (granted_.erase(from) + has_.erase(from) + affirmed_.erase(from) > 0) context_.took(Transition::answers_voided);
}

// Somebody else has this node's vote.
void Quorum::stand_back() {
    const promise given = voter_.promising();
    if (step_ == Step::none || step_ == Step::holding || given.pnn == context_.config.me || given.term <= std::max(promised_, me_.term))
        return;
    context_.took(Transition::candidacy_given_up);
    give_up();
}

void Quorum::receive(Pnn from, const protocol::quorum_message& message) {
    const auto& body = message.body;
    if (body.is_learning()) learned_from(from, body.learning().incarnation);
    if (body.is_learning()) voter_.asked(from, body.learning());
    if (body.is_teaching()) voter_.taught(from, body.teaching());
    if (body.is_stands()) voter_.asked(from, body.stands());
    if (body.is_storing()) voter_.asked(from, body.storing());
    if (body.is_looking()) voter_.asked(from, body.looking());
    if (body.is_resigning()) voter_.resigned(from, body.resigning());
    if (body.is_votes() && !is_stale(from, body.votes().incarnation)) came(from, body.votes());
    if (body.is_was_stored() && !is_stale(from, body.was_stored().incarnation)) came(from, body.was_stored());
    if (body.is_was_looked() && !is_stale(from, body.was_looked().incarnation)) came(from, body.was_looked());
    stand_back();
}

std::optional<Event> Quorum::answer() {
    while (answers_.empty() && !mail_.own.empty()) {
        const protocol::quorum_message message = std::move(mail_.own.front());
        mail_.own.pop_front();
        receive(context_.config.me, message);
    }
    if (answers_.empty()) return std::nullopt;
    Event answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
}

}  // namespace Atoll::ctdb
