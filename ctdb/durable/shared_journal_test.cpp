#include "ctdb/durable/shared_journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ctdb/durable/durable_keys.h"
#include "ctdb/protocol/client.idl.h"
#include "tdb/committer/batch.h"

namespace Atoll::ctdb {
namespace {

using committer::Batch;
using committer::Pending;
using Outcome = CommonDatabase::Outcome;

// In memory; a transaction waits until the test decides it.
class TestDatabase final : public CommonDatabase {
 public:
    struct State {
        std::map<Value, Value> records;
        uint64_t sequence = 0;
        unsigned transactions = 0;
        std::optional<int64_t> base;  // of the one that waits
        Writes writes;
        Done done;
        CommonDatabase* database = nullptr;

        void finish(Outcome outcome) {
            if (outcome == Outcome::committed && *base != protocol::ANY_SEQUENCE && static_cast<uint64_t>(*base) != sequence)
                outcome = Outcome::conflict;
            if (outcome == Outcome::committed) apply();
            base.reset();
            std::exchange(done, nullptr)(outcome);
        }
        void apply() {
            sequence++;
            for (const auto& write : writes) {
                if (write.value.empty()) {
                    records.erase(write.key);
                } else {
                    records[write.key] = write.value;
                }
            }
        }
    };

    explicit TestDatabase(State& state) : state_(state) { state_.database = this; }

    void commit(int64_t base, Writes writes, Done done) override {
        ASSERT_FALSE(state_.base) << "one at a time";
        state_.transactions++;
        state_.base = base;
        state_.writes = std::move(writes);
        state_.done = std::move(done);
    }
    Result<uint64_t> sequence() override { return state_.sequence; }
    Result<bool> fetch(Bytes key, Buffer& value) override {
        const auto found = state_.records.find(Value(key.begin(), key.end()));
        if (found == state_.records.end()) return false;
        value.assign(Bytes(found->second));
        return true;
    }
    Result<uint64_t> each(const Value& prefix, tdb::Visitor visitor) override {
        uint64_t visited = 0;
        for (const auto& [key, value] : state_.records) {
            if (key.size() <= prefix.size() || !std::equal(prefix.begin(), prefix.end(), key.begin())) continue;
            visited++;
            if (visitor(Bytes(key).subspan(prefix.size()), Bytes(value)) == tdb::Visit::stop) break;
        }
        return visited;
    }

 private:
    State& state_;
};

class SharedJournalTest : public testing::Test {
 protected:
    SharedJournalTest() { open(); }

    void open() {
        journal.reset();
        auto opened = SharedJournal::open(loop, std::make_unique<TestDatabase>(state), 1, {"one", "two"});
        ASSERT_TRUE(opened.ok());
        journal = std::move(*opened);
        journal->on_broken = [this] { broken = true; };
        ASSERT_TRUE(journal->senders().enter(name, ::getpid(), answered));
    }
    void add(const Batch& batch) {
        Pending pending;
        pending.sender = name;
        pending.request = batch.record();
        pending.request.number = ++number;
        pending.request.answered = answered;
        ASSERT_EQ(journal->senders().recall(name, pending.request, pending.reply), committer::Senders::Known::is_new);
        group.push_back(std::move(pending));
    }
    void decide() {
        is_decided = false;
        journal->decide(group, [this] { is_decided = true; });
        turn();
    }
    void turn() { (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(100)); }
    void finish(Outcome outcome) {
        ASSERT_TRUE(state.base);
        state.finish(outcome);
        turn();
    }
    committer::outcome result(size_t i) const { return group[i].reply.result; }
    std::string get(std::string_view database, std::string_view key) const {
        const auto found = state.records.find(durable_key(database, as_bytes(key)));
        return found == state.records.end() ? "(none)" : std::string(as_text(Bytes(found->second)));
    }
    static Batch put(std::string_view key, std::string_view value) {
        Batch out;
        out.store("one", as_bytes(key), as_bytes(value));
        return out;
    }

