// Oplocks and leases between processes: MS-FSA 2.1.4.12, 2.1.5.18, 2.1.5.19; MS-SMB2 3.3.4.7, 3.3.5.9.8, 3.3.5.22.
#include "smbd/fsa/oplocks.h"

#include "smbd/fsa/fsa_fixture_test.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::fsa {
namespace {

constexpr uint32_t R = caching::read, H = caching::handle, W = caching::write;

struct OplockBroken {
    Open* open;
    OplockLevel to;
    bool acknowledge;
};

// A client that notes what it is told.
class Client final : public BreakSink {
 public:
    bool oplock_break(Open& open, OplockLevel to, bool acknowledge) override {
        oplocks.push_back({&open, to, acknowledge});
        return reachable;
    }
    bool lease_break(Open&, const LeaseBreak& broken) override {
        leases.push_back(broken);
        return reachable;
    }
    std::vector<OplockBroken> oplocks;
    std::vector<LeaseBreak> leases;
    bool reachable = true;
};

class Waiter final : public Wait {
 public:
    void resume() override { resumed++; }
    int resumed = 0;
};

// Two processes of a server in one: each has its mailbox, its client and its files; the loop is both's.
class OplocksTest : public FsaTest {
 protected:
    struct Process {
        std::unique_ptr<messaging::Messaging> messages;
        Client client;
        std::unique_ptr<FileSystem> files;
        std::unique_ptr<Share> share;
        std::set<Open*> opened;
    };

    void SetUp() override {
        FsaTest::SetUp();
        write("f");
        write("g");
        leases_ = tdb::MemoryDatabase::open({"leases", tdb::Rank::leases});
        waiters_ = tdb::MemoryDatabase::open({"watches", tdb::Rank::watches});
        for (Process* process : {&one_, &two_}) {
            auto mailbox = messaging::MessageSocket::open(root_, messaging::ProcessClass::client);
            ASSERT_TRUE(mailbox) << mailbox.error().message();
            process->messages = messaging::make_local_messaging(loop_, std::move(*mailbox));
        }
        watches_.emplace(loop_, *one_.messages, *waiters_);
        watches_->observe(*locking_, "locking.tdb");
        start(one_);
        start(two_);
    }
    void TearDown() override {
        waiter_.reset();
        for (Process* process : {&one_, &two_}) {
            for (Open* open : process->opened) (void)process->files->close(*open).ok();
            process->share.reset();
            process->files.reset();
        }
        watches_.reset();
        one_.messages.reset();
        two_.messages.reset();
        FsaTest::TearDown();
    }
    void start(Process& process) {
        const messaging::ServerId& self = process.messages->self();
        process.files = FileSystem::create({.locking = *locking_,
                                            .brlock = *brlock_,
                                            .self = {self.node, self.pid, self.unique_id},
                                            .holder_exists = [this](const Holder& holder) { return holder.unique_id != dead_id_; },
                                            .leases = leases_.get(),
                                            .messaging = process.messages.get(),
                                            .watches = &*watches_,
                                            .loop = &loop_,
                                            .breaks = &process.client});
        process.share = make_share(*process.files);
    }
    // What has been sent arrives.
    void pump() {
        while (loop_.run_once(monotonic_now() + std::chrono::milliseconds(20))) {
        }
    }
    NtStatus try_open(Process& process, const CreateParams& p, CreateResult& out) {
        auto r = process.files->create(*process.share, p, &*waiter_);
        if (!r) return r.error();
        process.opened.insert(r->open);
        out = *r;
        return NtStatus::SUCCESS;
    }
    CreateResult must_open(Process& process, const CreateParams& p) {
        CreateResult out;
        EXPECT_EQ(try_open(process, p, out), NtStatus::SUCCESS) << p.path;
        return out;
    }
    void must_close(Process& process, Open& open) {
        process.opened.erase(&open);
        EXPECT_TRUE(process.files->close(open));
    }
    CreateParams oplock(OplockLevel level, std::string_view path = "f", uint32_t desired = rw_access) {
        CreateParams p = params(path, desired);
        p.oplock = level;
        return p;
    }
    CreateParams lease(const LeaseRequest& request, std::string_view path = "f", uint32_t desired = rw_access) {
        CreateParams p = oplock(OplockLevel::lease, path, desired);
        p.lease = &request;
        return p;
    }
    static LeaseRequest request(uint32_t state, uint8_t key, uint8_t client = 1) {
        LeaseRequest out;
        out.client.bytes[0] = client;
        out.key.bytes[0] = key;
        out.state = state;
        out.version = 2;
        return out;
    }

