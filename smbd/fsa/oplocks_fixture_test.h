// What the tests of oplocks and leases share: two processes of a server in one, with messages between them.
#pragma once

#include "smbd/fsa/fsa_fixture_test.h"
#include "smbd/fsa/leases.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::fsa {

inline constexpr uint32_t R = caching::read, H = caching::handle, W = caching::write;

struct OplockBroken {
    Open* open;
    OplockLevel to;
    bool acknowledge;
};

// A client that notes what it is told.
class BreakClient final : public BreakSink {
 public:
    bool oplock_break(Open& open, OplockLevel to, bool acknowledge) override {
        oplocks.push_back({&open, to, acknowledge});
        return reachable;
    }
    bool lease_break(Open&, const LeaseBreak& broken) override {
        leases.push_back(broken);
        return reachable;
    }
    void unanswered(Open& open, std::function<void()> then) override {
        silent.push_back(&open);
        if (keeps_silent_ones) return kept.push_back(std::move(then));
        then();
    }
    bool keeps_silent_ones = false;
    std::vector<std::function<void()>> kept;
    std::vector<Open*> silent;
    std::vector<OplockBroken> oplocks;
    std::vector<LeaseBreak> leases;
    bool reachable = true;
};

class BreakWaiter final : public Wait {
 public:
    void resume() override { resumed++; }
    int resumed = 0;
};

// Messages of a process that may be killed before it sends them.
class MutableMessaging final : public messaging::Messaging {
 public:
    MutableMessaging(std::unique_ptr<messaging::Messaging> real, const bool& mute) : real_(std::move(real)), mute_(mute) {}
    [[nodiscard]] const messaging::ServerId& self() const override { return real_->self(); }
    Result<void> send(const messaging::ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors) override {
        return mute_ ? Result<void>() : real_->send(to, type, payload, descriptors);
    }
    Result<void> send_at_once(const messaging::ServerId& to, uint32_t type, Bytes payload) override {
        return mute_ ? Result<void>() : real_->send_at_once(to, type, payload);
    }
    size_t broadcast(messaging::ProcessClass to, uint32_t type, Bytes payload) override { return real_->broadcast(to, type, payload); }
    void receive(uint32_t type, Receiver receiver) override { real_->receive(type, std::move(receiver)); }
    bool flush(std::chrono::milliseconds at_most) override { return real_->flush(at_most); }
    void failed(uint32_t type, FailureReceiver receiver) override { real_->failed(type, std::move(receiver)); }
    [[nodiscard]] bool exists(const messaging::ServerId& id) const override { return real_->exists(id); }
    void forget(const messaging::ServerId& id) override { real_->forget(id); }

 private:
    std::unique_ptr<messaging::Messaging> real_;
    const bool& mute_;
};

// Two processes of a server in one: each has its mailbox, its client and its files; the loop is both's.
class OplocksTest : public FsaTest {
 protected:
    struct Process {
        std::unique_ptr<messaging::Messaging> messages;
        bool mute = false;  // what it sends does not arrive
        grants::NodeGrants* grants = nullptr;
        BreakClient client;
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
            process->messages =
                std::make_unique<MutableMessaging>(messaging::make_local_messaging(loop_, std::move(*mailbox)), process->mute);
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
    // What the process's files stand on; a test may give them more.
    virtual FileSystemParams params_of(Process& process) {
        const messaging::ServerId& self = process.messages->self();
        return {.locking = *locking_,
                .brlock = *brlock_,
                .self = {self.node, self.pid, self.unique_id},
                .holder_exists = [this](const Holder& holder) { return holder.unique_id != dead_id_; },
                .leases = leases_.get(),
                .messaging = process.messages.get(),
                .watches = &*watches_,
                .loop = &loop_,
                .breaks = &process.client,
                .node_grants = process.grants};
    }
    void start(Process& process) {
        process.share.reset();
        process.files = FileSystem::create(params_of(process));
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
    std::optional<BreakWaiter> waiter_{std::in_place};
    uint64_t dead_id_ = 0;
};

}  // namespace Atoll::fsa
