// docs/grants.md, "Deletion": two nodes with their agents, whose directories are open on both. MS-FSA 2.1.5.5, 2.1.5.15.3.
#include <deque>
#include <list>

#include "smbd/fsa/notify_fixture_test.h"
#include "smbd/fsa/oplocks_fixture_test.h"
#include "tdb/grants/home.h"

namespace Atoll::fsa {
namespace {

class DeletionTest : public OplocksTest {
 protected:
    // One process of it, which is the agent too.
    struct Site final : grants::Nodes {
        Site(DeletionTest& its_test, Process& its_process, uint32_t its_number)
            : test(its_test), process(its_process), number(its_number) {}
        [[nodiscard]] grants::NodeSession self() const override { return {number, 1}; }
        [[nodiscard]] bool ended(const grants::NodeSession&) const override { return false; }

        DeletionTest& test;
        Process& process;
        const uint32_t number;
        std::unique_ptr<tdb::MemoryDatabase> held = tdb::MemoryDatabase::open({"grants", tdb::Rank::index});
        std::unique_ptr<tdb::MemoryDatabase> directories = tdb::MemoryDatabase::open({"directories", tdb::Rank::locking});
        grants::HomeRecords records{*test.home_, *this, [this] { return ++test.stamps_; }};
        grants::HomeAgent agent{records, *this,
                                [this](uint32_t node, Bytes message) { test.network_.emplace_back(node, as_text(message)); },
                                number * 1000000ULL};
        grants::NodeGrants node_grants{*held, agent};
    };

    void SetUp() override {
        OplocksTest::SetUp();
        mkdir("d");
        uint32_t number = 0;
        for (Process* process : {&one_, &two_}) {
            process->share.reset();
            process->files.reset();
            Site& site = sites_.emplace_back(*this, *process, number++);
            watches_->observe(*site.held, "grants.tdb." + std::to_string(site.number));
            watches_->observe(*site.directories, "directories.tdb." + std::to_string(site.number));
            const messaging::ServerId& self = process->messages->self();
            process->files = FileSystem::create({.locking = *locking_,
                                                 .brlock = *brlock_,
                                                 .self = {self.node, self.pid, self.unique_id},
                                                 .holder_exists = [](const Holder&) { return true; },
                                                 .leases = leases_.get(),
                                                 .messaging = process->messages.get(),
                                                 .watches = &*watches_,
                                                 .loop = &loop_,
                                                 .breaks = &process->client,
                                                 .node_grants = &site.node_grants,
                                                 .directories = site.directories.get(),
                                                 .share_at = [process](const std::string&) { return process->share.get(); },
                                                 .notify_index = index_.get()});
            process->share = make_share(*process->files);
            site.agent.begin(site.node_grants, process->files->recalls(), *site.held);
        }
    }
    void TearDown() override {
        waiter_.reset();
        for (Process* process : {&one_, &two_}) {
            for (Open* open : process->opened) (void)process->files->close(*open).ok();
            process->opened.clear();
            process->share.reset();
            process->files.reset();
        }
        watches_.reset();
        sites_.clear();
        OplocksTest::TearDown();
    }
    Site& site(size_t i) { return *std::next(sites_.begin(), static_cast<ptrdiff_t>(i)); }

    // What nodes have told each other arrives, and those who wait go on.
    void settle() {
        bool any = true;
        while (any) {
            any = !network_.empty();
            while (!network_.empty()) {
                const auto [to, message] = network_.front();
                network_.pop_front();
                site(to).agent.receive(as_bytes(message));
            }
            any |= loop_.run_once(monotonic_now() + std::chrono::milliseconds(20));
        }
    }
    template <class Attempt>
    NtStatus outcome(Attempt attempt) {
        for (int i = 0; i < 10; i++) {
            const NtStatus status = attempt();
            settle();
            if (status != NtStatus::PENDING) return status;
            // What was granted just now is recalled only once it has been used, or after a while.
            while (loop_.run_once(monotonic_now() + std::chrono::milliseconds(300))) settle();
        }
        return NtStatus::PENDING;
    }
    CreateParams opening(uint32_t options = 0) {
        CreateParams p = params("d", access::read_data | access::delete_);
        p.options = options | option::directory_file;
        return p;
    }
    NtStatus open(Process& process, Open*& out, uint32_t options = 0) {
        const CreateParams p = opening(options);
        return outcome([&] {
            CreateResult result;
            const NtStatus status = try_open(process, p, result);
            out = result.open;
            return status;
        });
    }
    Open& must(Process& process, uint32_t options = 0) {
        Open* out = nullptr;
        EXPECT_EQ(open(process, out, options), NtStatus::SUCCESS);
        return *out;
    }
    NtStatus mark(Open& open) {
        return outcome([&] {
            const auto marked = open.set_disposition(true, &*waiter_);
            return marked ? NtStatus::SUCCESS : marked.error();
        });
    }
    void shut(Process& process, Open& open) {
        must_close(process, open);
        settle();
    }

