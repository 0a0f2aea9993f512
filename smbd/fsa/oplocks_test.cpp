// Oplocks and leases between processes: MS-FSA 2.1.4.12, 2.1.5.18, 2.1.5.19; MS-SMB2 3.3.4.7, 3.3.5.9.8, 3.3.5.22.
#include "smbd/fsa/oplocks.h"

#include "smbd/fsa/oplocks_fixture_test.h"

namespace Atoll::fsa {
namespace {

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

// What a client caches may have to be forgotten on a disk first.
TEST_F(OplocksTest, NobodyGoesOnBeforeItIsKnownThatAClientHasGivenUp) {
    must_open(one_, oplock(OplockLevel::exclusive));
    one_.client.reachable = false;
    one_.client.keeps_silent_ones = true;
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    pump();
    EXPECT_EQ(waiter_->resumed, 0);
    ASSERT_EQ(one_.client.kept.size(), 1u);
    one_.client.kept[0]();
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::SUCCESS);
}

TEST_F(OplocksTest, AnAnswerThatComesUntilThenCounts) {
    const CreateResult first = must_open(one_, oplock(OplockLevel::batch));
    one_.client.reachable = false;
    one_.client.keeps_silent_ones = true;
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    pump();
    ASSERT_EQ(one_.client.kept.size(), 1u);
    const auto answered = one_.files->acknowledge_oplock(*first.open, OplockLevel::ii);
    ASSERT_TRUE(answered);
    EXPECT_EQ(*answered, OplockLevel::ii);
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    one_.client.kept[0]();
    CreateResult now;
    one_.files->describe(*first.open, now);
    EXPECT_EQ(now.oplock, OplockLevel::ii);
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
    BreakWaiter overwriter;
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

// MS-FSA 2.1.4.2: what is open below only because its client may cache the open is in nobody's way.
TEST_F(OplocksTest, RenamingADirectoryWaitsForHandleCachingBelow) {
    mkdir("d");
    write("d/x");
    const LeaseRequest kept = request(R | H, 7);
    const CreateResult cached = must_open(one_, lease(kept, "d\\x"));
    const CreateResult directory = must_open(one_, oplock(OplockLevel::none, "d", access::delete_ | access::read_attributes));
    EXPECT_EQ(directory.open->rename("e", false, &*waiter_).error(), NtStatus::PENDING);
    ASSERT_EQ(one_.client.leases.size(), 1u);
    EXPECT_EQ(one_.client.leases[0].to, R);
    must_close(one_, *cached.open);  // which is an answer as well
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_TRUE(directory.open->rename("e", false, &*waiter_));
}

TEST_F(OplocksTest, ADirectoryIsNotRenamedWhereOneBelowStaysOpen) {
    mkdir("d");
    write("d/x");
    const LeaseRequest kept = request(R | H | W, 7);
    must_open(one_, lease(kept, "d\\x"));
    const CreateResult directory = must_open(one_, oplock(OplockLevel::none, "d", access::delete_ | access::read_attributes));
    EXPECT_EQ(directory.open->rename("e", false, &*waiter_).error(), NtStatus::PENDING);
    EXPECT_TRUE(one_.files->acknowledge_lease(kept.client, kept.key, R | W));
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(directory.open->rename("e", false, &*waiter_).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(one_.client.leases.size(), 1u) << "it is not asked again";
}

TEST_F(OplocksTest, AClientOfTheSameProcessIsToldBeforeTheCallReturns) {
    const LeaseRequest kept = request(R | H, 7);
    must_open(one_, lease(kept));
    const CreateResult other = must_open(one_, oplock(OplockLevel::none, "f", access::delete_ | access::read_attributes));
    EXPECT_EQ(other.open->rename("h", false, &*waiter_).error(), NtStatus::PENDING);
    EXPECT_EQ(one_.client.leases.size(), 1u);
    one_.client.reachable = false;
    EXPECT_TRUE(one_.files->acknowledge_lease(kept.client, kept.key, R));
    const uint8_t byte = 1;
    const CreateResult writer = must_open(one_, oplock(OplockLevel::none));
    EXPECT_TRUE(writer.open->write_now({&byte, 1}, 0, false));
    EXPECT_EQ(one_.client.leases.size(), 2u);
    EXPECT_EQ(one_.client.leases[1].to, 0u);
    pump();
    EXPECT_EQ(one_.client.leases.size(), 2u) << "told twice";
}

TEST_F(OplocksTest, NobodyCachesReadsOfWhatIsLocked) {
    write("f", std::string(4096, 'x'));
    const CreateResult locker = must_open(two_, oplock(OplockLevel::none));
    const LockRange range{10, 1, false};
    ASSERT_TRUE(locker.open->lock({&range, 1}));
    EXPECT_EQ(must_open(one_, oplock(OplockLevel::ii)).oplock, OplockLevel::none);
    const LeaseRequest kept = request(R | H, 7);
    EXPECT_EQ(must_open(one_, lease(kept)).lease.state, 0u);
    ASSERT_TRUE(locker.open->unlock({&range, 1}));
    const LockRange beyond{1 << 20, 1, false};
    ASSERT_TRUE(locker.open->lock({&beyond, 1}));
    const LeaseRequest other = request(R | H, 8);
    EXPECT_EQ(must_open(one_, lease(other)).lease.state, R | H) << "a lock behind the end of the file";
}

// --- Processes that are killed, messages that come late

TEST_F(OplocksTest, ABreakOfWhatWasClosedIsNotToldOfWhatWasOpenedSince) {
    const LeaseRequest all = request(R | W | H, 7);
    const CreateResult held = must_open(one_, lease(all));
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    waiter_->cancel();
    must_close(one_, *held.open);  // before it hears of the break
    EXPECT_EQ(must_open(one_, lease(all)).lease.state, R | W | H);
    pump();
    EXPECT_TRUE(one_.client.leases.empty());
    EXPECT_EQ(one_.files->acknowledge_lease(all.client, all.key, R | H).error(), NtStatus::UNSUCCESSFUL);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    pump();
    ASSERT_EQ(one_.client.leases.size(), 1u);
    EXPECT_TRUE(one_.files->acknowledge_lease(all.client, all.key, R | H));
}

TEST_F(OplocksTest, NorIsOneThatNeedsNoAnswer) {
    const LeaseRequest read = request(R, 7);
    const CreateResult held = must_open(one_, lease(read));
    const CreateResult writer = must_open(two_, oplock(OplockLevel::none));
    const uint8_t byte = 1;
    EXPECT_TRUE(writer.open->write_now({&byte, 1}, 0, false));
    must_close(one_, *held.open);
    EXPECT_EQ(must_open(one_, lease(read)).lease.state, R);
    pump();
    EXPECT_TRUE(one_.client.leases.empty());
    EXPECT_TRUE(writer.open->write_now({&byte, 1}, 0, false));
    pump();
    EXPECT_EQ(one_.client.leases.size(), 1u);
}

TEST_F(OplocksTest, ABreakThatItsAskerDidNotLiveToSendIsSentByTheNext) {
    const LeaseRequest all = request(R | W | H, 7);
    must_open(one_, lease(all));
    CreateResult second;
    two_.mute = true;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    waiter_->cancel();
    pump();
    EXPECT_TRUE(one_.client.leases.empty());
    two_.mute = false;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    BreakWaiter third;
    EXPECT_EQ(two_.files->create(*two_.share, oplock(OplockLevel::none), &third).error(), NtStatus::PENDING);
    pump();
    EXPECT_EQ(one_.client.leases.size(), 1u) << "told once, however many wait";
    EXPECT_TRUE(one_.files->acknowledge_lease(all.client, all.key, R | H));
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::SUCCESS);
}

TEST_F(OplocksTest, LeasesOfTheDeadGoWithAllTheirOpens) {
    const LeaseRequest kept = request(R | H, 7);
    must_open(one_, lease(kept));
    must_open(one_, lease(kept));
    must_open(one_, oplock(OplockLevel::none));
    dead_id_ = one_.messages->self().unique_id;
    CreateParams overwrite = params("f", rw_access, Disposition::overwrite);
    CreateResult second;
    EXPECT_EQ(try_open(two_, overwrite, second), NtStatus::SUCCESS);
    EXPECT_EQ(LeaseTable(leases_.get()).find(id_of(kept)), nullptr);
}

TEST_F(OplocksTest, ANewProcessOfAClientDoesNotInheritWhatTheFormerOneHad) {
    const LeaseRequest all = request(R | W | H, 7), read = request(R, 7);
    must_open(one_, lease(all));
    CreateResult refused;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), refused), NtStatus::PENDING);
    waiter_->cancel();
    dead_id_ = one_.messages->self().unique_id;
    const CreateResult again = must_open(two_, lease(read));
    EXPECT_EQ(again.lease.state, R);
    EXPECT_FALSE(again.lease.breaking);
}

