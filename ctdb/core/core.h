// A node of the cluster, without I/O: events in, actions out. The same events at the same times give the same actions. docs/cluster.md has
// the protocol.
//
// Not thread-safe. It keeps no pointer into an event, and the actions of a call are valid until the next.
#pragma once

#include <deque>
#include <span>

#include "ctdb/core/addresses.h"
#include "ctdb/core/delegations.h"
#include "ctdb/core/holder.h"
#include "ctdb/core/leadership.h"
#include "ctdb/core/link.h"
#include "ctdb/core/locator.h"
#include "ctdb/core/mirrors.h"
#include "ctdb/core/persistent.h"
#include "ctdb/core/quorum.h"
#include "ctdb/core/sticky_records.h"
#include "ctdb/core/vacuum.h"

namespace Atoll::ctdb {

class Core final : private MembershipObserver, private SlotTransport {
 public:
    // At each start of a daemon, before any client looks at the shared state: lease, gates and records are emptied.
    Core(const Config& config, SharedState& shared, const PersistentStore& persistent);

    // `now`: the node's clock, which does not go back and goes on while the machine sleeps.
    std::span<const Action> handle(Event event, Time now);

    [[nodiscard]] Phase phase() const;
    [[nodiscard]] const Transitions& transitions() const { return context_.transitions; }
    [[nodiscard]] Session session() const { return context_.session; }
    [[nodiscard]] const protocol::view& view() const { return context_.view; }  // without members when there is no session
    [[nodiscard]] const Leadership& leadership() const { return leadership_; }
    // Of a cluster without a cluster lock.
    [[nodiscard]] const Voter& voter() const { return quorum_.voter(); }
    [[nodiscard]] node_flags flags() const { return membership_.flags(); }
    // The highest format level that the cluster was heard to have, in this session or before.
    [[nodiscard]] uint32_t level() const { return membership_.level(); }
    [[nodiscard]] bool settled() const { return locator_.settled(); }
    // It would go on with what it does if it had an event, and is in no hurry.
    [[nodiscard]] bool has_more() const { return locator_.has_more(); }
    // Some slot is frozen here.
    [[nodiscard]] bool recovering() const { return holder_.frozen(); }
    [[nodiscard]] const PersistentReplica& persistent() const { return persistent_.replica(); }
    // What was heard of a node, this one among them, and whether it has been silent for so long that it counts as disconnected.
    [[nodiscard]] const Peer& peer(Pnn pnn) const { return peers_.of(pnn); }
    [[nodiscard]] bool hears(Pnn pnn) const {
        return pnn == config_.me || (peers_.of(pnn).known && !peers_.silent(pnn) && !peers_.gone(pnn));
    }
    // Who leads as far as is known here; no_node: nobody.
    [[nodiscard]] Pnn leader() const;

 private:
    void pass_time(Time now);
    void on(Ticked&);
    void on(Received& event);
    void on(LockTaken& event) { leadership_.lock_taken(event.term, event.stored); }
    void on(LockRefused&) { leadership_.lock_refused(); }
    void on(LockChecked& event) { leadership_.lock_checked(event.term, event.asked, event.held); }
    void on(RegisterWritten& event) { leadership_.register_written(event.id, event.ok); }
    void on(BallotWritten& event) { quorum_.ballot_written(event.ok); }
    void on(PeerEnded& event);
    void on(Monitored& event) { membership_.set_flag(node_flags::NODE_UNHEALTHY, !event.healthy); }
    void on(AdministratorSet& event) { membership_.set_flag(event.flag, event.on); }
    void on(AdministratorBanned& event) { membership_.ban(event.duration); }
    void on(BanPardoned& event) { leadership_.pardon(event.pnn); }
    void on(ClientWants& event) { holder_.client_wants(event.client, event.key); }
    void on(ClientReads& event) { delegations_.client_reads(event.client, event.key); }
    void on(ClientReleased& event);
    void on(ClientStored& event) { mirrors_.stored(event.client, event.key); }
    void on(ClientGone& event);
    void on(AddressReleased& event) { addresses_.released(event.address); }
    void on(AddressesOffered& event) { addresses_.offered(std::move(event.addresses)); }
    void on(AddressAssigned& event) { leadership_.assign(event.address, event.pnn); }
    void on(AddressesBalanced&) { leadership_.balance(); }
    void on(NodesListed& event) { config_.nodes = std::move(event.nodes); }
    void on(LevelRead& event) { membership_.reads(event.newest); }
    void on(PolicySet& event) { context_.policy = event.policy; }
    void on(RecoveryForced&) { leadership_.recover_all(); }
    void on(ClientCommits& event) { persistent_.client_commits(event.client, event.database, event.base, std::move(event.writes)); }
    void on(PersistentWritten& event) { persistent_.written(event.ticket, event.ok); }

    void on_keepalive(Pnn from, const protocol::keepalive& keepalive);
    void on_view(const std::vector<uint8_t>& bytes);
    void on_slot_message(Pnn from, protocol::slot_message& message);
    void answer_leader();
    void deliver_own();
    void watch_lease();
    void send_keepalives();
    [[nodiscard]] protocol::keepalive own_keepalive() const;
    [[nodiscard]] std::optional<Phase> leading_phase() const;

    void view_accepted(const protocol::view& former) override;
    void session_ended() override;
    [[nodiscard]] bool holds_addresses() const override { return addresses_.holds(); }
    void send(Pnn to, protocol::slot_message message) override;

    Config config_;
    Context context_;
    Peers peers_;
    Membership membership_;
    OutsideLock outside_lock_;
    Quorum quorum_;
    Leadership leadership_;
    Links links_;
    StickyRecords sticky_;
    Locator locator_;
    Mirrors mirrors_;
    Delegations delegations_;
    Holder holder_;
    Vacuum vacuum_;
    Addresses addresses_;
    Persistent persistent_;
    std::deque<protocol::slot_message> own_;  // to this node from itself
    Time kept_alive_ = 0;
    node_flags told_flags_ = node_flags::none;  // in the last keepalives
    Term told_term_ = 0;                        // the same: of the lock under which this node leads; 0: it does not
    bool had_lease_ = false;
};

}  // namespace Atoll::ctdb
