// A node as a member: its flags, its session, its lease, whom it believes to lead, the view that it has accepted.
#pragma once

#include <functional>

#include "ctdb/core/peers.h"

namespace Atoll::ctdb {

class Addresses;

// What else of the core has to do with views and sessions.
class MembershipObserver {
 public:
    virtual ~MembershipObserver() = default;
    // Context::view is the new one; `former` has no members if the session is new.
    virtual void view_accepted(const protocol::view& former) = 0;
    // Every record, gate, link and address of the session is void. Context::session is 0.
    virtual void session_ended() = 0;
    // Whether addresses of a session that has ended are not surely released yet: others may have them by now.
    [[nodiscard]] virtual bool holds_addresses() const = 0;
};

class Membership {
 public:
    Membership(Context& context, Peers& peers, MembershipObserver& observer)
        : context_(context), peers_(peers), observer_(observer), level_(context.config.level) {}

    // Keepalives say that this node leads under `term`; 0: it does not.
    void lead(Term term);
    [[nodiscard]] Term leading() const { return leading_; }
    void heard(Pnn from, const protocol::keepalive& keepalive);
    void lease(const protocol::lease& lease);
    void expelled(const protocol::expel& expel);
    void propose(const protocol::view& view);
    // The leader is a member under its own authority.
    void extend_lease(Time deadline);
    void set_flag(node_flags flag, bool on);
    void ban(Time duration);  // 0: lifts it
    void reads(uint32_t newest_level) { newest_level_ = newest_level; }
    void tick();

    // What a keepalive of this node says now.
    [[nodiscard]] protocol::keepalive keepalive(bool settled, const Addresses& addresses, const std::vector<Pnn>& unheard) const;
    [[nodiscard]] std::vector<Pnn> unheard() const;
    [[nodiscard]] node_flags flags() const { return flags_; }
    [[nodiscard]] bool kept_out() const { return any(flags_ & (node_flags::NODE_STOPPED | node_flags::NODE_BANNED)); }
    [[nodiscard]] bool may_lead() const { return !kept_out() && !any(flags_ & node_flags::NODE_NO_LEAD); }
    [[nodiscard]] Term highest_term() const { return highest_term_; }
    // The highest format level that the cluster was heard to have, in this session or before.
    [[nodiscard]] uint32_t level() const { return level_; }
    // Some leader of the highest term was heard of lately, and has not ended since.
    [[nodiscard]] bool led() const;

 private:
    void note_leader(Pnn pnn, Term term);
    void accept(const protocol::view& view, Session session);
    void end_session();

    Context& context_;
    Peers& peers_;
    MembershipObserver& observer_;
    node_flags flags_ = node_flags::none;
    uint32_t level_;                                  // outlives the session: the cluster's does not fall
    uint32_t newest_level_ = protocol::view().level;  // that all processes of the node read
    Term leading_ = 0;
    Term highest_term_ = 0;
    Time leader_heard_ = 0;
    Pnn leader_ = no_node;      // of the highest term; no_node: none was heard of
    ViewId last_view_ = 0;      // outlives the session: no older view is accepted
    Session last_session_ = 0;  // the same: none is entered twice
    Time banned_until_ = 0;
};

}  // namespace Atoll::ctdb