    const Guid name = Guid::random();
    TestDatabase::State state;
    loop::Loop loop;
    std::unique_ptr<SharedJournal> journal;
    std::vector<Pending> group;
    uint64_t number = 0, answered = 0;
    bool is_decided = false, broken = false;
};

TEST_F(SharedJournalTest, AGroupIsOneTransactionAndItsLastWordsCount) {
    add(put("a", "1"));
    add(put("b", "2"));
    Batch last;
    last.store("one", as_bytes("a"), as_bytes("3"));
    last.remove("one", as_bytes("b"));
    last.store("two", as_bytes("a"), as_bytes("4"));
    add(last);
    decide();
    EXPECT_FALSE(is_decided);
    EXPECT_EQ(state.base, protocol::ANY_SEQUENCE);
    finish(Outcome::committed);
    EXPECT_TRUE(is_decided);
    EXPECT_EQ(state.transactions, 1u);
    EXPECT_EQ(get("one", "a") + get("one", "b") + get("two", "a"), "3(none)4");
}

TEST_F(SharedJournalTest, WhatTheClusterDoesNotTakeIsRefusedAlone) {
    Batch wipe, empty, large, unknown;
    wipe.wipe("one");
    empty.store("one", as_bytes("a"), {});
    large.store("one", as_bytes("a"), as_bytes(std::string(protocol::MAX_PERSISTENT_RECORD, 'v')));
    unknown.store("three", as_bytes("a"), as_bytes("1"));
    for (const Batch& batch : {wipe, empty, large, unknown, put("a", "1")}) add(batch);
    decide();
    finish(Outcome::committed);
    EXPECT_TRUE(is_decided);
    for (size_t i = 0; i < 4; i++) EXPECT_EQ(result(i), committer::outcome::REFUSED) << i;
    EXPECT_EQ(result(4), committer::outcome::COMMITTED);
    EXPECT_EQ(get("one", "a"), "1");
}

TEST_F(SharedJournalTest, ConditionsAreJudgedAnewWhenAnotherNodeWasFirst) {
    Batch insert;
    insert.insert("one", as_bytes("a"), as_bytes("mine"));
    add(insert);
    decide();
    EXPECT_EQ(state.base, 0);
    state.records[durable_key("one", as_bytes("a"))] = {'t', 'h', 'e', 'i', 'r', 's'};
    state.sequence++;
    finish(Outcome::committed);  // conflicts
    turn();
    EXPECT_TRUE(is_decided);
    EXPECT_EQ(result(0), committer::outcome::FOUND);
    EXPECT_EQ(get("one", "a"), "theirs");
}

TEST_F(SharedJournalTest, EarlierBatchesOfTheTransactionCount) {
    add(put("a", "1"));
    Batch expects;
    expects.expect("one", as_bytes("a"), as_bytes("1"));
    expects.remove("one", as_bytes("a"));
    add(expects);
    Batch again = expects;
    add(again);
    decide();
    finish(Outcome::committed);
    EXPECT_EQ(result(1), committer::outcome::COMMITTED);
    EXPECT_EQ(result(2), committer::outcome::NOT_FOUND);
    EXPECT_EQ(get("one", "a"), "(none)");
}

TEST_F(SharedJournalTest, AFullDiskFailsWhatDoesNotFit) {
    for (const char* key : {"a", "b", "c"}) add(put(key, "1"));
    decide();
    finish(Outcome::no_room);    // all three
    finish(Outcome::committed);  // the first
    finish(Outcome::no_room);    // the others
    finish(Outcome::no_room);    // the second
    finish(Outcome::committed);  // the third
    turn();
    EXPECT_TRUE(is_decided);
    EXPECT_EQ(result(0), committer::outcome::COMMITTED);
    EXPECT_EQ(result(1), committer::outcome::NO_SPACE);
    EXPECT_EQ(result(2), committer::outcome::COMMITTED);
    EXPECT_EQ(get("one", "a") + get("one", "b") + get("one", "c"), "1(none)1");
}

TEST_F(SharedJournalTest, TheNextCommitterKnowsWhatWasDecided) {
    add(put("a", "1"));
    decide();
    finish(Outcome::committed);
    const auto sent_again = group[0].request;
    open();
    committer::answer known;
    EXPECT_EQ(journal->senders().recall(name, sent_again, known), committer::Senders::Known::decided);
    EXPECT_EQ(known.result, committer::outcome::COMMITTED);
}

TEST_F(SharedJournalTest, WhatIsUnderWayWhenTheSessionEndsIsNotAnswered) {
    add(put("a", "1"));
    decide();
    state.database->on_lost();
    turn();
    EXPECT_TRUE(broken);
    EXPECT_FALSE(is_decided);
}

TEST_F(SharedJournalTest, AnotherNodesSendersAreNotItsOwn) {
    add(put("a", "1"));
    decide();
    finish(Outcome::committed);
    auto other = SharedJournal::open(loop, std::make_unique<TestDatabase>(state), 2, {"one", "two"});
    ASSERT_TRUE(other.ok());
    EXPECT_TRUE((*other)->senders().enter(name, ::getpid() + 1, 0));
}

}  // namespace
}  // namespace Atoll::ctdb
