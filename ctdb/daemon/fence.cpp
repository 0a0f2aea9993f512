#include "ctdb/daemon/fence.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "base/log.h"
#include "ctdb/network/kernel_addresses.h"
#include "ctdb/network/kernel_connections.h"
#include "ctdb/shared/node_clock.h"

namespace Atoll::ctdb {
namespace {

constexpr uint32_t entry_free = 0, entry_down = 1, entry_may_be_up = 2;
constexpr int tries = 20;
constexpr useconds_t pause = 5000;  // microseconds, for what was killed to end
constexpr Time shortest_look = 10 * millisecond;
constexpr Time longest_look = 100 * millisecond;

// Who connected a moment ago is in nobody's list of connections, so no tickle tells him, and he would wait for an answer for long. He can be told
// only while the address is here, and would come again at once: so each address goes right behind its connections.
Result<void> remove_with_connections(std::span<const IpAddress> addresses) {
    for (const IpAddress& address : addresses) {
        if (auto reset = reset_connections_at(address); !reset) log_notice("{}", reset.error().message());
        if (auto removed = remove_addresses(std::span(&address, 1)); !removed) return removed;
    }
    return {};
}

}  // namespace

Result<Fence> Fence::make() {
    void* memory = ::mmap(nullptr, sizeof(Layout), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return fail_errno(errno, "ctdbd", "cannot share memory with its guard");
    return Fence(new (memory) Layout());
}

Result<void> Fence::may_be_up(const IpAddress& address) {
    Entry* unused = nullptr;
    for (Entry& entry : layout_->entries) {
        if (entry.state.load() == entry_free) {
            if (unused == nullptr) unused = &entry;
        } else if (entry.address == address) {
            entry.state.store(entry_may_be_up);
            return {};
        }
    }
    if (unused == nullptr) return fail(Code::no_space, text_of(address), "there are too many public addresses");
    unused->address = address;
    unused->state.store(entry_may_be_up);
    return {};
}

void Fence::is_down(const IpAddress& address) {
    for (Entry& entry : layout_->entries) {
        if (entry.state.load() != entry_free && entry.address == address) entry.state.store(entry_down);
    }
}

bool Fence::any_up() const {
    for (const Entry& entry : layout_->entries) {
        if (entry.state.load() == entry_may_be_up) return true;
    }
    return false;
}

// A script that was killed in the middle of a system call may still have put its address up: so it is looked at once more.
bool Fence::drop() {
    layout_->drops.fetch_add(1);
    std::vector<IpAddress> addresses;
    for (const Entry& entry : layout_->entries) {
        if (entry.state.load() == entry_may_be_up) addresses.push_back(entry.address);
    }
    bool down = false;
    for (int turn = 0; turn < tries && !down; turn++) {
        const pid_t group = layout_->group.load();
        const bool killed = group > 1 && ::kill(-group, SIGKILL) == 0;
        if (turn > 0 || killed) ::usleep(pause);
        if (auto removed = remove_with_connections(addresses); !removed) {
            log_error("{}", removed.error().message());
            continue;
        }
        const auto up = addresses_up(addresses);
        down = up && up->empty() && (!killed || turn > 1);
    }
    return down;
}

// Looks seldom while the lease is far from its end. At each end of the lease it drops once, and again while something is up.
void run_address_guard(Fence fence, int ctdbd) {
    log_set_process("ctdbd guard");
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
    sched_param parameter{};
    parameter.sched_priority = 1;
    (void)::sched_setscheduler(0, SCHED_FIFO, &parameter);
    Time dropped_at = 0;
    for (;;) {
        const Time deadline = fence.deadline(), now = node_now();
        const Time left = deadline > now ? deadline - now : 0;
        pollfd ended{ctdbd, POLLIN, 0};
        const Time wait = std::min(std::max(left, shortest_look), longest_look);
        if (::poll(&ended, 1, static_cast<int>(wait / millisecond)) > 0) break;
        if (node_now() <= fence.deadline() || !fence.any_up() || (dropped_at == deadline && deadline != 0)) continue;
        log_error("the node lease is over: public addresses are taken away");
        if (fence.drop()) dropped_at = deadline;
    }
    if (fence.any_up()) (void)fence.drop();
    std::_Exit(EXIT_SUCCESS);
}

}  // namespace Atoll::ctdb
