// Opens that outlive their client: MS-SMB2 3.3.7.1, 3.3.4.6, 3.3.4.7, as this room has it.
#include <array>

#include "smbd/fsa/disconnected.h"
#include "smbd/fsa/leases.h"
#include "smbd/fsa/oplocks_fixture_test.h"
#include "smbd/fsa/share_modes.h"

namespace Atoll::fsa {
namespace {

class DurableTest : public OplocksTest {
 protected:
    FileSystemParams params_of(Process& process) override {
        FileSystemParams out = OplocksTest::params_of(process);
        out.share_at = [&process](const std::string&) { return process.share.get(); };
        out.open_ended = [this](uint64_t id) { ended_.push_back(id); };
        return out;
    }
    Open& durable(const CreateParams& p) {
        const CreateResult made = must_open(one_, p);
        const auto lasting = one_.files->make_lasting(*made.open, Lasting::while_cached);
        EXPECT_TRUE(lasting && *lasting);
        return *made.open;
    }
    RemainingOpen disconnect(Open& open) {
        RemainingOpen remains;
        EXPECT_TRUE(one_.files->disconnect(open, remains));
        one_.opened.erase(&open);
        return remains;
    }
    Result<CreateResult, NtStatus> reconnect(const RemainingOpen& remains, std::optional<std::string_view> name = {}) {
        auto taken = two_.files->reconnect(*two_.share, remains, name);
        if (taken) two_.opened.insert(taken->open);
        return taken;
    }
    NtStatus status_of_reconnect(const RemainingOpen& remains, std::optional<std::string_view> name = {}) {
        const auto taken = reconnect(remains, name);
        return taken ? NtStatus::SUCCESS : taken.error();
    }
    std::vector<uint64_t> ended_;
};

TEST_F(DurableTest, IsTakenBackByAnotherProcess) {
    const LeaseRequest wanted = request(R | H | W, 1);
    Open& open = durable(lease(wanted));
    const LockRange range{10, 5, true};
    ASSERT_TRUE(open.lock({&range, 1}));
    const RemainingOpen remains = disconnect(open);
    ASSERT_EQ(remains.locks.size(), 1u);
    EXPECT_EQ(remains.locks[0].offset, 10u);
    EXPECT_TRUE(remains.locks[0].exclusive);
    EXPECT_EQ(remains.lease.state, R | H | W);
    const auto taken = reconnect(remains, "F");
    ASSERT_TRUE(taken) << to_string(taken.error());
    EXPECT_EQ(taken->oplock, OplockLevel::lease);
    EXPECT_EQ(taken->lease.state, R | H | W);
    EXPECT_TRUE(taken->open->unlock({&range, 1}));
    std::array<uint8_t, 7> bytes{};
    const auto read = taken->open->read_now(bytes, 0);
    EXPECT_TRUE(read);
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::OBJECT_NAME_NOT_FOUND) << "taken back twice";
}

// In a cluster its record may go with the node that had it.
TEST_F(DurableTest, ALeaseThatIsLostFollowsFromTheEntries) {
    const RemainingOpen remains = disconnect(durable(lease(request(R | H | W, 1))));
    ASSERT_TRUE(leases_->wipe());
    const auto taken = reconnect(remains, "F");
    ASSERT_TRUE(taken) << to_string(taken.error());
    EXPECT_EQ(taken->oplock, OplockLevel::lease);
    EXPECT_EQ(taken->lease.state, R | H | W);
    EXPECT_EQ(taken->lease.version, remains.lease.version);
    EXPECT_GT(static_cast<int16_t>(taken->lease.epoch - remains.lease.epoch), 0) << "the client may have missed changes";
}

TEST_F(DurableTest, ALeaseThatIsOlderThanTheEntriesFollowsThem) {
    const LeaseRequest wanted = request(R | H | W, 1);
    const RemainingOpen remains = disconnect(durable(lease(wanted)));
    LeaseTable table(leases_.get());
    const lease_record* const there = table.find(id_of(wanted));
    ASSERT_NE(there, nullptr);
    lease_record older = *there;
    older.state = R | H;
    older.epoch--;
    ASSERT_TRUE(table.put(older));
    const auto taken = reconnect(remains, "F");
    ASSERT_TRUE(taken) << to_string(taken.error());
    EXPECT_EQ(taken->lease.state, R | H | W);
    EXPECT_GT(static_cast<int16_t>(taken->lease.epoch - remains.lease.epoch), 0);
}

class PersistentTest : public DurableTest {
 protected:
    // What is on the disk of it.
    RemainingOpen persistent(const CreateParams& p, FileState& state) {
        open_ = must_open(one_, p).open;
        const auto lasting = one_.files->make_lasting(*open_, Lasting::persistent);
        EXPECT_TRUE(lasting && *lasting);
        const LockRange ranges[] = {{10, 5, true}, {100, 1, false}};
        EXPECT_TRUE(open_->lock(ranges));
        RemainingOpen remains;
        one_.files->describe_remains(*open_, remains);
        EXPECT_TRUE(one_.files->describe_persistent(*open_, false, state));
        EXPECT_FALSE(one_.files->describe_persistent(*open_, true, state)) << "there is no other";
        return remains;
    }
    void lose_tables() {
        (void)disconnect(*open_);
        for (tdb::Database* table : {static_cast<tdb::Database*>(locking_.get()), static_cast<tdb::Database*>(brlock_.get()),
                                     static_cast<tdb::Database*>(leases_.get())})
            ASSERT_TRUE(table->wipe());
    }
    NtStatus opens(std::string_view name, uint32_t access) {
        CreateResult made;
        return try_open(two_, params(name, access), made);
    }
    Open* open_ = nullptr;
};

TEST_F(PersistentTest, IsPutBackIntoTablesThatHaveLostIt) {
    const LeaseRequest wanted = request(R | H | W, 1);
    FileState state;
    const RemainingOpen remains = persistent(lease(wanted), state);
    ASSERT_EQ(remains.locks.size(), 2u);
    EXPECT_EQ(remains.lease.state, R | H | W);
    EXPECT_EQ(state.name, "f");
    lose_tables();
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::OBJECT_NAME_NOT_FOUND);
    for (int i = 0; i < 2; i++) ASSERT_TRUE(two_.files->restore(remains, NtTime::now(), state));  // the second time nothing happens
    EXPECT_EQ(opens("f", access::read_data), NtStatus::FILE_NOT_AVAILABLE);
    const auto taken = reconnect(remains, "F");
    ASSERT_TRUE(taken) << to_string(taken.error());
    EXPECT_EQ(taken->lease.state, R | H | W);
    EXPECT_EQ(taken->lease.epoch, remains.lease.epoch);
    const LockRange ranges[] = {{10, 5, true}, {100, 1, false}};
    EXPECT_TRUE(taken->open->unlock(ranges));
    EXPECT_FALSE(taken->open->unlock({ranges, 1}));
}