TEST_F(OplocksTest, TheFileSaysWhetherALeaseBreaks) {
    const LeaseRequest all = request(R | W | H, 7);
    must_open(one_, lease(all));
    LeaseTable table(leases_.get());
    lease_record record = *table.find(id_of(all));
    record.breaking = true;  // as a process leaves it that is killed between its two writes
    ASSERT_TRUE(table.put(record));
    const CreateResult again = must_open(one_, lease(all));
    EXPECT_FALSE(again.lease.breaking);
    EXPECT_EQ(again.lease.state, R | W | H);
}

TEST_F(OplocksTest, TheEndOfAProcessTakesLeasesThatNobodyHas) {
    LeaseTable table(leases_.get());
    const LeaseRequest held = request(R, 7), orphan = request(R, 8);
    must_open(one_, lease(held));
    lease_record record = *table.find(id_of(held));
    record.id = id_of(orphan);
    ASSERT_TRUE(table.put(record));
    files_->end_holders({{0, 99, 99}}, [](const std::string&) { return nullptr; });
    EXPECT_NE(table.find(id_of(orphan)), nullptr) << "this process knows no leases";
    one_.files->end_holders({{0, 99, 99}}, [](const std::string&) { return nullptr; });
    EXPECT_EQ(table.find(id_of(orphan)), nullptr);
    EXPECT_NE(table.find(id_of(held)), nullptr);
}

