// A process that changes a watched record dies at any instruction between taking the record and having woken its waiter: whoever comes
// next finishes for it, and no wake-up is lost.
//
// One child steps itself through the change with the processor's trap flag and tells which instructions that takes. In each of the
// children that die a breakpoint stands on one of them; the child kills itself when it has come there as often as the first had.
#include <sys/mman.h>

#include <csignal>
#include <cstdlib>

#include "tdb/watch/site_test.h"

#if !defined(ATOLL_SANITIZED) && defined(__x86_64__)

#include <x86intrin.h>

namespace Atoll::watch {
namespace {

constexpr uint64_t trap_flag = 0x100;
constexpr uint8_t breakpoint = 0xCC;  // int3

// In memory that outlives the child.
struct Board {
    static constexpr uint64_t most = 200'000;

    messaging::ServerId id;
    uint64_t instructions;
    uintptr_t next[most];  // where the process stands after so many instructions
};
Board* board = nullptr;

void on_step(int, siginfo_t*, void* context) {
    const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
    if (board->instructions < Board::most) board->next[board->instructions++] = static_cast<uintptr_t>(registers[REG_RIP]);
}

// Where the process dies: when it comes to `at` for the `times`th time.
struct Death {
    uintptr_t at = 0;
    uint64_t times = 0;
    uint8_t instruction = 0;
    bool stepping = false;
} death;

// The handler calls no library: the breakpoint may stand there.
void on_breakpoint(int, siginfo_t*, void* context) {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    auto* place = reinterpret_cast<volatile uint8_t*>(death.at);
    if (death.stepping) {  // past it
        death.stepping = false;
        *place = breakpoint;
        registers[REG_EFL] &= ~static_cast<greg_t>(trap_flag);
        return;
    }
    if (--death.times == 0) {
        // kill(0, SIGKILL): each child is its own process group.
        long outcome = 62;
        asm volatile("syscall" : "+a"(outcome) : "D"(0L), "S"(9L) : "rcx", "r11", "memory");
    }
    death.stepping = true;
    *place = death.instruction;
    registers[REG_RIP] = static_cast<greg_t>(death.at);
    registers[REG_EFL] |= static_cast<greg_t>(trap_flag);
}

void handle_traps(void (*handler)(int, siginfo_t*, void*)) {
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    ::sigaction(SIGTRAP, &action, nullptr);
}

bool set_breakpoint() {
    auto* page = reinterpret_cast<void*>(death.at & ~uintptr_t{4095});
    if (::mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0 && ::mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
        return false;
    auto* place = reinterpret_cast<volatile uint8_t*>(death.at);
    death.instruction = *place;
    *place = breakpoint;
    return true;
}

void clear_breakpoint() { *reinterpret_cast<volatile uint8_t*>(death.at) = death.instruction; }

enum class Finisher : int { housekeeper, next_watcher, next_changer };

class Kill : public WatchTest, public testing::WithParamInterface<Finisher> {
 protected:
    // A child that changes the record "a", step by step.
    int change_and_tell() {
        board->instructions = 0;
        return status_of(in_child(*shared, [](Site& its) {
            board->id = its.messaging->self();
            handle_traps(on_step);
            __writeeflags(__readeflags() | trap_flag);
            const bool stored = its.store("a", "changed");
            __writeeflags(__readeflags() & ~trap_flag);
            return stored ? 0 : 1;
        }));
    }
    // One that dies after so many instructions of it.
    int change_and_die(uint64_t instructions) {
        death = {};
        death.at = board->next[instructions];
        for (uint64_t i = 0; i <= instructions; i++) death.times += board->next[i] == death.at ? 1 : 0;
        return status_of(in_child(*shared, [](Site& its) {
            board->id = its.messaging->self();
            ::setpgid(0, 0);
            handle_traps(on_breakpoint);
            if (!set_breakpoint()) return 2;
            const bool stored = its.store("a", "changed");
            clear_breakpoint();
            return stored ? 0 : 1;
        }));
    }

    // What is to happen once a process has died.
    void finish(Site& site, Watch& other) {
        switch (GetParam()) {
            case Finisher::housekeeper: site.watches->end_processes({board->id}); break;
            case Finisher::next_watcher: site.arm(other, "a"); break;
            case Finisher::next_changer: ASSERT_TRUE(site.store("a", "changed by the next")); break;
        }
    }
};

TEST_P(Kill, AtAnyInstructionLosesNoWakeUp) {
    board = static_cast<Board*>(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(board, MAP_FAILED);
    Site site(*shared, messaging::ProcessClass::housekeeper);
    Watch watch(*site.watches, site.loop, [](Woken) {}), other(*site.watches, site.loop, [](Woken) {});
    const auto prepare = [&] {
        other.cancel();
        ASSERT_TRUE(site.store("a", "before"));
        site.arm(watch, "a");
    };
    // Rounds in which nobody dies, so that what is done for the first time only has been done; the last one is told.
    for (int round = 0; round < 5; round++) {
        prepare();
        ASSERT_EQ(round == 4 ? change_and_tell() : site.store("a", "changed") ? 0 : 1, 0);
        ASSERT_TRUE(site.run_until([&] { return !watch.is_armed(); }));
        finish(site, other);
    }
    const uint64_t all = board->instructions;
    ASSERT_GT(all, 1000u);
    ASSERT_LT(all, Board::most);
    // Every instruction takes minutes (ATOLL_KILL_STRIDE=1), a hundred and fifty of them a second.
    const char* wanted = std::getenv("ATOLL_KILL_STRIDE");
    const uint64_t stride = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : all / 150 + 1;
    ASSERT_GT(stride, 0u);
    uint64_t deaths = 0, missed = 0, unchanged = 0, spurious = 0;
    for (uint64_t at = static_cast<uint64_t>(GetParam()) * stride / 3; at < all; at += stride) {
        prepare();
        const int status = change_and_die(at);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {  // it went another way; or a breakpoint cannot be there
            ASSERT_TRUE(site.run_until([&] { return !watch.is_armed(); }));
            missed++;
            continue;
        }
        ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        deaths++;
        const bool changed = site.fetch("a") == "changed";
        finish(site, other);
        if (changed || GetParam() == Finisher::next_changer) {
            ASSERT_TRUE(site.run_until([&] { return !watch.is_armed(); })) << "after instruction " << at << " of " << all;
        } else {
            site.drain();
            unchanged++;
            if (!watch.is_armed()) spurious++;
        }
        site.messaging->forget(board->id);
    }
    watch.cancel();
    other.cancel();
    site.drain();
    auto left = shared->companion->check();
    ASSERT_TRUE(left.ok()) << left.error().message();
    EXPECT_EQ(*left, 0u) << "entries stay in the companion database";
    EXPECT_TRUE(shared->records->check().ok());
    EXPECT_LT(missed, deaths / 20);
    std::printf("killed at %lu of %lu instructions; %lu had not changed the record, of these %lu woke\n",
                static_cast<unsigned long>(deaths), static_cast<unsigned long>(all), static_cast<unsigned long>(unchanged),
                static_cast<unsigned long>(spurious));
    ::munmap(board, sizeof(Board));
}

std::string name_of(const testing::TestParamInfo<Finisher>& finisher) {
    switch (finisher.param) {
        case Finisher::housekeeper: return "the_housekeeper_finishes";
        case Finisher::next_watcher: return "the_next_watcher_finishes";
        case Finisher::next_changer: return "the_next_changer_finishes";
    }
    return {};
}

INSTANTIATE_TEST_SUITE_P(Watch, Kill, testing::Values(Finisher::housekeeper, Finisher::next_watcher, Finisher::next_changer), name_of);

}  // namespace
}  // namespace Atoll::watch

#endif
