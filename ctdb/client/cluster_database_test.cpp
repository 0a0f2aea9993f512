#include "ctdb/client/cluster_database.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <set>

#include "ctdb/client/two_nodes_test.h"

namespace Atoll::ctdb {
namespace {

std::unique_ptr<ClusterDatabase> open_at(const TwoNodes& cluster, int pnn, const std::string& name, std::shared_ptr<Node>* node = nullptr,
                                         tdb::Rank rank = tdb::Rank::locking, ClusterOptions options = {}) {
    auto its_node = std::make_shared<Node>(cluster.socket(pnn));
    auto opened = ClusterDatabase::open(its_node, name, rank, options);
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    if (node != nullptr) *node = its_node;
    return opened ? std::move(*opened) : nullptr;
}

std::string get(tdb::Database& database, std::string_view key) {
    Buffer value;
    const auto found = database.fetch(as_bytes(key), value);
    if (!found) return "(" + found.error().message() + ")";
    return *found ? std::string(as_text(value)) : "(none)";
}

// Does it in a child, which has what the parent had open; the child's exit status.
int in_child(tdb::Database& database, const std::function<int()>& work) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(30);
        ::_exit(database.reopen_after_fork() ? work() : 99);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class ClusterDatabaseTest : public testing::Test {
 protected:
    void SetUp() override {
        for (int pnn = 0; pnn < 2; pnn++)
            ASSERT_TRUE(await_that([&] { return cluster.runs(pnn, 2); })) << "node " << pnn << " does not run";
        for (int pnn = 0; pnn < 2; pnn++) {
            databases[pnn] = open_at(cluster, pnn, "x.tdb", &nodes[pnn]);
            ASSERT_NE(databases[pnn], nullptr);
        }
    }
    TwoNodes cluster;
    std::shared_ptr<Node> nodes[2];
    std::unique_ptr<ClusterDatabase> databases[2];
};

TEST_F(ClusterDatabaseTest, NodesSeeTheSameRecords) {
    tdb::Database &here = *databases[0], &there = *databases[1];
    EXPECT_EQ(get(here, "a"), "(none)");
    ASSERT_TRUE(here.store(as_bytes("a"), as_bytes("one")).ok());
    EXPECT_EQ(get(there, "a"), "one");
    EXPECT_EQ(there.store(as_bytes("a"), as_bytes("x"), tdb::StoreMode::insert).error().code, Code::exists);
    {
        auto record = there.fetch_locked(as_bytes("a"));
        ASSERT_TRUE(record.ok());
        ASSERT_TRUE(record->store(as_bytes("two")).ok());
        EXPECT_EQ(as_text(record->value()), "two");
    }
    EXPECT_EQ(get(here, "a"), "two");
    EXPECT_TRUE(*here.remove(as_bytes("a")));
    EXPECT_FALSE(*there.remove(as_bytes("a")));
    EXPECT_EQ(get(there, "a"), "(none)");
    EXPECT_EQ(there.store(as_bytes("a"), as_bytes("x"), tdb::StoreMode::modify).error().code, Code::not_found);
    Buffer large;
    large.append_zeros(protocol::MAX_VALUE + 1);
    EXPECT_EQ(here.store(as_bytes("a"), large).error().code, Code::no_space);
}

TEST_F(ClusterDatabaseTest, ALockedRecordWaitsForItsHolderOnTheOtherNode) {
    ASSERT_TRUE(databases[0]->store(as_bytes("n"), as_bytes("0")).ok());
    const auto count = [](tdb::Database& database) {
        for (int turn = 0; turn < 200; turn++) {
            auto record = database.fetch_locked(as_bytes("n"));
            if (!record) return 1;
            const int number = std::stoi(std::string(as_text(record->value())));
            if (!record->store(as_bytes(std::to_string(number + 1)))) return 2;
        }
        return 0;
    };
    std::vector<pid_t> children;
    for (int child = 0; child < 4; child++) {
        tdb::Database& database = *databases[child % 2];
        children.push_back(::fork());
        if (children.back() == 0) {
            ::alarm(60);
            ::_exit(database.reopen_after_fork() ? count(database) : 99);
        }
    }
    for (const pid_t child : children) {
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(get(*databases[1], "n"), "800");
}

TEST_F(ClusterDatabaseTest, ATraverseSeesTheRecordsOfAllNodesOnce) {
    for (int number = 0; number < 300; number++) {
        const std::string key = "key" + std::to_string(number);
        ASSERT_TRUE(databases[number % 2]->store(as_bytes(key), as_bytes("value of " + key)).ok());
    }
    ASSERT_TRUE(*databases[0]->remove(as_bytes("key7")));
    std::string large(100000, 'x');
    ASSERT_TRUE(databases[1]->store(as_bytes("large"), as_bytes(large)).ok());
    for (const auto& database : databases) {
        std::map<std::string, std::string> seen;
        const auto visited = database->traverse([&](Bytes key, Bytes value) {
            EXPECT_TRUE(seen.emplace(as_text(key), as_text(value)).second);
            return tdb::Visit::go_on;
        });
        ASSERT_TRUE(visited.ok());
        EXPECT_EQ(*visited, 300U);
        EXPECT_EQ(seen["key8"], "value of key8");
        EXPECT_EQ(seen["large"], large);
        EXPECT_FALSE(seen.contains("key7"));
    }
    ASSERT_TRUE(databases[0]->wipe().ok());
    EXPECT_EQ(*databases[1]->traverse([](Bytes, Bytes) { return tdb::Visit::go_on; }), 0U);
}

TEST_F(ClusterDatabaseTest, WhoDiesWithARecordLockedLosesIt) {
    ASSERT_TRUE(databases[0]->store(as_bytes("k"), as_bytes("before")).ok());
    const int status = in_child(*databases[0], [&] {
        auto record = databases[0]->fetch_locked(as_bytes("k"));
        if (!record || !record->store(as_bytes("stored"))) return 1;
        ::kill(::getpid(), SIGKILL);
        return 2;
    });
    ASSERT_EQ(status, -SIGKILL);
    EXPECT_EQ(get(*databases[1], "k"), "stored");
    auto record = databases[1]->fetch_locked(as_bytes("k"));
    ASSERT_TRUE(record.ok());
}

// Somebody stands still inside a chain: the daemon waits for nobody, and ends him.
TEST_F(ClusterDatabaseTest, WhoStandsStillInTheFileIsEnded) {
    ASSERT_TRUE(databases[0]->store(as_bytes("k"), as_bytes("v")).ok());
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        if (!databases[0]->reopen_after_fork() || get(*databases[0], "k") != "v") ::_exit(1);
        (void)databases[0]->parse(as_bytes("k"), [&](Bytes) {
            (void)!::write(ready[1], "x", 1);
            ::raise(SIGSTOP);
        });
        ::_exit(2);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    EXPECT_EQ(get(*databases[1], "k"), "v");
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(ClusterDatabaseTest, NobodyServesOnANodeWhoseDaemonEnds) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(30);
        if (!databases[0]->reopen_after_fork() || get(*databases[0], "k") != "(none)") ::_exit(1);
        while (nodes[0]->serves()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ::_exit(databases[0]->store(as_bytes("k"), as_bytes("v")).ok() ? 2 : 0);
    }
    ASSERT_TRUE(await_that([&] { return nodes[1]->serves(); }));
    ASSERT_EQ(get(*databases[0], "other"), "(none)");
    // This process uses node 0's records too: its supervisor would end it as well.
    databases[0].reset();
    nodes[0].reset();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    cluster.end(0, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) << status;
    // What was at the lost node is served by the other one.
    EXPECT_TRUE(databases[1]->store(as_bytes("k"), as_bytes("after")).ok());
    EXPECT_EQ(get(*databases[1], "k"), "after");
}

// What `ctdb setdbreadonly` asks for.
void lend_records(Node& node, const std::string& database) {
    protocol::request request;
    request.node = no_node;
    request.op = protocol::operation::SET_LENDING;
    request.database = database;
    const auto reply = node.ask(request);
    ASSERT_TRUE(reply.ok() && reply->result == protocol::outcome::DONE);
}

TEST_F(ClusterDatabaseTest, ReadersOfOtherNodesHaveCopiesUntilTheRecordChanges) {
    for (const auto& node : nodes) lend_records(*node, "x.tdb");
    ASSERT_TRUE(databases[0]->store(as_bytes("k"), as_bytes("v")).ok());
    EXPECT_EQ(get(*databases[1], "k"), "v");
    const uint64_t before[] = {nodes[0]->counters().wanted, nodes[1]->counters().wanted};
    for (int turn = 0; turn < 100; turn++) {
        for (const auto& database : databases) ASSERT_EQ(get(*database, "k"), "v");
    }
    for (int pnn = 0; pnn < 2; pnn++) EXPECT_EQ(nodes[pnn]->counters().wanted, before[pnn]) << "a copy is read without a message";
    const auto seen = databases[1]->sequence_number();
    ASSERT_TRUE(databases[0]->store(as_bytes("k"), as_bytes("w")).ok());
    EXPECT_NE(*databases[1]->sequence_number(), *seen);
    EXPECT_EQ(get(*databases[1], "k"), "w");
    EXPECT_TRUE(*databases[1]->remove(as_bytes("k")));
    EXPECT_EQ(get(*databases[0], "k"), "(none)");
    EXPECT_EQ(get(*databases[1], "k"), "(none)");
}

TEST_F(ClusterDatabaseTest, ReadersNeverSeeARecordGoBack) {
    constexpr int last = 300;
    for (const auto& node : nodes) lend_records(*node, "x.tdb");
    ASSERT_TRUE(databases[0]->store(as_bytes("n"), as_bytes("0")).ok());
    const auto count = [](tdb::Database& database) {
        for (int turn = 0; turn < last / 2; turn++) {
            auto record = database.fetch_locked(as_bytes("n"));
            if (!record || !record->store(as_bytes(std::to_string(std::stoi(std::string(as_text(record->value()))) + 1)))) return 1;
        }
        return 0;
    };
    const auto read = [](tdb::Database& database) {
        for (int seen = 0; seen < last;) {
            const std::string value = get(database, "n");
            if (value[0] == '(' || std::stoi(value) < seen) return 2;
            seen = std::stoi(value);
        }
        return 0;
    };
    std::vector<pid_t> children;
    for (int child = 0; child < 6; child++) {
        tdb::Database& database = *databases[child % 2];
        children.push_back(::fork());
        if (children.back() == 0) {
            ::alarm(60);
            ::_exit(!database.reopen_after_fork() ? 99 : child < 2 ? count(database) : read(database));
        }
    }
    for (const pid_t child : children) {
        int status = 0;
        ::waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }
}

TEST_F(ClusterDatabaseTest, AWarmRecordCostsNoMessage) {
    ASSERT_TRUE(databases[0]->store(as_bytes("k"), as_bytes("v")).ok());
    const uint64_t before = nodes[0]->counters().wanted;
    for (int turn = 0; turn < 1000; turn++) {
        auto record = databases[0]->fetch_locked(as_bytes("k"));
        ASSERT_TRUE(record.ok() && record->store(as_bytes("w")).ok());
    }
    EXPECT_EQ(nodes[0]->counters().wanted, before);
    EXPECT_EQ(nodes[0]->counters().released, 0U);
}

// A process of node 0 stores record after record, and says each time when that is done.
[[noreturn]] void store_and_tell(const TwoNodes& cluster, ClusterOptions options, int told) {
    ::alarm(60);
    const auto database = open_at(cluster, 0, "opens.tdb", nullptr, tdb::Rank::open, options);
    for (uint32_t number = 0; database != nullptr; number++) {
        const std::string key = "open " + std::to_string(number % 64);
        auto record = database->fetch_locked(as_bytes(key));
        if (!record) break;
        const auto done = number % 7 == 3 ? record->remove() : record->store(as_bytes(std::to_string(number)));
        if (!done || ::write(told, &number, sizeof number) != sizeof number) break;
    }
    ::_exit(1);
}

// Stores at node 0 until that is lost with everything on it; which of the records the survivor has not as they were stored last.
std::vector<std::string> lost_with_node_0(ClusterOptions options) {
    TwoNodes cluster;
    for (int pnn = 0; pnn < 2; pnn++) EXPECT_TRUE(await_that([&] { return cluster.runs(pnn, 2); }));
    int told[2];
    EXPECT_EQ(::pipe(told), 0);
    const pid_t writer = ::fork();
    if (writer == 0) store_and_tell(cluster, options, told[1]);
    ::close(told[1]);
    uint32_t last = 0;
    while (last < 1000 && ::read(told[0], &last, sizeof last) == sizeof last) {
    }
    EXPECT_EQ(last, 1000U) << "nothing is stored";
    cluster.kill(0);
    ::kill(writer, SIGKILL);
    while (::read(told[0], &last, sizeof last) == sizeof last) {
    }
    ::waitpid(writer, nullptr, 0);
    ::close(told[0]);
    const auto database = open_at(cluster, 1, "opens.tdb", nullptr, tdb::Rank::open, options);
    std::vector<std::string> lost;
    for (uint32_t back = 0; back < 64; back++) {
        const uint32_t number = last - back;
        const std::string found = get(*database, "open " + std::to_string(number % 64));
        const auto text = [](uint32_t stored) { return stored % 7 == 3 ? std::string("(none)") : std::to_string(stored); };
        // The one that was under way may be there.
        const bool as_stored = found == text(number) || (back == 63 && found == text(last + 1));
        if (!as_stored) lost.push_back(std::to_string(number) + ": " + found);
    }
    return lost;
}

TEST(MirroredDatabase, LosesNothingThatWasStoredBeforeItsNodeWasLost) {
    const auto lost = lost_with_node_0({.mirrored = true});
    EXPECT_EQ(lost.size(), 0U) << lost[0];
}

// So that the test above can fail.
TEST(MirroredDatabase, WouldLoseWithoutBeingMirrored) { EXPECT_GT(lost_with_node_0({.mirrored = false}).size(), 10U); }

TEST_F(ClusterDatabaseTest, IsMirroredForAllOrForNobody) {
    ASSERT_NE(open_at(cluster, 0, "m.tdb", nullptr, tdb::Rank::locking, {.mirrored = true}), nullptr);
    ASSERT_TRUE(await_that([&] {
        return ClusterDatabase::open(std::make_shared<Node>(cluster.socket(1)), "m.tdb", tdb::Rank::locking, {.mirrored = true}).ok();
    }));
    const auto other = ClusterDatabase::open(std::make_shared<Node>(cluster.socket(1)), "m.tdb", tdb::Rank::locking);
    ASSERT_FALSE(other.ok());
    EXPECT_NE(other.error().message().find("mirrored"), std::string::npos) << other.error().message();
}

// One round trip for a store, none for anything else.
TEST_F(ClusterDatabaseTest, OnlyStoresWaitForTheMirror) {
    std::shared_ptr<Node> node;
    const auto database = open_at(cluster, 0, "m.tdb", &node, tdb::Rank::locking, {.mirrored = true});
    ASSERT_TRUE(database->store(as_bytes("k"), as_bytes("v")).ok());
    const auto before = node->counters();
    for (int turn = 0; turn < 10; turn++) {
        auto record = database->fetch_locked(as_bytes("k"));
        ASSERT_TRUE(record.ok());
        EXPECT_EQ(as_text(record->value()), turn == 0 ? "v" : "w");
        ASSERT_TRUE(record->store(as_bytes("w")).ok());
        record->release();
        EXPECT_EQ(get(*database, "k"), "w");
    }
    EXPECT_EQ(node->counters().mirrored, before.mirrored + 10);
    EXPECT_EQ(node->counters().wanted, before.wanted);
    ASSERT_TRUE(databases[0]->store(as_bytes("k"), as_bytes("v")).ok());
    EXPECT_EQ(nodes[0]->counters().mirrored, 0U);
}

// Of a mirrored database only the stores of values that need it, and what replaces them.
TEST_F(ClusterDatabaseTest, OnlyValuesThatNeedItWaitForTheMirror) {
    const ClusterOptions options{.mirrored = true, .mirrors = [](Bytes value) { return as_text(value).starts_with("kept"); }};
    std::shared_ptr<Node> node;
    const auto database = open_at(cluster, 0, "m.tdb", &node, tdb::Rank::locking, options);
    const auto mirrored_by = [&](std::string_view value) {
        const uint64_t before = node->counters().mirrored;
        EXPECT_TRUE(database->store(as_bytes("k"), as_bytes(value)).ok());
        return node->counters().mirrored - before;
    };
    EXPECT_EQ(mirrored_by("plain"), 0U);
    EXPECT_EQ(mirrored_by("kept"), 1U);
    EXPECT_EQ(mirrored_by("kept still"), 1U);
    EXPECT_EQ(mirrored_by("plain"), 1U);
    EXPECT_EQ(mirrored_by("plain again"), 0U);
    EXPECT_EQ(mirrored_by("kept"), 1U);
    const uint64_t before = node->counters().mirrored;
    EXPECT_TRUE(*database->remove(as_bytes("k")));
    EXPECT_EQ(node->counters().mirrored, before + 1);
}

// Each node issues identifiers whose records it locates.
TEST_F(ClusterDatabaseTest, AnIdentifierIsLocatedWhereItWasIssued) {
    std::set<Slot> own[2];
    for (int pnn = 0; pnn < 2; pnn++) {
        for (uint32_t turn = 0; turn < protocol::SLOTS; turn++) {
            const auto slot = databases[pnn]->own_slot();
            ASSERT_TRUE(slot.has_value());
            own[pnn].insert(*slot);
        }
    }
    EXPECT_EQ(own[0].size() + own[1].size(), size_t{protocol::SLOTS});
    for (const Slot slot : own[0]) EXPECT_FALSE(own[1].contains(slot));

    const ClusterOptions options{.slot_in_key = true};
    const auto here = open_at(cluster, 0, "ids.tdb", nullptr, tdb::Rank::session, options);
    const auto there = open_at(cluster, 1, "ids.tdb", nullptr, tdb::Rank::session, options);
    uint8_t key[8];
    const uint64_t id = id_in_slot(4711, *here->own_slot());
    for (size_t at = 0; at < sizeof key; at++) key[at] = static_cast<uint8_t>(id >> (56 - 8 * at));
    ASSERT_TRUE(here->store(key, as_bytes("a session")).ok());
    EXPECT_EQ(get(*there, as_text(key)), "a session");
    EXPECT_TRUE(*there->remove(key));
    EXPECT_EQ(get(*here, as_text(key)), "(none)");
}

// What was removed is gone from the files of both nodes after a while, and can come again.
TEST_F(ClusterDatabaseTest, RemovedRecordsAreVacuumed) {
    for (int number = 0; number < 100; number++) {
        const std::string key = "key" + std::to_string(number);
        ASSERT_TRUE(databases[number % 2]->store(as_bytes(key), as_bytes("first")).ok());
        ASSERT_TRUE(databases[1 - number % 2]->store(as_bytes(key), as_bytes("second")).ok());
    }
    for (int number = 0; number < 90; number++) ASSERT_TRUE(*databases[number % 2]->remove(as_bytes("key" + std::to_string(number))));
    const auto copies = [&](int pnn) {
        auto connection = DaemonConnection::connect(cluster.socket(pnn));
        protocol::request request;
        request.node = no_node;
        request.op = protocol::operation::LIST_RECORDS;
        request.database = "x.tdb";
        const auto reply = connection->call(request, std::chrono::seconds(5));
        return reply ? idl::decode<protocol::record_page>(Bytes(reply->data))->records.size() : size_t{0};
    };
    EXPECT_GT(copies(0) + copies(1), 150U);
    EXPECT_TRUE(await_that([&] { return copies(0) + copies(1) <= 20; }, 60000)) << copies(0) << " and " << copies(1) << " copies are left";
    for (int number = 0; number < 100; number++) {
        const std::string key = "key" + std::to_string(number);
        EXPECT_EQ(get(*databases[number % 2], key), number < 90 ? "(none)" : "second");
    }
}

#if !defined(ATOLL_SANITIZED)

bool work(tdb::Database& database, Buffer& value) {
    for (int turn = 0; turn < 1000; turn++) {
        auto record = database.fetch_locked(as_bytes("k"));
        if (!record || !record->store(as_bytes("a record of one open"))) return false;
        record->release();
        const auto found = database.fetch(as_bytes("k"), value);
        if (!found || !*found) return false;
        if (!database.store(as_bytes("k"), as_bytes("the record of one open, changed"))) return false;
        if (!database.remove(as_bytes("k"))) return false;
    }
    return true;
}

// From now on a system call other than the one that ends it kills the process. (seccomp's strict mode would take the clock away too.)
bool forbid_system_calls() {
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    const sock_fprog program{4, code};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(ClusterDatabaseTest, AWarmRecordCostsNoSystemCall) {
    const auto run = [&](bool call_the_system) {
        return in_child(*databases[0], [&] {
            Buffer value(4096);
            if (!work(*databases[0], value)) return 1;
            if (!forbid_system_calls()) return 2;
            if (call_the_system) ::getppid();
            const bool worked = work(*databases[0], value);
            ::syscall(SYS_exit, worked ? 0 : 3);
            return 4;
        });
    };
    EXPECT_EQ(run(false), 0);
    EXPECT_EQ(run(true), -SIGSYS);
}

#endif

}  // namespace
}  // namespace Atoll::ctdb
