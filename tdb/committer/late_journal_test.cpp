// The committer over a journal that decides later, as the cluster's does.
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/limits.h"
#include "tdb/committer/client.h"
#include "tdb/committer/committer.h"
#include "tdb/committer/process_test.h"

namespace Atoll::committer {
namespace {

class LateJournal final : public Journal {
 public:
    void decide(std::span<Pending> group, std::function<void()> decided) override {
        ASSERT_TRUE(group_.empty()) << "one group at a time";
        group_ = group;
        decided_ = std::move(decided);
        groups++;
    }
    void clean() override {}

    void finish() {
        for (Pending& pending : group_) {
            pending.reply.number = pending.request.number;
            senders().note(pending);
        }
        group_ = {};
        std::exchange(decided_, nullptr)();
    }
    void break_down() { tell_broken(); }
    [[nodiscard]] size_t waiting() const { return group_.size(); }

    int groups = 0;

 private:
    std::span<Pending> group_;
    std::function<void()> decided_;
};

class LateJournalTest : public testing::Test {
 protected:
    LateJournalTest() {
        auto made = std::make_unique<LateJournal>();
        journal = made.get();
        auto opened = Committer::open(loop, directory.socket(), std::move(made));
        EXPECT_TRUE(opened.ok());
        committer = std::move(*opened);
    }
    bool run_until(const std::function<bool()>& done) {
        const Monotonic deadline = monotonic_now() + std::chrono::seconds(30);
        while (!done() && monotonic_now() < deadline) (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(50));
        return done();
    }
    void submit(CommitClient& client, int& committed, size_t value_size = 1) {
        Batch batch;
        batch.store("one", as_bytes("a"), as_bytes(std::string(value_size, 'v')));
        ASSERT_TRUE(client.submit(batch, [&committed](const Result<void>& result) { committed += result.ok() ? 1 : 0; }).ok());
    }

    TestDirectory directory;
    loop::Loop loop;
    LateJournal* journal = nullptr;
    std::unique_ptr<Committer> committer;
};

TEST_F(LateJournalTest, NothingIsAnsweredBeforeItIsDecidedAndTheRestGathers) {
    CommitClient first(directory.socket(), &loop), second(directory.socket(), &loop);
    int of_first = 0, of_second = 0;
    submit(first, of_first);
    ASSERT_TRUE(run_until([&] { return journal->waiting() == 1; }));
    for (int i = 0; i < 10; i++) submit(first, of_first);
    for (int i = 0; i < 5; i++) submit(second, of_second);

    for (int i = 0; i < 100; i++) (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(1));
    EXPECT_EQ(of_first + of_second, 0);
    EXPECT_EQ(journal->groups, 1);
    journal->finish();
    ASSERT_TRUE(run_until([&] { return journal->waiting() == 15; }));
    EXPECT_EQ(journal->groups, 2);
    journal->finish();
    ASSERT_TRUE(run_until([&] { return of_first == 11 && of_second == 5; }));
}

TEST_F(LateJournalTest, WhoEndsMeanwhileIsDecidedAllTheSame) {
    int committed = 0;
    auto client = std::make_unique<CommitClient>(directory.socket(), &loop);
    submit(*client, committed);
    ASSERT_TRUE(run_until([&] { return journal->waiting() == 1; }));
    submit(*client, committed);
    for (int i = 0; i < 20; i++) (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(1));
    client.reset();
    for (int i = 0; i < 20; i++) (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(1));
    journal->finish();
    ASSERT_TRUE(run_until([&] { return journal->waiting() == 1; }));
    journal->finish();
    EXPECT_EQ(committed, 0);
    EXPECT_EQ(journal->groups, 2);

    CommitClient other(directory.socket(), &loop);
    submit(other, committed);
    ASSERT_TRUE(run_until([&] { return journal->waiting() == 1; }));
    journal->finish();
    EXPECT_TRUE(run_until([&] { return committed == 1; }));
}

// What a transaction does not take stays with its senders, and comes when there is room.
TEST_F(LateJournalTest, NoMoreGathersThanATransactionTakes) {
    int committed = 0;
    constexpr size_t value_size = 90'000;
    constexpr size_t batches = 3 * limits::max_commit_bytes / value_size;
    std::vector<std::unique_ptr<CommitClient>> clients;
    for (size_t sent = 0; sent < batches; sent++) {
        if (sent % 64 == 0) clients.push_back(std::make_unique<CommitClient>(directory.socket(), &loop));
        submit(*clients.back(), committed, value_size);
    }
    size_t largest = 0;
    ASSERT_TRUE(run_until([&] {
        largest = std::max(largest, journal->waiting());
        if (journal->waiting() > 0) journal->finish();
        return committed == static_cast<int>(batches);
    }));
    // One sender's unanswered batches may come on top.
    EXPECT_LE(largest * value_size, limits::max_commit_bytes + MAX_UNANSWERED * value_size);
}

TEST_F(LateJournalTest, ABrokenJournalIsTold) {
    bool told = false;
    committer->on_broken = [&] { told = true; };
    journal->break_down();
    EXPECT_TRUE(told);
}

}  // namespace
}  // namespace Atoll::committer