// smb.conf(5), `strict locking = auto`; what Debian's smbd does.
TEST_F(OplocksTest, WhoCachesChecksLocksHimself) {
    struct Case {
        uint32_t state;
        bool reads, writes;
    };
    const auto reads = [](Open& open) {
        std::array<uint8_t, 5> bytes;
        return open.read_now(bytes, 0).ok();
    };
    const auto writes = [](Open& open) {
        const std::array<uint8_t, 5> bytes{};
        return open.write_now(bytes, 0, false).ok();
    };
    auto strict = make_share(*one_.files, "strict locking = yes\n");
    uint8_t key = 20;
    for (const Case& c :
         {Case{0, false, false}, Case{R, true, false}, Case{R | H, true, false}, Case{R | W, true, true}, Case{R | W | H, true, true}}) {
        write("f", std::string(100, 'x'));
        const LeaseRequest mine = request(c.state, key++);
        const CreateResult locked = must_open(one_, lease(mine));
        const CreateResult other = must_open(one_, lease(mine));
        auto unforgiving = one_.files->create(*strict, lease(mine));
        ASSERT_TRUE(unforgiving);
        one_.opened.insert(unforgiving->open);
        const LockRange range{0, 10, true};
        ASSERT_TRUE(locked.open->lock({&range, 1}));
        EXPECT_EQ(reads(*other.open), c.reads) << c.state;
        EXPECT_EQ(writes(*other.open), c.writes) << c.state;
        EXPECT_FALSE(reads(*unforgiving->open)) << c.state;
        EXPECT_FALSE(writes(*unforgiving->open)) << c.state;
        for (Open* open : {locked.open, other.open, unforgiving->open}) must_close(one_, *open);
    }
}

}  // namespace
}  // namespace Atoll::fsa
