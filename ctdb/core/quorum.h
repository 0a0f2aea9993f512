// The cluster lock of a cluster that has none: a majority of its nodes. For the leader it is as one outside.
//
// A candidate first asks who would promise it a term, so that who cannot win disturbs nobody; then for the promise of a term that is higher
// than all that it has heard of. Of a majority it has the newest copy of the register, and writes that under its own term to a majority
// before the lock is taken: otherwise a view that a minority had could be acted on, and missed by the next. The lock is held while a
// majority says yes to each look at it.
//
// Whose majority that is, the register says itself: it names the voters. A change of the list of nodes is two writes of the register; from
// the first to the second a majority of both lists is needed, so no two can hold the lock by different lists.
#pragma once

#include <map>

#include "ctdb/core/lock_requests.h"
#include "ctdb/core/membership.h"
#include "ctdb/core/voter.h"

namespace Atoll::ctdb {

class Quorum final : public LockRequests {
 public:
    Quorum(Context& context, Peers& peers, const Membership& membership);

    void take() override;
    void check(const CheckLock& check) override;
    void release() override;
    void write(WriteRegister write) override;

    void receive(Pnn from, const protocol::quorum_message& message);
    void ballot_written(bool ok) { voter_.written(ok); }
    void tick();
    // What it answers the leader, one after the other; none: nothing more.
    std::optional<Event> answer();

    [[nodiscard]] bool stands() const { return step_ == Step::sounding || step_ == Step::standing || step_ == Step::adopting; }
    [[nodiscard]] const Voter& voter() const { return voter_; }

 private:
    enum class Step { none, waiting, sounding, standing, adopting, holding };

    void came(Pnn from, const protocol::vote& vote);
    void came(Pnn from, const protocol::stored& stored);
    void came(Pnn from, const protocol::looked& looked);
    void learned_from(Pnn from, uint64_t incarnation);
    [[nodiscard]] bool is_stale(Pnn from, uint64_t incarnation) const;
    void stand_back();
    void sound();
    void stand();
    void ask_votes();
    void adopt(const register_copy& newest);
    void taken();
    void write_next();
    [[nodiscard]] bool next_voters(register_copy& next) const;
    void ask_stores();
    void ask_stores_again();
    void stored();
    void met(Term higher);
    void lost();
    void give_up();
    [[nodiscard]] bool hopeless() const;
    [[nodiscard]] size_t rank() const;
    [[nodiscard]] std::set<Pnn> everyone() const;
    template <class Has>
    [[nodiscard]] bool is_majority(const std::vector<uint32_t>& nodes, const Has& has) const;
    template <class Has>
    [[nodiscard]] bool suffices(const register_copy& by, const Has& has) const;

    Context& context_;
    Peers& peers_;
    const Membership& membership_;
    QuorumMail mail_;
    Voter voter_;
    std::deque<Event> answers_;
    std::map<Pnn, uint64_t> oldest_;  // incarnation of a node whose answers count

    Step step_ = Step::none;
    promise me_;         // the term for which it stands, or which it holds; 0: it asks who would
    Time since_ = 0;     // Context::waited since when, or until when it waits for others
    Term promised_ = 0;  // of this node when it began
    Term highest_ = 0;   // that somebody was heard to have promised
    std::map<Pnn, register_copy> granted_;
    std::set<Pnn> refused_;

    register_copy written_;                 // the register
    std::optional<register_copy> writing_;  // what it is to be
    ViewId writing_id_ = 0;                 // the view that the leader waits for
    Time stores_asked_ = 0;                 // Context::waited when all were last asked to have that
    std::set<Pnn> has_;                     // who has what is to be
    std::optional<protocol::view> wanted_;  // the leader's next
    std::map<Pnn, Time> affirmed_;          // the last look to which a node has said yes
    Time confirmed_ = 0;                    // the last to which a majority has
};

}  // namespace Atoll::ctdb
