#include <sys/mman.h>

#include <atomic>
#include <csignal>
#include <random>
#include <vector>

#include "tdb/watch/site_test.h"

namespace Atoll::watch {
namespace {

// Waits for one byte of a process that is ready, or tells that this one is.
struct Gate {
    Gate() { EXPECT_EQ(::pipe(ends), 0); }
    ~Gate() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    void open() const { EXPECT_EQ(::write(ends[1], "", 1), 1); }
    void pass() const {
        char byte;
        EXPECT_EQ(::read(ends[0], &byte, 1), 1);
    }
    int ends[2];
};

struct Calls {
    int changed = 0, timed_out = 0;
    Watch::Handler handler() {
        return [this](Woken why) { (why == Woken::changed ? changed : timed_out)++; };
    }
};

TEST_F(WatchTest, AChangeWakesTheWaitersOfThatRecordAndNoOthers) {
    Site site(*shared);
    Calls a, also_a, b;
    Watch watch_a(*site.watches, site.loop, a.handler()), watch_also_a(*site.watches, site.loop, also_a.handler()),
        watch_b(*site.watches, site.loop, b.handler());
    site.arm(watch_a, "a");
    site.arm(watch_also_a, "a");
    site.arm(watch_b, "b");
    ASSERT_TRUE(site.store("c", "1"));
    ASSERT_TRUE(site.store("a", "1"));
    EXPECT_EQ(a.changed, 0) << "not inside the change";
    ASSERT_TRUE(site.run_until([&] { return also_a.changed == 1; }));
    EXPECT_EQ(a.changed, 1);
    EXPECT_EQ(b.changed, 0);
    EXPECT_FALSE(watch_a.is_armed());
    EXPECT_TRUE(watch_b.is_armed());
    EXPECT_EQ(site.watches->counters().messages, 1u) << "two watches of one process, one message";
}

TEST_F(WatchTest, ARecordThatComesOrGoesHasChanged) {
    Site site(*shared);
    Calls calls;
    Watch watch(*site.watches, site.loop, calls.handler());
    site.arm(watch, "a");
    ASSERT_TRUE(site.records.store(as_bytes("a"), as_bytes("made"), tdb::StoreMode::insert).ok());
    ASSERT_TRUE(site.run_until([&] { return calls.changed == 1; }));
    site.arm(watch, "a");
    ASSERT_TRUE(*site.records.remove(as_bytes("a")));
    ASSERT_TRUE(site.run_until([&] { return calls.changed == 2; }));
    site.arm(watch, "a");
    EXPECT_FALSE(*site.records.remove(as_bytes("a")));
    EXPECT_FALSE(site.records.store(as_bytes("a"), {}, tdb::StoreMode::modify).ok());
    site.drain();
    EXPECT_EQ(calls.changed, 2) << "nothing has changed";
    EXPECT_TRUE(watch.is_armed());
}

TEST_F(WatchTest, SeveralChangesUnderOneLockWakeOnce) {
    Site site(*shared);
    Calls calls;
    Watch watch(*site.watches, site.loop, calls.handler());
    site.arm(watch, "a");
    {
        auto record = site.records.fetch_locked(as_bytes("a"));
        ASSERT_TRUE(record->store(as_bytes("1")).ok());
        ASSERT_TRUE(record->store(as_bytes("2")).ok());
        ASSERT_TRUE(record->remove().ok());
        EXPECT_EQ(site.watches->counters().messages, 0u) << "while the record is held nobody is woken";
    }
    ASSERT_TRUE(site.run_until([&] { return calls.changed == 1; }));
    EXPECT_EQ(site.watches->counters().messages, 1u);
}

TEST_F(WatchTest, AWatchWakesOnceAndIsArmedAgainInItsHandler) {
    Site site(*shared);
    int woken = 0;
    std::unique_ptr<Watch> watch;
    watch = std::make_unique<Watch>(*site.watches, site.loop, [&](Woken) {
        if (++woken < 3) site.arm(*watch, "a");
    });
    site.arm(*watch, "a");
    for (int i = 1; i <= 5; i++) {
        ASSERT_TRUE(site.store("a", std::to_string(i)));
        site.drain();
    }
    EXPECT_EQ(woken, 3);
    EXPECT_EQ(site.watches->counters().stale, 0u);
}

TEST_F(WatchTest, AWatchMayEndInItsHandler) {
    Site site(*shared);
    int woken = 0;
    std::unique_ptr<Watch> first, second;
    const auto end_both = [&](Woken) {
        first.reset();
        second.reset();
        woken++;
    };
    first = std::make_unique<Watch>(*site.watches, site.loop, end_both);
    second = std::make_unique<Watch>(*site.watches, site.loop, end_both);
    site.arm(*first, "a");
    site.arm(*second, "a");
    ASSERT_TRUE(site.store("a", "1"));
    site.drain();
    EXPECT_EQ(woken, 1) << "the other had ended before it was woken";
    EXPECT_EQ(site.watches->counters().stale, 1u);
}

TEST_F(WatchTest, TimeOutsAndCancellations) {
    Site site(*shared);
    Calls calls;
    Watch watch(*site.watches, site.loop, calls.handler());
    site.arm(watch, "a", monotonic_now() + 5ms);
    ASSERT_TRUE(site.run_until([&] { return calls.timed_out == 1; }));
    ASSERT_TRUE(site.store("a", "1"));
    site.arm(watch, "a", monotonic_now() + 1h);
    watch.cancel();
    ASSERT_TRUE(site.store("a", "2"));
    site.drain();
    EXPECT_EQ(calls.changed, 0);
    EXPECT_EQ(site.watches->counters().messages, 0u) << "nobody stood there any more";
    // Armed for another record: the former is forgotten.
    site.arm(watch, "a");
    site.arm(watch, "b");
    ASSERT_TRUE(site.store("a", "3"));
    site.drain();
    EXPECT_EQ(calls.changed, 0);
    ASSERT_TRUE(site.store("b", "3"));
    ASSERT_TRUE(site.run_until([&] { return calls.changed == 1; }));
}

TEST_F(WatchTest, ThousandsOfWatchesOfOneProcess) {
    Site site(*shared);
    constexpr int count = 3000;
    std::vector<std::unique_ptr<Watch>> watches;
    std::vector<int> woken(count);
    for (int i = 0; i < count; i++) {
        watches.push_back(std::make_unique<Watch>(*site.watches, site.loop, [&woken, i](Woken) { woken[static_cast<size_t>(i)]++; }));
        site.arm(*watches.back(), "key" + std::to_string(i));
    }
    for (int i = 0; i < count; i += 3) {
        ASSERT_TRUE(site.store("key" + std::to_string(i), "changed"));
        site.drain();
    }
    for (int i = 0; i < count; i++) ASSERT_EQ(woken[static_cast<size_t>(i)], i % 3 == 0 ? 1 : 0) << i;
    watches.clear();
    EXPECT_EQ(site.watches->counters().stale, 0u);
}

TEST_F(WatchTest, TooManyWaitersOfOneRecordAreRefused) {
    Site site(*shared);
    std::vector<std::unique_ptr<Watch>> watches;
    auto record = site.records.fetch_locked(as_bytes("a"));
    for (unsigned i = 0; i < MAX_WAITERS; i++) {
        watches.push_back(std::make_unique<Watch>(*site.watches, site.loop, [](Woken) {}));
        ASSERT_TRUE(watches.back()->arm(*record).ok()) << i;
    }
    Watch one_more(*site.watches, site.loop, [](Woken) {});
    const auto refused = one_more.arm(*record);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::no_space);
    EXPECT_FALSE(one_more.is_armed());
    watches.erase(watches.begin(), watches.begin() + 4000);  // ending them one by one goes through a list of thousands each time
    EXPECT_TRUE(one_more.arm(*record).ok());
    record->release();
    ASSERT_TRUE(site.store("a", "1"));
    EXPECT_TRUE(site.run_until([&] { return !one_more.is_armed(); }));
}

TEST_F(WatchTest, AnotherProcessWakesAndIsWokenOnceForEachChange) {
    Site site(*shared);
    constexpr uint64_t rounds = 200;
    Gate ready;
    const pid_t child = in_child(*shared, [&](Site& its) {
        Watch watch(*its.watches, its.loop, [](Woken) {});
        its.arm(watch, "ping");
        ready.open();
        for (uint64_t i = 0; i < rounds; i++) {
            if (!its.run_until([&] { return !watch.is_armed(); })) return 1;
            if (its.fetch("ping") != std::to_string(i)) return 2;
            its.arm(watch, "ping");
            if (!its.store("pong", std::to_string(i))) return 3;
        }
        const Counters& counted = its.watches->counters();
        return counted.woken == rounds && counted.messages == rounds && counted.stale == 0 ? 0 : 4;
    });
    ready.pass();
    Watch watch(*site.watches, site.loop, [](Woken) {});
    for (uint64_t i = 0; i < rounds; i++) {
        site.arm(watch, "pong");
        ASSERT_TRUE(site.store("ping", std::to_string(i)));
        ASSERT_TRUE(site.run_until([&] { return !watch.is_armed(); })) << i;
        ASSERT_EQ(site.fetch("pong"), std::to_string(i));
    }
    EXPECT_EQ(status_of(child), 0);
    EXPECT_EQ(site.watches->counters().woken, rounds);
    EXPECT_EQ(site.watches->counters().messages, rounds);
}

// --- The dead

// A child that arms a watch of "a", says so, and is killed.
void leave_a_dead_waiter(Shared& shared) {
    Gate armed;
    const pid_t child = in_child(shared, [&](Site& its) {
        Watch watch(*its.watches, its.loop, [](Woken) {});
        its.arm(watch, "a");
        armed.open();
        for (;;) ::pause();
        return 0;
    });
    armed.pass();
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

TEST_F(WatchTest, ADeadWaiterIsStruckOutByTheNextChange) {
    Site site(*shared);
    leave_a_dead_waiter(*shared);
    ASSERT_TRUE(site.store("a", "1"));
    EXPECT_EQ(site.watches->counters().gone, 1u);
    ASSERT_TRUE(site.store("a", "2"));
    EXPECT_EQ(site.watches->counters().gone, 1u);
    EXPECT_EQ(site.watches->counters().messages, 0u);
}

// As of a database that only one node has, in a cluster.
TEST_F(WatchTest, WaitersOfADatabaseMayStandApart) {
    const auto records = Shared::open(directory, "own.tdb", tdb::Rank::locking),
               waiters = Shared::open(directory, "own_watches.tdb", tdb::Rank::watches);
    const auto count = [](tdb::Database& database) { return *database.traverse([](Bytes, Bytes) { return tdb::Visit::go_on; }); };
    Site site(*shared);
    site.watches->observe(*records, "own.tdb", waiters.get());
    Calls calls, others;
    Watch watch(*site.watches, site.loop, calls.handler()), other(*site.watches, site.loop, others.handler());
    const auto arm = [&] {
        auto record = records->fetch_locked(as_bytes("a"));
        ASSERT_TRUE(record.ok());
        ASSERT_TRUE(watch.arm(*record).ok());
    };
    arm();
    site.arm(other, "a");
    EXPECT_EQ(count(*waiters), 1u);
    EXPECT_EQ(count(*shared->companion), 1u);
    ASSERT_TRUE(records->store(as_bytes("a"), as_bytes("1")).ok());
    ASSERT_TRUE(site.run_until([&] { return calls.changed == 1; }));
    EXPECT_EQ(others.changed, 0);
    EXPECT_EQ(count(*waiters), 0u);
    arm();
    watch.cancel();
    EXPECT_EQ(count(*waiters), 0u);
    arm();
    site.watches->end_processes({site.messaging->self()});
    EXPECT_EQ(count(*waiters) + count(*shared->companion), 0u);
    EXPECT_EQ(site.watches->counters().gone, 2u);
}

TEST_F(WatchTest, ADeadWaiterIsStruckOutByTheHousekeeper) {
    Site site(*shared, messaging::ProcessClass::housekeeper);
    Gate armed;
    messaging::ServerId* id =
        static_cast<messaging::ServerId*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    const pid_t child = in_child(*shared, [&](Site& its) {
        *id = its.messaging->self();
        Watch watch(*its.watches, its.loop, [](Woken) {}), other(*its.watches, its.loop, [](Woken) {});
        its.arm(watch, "a");
        its.arm(other, "b");
        armed.open();
        for (;;) ::pause();
        return 0;
    });
    armed.pass();
    Calls calls;
    Watch mine(*site.watches, site.loop, calls.handler());
    site.arm(mine, "a");
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    site.watches->end_processes({{7, 1, 1}, *id});
    EXPECT_EQ(site.watches->counters().gone, 2u);
    site.watches->end_processes({*id});
    EXPECT_EQ(site.watches->counters().gone, 2u) << "idempotent";
    site.drain();
    EXPECT_TRUE(mine.is_armed()) << "the living stay";
    ::munmap(id, 4096);
}

TEST_F(WatchTest, AFullQueueDelaysAWakeUpAndLosesNone) {
    Site site(*shared);
    Gate full, go;
    const pid_t child = in_child(*shared, [&](Site& its) {
        int changed = 0;
        Watch watch(*its.watches, its.loop, [&](Woken) { changed++; });
        its.arm(watch, "a");
        full.open();
        go.pass();
        return its.run_until([&] { return changed == 1; }) ? 0 : 1;
    });
    full.pass();
    messaging::ServerId waiter_id;
    {
        auto socket = Site::open_mailbox(directory, messaging::ProcessClass::tool);
        for (const auto& id : socket.processes()) {
            if (id.pid == static_cast<uint64_t>(child)) waiter_id = id;
        }
        for (int sent = 0;; sent++) {
            ASSERT_LT(sent, 100'000);
            if (!socket.send(waiter_id, 999, {})) break;
        }
    }
    ASSERT_TRUE(site.store("a", "1"));
    EXPECT_EQ(site.watches->counters().messages, 0u);
    EXPECT_EQ(site.watches->counters().deferred, 1u);
    go.open();
    EXPECT_TRUE(site.run_until([&] { return site.watches->counters().messages == 1; }));
    EXPECT_EQ(status_of(child), 0);
}

// --- Many at once

constexpr int members = 8;
constexpr int counters = 3;

struct Board {
    std::atomic<uint64_t> acknowledged[counters];
    std::atomic<uint64_t> woken[members], stale[members];
    messaging::ServerId ids[members];
    std::atomic<bool> stop;
};

uint64_t number_in(Site& site, const std::string& key) {
    const std::string text = site.fetch(key);
    return text.empty() ? 0 : std::strtoull(text.c_str(), nullptr, 10);
}

// Waits for a counter to move, moves another, and so on. Ends when told, and with 1 when a wait has taken too long.
int take_part(Site& site, Board& board, int member, unsigned seed) {
    board.ids[member] = site.messaging->self();
    std::mt19937_64 random(seed);
    Watch watch(*site.watches, site.loop, [](Woken) {});
    while (!board.stop) {
        const uint64_t moved = random() % counters, waited = random() % counters;
        {
            auto record = site.records.fetch_locked(as_bytes("counter" + std::to_string(waited)));
            if (!record || !watch.arm(*record, monotonic_now() + std::chrono::microseconds(random() % 2000))) return 2;
        }
        const std::string key = "counter" + std::to_string(moved);
        {
            auto record = site.records.fetch_locked(as_bytes(key));
            if (!record) return 3;
            const uint64_t now = record->exists() ? std::strtoull(std::string(as_text(record->value())).c_str(), nullptr, 10) : 0;
            if (!record->store(as_bytes(std::to_string(now + 1)))) return 4;
            board.acknowledged[moved]++;
        }
        if (!site.run_until([&] { return !watch.is_armed(); })) return 1;
        board.woken[member] = site.watches->counters().woken;
        board.stale[member] = site.watches->counters().stale;
    }
    return 0;
}

// The test's own process waits, without any time-out, for one counter after another; members are killed all the while.
TEST_F(WatchTest, WithMembersKilledNoWakeUpIsLost) {
    auto* board = static_cast<Board*>(::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    Site site(*shared, messaging::ProcessClass::housekeeper);
    std::array<pid_t, members> pids{};
    unsigned seed = 1;
    const auto start = [&](size_t i) {
        pids[i] = in_child(*shared, [&](Site& its) { return take_part(its, *board, static_cast<int>(i), seed); });
        seed++;
    };
    for (size_t i = 0; i < members; i++) start(i);
    std::mt19937 random(9);
    Watch watch(*site.watches, site.loop, [](Woken) {});
    int waits = 0, killed = 0;
    const Monotonic end = monotonic_now() + 2s;
    while (monotonic_now() < end) {
        const std::string key = "counter" + std::to_string(random() % counters);
        uint64_t before = 0;
        {
            auto record = site.records.fetch_locked(as_bytes(key));
            ASSERT_TRUE(record.ok());
            before = number_in(site, key);
            ASSERT_TRUE(watch.arm(*record).ok());
        }
        if (random() % 4 == 0) {
            const size_t victim = random() % members;
            ::kill(pids[victim], SIGKILL);
            ::waitpid(pids[victim], nullptr, 0);
            site.watches->end_processes({board->ids[victim]});
            site.messaging->forget(board->ids[victim]);
            start(victim);
            killed++;
        }
        ASSERT_TRUE(site.run_until([&] { return !watch.is_armed(); })) << key << " stood at " << before;
        waits++;
    }
    board->stop = true;
    for (const pid_t pid : pids) EXPECT_EQ(status_of(pid), 0);
    EXPECT_GT(killed, 10);
    EXPECT_GT(waits, 50);
    uint64_t woken = 0, stale = 0;
    for (int i = 0; i < members; i++) {
        woken += board->woken[i];
        stale += board->stale[i];
    }
    for (int i = 0; i < counters; i++) EXPECT_GE(number_in(site, "counter" + std::to_string(i)), board->acknowledged[i]);
    std::printf("%d waits, %d members killed; of the living at last: %lu woken, %lu wake-ups too late\n", waits, killed,
                static_cast<unsigned long>(woken), static_cast<unsigned long>(stale));
    ::munmap(board, sizeof(Board));
}

}  // namespace
}  // namespace Atoll::watch