    loop::Loop loop_;
    std::unique_ptr<tdb::MemoryDatabase> leases_, waiters_;
    Process one_, two_;
    std::optional<watch::Watches> watches_;
    std::optional<Waiter> waiter_{std::in_place};
    uint64_t dead_id_ = 0;
};

TEST_F(OplocksTest, ABatchOplockIsBrokenAndTheOpenerWaits) {
    const CreateResult first = must_open(one_, oplock(OplockLevel::batch));
    EXPECT_EQ(first.oplock, OplockLevel::batch);
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::batch), second), NtStatus::PENDING);
    pump();
    ASSERT_EQ(one_.client.oplocks.size(), 1u);
    EXPECT_EQ(one_.client.oplocks[0].open, first.open);
    EXPECT_EQ(one_.client.oplocks[0].to, OplockLevel::ii);
    EXPECT_TRUE(one_.client.oplocks[0].acknowledge);
    EXPECT_EQ(waiter_->resumed, 0);
    auto kept = one_.files->acknowledge_oplock(*first.open, OplockLevel::ii);
    ASSERT_TRUE(kept);
    EXPECT_EQ(*kept, OplockLevel::ii);
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::batch), second), NtStatus::SUCCESS);
    EXPECT_EQ(second.oplock, OplockLevel::ii);
}

TEST_F(OplocksTest, AStatOpenBreaksNothing) {
    must_open(one_, oplock(OplockLevel::batch));
    must_open(two_, oplock(OplockLevel::none, "f", access::read_attributes));
    pump();
    EXPECT_TRUE(one_.client.oplocks.empty());
}

TEST_F(OplocksTest, WritingTakesLevelIIFromEverybody) {
    must_open(one_, oplock(OplockLevel::ii));
    const CreateResult second = must_open(two_, oplock(OplockLevel::ii));
    EXPECT_EQ(second.oplock, OplockLevel::ii);
    const uint8_t byte = 1;
    EXPECT_TRUE(second.open->write_now({&byte, 1}, 0, false));
    pump();
    ASSERT_EQ(one_.client.oplocks.size(), 1u);
    EXPECT_EQ(one_.client.oplocks[0].to, OplockLevel::none);
    EXPECT_FALSE(one_.client.oplocks[0].acknowledge);
    EXPECT_EQ(two_.client.oplocks.size(), 1u);
    EXPECT_TRUE(second.open->write_now({&byte, 1}, 0, false));
    pump();
    EXPECT_EQ(one_.client.oplocks.size(), 1u) << "broken twice";
}

TEST_F(OplocksTest, WhoCannotBeReachedHasGivenUp) {
    must_open(one_, oplock(OplockLevel::exclusive));
    one_.client.reachable = false;
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::SUCCESS);
}

TEST_F(OplocksTest, NobodyWaitsForTheDead) {
    must_open(one_, oplock(OplockLevel::batch));
    dead_id_ = one_.messages->self().unique_id;
    const CreateResult second = must_open(two_, oplock(OplockLevel::batch));
    EXPECT_EQ(second.oplock, OplockLevel::batch);
}

TEST_F(OplocksTest, AnAcknowledgmentOfNothingIsRefused) {
    const CreateResult batch = must_open(one_, oplock(OplockLevel::batch));
    EXPECT_EQ(one_.files->acknowledge_oplock(*batch.open, OplockLevel::ii).error(), NtStatus::INVALID_DEVICE_STATE);
    const CreateResult none = must_open(one_, oplock(OplockLevel::none, "g"));
    EXPECT_EQ(one_.files->acknowledge_oplock(*none.open, OplockLevel::none).error(), NtStatus::INVALID_OPLOCK_PROTOCOL);
}