    std::unique_ptr<tdb::MemoryDatabase> home_ = tdb::MemoryDatabase::open({"grants_home", tdb::Rank::open});
    std::unique_ptr<tdb::MemoryDatabase> index_ = tdb::MemoryDatabase::open({"notify_index", tdb::Rank::watches});
    std::deque<std::pair<uint32_t, std::string>> network_;
    std::list<Site> sites_;
    uint64_t stamps_ = 0;
};

TEST_F(DeletionTest, TheLastCloseOfAllNodesDeletes) {
    for (const bool marker_first : {true, false}) {
        SCOPED_TRACE(marker_first);
        Open &first = must(one_), &second = must(two_);
        EXPECT_EQ(mark(first), NtStatus::SUCCESS);
        EXPECT_TRUE(second.info()->delete_pending) << "the other node knows";
        Open* none = nullptr;
        EXPECT_EQ(open(one_, none), NtStatus::DELETE_PENDING);
        EXPECT_EQ(open(two_, none), NtStatus::DELETE_PENDING);
        marker_first ? shut(one_, first) : shut(two_, second);
        EXPECT_TRUE(exists("d"));
        EXPECT_EQ(open(one_, none), NtStatus::DELETE_PENDING) << "though it has it open no more";
        EXPECT_EQ(open(two_, none), NtStatus::DELETE_PENDING);
        marker_first ? shut(two_, second) : shut(one_, first);
        EXPECT_FALSE(exists("d"));
        EXPECT_EQ(site(0).directories->size() + site(1).directories->size(), 0u);
        mkdir("d");
    }
}

TEST_F(DeletionTest, DeleteOnCloseWaitsForOtherNodes) {
    Open &first = must(one_, option::delete_on_close), &second = must(two_);
    shut(one_, first);
    EXPECT_TRUE(exists("d"));
    EXPECT_TRUE(second.info()->delete_pending);
    Open* none = nullptr;
    EXPECT_EQ(open(one_, none), NtStatus::DELETE_PENDING);
    shut(two_, second);
    EXPECT_FALSE(exists("d"));
}

// MS-FSA 2.1.5.15.3. Whoever marks it tells those who watch it then, on all nodes; one who begins before his node has the mark hears of it
// there.
TEST_F(DeletionTest, NobodyGoesOnWatchingIt) {
    Open &first = must(one_, option::delete_on_close), &second = must(two_), &third = must(two_);
    Waiter before(false, all_names, 1000), between(false, all_names, 1000), after(false, all_names, 1000);
    NotifyEvents events;
    EXPECT_EQ(second.wait_for_changes(before, events), NtStatus::PENDING);
    must_close(one_, first);
    EXPECT_EQ(third.wait_for_changes(between, events), NtStatus::PENDING) << "the mark is on its way";
    settle();
    EXPECT_EQ(before.ended, NtStatus::DELETE_PENDING);
    EXPECT_EQ(between.ended, NtStatus::DELETE_PENDING);
    EXPECT_EQ(third.wait_for_changes(after, events), NtStatus::DELETE_PENDING);
    shut(two_, second);
    shut(two_, third);
    EXPECT_FALSE(exists("d"));
}

// Grants are kept when nobody uses them any more: only the agent can find that out.
TEST_F(DeletionTest, WhoHasClosedItKeepsNothing) {
    Open& deleting = must(one_, option::delete_on_close);
    shut(two_, must(two_));
    shut(one_, deleting);
    while (loop_.run_once(monotonic_now() + std::chrono::milliseconds(300))) settle();
    settle();
    EXPECT_FALSE(exists("d"));
}

// MS-FSA 2.1.5.15.12: the directory of the new name is opened, without FILE_SHARE_DELETE.
TEST_F(DeletionTest, NobodyMakesANameInWhatAnotherNodeMayDelete) {
    write("d/f");
    Open& directory = must(one_);
    Open& file = *must_open(two_, params("d\\f", access::delete_)).open;
    const auto rename = [&] {
        const auto renamed = file.rename("d\\g", false, &*waiter_);
        return renamed ? NtStatus::SUCCESS : renamed.error();
    };
    EXPECT_EQ(outcome(rename), NtStatus::SHARING_VIOLATION);
    shut(one_, directory);
    EXPECT_EQ(outcome(rename), NtStatus::SUCCESS);
    EXPECT_TRUE(exists("d/g"));
    shut(one_, must(one_));
    shut(two_, file);
}

TEST_F(DeletionTest, AnyNodeMayWithdrawIt) {
    Open &first = must(one_), &second = must(two_);
    EXPECT_EQ(mark(first), NtStatus::SUCCESS);
    EXPECT_TRUE(second.set_disposition(false));
    Open& third = must(one_);
    EXPECT_FALSE(first.info()->delete_pending);
    shut(one_, first);
    shut(one_, third);
    shut(two_, second);
    EXPECT_TRUE(exists("d"));
    Open& again = must(two_);
    EXPECT_EQ(mark(again), NtStatus::SUCCESS);
    shut(two_, again);
    EXPECT_FALSE(exists("d"));
}

}  // namespace
}  // namespace Atoll::fsa