TEST_F(PersistentTest, NobodyElseOpensTheFileWhileItsClientIsAway) {
    FileState state;
    CreateParams p = params("f", access::read_data);
    const RemainingOpen remains = persistent(p, state);
    EXPECT_EQ(opens("f", access::read_attributes), NtStatus::SUCCESS) << "it is there";
    (void)disconnect(*open_);
    EXPECT_EQ(opens("f", access::read_control), NtStatus::FILE_NOT_AVAILABLE);
    EXPECT_EQ(opens("f", access::read_attributes), NtStatus::SUCCESS) << "which takes nothing from it";
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::SUCCESS);
    EXPECT_EQ(opens("f", access::read_attributes), NtStatus::SUCCESS);
}

// Its client may not have heard of it, and whoever minded it is gone.
TEST_F(PersistentTest, ABreakGoesOnWhenItIsTakenBack) {
    const LeaseRequest wanted = request(R | H | W, 1);
    for (const bool lease_is_lost : {false, true}) {
        SCOPED_TRACE(lease_is_lost);
        FileState state;
        const RemainingOpen remains = persistent(lease(wanted), state);
        EXPECT_EQ(opens("f", rw_access), NtStatus::PENDING);
        (void)disconnect(*open_);
        if (lease_is_lost) {
            ASSERT_TRUE(leases_->wipe());
        }
        EXPECT_EQ(opens("f", rw_access), NtStatus::FILE_NOT_AVAILABLE);
        const auto taken = reconnect(remains, "F");
        ASSERT_TRUE(taken) << to_string(taken.error());
        EXPECT_EQ(taken->lease.state, R | H | W);
        EXPECT_TRUE(taken->lease.breaking);
        two_.client.leases.clear();
        pump();
        ASSERT_EQ(two_.client.leases.size(), 1u);
        EXPECT_EQ(two_.client.leases[0].from, R | H | W);
        EXPECT_EQ(two_.client.leases[0].to, R | H);
        EXPECT_EQ(two_.client.leases[0].epoch, taken->lease.epoch);
        EXPECT_TRUE(two_.client.leases[0].acknowledge);
        EXPECT_TRUE(two_.files->acknowledge_lease(wanted.client, wanted.key, R | H));
        EXPECT_EQ(opens("f", rw_access), NtStatus::SUCCESS);
        for (Open* open : std::exchange(two_.opened, {})) must_close(two_, *open);
    }
}

