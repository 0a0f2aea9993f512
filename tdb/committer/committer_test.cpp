#include "tdb/committer/committer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cstring>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/loop/socket_path.h"
#include "tdb/committer/durable_store.h"
#include "tdb/committer/packet.h"
#include "tdb/committer/process_test.h"
#include "tdb/conformance.h"

namespace Atoll::tdb {
namespace {

// A committer and a store for each database that the conformance tests ask for; they live as long as the test program.
struct Served {
    committer::TestDirectory directory;
    committer::CommitterProcess process{directory};
    committer::DurableStore store{directory.path(), directory.path()};
};

std::unique_ptr<Database> open_served() {
    static std::list<Served> all;
    return all.emplace_back().store.database("one");
}

INSTANTIATE_TEST_SUITE_P(Committed, Conformance, testing::Values(Store{"committed", open_served, 400}),
                         [](const auto& store) { return store.param.name; });

}  // namespace
}  // namespace Atoll::tdb

namespace Atoll::committer {
namespace {

class CommitterTest : public testing::Test {
 protected:
    std::string get(const std::string& database, const std::string& key) {
        Buffer value;
        auto found = store.database(database)->fetch(as_bytes(key), value);
        EXPECT_TRUE(found.ok()) << found.error().message();
        return found.ok() && *found ? std::string(as_text(value)) : "(none)";
    }
    Result<void> put(const std::string& key, const std::string& value) {
        Batch batch;
        batch.store("one", as_bytes(key), as_bytes(value));
        return store.commits().commit(batch);
    }
    // False after half a minute.
    bool run_until(const std::function<bool()>& done) {
        const Monotonic deadline = monotonic_now() + std::chrono::seconds(30);
        while (!done() && monotonic_now() < deadline) (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(50));
        return done();
    }
    uint64_t last_commit() { return *store.database("one")->sequence_number(); }

