#include "tdb/grants/grants.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/bytes.h"
#include "tdb/memory/memory_database.h"

namespace Atoll::grants {
namespace {

class AskedHome final : public Home {
 public:
    [[nodiscard]] uint64_t session() const override { return its_session; }
    Result<bool> take(Bytes, const rights& wanted, Enter enter) override {
        if (!contains(free, wanted)) return false;
        if (auto r = enter(++stamp); !r) return r.failure();
        return true;
    }
    void ask(Bytes, const rights& wanted) override { asked.push_back(wanted); }
    void gave(Bytes, const rights& lost, const rights& kept, uint64_t its_stamp) override {
        given_up.push_back(lost);
        still_used.push_back(kept);
        stamps.push_back(its_stamp);
    }
    Result<void> set_mark(Bytes, const std::optional<deletion_mark>& its_mark) override { return mark = its_mark, Result<void>(); }
    Result<std::optional<deletion_mark>> mark_of(Bytes) override { return mark; }
    std::optional<deletion_mark> mark;
    uint64_t its_session = 7, stamp = 0;
    rights free;  // in nobody's way
    std::vector<rights> asked, given_up, still_used;
    std::vector<uint64_t> stamps;
};

rights opening(unsigned access, unsigned shared) {
    rights out;
    out.opens = open_bit(access, shared);
    return out;
}

rights leasing(uint8_t lease) {
    rights out;
    out.lease = lease;
    return out;
}

class GrantsTest : public ::testing::Test {
 protected:
    // Two processes of the node: they share the database and nothing else.
    Answer need(NodeGrants& process, const rights& wanted) {
        Question question = 0;
        return need(process, wanted, question);
    }
    Answer need(NodeGrants& process, const rights& wanted, Question& question) {
        auto answer = process.need(file_, wanted, question, [&](const tdb::LockedRecord& record) -> Result<void> {
            EXPECT_TRUE(record.held());
            armed_++;
            return {};
        });
        EXPECT_TRUE(answer);
        return answer ? *answer : Answer::refused;
    }
    void grant(NodeGrants& process, const rights& given) { ASSERT_TRUE(process.granted(file_, given, ++home_.stamp, true)); }
    // What rests on it has ended at once.
    void give_up(const rights& lost, const rights& kept = {}) {
        NtTime until;
        auto back = one_.take_back(file_, lost, until, [](const tdb::LockedRecord&) { return Result<void>(); });
        ASSERT_TRUE(back);
        ASSERT_EQ(*back, Answer::here);
        ASSERT_TRUE(one_.give_up(file_, lost, kept));
    }
    static NtTime clock() { return now; }
    static inline NtTime now{1000};
    const Bytes file_ = as_bytes("a file");
    std::unique_ptr<tdb::MemoryDatabase> held_ = tdb::MemoryDatabase::open({"grants", tdb::Rank::index});
    AskedHome home_;
    NodeGrants one_{*held_, home_, clock}, two_{*held_, home_, clock};
    int armed_ = 0;
};

TEST_F(GrantsTest, WhatTheNodeHasIsNotAskedForAgain) {
    const rights reading = opening(reads, reads | writes | deletes);
    EXPECT_EQ(need(one_, reading), Answer::wait);
    EXPECT_EQ(need(two_, reading), Answer::wait) << "it is on its way";
    EXPECT_EQ(armed_, 2);
    ASSERT_EQ(home_.asked.size(), 1u);
    EXPECT_EQ(home_.asked[0].opens, reading.opens);
    grant(one_, reading);
    for (int i = 0; i < 100; i++) {
        EXPECT_EQ(need(one_, reading), Answer::here);
        EXPECT_EQ(need(two_, reading), Answer::here);
    }
    EXPECT_EQ(home_.asked.size(), 1u);
    // Only what is new is asked for.
    const rights more = merged(reading, opening(writes, reads | writes));
    EXPECT_EQ(need(two_, more), Answer::wait);
    ASSERT_EQ(home_.asked.size(), 2u);
    EXPECT_EQ(home_.asked[1].opens, open_bit(writes, reads | writes));
}

TEST_F(GrantsTest, WhatIsInNobodysWayIsTakenAtOnce) {
    const rights reading = opening(reads, reads);
    home_.free = reading;
    EXPECT_EQ(need(one_, reading), Answer::here);
    EXPECT_TRUE(*two_.has(file_, reading));
    EXPECT_TRUE(home_.asked.empty());
    EXPECT_EQ(need(one_, merged(reading, opening(writes, 0))), Answer::wait);
}

// Whoever begins to ask after the other node has said no may find the file closed there.
TEST_F(GrantsTest, ARefusalIsForThoseWhoHadAsked) {
    const rights wanted = opening(writes, 0);
    Question asker = 0, joined = 0, later = 0;
    EXPECT_EQ(need(one_, wanted, asker), Answer::wait);
    EXPECT_EQ(need(two_, wanted, joined), Answer::wait);
    ASSERT_EQ(home_.asked.size(), 1u);
    ASSERT_TRUE(one_.refused(file_, wanted));
    EXPECT_EQ(need(two_, wanted, joined), Answer::wait) << "it was asked before he came: once more";
    EXPECT_EQ(home_.asked.size(), 2u);
    EXPECT_EQ(need(one_, wanted, asker), Answer::refused);
    EXPECT_EQ(asker, 0u);
    EXPECT_EQ(need(one_, wanted, later), Answer::wait);
    ASSERT_TRUE(one_.refused(file_, wanted));
    EXPECT_EQ(need(two_, wanted, joined), Answer::refused);
    EXPECT_EQ(need(one_, wanted, later), Answer::wait);
    EXPECT_EQ(need(one_, opening(reads, reads), asker), Answer::wait) << "of something else nothing is said";
    grant(one_, wanted);
    EXPECT_EQ(need(one_, wanted, later), Answer::here);
}

TEST_F(GrantsTest, WhatIsRecalledIsAskedForAgain) {
    rights all = merged(opening(reads, reads), leasing(read_lease | write_lease));
    grant(one_, all);
    EXPECT_TRUE(*one_.uses(file_, all));
    give_up(leasing(write_lease));
    EXPECT_TRUE(*two_.has(file_, merged(opening(reads, reads), leasing(read_lease))));
    EXPECT_FALSE(*two_.has(file_, all));
    ASSERT_EQ(home_.given_up.size(), 1u);
    EXPECT_EQ(home_.given_up[0].lease, write_lease);
    EXPECT_EQ(home_.stamps[0], home_.stamp);
    EXPECT_EQ(need(two_, all), Answer::wait);
    EXPECT_EQ(home_.asked.back().lease, write_lease);
    // What is still used stays.
    give_up(opening(reads, reads), opening(reads, reads));
    EXPECT_TRUE(*two_.has(file_, opening(reads, reads)));
    EXPECT_EQ(home_.still_used.back().opens, open_bit(reads, reads));
}

TEST_F(GrantsTest, WhoHasAskedGetsTimeToUseIt) {
    const rights wanted = opening(writes, 0);
    for (const bool used : {true, false}) {
        Question question = 0;
        EXPECT_EQ(need(one_, wanted, question), Answer::wait);
        grant(two_, wanted);
        NtTime until;
        int armed = 0;
        const auto take_back = [&] {
            return *two_.take_back(file_, wanted, until, [&](const tdb::LockedRecord&) { return armed++, Result<void>(); });
        };
        EXPECT_EQ(take_back(), Answer::wait);
        EXPECT_EQ(armed, 1);
        EXPECT_GT(until, now);
        if (used) {
            EXPECT_TRUE(*one_.uses(file_, wanted));
        } else {
            now = until;
        }
        EXPECT_EQ(take_back(), Answer::here);
        EXPECT_FALSE(*one_.uses(file_, wanted));
        ASSERT_TRUE(one_.give_up(file_, wanted, {}));
    }
    const rights by_the_way{.change = true};
    grant(two_, by_the_way);
    give_up(by_the_way);
    EXPECT_FALSE(*one_.has(file_, by_the_way)) << "nobody waits for that";
}

// Between take_back() and give_up() somebody may have got it again.
TEST_F(GrantsTest, WhatIsTakenAgainMeanwhileIsKept) {
    const rights wanted = opening(writes, 0);
    home_.free = wanted;
    EXPECT_TRUE(*one_.take(file_, wanted));
    NtTime until;
    ASSERT_TRUE(one_.take_back(file_, wanted, until, [](const tdb::LockedRecord&) { return Result<void>(); }));
    EXPECT_TRUE(*two_.take(file_, wanted));
    ASSERT_TRUE(one_.give_up(file_, wanted, {}));
    EXPECT_EQ(home_.still_used.back(), wanted);
}

TEST_F(GrantsTest, AFileOfWhichNothingIsLeftHasNoRecord) {
    const rights wanted = opening(reads, reads);
    home_.free = wanted;
    EXPECT_TRUE(*one_.take(file_, wanted));
    give_up(wanted);
    EXPECT_FALSE(*held_->exists(file_));
}

TEST_F(GrantsTest, WhatWasHeldInAnotherSessionIsNot) {
    const rights wanted = opening(reads, reads);
    home_.free = wanted;
    EXPECT_TRUE(*one_.take(file_, wanted));
    home_.its_session = 0;
    EXPECT_FALSE(*two_.has(file_, wanted));
    EXPECT_FALSE(two_.granted(file_, wanted, 9, false)) << "a node that does not serve holds nothing";
    home_.its_session = 8;
    EXPECT_FALSE(*two_.has(file_, wanted));
    EXPECT_EQ(need(two_, wanted), Answer::here);
    EXPECT_TRUE(*one_.has(file_, wanted));
}

// docs/design.md, "Grants", against every pair of two opens.
TEST(Rights, OpensExcludeEachOtherAsOnOneNode) {
    for (unsigned a = 0; a < 64; a++) {
        for (unsigned b = 0; b < 64; b++) {
            const unsigned access_a = a / 8, shared_a = a % 8, access_b = b / 8, shared_b = b % 8;
            const bool beside = access_a == 0 || access_b == 0 || ((access_a & shared_b) == access_a && (access_b & shared_a) == access_b);
            const rights way = in_the_way(opening(access_a, shared_a), opening(access_b, shared_b));
            EXPECT_EQ(way.opens == 0, beside) << a << ' ' << b;
        }
    }
}

TEST(Rights, WhatExcludesIsExcluded) {
    std::vector<rights> all = {{.change = true}, {.lock = true}, {.unlocked = true}, {.deletion = true}};
    for (unsigned one = 0; one < 64; one++) all.push_back(opening(one / 8, one % 8));
    for (const uint8_t lease : {read_lease, write_lease, uint8_t{read_lease | write_lease}}) all.push_back(leasing(lease));
    for (const rights& a : all) {
        for (const rights& b : all) EXPECT_EQ(empty(in_the_way(a, b)), empty(in_the_way(b, a)));
    }
}

TEST(Rights, LeasesAndLocks) {
    rights change, lock, unlocked;
    change.change = lock.lock = unlocked.unlocked = true;
    const rights all = opening(reads, reads | writes | deletes);
    EXPECT_TRUE(in_the_way(leasing(read_lease), change).change);
    EXPECT_EQ(in_the_way(leasing(read_lease), all).opens, 0u);
    EXPECT_EQ(in_the_way(leasing(read_lease | write_lease), all).opens, all.opens);
    EXPECT_EQ(in_the_way(all, leasing(read_lease | write_lease)).lease, write_lease);
    EXPECT_EQ(in_the_way(change, leasing(read_lease | write_lease)).lease, read_lease | write_lease);
    EXPECT_TRUE(empty(in_the_way(leasing(read_lease), leasing(read_lease))));
    EXPECT_TRUE(in_the_way(lock, unlocked).unlocked);
    EXPECT_TRUE(in_the_way(unlocked, lock).lock);
    EXPECT_TRUE(empty(in_the_way(lock, lock))) << "their ranges are for those to compare who have them";
    EXPECT_TRUE(empty(in_the_way(change, change)));
    const rights deletion{.deletion = true};
    EXPECT_EQ(in_the_way(deletion, all).opens, all.opens);
    EXPECT_EQ(in_the_way(all, deletion), deletion);
    EXPECT_EQ(in_the_way(deletion, deletion), deletion);
}

}  // namespace
}  // namespace Atoll::grants