TEST_F(PersistentTest, DeletionThatWasToComeComes) {
    FileState state;
    const RemainingOpen remains = persistent(params("f", access::read_data | access::delete_), state);
    ASSERT_TRUE(open_->set_disposition(true));
    ASSERT_TRUE(one_.files->describe_persistent(*open_, false, state));
    EXPECT_TRUE(state.delete_pending);
    lose_tables();
    ASSERT_TRUE(two_.files->restore(remains, NtTime::now(), state));
    two_.files->end_disconnected(remains.file, remains.open_id);
    EXPECT_EQ(ended_, std::vector<uint64_t>{remains.open_id});
    EXPECT_FALSE(exists("f"));
}

TEST_F(DurableTest, ItsProcessMayBeKilled) {
    Open& open = durable(oplock(OplockLevel::batch));
    const LockRange range{0, 1, true};
    ASSERT_TRUE(open.lock({&range, 1}));
    RemainingOpen remains;
    remains.open_id = last_id_;
    remains.file = open.file_id();
    remains.name = std::string("f");
    remains.granted_access = open.granted_access();
    dead_id_ = one_.messages->self().unique_id;
    ASSERT_TRUE(two_.files->find_disconnected(remains));
    ASSERT_EQ(remains.locks.size(), 1u);
    const Holder dead{one_.messages->self().node, one_.messages->self().pid, dead_id_};
    two_.files->end_holders({dead}, [](const std::string&) { return nullptr; });
    const auto taken = reconnect(remains);
    ASSERT_TRUE(taken) << to_string(taken.error());
    EXPECT_EQ(taken->oplock, OplockLevel::batch);
    EXPECT_TRUE(taken->open->unlock({&range, 1}));
}

TEST_F(DurableTest, OthersMayWaitForTheEndOfAnOpen) {
    struct Counted final : Wait {
        void resume() override { resumed++; }
        int resumed = 0;
    } wait;
    Open& open = *must_open(one_, oplock(OplockLevel::none)).open;
    const FileId file = open.file_id();
    const uint64_t id = last_id_;
    const Monotonic deadline = monotonic_now() + std::chrono::minutes(1);
    auto waits = two_.files->wait_for_end(file, id, deadline, wait);
    ASSERT_TRUE(waits && *waits);
    EXPECT_TRUE(wait.is_waiting());
    EXPECT_EQ(wait.resumed, 0);
    one_.opened.erase(&open);
    ASSERT_TRUE(one_.files->close(open));
    waits = two_.files->wait_for_end(file, id, deadline, wait);
    ASSERT_TRUE(waits);
    EXPECT_FALSE(*waits);
}

