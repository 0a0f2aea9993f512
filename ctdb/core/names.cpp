#include "ctdb/core/config.h"
#include "ctdb/core/phases.h"

namespace Atoll::ctdb {
namespace {

constexpr std::array<const char*, static_cast<size_t>(Phase::count)> phase_names = {
    "stopped",           "banned",     "taking_lock", "joining", "leaving",  "without_lease", "writing_register",
    "leading_unsettled", "collecting", "frozen",      "leading", "following"};

constexpr std::array<const char*, static_cast<size_t>(Transition::count)> transition_names = {
    "lock_asked",          "lock_taken",     "lock_refused",   "lock_lost",     "register_refused", "stepped_down",    "leader_seen",
    "view_written",        "view_accepted",  "session_begun",  "session_ended", "expelled",         "lease_granted",   "lease_renewed",
    "lease_lapsed",        "lease_revived",  "member_added",   "member_silent", "member_deaf",      "member_replaced", "member_ended",
    "member_let_go",       "member_dropped", "member_banned",  "ban_over",      "slot_collecting",  "slot_early",      "slot_frozen",
    "slot_offer_deferred", "slot_offered",   "slot_recovered", "slot_reopened", "slot_stale",       "winner_claimed",  "winner_copied",
    "claim_lost",          "record_wanted",  "record_refused", "epoch_learnt",  "record_queued",    "record_there",    "record_recalled",
    "recall_deferred",     "record_yielded", "record_given",   "record_kept",   "record_stale",     "client_granted",  "client_queued",
    "client_gone",         "frame_resent",   "frame_repeated", "frame_early",   "frame_foreign",    "address_taken",   "address_releasing",
    "address_released",    "address_moved"};

constexpr std::array<const char*, static_cast<size_t>(Planted::count)> planted_names = {"none",
                                                                                        "skip_epoch_check",
                                                                                        "lower_rsn_wins",
                                                                                        "ignore_node_lease",
                                                                                        "impatient_leader",
                                                                                        "forgetful_new_leader",
                                                                                        "eternal_lock",
                                                                                        "trusts_clock_jumps",
                                                                                        "duplicated_reply",
                                                                                        "keeps_ended_session",
                                                                                        "recovers_without_all",
                                                                                        "offers_while_held",
                                                                                        "yields_while_held",
                                                                                        "hands_over_unreleased"};

}  // namespace

const char* name_of(Phase phase) { return phase_names[static_cast<size_t>(phase)]; }
const char* name_of(Transition transition) { return transition_names[static_cast<size_t>(transition)]; }
const char* name_of(Planted planted) { return planted_names[static_cast<size_t>(planted)]; }

}  // namespace Atoll::ctdb
