#include "base/loop/loop.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <new>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "base/loop/signals.h"
#include "base/unique_fd.h"

#ifndef ATOLL_SANITIZED
namespace {
std::atomic<size_t> allocations{0};
}
__attribute__((noinline)) void* operator new(size_t size) {
    ++allocations;
    if (void* p = std::malloc(size)) return p;
    throw std::bad_alloc();
}
__attribute__((noinline)) void operator delete(void* p) noexcept { std::free(p); }
__attribute__((noinline)) void operator delete(void* p, size_t) noexcept { std::free(p); }
#endif

namespace Atoll::loop {
namespace {

using namespace std::chrono_literals;

struct Pair {
    Pair() {
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        a.reset(fds[0]);
        b.reset(fds[1]);
    }
    void send(char c) const { EXPECT_EQ(write(b.get(), &c, 1), 1); }
    [[nodiscard]] int receive() const {
        char c;
        return read(a.get(), &c, 1) == 1 ? c : -1;
    }
    UniqueFd a;
    UniqueFd b;
};

TEST(Loop, TellsReadinessAgainWhileThereIsMore) {
    Loop loop;
    const Pair pair;
    std::string got;
    FdWatch watch(loop, pair.a.get(), [&] {
        got.push_back(static_cast<char>(pair.receive()));
        if (got.size() == 3) loop.stop();
    });
    watch.watch_read(true);
    for (char c : {'x', 'y', 'z'}) pair.send(c);
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
    EXPECT_EQ(got, "xyz");
}

TEST(Loop, UnwatchedReadinessIsKeptForLater) {
    Loop loop;
    const Pair pair;
    int calls = 0;
    FdWatch watch(loop, pair.a.get(), [&] {
        ++calls;
        (void)pair.receive();
    });
    watch.watch_read(true);
    watch.watch_read(false);
    pair.send('a');
    while (loop.run_once(monotonic_now() + 20ms)) {
    }
    EXPECT_EQ(calls, 0);
    watch.watch_read(true);
    EXPECT_TRUE(loop.run_once(monotonic_now() + 5s));
    EXPECT_EQ(calls, 1);
}

TEST(Loop, WriteReadinessComesWhenTheReaderMakesRoom) {
    Loop loop;
    const Pair pair;
    bool writable = false;
    FdWatch watch(
        loop, pair.b.get(), [] {},
        [&] {
            writable = true;
            watch.watch_write(false);
        });
    const std::vector<char> block(4096);
    size_t queued = 0;
    while (write(pair.b.get(), block.data(), block.size()) > 0) queued += block.size();
    watch.watch_write(true);
    EXPECT_FALSE(loop.run_once(monotonic_now() + 20ms));
    std::vector<char> drain(queued);
    for (size_t done = 0; done < queued;) done += static_cast<size_t>(read(pair.a.get(), drain.data(), drain.size()));
    EXPECT_TRUE(loop.run_once(monotonic_now() + 5s));
    EXPECT_TRUE(writable);
}

TEST(Loop, AWatchMayEndInsideItsHandler) {
    Loop loop;
    const Pair pair;
    std::unique_ptr<FdWatch> watch;
    std::string captured = "a string long enough to live on the heap, seen after the watch has ended";
    std::string seen;
    watch = std::make_unique<FdWatch>(loop, pair.a.get(), [&, captured] {
        watch.reset();
        seen = captured;
        loop.stop();
    });
    watch->watch_read(true);
    pair.send('a');
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
    EXPECT_EQ(seen, captured);
    seen.clear();
    while (loop.run_once(monotonic_now() + 20ms)) {
    }
    EXPECT_EQ(seen, "");
}

TEST(Loop, EndOfFileIsReadable) {
    Loop loop;
    Pair pair;
    FdWatch watch(loop, pair.a.get(), [&] {
        EXPECT_EQ(pair.receive(), -1);
        loop.stop();
    });
    watch.watch_read(true);
    pair.b.reset();
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
}

struct Note : Deferred {
    Note(std::string& log, char letter) : log_(log), letter_(letter) {}
    void run_deferred() override { log_.push_back(letter_); }
    std::string& log_;
    char letter_;
};

TEST(Loop, DeferredRunsOnceAfterTheHandlerAndBeforeTheNextOne) {
    Loop loop;
    std::string log;
    Note first(log, '1');
    Note second(log, '2');
    {
        Note dropped(log, '!');
        loop.defer(dropped);
    }
    loop.post([&] {
        loop.defer(first);
        loop.defer(second);
        loop.defer(first);
        log.push_back('a');
    });
    loop.post([&] {
        log.push_back('b');
        loop.stop();
    });
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
    EXPECT_EQ(log, "a12b");
}

TEST(Loop, PostAndStopFromAnotherThread) {
    Loop loop;
    std::thread::id ran_on;
    std::thread other([&] {
        loop.post([&] { ran_on = std::this_thread::get_id(); });
        loop.stop();
    });
    loop.run();
    other.join();
    while (loop.run_once(monotonic_now() + 20ms)) {
    }
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST(Timer, RingInTheirOrderWhateverTheOrderOfSetting) {
    Loop loop;
    std::string log;
    Timer c(loop, [&] {
        log.push_back('c');
        loop.stop();
    });
    Timer a(loop, [&] { log.push_back('a'); });
    Timer b(loop, [&] { log.push_back('b'); });
    Timer never(loop, [&] { log.push_back('!'); });
    const Monotonic now = monotonic_now();
    b.set_at(now + 300ms);
    a.set_at(now + 30s);
    c.set_at(now + 40ms);
    never.set_at(now + 5ms);
    never.cancel();
    b.set_at(now + 20ms);
    a.set_at(now + 10ms);
    EXPECT_TRUE(loop.run_until(now + 10s));
    EXPECT_EQ(log, "abc");
    EXPECT_FALSE(a.is_set());
}

TEST(Timer, MayEndOrSetItselfInsideItsHandler) {
    Loop loop;
    std::unique_ptr<Timer> once;
    once = std::make_unique<Timer>(loop, [&] { once.reset(); });
    int rounds = 0;
    Timer again(loop, [&] {
        if (++rounds == 3) return loop.stop();
        again.set_in(1ms);
    });
    once->set_in(0ms);
    again.set_in(0ms);
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
    EXPECT_EQ(once, nullptr);
    EXPECT_EQ(rounds, 3);
}

TEST(Timer, ATimerSetToThePastInItsHandlerDoesNotStarveDescriptors) {
    Loop loop;
    const Pair pair;
    Timer busy(loop, [&] { busy.set_at(monotonic_now() - 1s); });
    FdWatch watch(loop, pair.a.get(), [&] { loop.stop(); });
    watch.watch_read(true);
    busy.set_in(0ms);
    pair.send('a');
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
}

#ifndef ATOLL_SANITIZED
TEST(Loop, SteadyStateAllocatesNothing) {
    Loop loop;
    const Pair pair;
    std::string log;
    log.reserve(4096);
    Note note(log, '.');
    Timer timeout(loop, [] {});
    int calls = 0;
    FdWatch watch(loop, pair.a.get(), [&] {
        (void)pair.receive();
        loop.defer(note);
        timeout.set_in(calls % 10 == 0 ? 10ms : 20s);  // forward as well as backward
        ++calls;
        pair.send('a');
    });
    watch.watch_read(true);
    pair.send('a');
    for (int i = 0; i < 20; ++i) loop.run_once(monotonic_now() + 5s);
    const size_t before = allocations;
    while (calls < 1000) loop.run_once(monotonic_now() + 5s);
    EXPECT_EQ(allocations - before, 0u);
}
#endif

TEST(Loop, AForkedChildMakesItsOwn) {
    Loop loop;
    const pid_t child = fork();
    if (child == 0) {
        Loop own;
        bool rang = false;
        Timer timer(own, [&] {
            rang = true;
            own.stop();
        });
        timer.set_in(1ms);
        own.run_until(monotonic_now() + 5s);
        _exit(rang ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST(Signals, ArriveOnTheLoop) {
    Loop loop;
    int got = 0;
    const Signals signals(loop, {SIGUSR1, SIGUSR2}, [&](int signal) {
        got = signal;
        loop.stop();
    });
    kill(getpid(), SIGUSR2);
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
    EXPECT_EQ(got, SIGUSR2);
}

}  // namespace
}  // namespace Atoll::loop