TEST_F(DurableTest, WithoutBatchOplockOrHandleLeaseItIsNot) {
    const CreateResult made = must_open(one_, oplock(OplockLevel::exclusive));
    const auto lasting = one_.files->make_lasting(*made.open, Lasting::while_cached);
    ASSERT_TRUE(lasting);
    EXPECT_FALSE(*lasting);
    RemainingOpen remains;
    EXPECT_FALSE(one_.files->disconnect(*made.open, remains));
}

TEST_F(DurableTest, AResilientOneNeedsNoCachingAndStaysInTheWay) {
    CreateParams p = oplock(OplockLevel::none);
    p.share_access = 0;
    const CreateResult made = must_open(one_, p);
    const auto lasting = one_.files->make_lasting(*made.open, Lasting::always);
    ASSERT_TRUE(lasting && *lasting);
    const RemainingOpen remains = disconnect(*made.open);
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::SHARING_VIOLATION);
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::SUCCESS);
}

TEST_F(DurableTest, EndsWhenItIsInTheWay) {
    Open& open = durable(oplock(OplockLevel::batch));
    const RemainingOpen remains = disconnect(open);
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::batch), second), NtStatus::PENDING);
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::batch), second), NtStatus::SUCCESS);
    EXPECT_EQ(second.oplock, OplockLevel::batch);
    EXPECT_EQ(ended_, std::vector<uint64_t>{remains.open_id});
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::OBJECT_NAME_NOT_FOUND);
}

TEST_F(DurableTest, StandsBesideOpensThatTakeNothingFromIt) {
    const LeaseRequest wanted = request(R | H, 1), others = request(R | H, 2, 2);
    Open& open = durable(lease(wanted, "f", read_access));
    const RemainingOpen remains = disconnect(open);
    const CreateResult second = must_open(two_, lease(others, "f", rw_access));
    EXPECT_EQ(second.lease.state, R | H);
    EXPECT_TRUE(ended_.empty());
    const uint8_t byte = 1;
    EXPECT_TRUE(second.open->write_now({&byte, 1}, 0, false));
    EXPECT_EQ(ended_, std::vector<uint64_t>{remains.open_id}) << "its client would read stale bytes from its cache";
}

TEST_F(DurableTest, DeletesOnCloseWhenItEnds) {
    CreateParams p = oplock(OplockLevel::batch, "f", rw_access | access::delete_);
    p.options = option::delete_on_close;
    Open& open = durable(p);
    const RemainingOpen remains = disconnect(open);
    EXPECT_TRUE(exists("f"));
    two_.files->end_disconnected(remains.file, remains.open_id);
    EXPECT_FALSE(exists("f"));
    EXPECT_EQ(ended_.size(), 1u);
}

TEST_F(DurableTest, AReplacedFileIsRefused) {
    Open& open = durable(oplock(OplockLevel::batch));
    const RemainingOpen remains = disconnect(open);
    std::filesystem::rename(at("f"), at("aside"));
    write("f", "another");
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::OBJECT_NAME_NOT_FOUND);
    std::filesystem::rename(at("aside"), at("f"));
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::SUCCESS);
}

TEST_F(DurableTest, WithLeaseTheNameIsCompared) {
    const LeaseRequest wanted = request(R | H, 1);
    const RemainingOpen remains = disconnect(durable(lease(wanted)));
    EXPECT_EQ(status_of_reconnect(remains, "g"), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(status_of_reconnect(remains, "f"), NtStatus::SUCCESS);
}

TEST_F(DurableTest, WithoutAllOfItsLocksItIsRefusedAndStays) {
    Open& open = durable(oplock(OplockLevel::batch));
    const LockRange range{0, 1, true};
    ASSERT_TRUE(open.lock({&range, 1}));
    RemainingOpen remains = disconnect(open);
    remains.locks.push_back({5, 5, false});
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::OBJECT_NAME_NOT_FOUND);
    remains.locks.pop_back();
    EXPECT_EQ(status_of_reconnect(remains), NtStatus::SUCCESS);
}

}  // namespace
}  // namespace Atoll::fsa
