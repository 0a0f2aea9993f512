// What ctdbd shares with the two processes that outlive it or watch it: until when the node may serve, which public addresses may be up,
// and which script may be putting one up. So the addresses go when ctdbd ends, and when it stands still until the node lease is over.
//
// Made before either is forked. ctdbd writes; the others read, and take addresses away.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

#include "base/result.h"
#include "ctdb/core/types.h"
#include "ctdb/network/ip_address.h"
#include "ctdb/protocol/cluster.idl.h"

namespace Atoll::ctdb {

class Fence {
 public:
    static Result<Fence> make();

    // ctdbd's side. `deadline`: of node_now(); 0: no lease.
    void set_deadline(Time deadline) { layout_->deadline.store(deadline); }
    // Before the address can be up; code `no_space`: there are too many. And after it is surely not.
    Result<void> may_be_up(const IpAddress& address);
    void is_down(const IpAddress& address);
    void script_runs(pid_t group) { layout_->group.store(group); }  // 0: none
    // Rises whenever another process has taken addresses away.
    [[nodiscard]] uint32_t drops() const { return layout_->drops.load(); }

    // The others' side.
    [[nodiscard]] Time deadline() const { return layout_->deadline.load(); }
    [[nodiscard]] bool any_up() const;
    // Kills the script and takes the addresses away. False: one is still up, or that cannot be told.
    bool drop();

 private:
    struct Entry {
        std::atomic<uint32_t> state;  // 0: free, 1: down, 2: may be up
        IpAddress address;
    };
    struct Layout {
        std::atomic<Time> deadline;
        std::atomic<pid_t> group;
        std::atomic<uint32_t> drops;
        std::array<Entry, protocol::MAX_ADDRESSES> entries;
    };
    explicit Fence(Layout* layout) : layout_(layout) {}
    Layout* layout_ = nullptr;  // for the life of the process
};

// The guard's whole life: takes the addresses away when the lease is over, and ends with ctdbd. Forked by ctdbd; does not return.
[[noreturn]] void run_address_guard(Fence fence, int ctdbd);

}  // namespace Atoll::ctdb