TEST_F(OplocksTest, ALeaseIsOneOverManyOpensAndRises) {
    const LeaseRequest read = request(R, 7), all = request(R | W | H, 7);
    const CreateResult first = must_open(one_, lease(read));
    EXPECT_EQ(first.lease.state, R);
    EXPECT_EQ(first.lease.epoch, 1);
    const CreateResult second = must_open(one_, lease(all));
    EXPECT_EQ(second.lease.state, R | W | H);
    EXPECT_EQ(second.lease.epoch, 2);
    const CreateResult third = must_open(one_, lease(read));
    EXPECT_EQ(third.lease.state, R | W | H) << "lowered";
    pump();
    EXPECT_TRUE(one_.client.leases.empty());
    CreateResult other;
    EXPECT_EQ(try_open(one_, lease(read, "g"), other), NtStatus::INVALID_PARAMETER);
    for (Open* open : {first.open, second.open, third.open}) must_close(one_, *open);
    EXPECT_EQ(must_open(one_, lease(read, "g")).lease.state, R) << "the lease outlived its opens";
}

TEST_F(OplocksTest, ALeaseComesDownInSteps) {
    const LeaseRequest all = request(R | W | H, 7);
    const CreateResult held = must_open(one_, lease(all));
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    Waiter overwriter;
    CreateParams overwrite = params("f", rw_access, Disposition::overwrite);
    EXPECT_EQ(two_.files->create(*two_.share, overwrite, &overwriter).error(), NtStatus::PENDING);
    pump();
    ASSERT_EQ(one_.client.leases.size(), 1u);
    EXPECT_EQ(one_.client.leases[0].to, R | H);
    EXPECT_EQ(one_.client.leases[0].epoch, held.lease.epoch + 1);
    EXPECT_EQ(must_open(one_, lease(all)).lease.breaking, true) << "its own open waits for it";
    EXPECT_EQ(one_.files->acknowledge_lease(all.client, all.key, R | W).error(), NtStatus::REQUEST_NOT_ACCEPTED);
    EXPECT_TRUE(one_.files->acknowledge_lease(all.client, all.key, R | H));
    pump();
    ASSERT_EQ(one_.client.leases.size(), 2u);
    EXPECT_EQ(one_.client.leases[1].to, R);
    EXPECT_TRUE(one_.client.leases[1].acknowledge);
    EXPECT_TRUE(one_.files->acknowledge_lease(all.client, all.key, R));
    pump();
    ASSERT_EQ(one_.client.leases.size(), 3u);
    EXPECT_EQ(one_.client.leases[2].to, 0u);
    EXPECT_FALSE(one_.client.leases[2].acknowledge);
    EXPECT_EQ(one_.files->acknowledge_lease(all.client, all.key, 0).error(), NtStatus::UNSUCCESSFUL);
    auto done = two_.files->create(*two_.share, overwrite, &overwriter);
    ASSERT_TRUE(done);
    two_.opened.insert(done->open);
}

TEST_F(OplocksTest, RefusedSharingWaitsForHandleCaching) {
    const LeaseRequest kept = request(R | H, 7);
    CreateParams alone = lease(kept);
    alone.share_access = 0;
    const CreateResult held = must_open(one_, alone);
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    pump();
    ASSERT_EQ(one_.client.leases.size(), 1u);
    EXPECT_EQ(one_.client.leases[0].to, R);
    EXPECT_TRUE(one_.files->acknowledge_lease(kept.client, kept.key, R));
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::SHARING_VIOLATION);
    must_close(one_, *held.open);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::SUCCESS);
}

TEST_F(OplocksTest, DeletionAndRenameWaitForHandleCaching) {
    const LeaseRequest kept = request(R | H, 7);
    must_open(one_, lease(kept));
    const CreateResult other = must_open(two_, oplock(OplockLevel::none, "f", access::delete_ | access::read_attributes));
    EXPECT_EQ(other.open->rename("h", false, &*waiter_).error(), NtStatus::PENDING);
    pump();
    ASSERT_EQ(one_.client.leases.size(), 1u);
    EXPECT_TRUE(one_.files->acknowledge_lease(kept.client, kept.key, R));
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_TRUE(other.open->rename("h", false, &*waiter_));
    EXPECT_TRUE(other.open->set_disposition(true, &*waiter_)) << "there is no handle caching left";
    EXPECT_TRUE(other.open->set_disposition(false));
}

}  // namespace
}  // namespace Atoll::fsa
