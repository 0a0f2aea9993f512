// What a core is told once, and the faults that a test may plant in it.
#pragma once

#include <optional>

#include "ctdb/core/types.h"

namespace Atoll::ctdb {

// Each breaks one rule of docs/cluster.md. Only the simulator plants them, to show that it would notice.
enum class Planted : uint8_t {
    none,
    skip_epoch_check,        // messages of an old epoch count
    lower_rsn_wins,          // recovery takes the oldest copy
    ignore_node_lease,       // records are used and addresses served without a lease
    impatient_leader,        // a silent member is dropped before its lease has ended
    forgetful_new_leader,    // a new leader does not wait for the leases that the former one gave
    eternal_lock,            // a leader believes in its lock without looking
    trusts_clock_jumps,      // waiting counts time that a jump of the clock made up
    duplicated_reply,        // a frame that comes twice counts twice
    keeps_ended_session,     // records outlive the session
    recovers_without_all,    // a slot goes on before every member has said what it has
    offers_while_held,       // a slot's copies are offered while a client changes one
    yields_while_held,       // a record is given away under a client's lock
    hands_over_unreleased,   // an address gets its new holder before the former one released it
    commits_without_sync,    // a transaction counts as on the disk before it is
    answers_before_all,      // a transaction is committed before the last member has it
    lower_sequence_wins,     // recovery takes the oldest copy of a persistent database, whoever has it
    stale_replica_wins,      // a copy of a replicated database counts whatever its epoch, though others have gone on without that node
    trusts_stale_disk,       // and does not ask who may have missed something
    reads_undecided,         // clients read while a transaction is being decided
    drops_unsynced,          // a transaction is said to have failed while some disk may have it
    answers_before_mirror,   // a mirrored store counts before a second member has it
    forgets_sequence,        // recovery does not ask which of two copies of a mirrored record is the newer
    vacuums_in_flight,       // a record is forgotten although another node has it by now
    vacuums_at_once,         // the removal is forgotten before what is older
    counts_late_answers,     // and when members have answered a question of an ended round
    changes_beside_readers,  // a record is locked before those that read copies of it have given them up
    keeps_delegations,       // copies are read on although the slot was recovered
    forgets_lending,         // what is stored after copies were revoked has their RSN
    raises_level_early,      // the format level rises while a node cannot read it
    votes_undurably,         // a vote is given before it is on the disk
    votes_twice,             // and a term promised to two candidates
    votes_beside_holder,     // and to another while the holder of the last one may lead
    votes_unlearned,         // a node whose disk has lost its vote votes at once
    half_is_majority,        // of an even number of nodes
    trusts_minority,         // a view that a minority had is acted on by the next leader before a majority has it
    forgets_voters,          // a list of nodes counts at once, whatever list the others go by
    count
};

constexpr Planted first_of_majority = Planted::votes_undurably;  // these say nothing where there is a cluster lock

const char* name_of(Planted planted);

// What an administrator may change in service. That of the leader counts.
struct Policy {
    bool bans = true;                     // who keeps losing its session is banned
    Time ban = 300 * second;              // for so long
    bool balances = true;                 // addresses move where that makes nodes have equally many
    bool takes_over = true;               // the address of a node that may not have it goes to another
    uint32_t sticky_moves = 50;           // of a record of a sticky database, each to a node behind which another waits, until it sticks
    Time sticky_for = 600 * second;       // so long it does; and then each time
    Time sticky_pin = 200 * millisecond;  // stays where it has come to
};

struct Config {
    Pnn me = 0;
    uint64_t incarnation = 1;  // of this start: higher than at every earlier one
    std::vector<Pnn> nodes;    // all that are listed, rising
    uint32_t slots = protocol::SLOTS;
    uint32_t level = 1;                      // the format level that the cluster had when this node last heard
    uint32_t newest_level = 1;               // that this program reads
    bool by_majority = false;                // there is no cluster lock: a majority of the nodes stands for it
    std::optional<protocol::ballot> ballot;  // then: what the disk has

    Time tick = 50 * millisecond;                  // at least so often the core gets an event
    Time clock_step = 250 * millisecond;           // more between two events: the clock jumped or the process stood still
    Time keepalive = 200 * millisecond;            // between two
    Time dead_after = 1000 * millisecond;          // of silence
    Time lease = 2000 * millisecond;               // from the keepalive that asks for it
    Time lock_validity = 1000 * millisecond;       // for which a look at the cluster lock lets its holder lead
    Time resend = 200 * millisecond;               // of what was not acknowledged
    Time want_again = 50 * millisecond;            // after a refusal
    Time read_patience = 500 * millisecond;        // for which a reader waits for a copy before it asks for the record itself
    Time lock_again = 300 * millisecond;           // from one try for the cluster lock to the next
    Time election = 600 * millisecond;             // after which a candidate without a majority gives up
    size_t recovers_at_once = 16;                  // slots of a node; the others wait
    size_t writes_in_part = protocol::MAX_WRITES;  // of a transaction's message
    uint32_t blame_limit = 5;                      // sessions lost to silence or deafness until a ban
    Time blame_half_life = 60 * second;
    Policy policy;

    Planted planted = Planted::none;
};

}  // namespace Atoll::ctdb
