// What a change costs: nothing but memory if nobody watches the record, one system call and one message for each process that does.
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <new>

#include "tdb/watch/site_test.h"

#if !defined(ATOLL_SANITIZED) && defined(__x86_64__)

namespace {
thread_local unsigned long allocations = 0;
}  // namespace

__attribute__((noinline)) void* operator new(size_t size) {
    allocations++;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace Atoll::watch {
namespace {

constexpr int rounds = 100;
constexpr int at_once = 5;  // wake-ups that a mailbox takes while nobody reads it, however small the system's queues are

// System calls that a child makes between two getppid(), by number. The child stops itself when it is ready.
std::map<long, int> count_calls(pid_t child, const std::function<void()>& meanwhile) {
    std::map<long, int> calls;
    bool counting = false, entering = true;
    int status = 0;
    ::waitpid(child, &status, WUNTRACED);
    EXPECT_TRUE(WIFSTOPPED(status));
    meanwhile();
    for (;;) {
        ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
        ::waitpid(child, &status, 0);
        if (!WIFSTOPPED(status)) break;
        if (entering) {
            user_regs_struct registers;
            ::ptrace(PTRACE_GETREGS, child, nullptr, &registers);
            const auto number = static_cast<long>(registers.orig_rax);
            if (number == SYS_getppid) {
                counting = !counting;
            } else if (counting) {
                calls[number]++;
            }
        }
        entering = !entering;
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    return calls;
}

void be_traced() {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
}

std::string describe(const std::map<long, int>& calls) {
    std::string text;
    for (const auto& [number, count] : calls) text += "system call " + std::to_string(number) + ": " + std::to_string(count) + "; ";
    return text;
}

TEST_F(WatchTest, AChangeThatNobodyWatchesCallsNotTheSystemAndAllocatesNothing) {
    const pid_t child = in_child(*shared, [](Site& its) {
        Watch elsewhere(*its.watches, its.loop, [](Woken) {});
        its.arm(elsewhere, "another");
        const auto work = [&] {
            for (int i = 0; i < rounds; i++) {
                if (!its.store("a", "a record that nobody watches")) return false;
                auto record = its.records.fetch_locked(as_bytes("a"));
                if (!record || !record->store(as_bytes("changed under its lock"))) return false;
                record->release();
                if (!its.records.remove(as_bytes("a"))) return false;
            }
            return true;
        };
        if (!work()) return 1;
        be_traced();
        const unsigned long before = allocations;
        ::getppid();
        const bool worked = work();
        ::getppid();
        return worked && allocations == before ? 0 : 2;
    });
    const auto calls = count_calls(child, [] {});
    EXPECT_TRUE(calls.empty()) << describe(calls);
}

TEST_F(WatchTest, AWakeUpIsOneSystemCallAndOneMessage) {
    Site site(*shared);
    // Two watches of every record.
    std::vector<std::unique_ptr<Watch>> watches;
    int woken = 0;
    const auto watch_all = [&] {
        watches.clear();
        for (int i = 0; i < 2 * at_once; i++) {
            watches.push_back(std::make_unique<Watch>(*site.watches, site.loop, [&](Woken) { woken++; }));
            site.arm(*watches.back(), "key" + std::to_string(i / 2));
        }
    };
    const auto change_all = [](Site& its) {
        for (int i = 0; i < at_once; i++) {
            const char key[] = {'k', 'e', 'y', static_cast<char>('0' + i), 0};
            if (!its.records.store(as_bytes(key), as_bytes("changed"))) return false;
        }
        return true;
    };
    // The first rounds make the files large enough.
    for (int i = 0; i < 20; i++) {
        watch_all();
        ASSERT_TRUE(change_all(site));
        ASSERT_TRUE(site.run_until([&] { return woken == 2 * at_once * (i + 1); }));
    }
    watch_all();
    woken = 0;
    const pid_t child = in_child(*shared, [&](Site& its) {
        if (!change_all(its)) return 1;  // its mailbox is then connected
        be_traced();
        const unsigned long before = allocations;
        ::getppid();
        const bool changed = change_all(its);
        ::getppid();
        if (!changed || allocations != before) return 2;
        return its.watches->counters().messages == 2 * at_once ? 0 : 3;
    });
    const auto calls = count_calls(child, [&] {
        EXPECT_TRUE(site.run_until([&] { return woken == 2 * at_once; }));
        watch_all();
    });
    EXPECT_EQ(calls, (std::map<long, int>{{SYS_sendmsg, at_once}})) << describe(calls);
    EXPECT_TRUE(site.run_until([&] { return woken == 4 * at_once; }));
    EXPECT_EQ(site.watches->counters().stale, 0u);
}

// The waiter's side: the loop's wait, the message, and that there is none behind it.
TEST_F(WatchTest, BeingWokenAndArmingAgainAllocatesNothing) {
    Site site(*shared);
    const pid_t child = in_child(*shared, [](Site& its) {
        int woken = 0;
        std::unique_ptr<Watch> watch;
        watch = std::make_unique<Watch>(*its.watches, its.loop, [&](Woken) {
            woken++;
            its.arm(*watch, "a");
        });
        its.arm(*watch, "a");
        const auto wait_for = [&](int wanted) {
            if (!its.store("ready", std::to_string(wanted))) return false;
            return its.run_until([&] { return woken == wanted; });
        };
        for (int i = 1; i <= rounds; i++) {
            if (!wait_for(i)) return 1;
        }
        be_traced();
        const unsigned long before = allocations;
        ::getppid();
        const bool waited = its.run_until([&] { return woken == rounds + 1; });
        ::getppid();
        return waited && allocations == before ? 0 : 2;
    });
    for (int i = 1; i <= rounds; i++) {
        while (site.fetch("ready") != std::to_string(i)) ::usleep(100);
        ASSERT_TRUE(site.store("a", std::to_string(i)));
    }
    const auto calls = count_calls(child, [&] { ASSERT_TRUE(site.store("a", "last")); });
    int all = 0;
    for (const auto& [number, count] : calls) all += count;
    EXPECT_EQ(calls.count(SYS_recvmsg), 1u) << describe(calls);
    EXPECT_LE(all, 8) << describe(calls);
    std::printf("woken: %s\n", describe(calls).c_str());
}

}  // namespace
}  // namespace Atoll::watch

#endif