    TestDirectory directory;
    CommitterProcess committer{directory};
    loop::Loop loop;
    DurableStore store{directory.path(), directory.path(), &loop};
};

TEST_F(CommitterTest, ABatchHappensAsAWholeOrNotAtAll) {
    Batch batch;
    batch.store("one", as_bytes("a"), as_bytes("1"));
    batch.insert("two", as_bytes("b"), as_bytes("2"));
    ASSERT_TRUE(store.commits().commit(batch).ok());
    EXPECT_EQ(get("one", "a"), "1");
    EXPECT_EQ(get("two", "b"), "2");

    Batch again;
    again.store("one", as_bytes("a"), as_bytes("other"));
    again.insert("two", as_bytes("b"), as_bytes("other"));
    EXPECT_EQ(store.commits().commit(again).error().code, Code::exists);
    EXPECT_EQ(get("one", "a"), "1");

    Batch missing;
    missing.remove("one", as_bytes("a"));
    missing.modify("two", as_bytes("c"), as_bytes("other"));
    EXPECT_EQ(store.commits().commit(missing).error().code, Code::not_found);
    EXPECT_EQ(get("one", "a"), "1");

    Batch changed;
    changed.wipe("one");
    changed.expect("two", as_bytes("b"), as_bytes("not this"));
    EXPECT_EQ(store.commits().commit(changed).error().code, Code::busy);
    EXPECT_EQ(get("one", "a"), "1");

    Batch holds;
    holds.expect("two", as_bytes("b"), as_bytes("2"));
    holds.expect_absent("one", as_bytes("c"));
    holds.expect_present("one", as_bytes("a"));
    holds.wipe("one");
    holds.store("one", as_bytes("c"), as_bytes("3"));
    ASSERT_TRUE(store.commits().commit(holds).ok());
    EXPECT_EQ(get("one", "a"), "(none)");
    EXPECT_EQ(get("one", "c"), "3");
}

TEST_F(CommitterTest, OnlyKnownDatabasesAndPossibleKeys) {
    for (const char* name : {"three", "committer_senders", ""}) {
        Batch batch;
        batch.store(name, as_bytes("a"), as_bytes("1"));
        EXPECT_EQ(store.commits().commit(batch).error().code, Code::invalid) << name;
    }
    Batch no_key, long_key, long_value;
    no_key.store("one", as_bytes(""), as_bytes("1"));
    long_key.store("one", as_bytes(std::string(MAX_KEY + 1, 'k')), as_bytes("1"));
    long_value.store("one", as_bytes("a"), as_bytes(std::string(MAX_VALUE + 1, 'v')));
    for (const Batch* batch : {&no_key, &long_key, &long_value}) {
        EXPECT_FALSE(batch->is_sendable());
        EXPECT_EQ(store.commits().commit(*batch).error().code, Code::invalid);
    }
    EXPECT_TRUE(put(std::string(MAX_KEY, 'k'), std::string(MAX_VALUE, 'v')).ok());
    Batch largest;
    const std::string value(50'000, 'v');
    while (largest.size() + value.size() + 200 <= max_batch_bytes)
        largest.store("one", as_bytes("key" + std::to_string(largest.size())), as_bytes(value));
    ASSERT_GT(largest.size(), limits::max_batch);
    EXPECT_TRUE(store.commits().commit(largest).ok());
    largest.store("one", as_bytes("one more"), as_bytes(value));
    EXPECT_FALSE(largest.is_sendable());
}

// While it is stopped, as it is while it syncs, batches of many gather; they are one commit, so one sync.
TEST_F(CommitterTest, WhatGathersIsOneCommit) {
    ASSERT_TRUE(put("first", "1").ok());
    std::vector<std::unique_ptr<CommitClient>> clients;
    for (int i = 0; i < 8; i++) clients.push_back(std::make_unique<CommitClient>(directory.socket(), &loop));
    const uint64_t before = last_commit();
    size_t committed = 0;
    committer.stop();
    for (size_t i = 0; i < clients.size(); i++) {
        for (size_t n = 0; n < MAX_UNANSWERED; n++) {
            Batch batch;
            batch.insert("one", as_bytes(std::to_string(i) + "/" + std::to_string(n)), as_bytes("v"));
            ASSERT_TRUE(clients[i]->submit(batch, [&](const Result<void>& done) { committed += done.ok() ? 1 : 0; }).ok());
        }
    }
    committer.resume();
    ASSERT_TRUE(run_until([&] { return committed == clients.size() * MAX_UNANSWERED; }));
    const uint64_t commits = last_commit() - before;
    std::printf("%zu batches in %lu commits\n", committed, static_cast<unsigned long>(commits));
    EXPECT_LE(commits, 2u);
}

TEST_F(CommitterTest, WhatChangesNothingIsNotSynced) {
    ASSERT_TRUE(put("a", "1").ok());
    const uint64_t before = last_commit();
    for (int i = 0; i < 20; i++) {
        Batch batch;
        batch.insert("one", as_bytes("a"), as_bytes("2"));
        EXPECT_EQ(store.commits().commit(batch).error().code, Code::exists);
        Batch condition;
        condition.expect("one", as_bytes("a"), as_bytes("1"));
        EXPECT_TRUE(store.commits().commit(condition).ok());
    }
    EXPECT_EQ(last_commit(), before);
}

// Each batch may be made only behind the one before it, and only once: a lost, doubled or reordered one fails.
TEST_F(CommitterTest, KilledOverAndOverItDecidesEachBatchOnceAndInOrder) {
    constexpr int batches = 3000;
    int answered = 0;
    ASSERT_TRUE(put("counter", "0").ok());
    for (int n = 1; n <= batches; n++) {
        Batch batch;
        batch.expect("one", as_bytes("counter"), as_bytes(std::to_string(n - 1)));
        batch.store("one", as_bytes("counter"), as_bytes(std::to_string(n)));
        batch.insert("two", as_bytes("n" + std::to_string(n)), as_bytes("v"));
        auto submitted = store.commits().submit(batch, [&answered, n](const Result<void>& done) {
            EXPECT_TRUE(done.ok()) << n << ": " << done.error().message();
            EXPECT_EQ(++answered, n);
        });
        ASSERT_TRUE(submitted.ok()) << submitted.error().message();
    }
    int kills = 0;
    while (answered < batches && !HasFailure()) {
        const int before = answered;
        ASSERT_TRUE(run_until([&] { return answered >= std::min(batches, before + 37); }));
        committer.kill();
        kills++;
        const std::string durable = get("one", "counter");
        EXPECT_GE(std::stoi(durable), answered) << "what was acknowledged is lost";
        committer.start();
    }
    EXPECT_GT(kills, 10);
    EXPECT_EQ(get("one", "counter"), std::to_string(batches));
    std::printf("%d batches, %d kills\n", batches, kills);
}

TEST_F(CommitterTest, WaitingForACommitOutlivesTheCommitter) {
    ASSERT_TRUE(put("a", "1").ok());
    committer.kill();
    const pid_t starter = fork_child([&] {
        ::usleep(200000);
        int unused[2];
        if (::pipe(unused) == 0) CommitterProcess::run(directory, {}, unused[1]);
    });
    EXPECT_TRUE(put("a", "2").ok());
    EXPECT_EQ(get("one", "a"), "2");
    ::kill(starter, SIGKILL);
    ::waitpid(starter, nullptr, 0);
    committer.start();
}

TEST_F(CommitterTest, WithoutACommitterThereIsAClearError) {
    committer.kill();
    CommitClient hasty(directory.socket(), &loop, std::chrono::milliseconds(50));
    Batch batch;
    batch.store("one", as_bytes("a"), as_bytes("1"));
    EXPECT_EQ(hasty.commit(batch).error().code, Code::dead);
    std::vector<Code> codes;
    for (int i = 0; i < 3; i++) {
        ASSERT_TRUE(
            hasty.submit(batch, [&](const Result<void>& done) { codes.push_back(done.ok() ? Code::exists : done.error().code); }).ok());
    }
    ASSERT_TRUE(run_until([&] { return codes.size() == 3; }));
    EXPECT_EQ(codes, std::vector<Code>(3, Code::dead));
    committer.start();
    EXPECT_TRUE(hasty.commit(batch).ok());
}

TEST_F(CommitterTest, TheQueueHasALimit) {
    committer.stop();
    Batch batch;
    batch.store("one", as_bytes("a"), as_bytes("1"));
    size_t taken = 0, done_count = 0;
    Result<void> outcome;
    while (outcome.ok() && taken <= limits::max_waiting_batches) {
        outcome = store.commits().submit(batch, [&](const Result<void>& done) { done_count += done.ok() ? 1 : 0; });
        taken += outcome.ok() ? 1 : 0;
    }
    EXPECT_EQ(taken, limits::max_waiting_batches);
    EXPECT_EQ(outcome.error().code, Code::busy);
    committer.resume();
    EXPECT_TRUE(run_until([&] { return done_count == taken; }));
    EXPECT_EQ(store.commits().waiting(), 0u);
    EXPECT_TRUE(put("a", "2").ok());
}

TEST_F(CommitterTest, EndsInGoodOrderWithWhatHasArrived) {
    size_t done_count = 0;
    ASSERT_TRUE(put("first", "1").ok());
    committer.stop();
    for (int i = 0; i < 20; i++) {
        Batch batch;
        batch.insert("one", as_bytes(std::to_string(i)), as_bytes("v"));
        ASSERT_TRUE(store.commits().submit(batch, [&](const Result<void>& done) { done_count += done.ok() ? 1 : 0; }).ok());
    }
    ::kill(committer.pid(), SIGTERM);
    committer.resume();
    EXPECT_EQ(committer.wait(), 0);
    EXPECT_EQ(get("one", "19"), "v");
    committer.start();
    EXPECT_TRUE(run_until([&] { return done_count == 20; }));
}

// A sender that has been killed stays in the file no longer than needed.
TEST_F(CommitterTest, DeadSendersAreForgotten) {
    for (int i = 0; i < 5; i++) {
        int status = 0;
        ::waitpid(fork_child([&] {
                      CommitClient client(directory.socket());
                      Batch batch;
                      batch.store("one", as_bytes("a"), as_bytes("1"));
                      ::_exit(client.commit(batch).ok() ? 0 : 1);
                  }),
                  &status, 0);
        EXPECT_EQ(status, 0);
    }
    const auto senders = [this] {
        return *store.database(senders_database)->traverse([](Bytes, Bytes) { return tdb::Visit::go_on; });
    };
    EXPECT_TRUE(run_until([&] { return senders() == 0; }));
}

// Hostile processes of the same user

class Hostile {
 public:
    explicit Hostile(const TestDirectory& directory) : socket_(std::move(*loop::connect_to_path(directory.socket()))) {}
    void send(Bytes bytes) { (void)!::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }
    void send_descriptor(int fd) {
        uint8_t mark = 0;
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
        iovec piece{&mark, sizeof mark};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        cmsghdr* const c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
        EXPECT_EQ(::sendmsg(socket_.get(), &message, MSG_NOSIGNAL), 1);
    }
    void greet(const Guid& name, uint64_t answered = 0) {
        hello greeting;
        greeting.sender = name;
        greeting.answered = answered;
        send_record(greeting);
    }
    void ask(uint64_t number, uint64_t answered) {
        batch request;
        request.number = number;
        request.answered = answered;
        change& added = request.changes.emplace_back();
        added.kind = change_kind::STORE;
        added.database = "one";
        added.key = {'h'};
        send_record(request);
    }
    // Nothing: its connection was ended.
    std::optional<answer> answered() {
        uint8_t bytes[1024];
        pollfd ready{socket_.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&ready, 1, 10000), 1);
        const ssize_t n = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
        if (n <= 0) return {};
        auto reply = idl::decode<answer>({bytes, static_cast<size_t>(n)});
        EXPECT_TRUE(reply.ok());
        return reply.ok() ? std::optional(*reply) : std::nullopt;
    }
    [[nodiscard]] int fd() const { return socket_.get(); }

 private:
    template <class Record>
    void send_record(const Record& record) {
        Buffer bytes;
        encode(record, bytes, idl::first_level);
        send(bytes);
    }
    UniqueFd socket_;
};

TEST_F(CommitterTest, NonsenseEndsItsConnectionOnly) {
    const std::string garbage(1000, '\x5A'), huge(limits::max_batch + 100, '\0');
    for (const std::string& bytes : {std::string("x"), garbage, huge}) {
        Hostile before_hello(directory), after_hello(directory);
        before_hello.send(as_bytes(bytes));
        EXPECT_FALSE(before_hello.answered());
        after_hello.greet(Guid::random());
        after_hello.send(as_bytes(bytes));
        EXPECT_FALSE(after_hello.answered());
        EXPECT_TRUE(put("a", "1").ok());
    }
}

TEST_F(CommitterTest, NoOtherFileThanABatchIsRead) {
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
    const UniqueFd reading(pipe_ends[0]), writing(pipe_ends[1]);  // would block
    const UniqueFd empty(::memfd_create("empty", MFD_CLOEXEC)), huge(::memfd_create("huge", MFD_CLOEXEC)),
        zeros(::memfd_create("zeros", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(huge.get(), max_batch_bytes + 1), 0);
    ASSERT_EQ(::ftruncate(zeros.get(), max_batch_bytes), 0);
    for (const int fd : {reading.get(), empty.get(), huge.get(), zeros.get()}) {
        Hostile hostile(directory);
        hostile.greet(Guid::random());
        hostile.send_descriptor(fd);
        EXPECT_FALSE(hostile.answered());
        EXPECT_TRUE(put("a", "1").ok());
    }
}

TEST_F(CommitterTest, NumbersMustFollowEachOther) {
    for (const auto& [number, answered] : std::vector<std::pair<uint64_t, uint64_t>>{{0, 0}, {2, 0}, {1, 1}, {7, 9}, {UINT64_MAX, 0}}) {
        Hostile hostile(directory);
        hostile.greet(Guid::random());
        hostile.ask(number, answered);
        EXPECT_FALSE(hostile.answered()) << number << " " << answered;
    }
    Hostile hostile(directory);
    hostile.greet(Guid::random(), 41);
    hostile.ask(42, 41);
    ASSERT_TRUE(hostile.answered());
    hostile.ask(42, 41);  // again: the same answer
    const auto again = hostile.answered();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->number, 42u);
    hostile.ask(41, 40);  // it has said that it had the answer to that
    EXPECT_FALSE(hostile.answered());
    EXPECT_TRUE(put("a", "1").ok());
}

TEST_F(CommitterTest, ANameBelongsToOneProcess) {
    const Guid name = Guid::random();
    Hostile first(directory);
    first.greet(name);
    first.ask(1, 0);
    ASSERT_TRUE(first.answered());
    Hostile second(directory);
    second.greet(name);
    second.ask(1, 0);
    EXPECT_FALSE(second.answered());
    int status = 0;
    ::waitpid(fork_child([&] {
                  Hostile other_process(directory);
                  other_process.greet(name, 1);
                  other_process.ask(2, 1);
                  ::_exit(other_process.answered() ? 1 : 0);
              }),
              &status, 0);
    EXPECT_EQ(status, 0);
    first.ask(2, 1);
    EXPECT_TRUE(first.answered());
}

TEST_F(CommitterTest, WhoTakesNoAnswersIsNotReadFrom) {
    Hostile hostile(directory);
    hostile.greet(Guid::random());
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    Buffer bytes;
    batch request;
    change& wanted = request.changes.emplace_back();
    wanted.kind = change_kind::EXPECT_PRESENT;
    wanted.database = "one";
    wanted.key = {'k'};
    uint64_t sent = 0;
    for (int idle = 0; sent < 1000000 && idle < 20;) {
        request.number = sent + 1;
        request.answered = sent;
        bytes.clear();
        encode(request, bytes, idl::first_level);
        if (::send(hostile.fd(), bytes.data(), bytes.size(), flags) > 0) {
            sent++;
            idle = 0;
        } else {
            ::usleep(10000);
            idle++;
        }
    }
    EXPECT_LT(sent, 1000000u);
    EXPECT_TRUE(put("a", "1").ok());
    for (uint64_t n = 1; n <= 10; n++) EXPECT_EQ(hostile.answered()->number, n);
}

TEST_F(CommitterTest, AClientIsNotUsedAcrossFork) {
    GTEST_FLAG_SET(death_test_style, "fast");
    EXPECT_DEATH((void)put("a", "1"), "");  // a death test runs in a child
}

}  // namespace
}  // namespace Atoll::committer
