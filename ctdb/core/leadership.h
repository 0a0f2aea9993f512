// The leader: takes the cluster lock, gives leases, and decides on views. A view counts once it is in the register beside the lock, so
// whoever takes the lock next knows it. A member is left out of a view only when its lease has surely ended.
#pragma once

#include <map>
#include <optional>

#include "ctdb/core/lock_requests.h"
#include "ctdb/core/membership.h"

namespace Atoll::ctdb {

class Leadership {
 public:
    Leadership(Context& context, Peers& peers, Membership& membership, LockRequests& lock)
        : context_(context), peers_(peers), membership_(membership), lock_(lock) {}

    void tick();
    void lock_taken(Term term, const std::optional<protocol::view>& stored);
    void lock_refused();
    void lock_checked(Term term, Time asked, bool held);
    void register_written(ViewId id, bool ok);
    void pardon(Pnn pnn);
    void assign(AddressId address, Pnn pnn);
    void balance() { assigned_.clear(); }
    void recover_all() { recover_all_ = role_ == Role::leading; }
    // Answers a keepalive with a lease, the view or an expulsion.
    void answer(Pnn from, const protocol::keepalive& keepalive);

    [[nodiscard]] bool leading() const { return role_ == Role::leading; }
    [[nodiscard]] bool has_authority() const;
    [[nodiscard]] Time authority_until() const { return role_ == Role::leading ? authority_until_ : 0; }
    [[nodiscard]] bool asking() const { return role_ == Role::asking; }
    [[nodiscard]] bool writing() const { return pending_.has_value(); }
    [[nodiscard]] bool settled() const;
    [[nodiscard]] Term term() const { return term_; }
    [[nodiscard]] const protocol::view& current() const { return current_; }

 private:
    enum class Role { following, asking, leading };
    // What the leader holds for or against a node.
    struct Standing {
        Time granted_until = 0;  // Context::waited by which its lease has ended
        bool excluding = false;  // no more leases; left out when `granted_until` is over
        uint32_t blame = 0;
        Time blamed = 0;  // when it last was, or when half was forgiven
        Time banned_until = 0;
    };

    void contend();
    void step_down();
    void check_lock();
    void extend_authority(Time asked);
    void give_lease(Pnn pnn, const protocol::keepalive& keepalive);
    void consider();
    void judge();
    [[nodiscard]] Pnn deafest() const;
    [[nodiscard]] bool exclude(const protocol::member& member, Pnn deaf);
    [[nodiscard]] bool gone(const protocol::member& member);
    void blame(Pnn pnn);
    [[nodiscard]] protocol::view next_view();
    [[nodiscard]] uint32_t next_level() const;
    [[nodiscard]] uint32_t level_written() const;
    [[nodiscard]] std::vector<protocol::member> next_members(const protocol::view& next);
    void add_members(std::vector<protocol::member>& members, const protocol::view& next);
    [[nodiscard]] bool fits(const protocol::keepalive& last, uint32_t level) const;
    void place_slots(protocol::view& view) const;
    void place_addresses(protocol::view& view) const;
    void place_persistent(protocol::view& view) const;
    [[nodiscard]] bool last_synced(const protocol::member& member) const;
    void clear_former(const protocol::view& view, protocol::address& address) const;
    void list_addresses(protocol::view& view) const;
    [[nodiscard]] std::vector<Pnn> able_to_hold(const protocol::view& view, AddressId address) const;
    void broadcast();

    Context& context_;
    Peers& peers_;
    Membership& membership_;
    LockRequests& lock_;
    Role role_ = Role::following;
    Term term_ = 0;
    Time asked_ = 0;
    bool ever_asked_ = false;
    Time checked_ = 0;
    Time authority_until_ = 0;
    bool first_view_due_ = false;
    bool recover_all_ = false;  // with the next view
    protocol::view current_;
    std::optional<protocol::view> pending_;
    std::map<Pnn, Standing> standings_;
    std::map<AddressId, Pnn> assigned_;  // by an administrator
};

}  // namespace Atoll::ctdb
