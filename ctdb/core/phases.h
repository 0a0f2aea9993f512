// The states of a node and the transitions of the protocol, enumerated so that the simulator can say which it has seen.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace Atoll::ctdb {

// What a node is doing, the most specific first.
enum class Phase : uint8_t {
    stopped,           // by an administrator, and no member
    banned,            // by a leader, and no member
    taking_lock,       // waits for an answer about the cluster lock
    standing,          // asks others for their votes, or to have the register under its term
    casting,           // its vote, or its copy of the register, is on its way to the disk
    joining,           // no member yet
    leaving,           // a member that is let go
    without_lease,     // a member that may not serve
    writing_register,  // leads, and waits until its next view is in the register
    leading_unsettled,
    collecting,  // locates a slot whose copies it waits for
    frozen,      // has a slot that it may not use until it is recovered
    revoking,    // dmaster of a record of which others read copies, which it has asked back
    closed,      // a member whose persistent databases are not open
    deciding,    // coordinates a transaction that is not on all disks yet
    storing,     // waits for its disk
    leading,
    following,
    count
};

enum class Transition : uint8_t {
    lock_asked,
    lock_taken,
    lock_refused,
    lock_lost,
    register_refused,
    stepped_down,
    vote_asked,
    vote_granted,
    vote_withheld,
    vote_refused,
    ballot_unfit,
    votes_won,
    election_lost,
    candidacy_given_up,
    copy_stored,
    copy_refused,
    register_adopted,
    look_affirmed,
    look_refused,
    majority_lost,
    higher_term_met,
    resigned,
    votes_learned,
    answers_voided,
    voters_changed,
    leader_seen,
    view_written,
    view_accepted,
    session_begun,
    session_ended,
    expelled,
    lease_granted,
    lease_renewed,
    lease_lapsed,
    lease_revived,
    member_added,
    member_too_old,
    member_silent,
    member_deaf,
    member_replaced,
    member_ended,
    member_let_go,
    member_dropped,
    member_banned,
    ban_over,
    level_raised,
    slot_collecting,
    slot_early,
    slot_frozen,
    slot_offer_deferred,
    slot_offered,
    slot_recovered,
    slot_reopened,
    slot_stale,
    winner_claimed,
    winner_copied,
    claim_lost,
    record_wanted,
    record_refused,
    epoch_learnt,
    record_queued,
    record_there,
    record_recalled,
    recall_deferred,
    record_yielded,
    record_given,
    record_kept,
    record_stale,
    store_mirrored,
    store_alone,
    mirror_kept,
    mirror_stale,
    mirror_lost,
    mirrored_anew,
    copy_kept,
    record_vacuumed,
    record_vacuumed_here,
    copy_forgotten,
    vacuum_given_up,
    yielded_unasked,
    read_wanted,
    read_refused,
    read_passed_on,
    read_given_up,
    delegated,
    delegation_deferred,
    delegation_refused,
    delegation_came,
    delegation_void,
    delegation_given_up,
    delegation_lost,
    delegations_revoked,
    delegations_ended,
    delegations_frozen,
    record_stuck,
    record_pinned,
    record_unpinned,
    client_granted,
    client_queued,
    client_gone,
    frame_resent,
    frame_repeated,
    frame_early,
    frame_foreign,
    address_taken,
    address_releasing,
    address_released,
    address_moved,
    transaction_submitted,
    transaction_stale,
    transaction_queued,
    transaction_conflict,
    transaction_sent,
    transaction_prepared,
    transaction_refused,
    transaction_committed,
    transaction_dropped,
    transaction_failed,
    transaction_recovered,
    transaction_unknown,
    persistent_reported,
    persistent_early,
    persistent_behind,
    persistent_brought_last,
    persistent_brought_whole,
    persistent_stale,
    persistent_unfit,
    persistent_tried_again,
    persistent_opened,
    persistent_synced,
    persistent_orphaned,
    count
};

const char* name_of(Phase phase);
const char* name_of(Transition transition);

class Transitions {
 public:
    void took(Transition transition) { counts_[static_cast<size_t>(transition)]++; }
    void add(Transition transition, uint64_t count) { counts_[static_cast<size_t>(transition)] += count; }
    [[nodiscard]] uint64_t count(Transition transition) const { return counts_[static_cast<size_t>(transition)]; }

 private:
    std::array<uint64_t, static_cast<size_t>(Transition::count)> counts_{};
};

}  // namespace Atoll::ctdb
