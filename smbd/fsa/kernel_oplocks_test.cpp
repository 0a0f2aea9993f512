// Oplocks that programs on this machine break: smb.conf(5), "kernel oplocks", "fake oplocks"; fcntl(2), F_SETLEASE.
#include <fcntl.h>

#include <csignal>

#include "base/unique_fd.h"
#include "smbd/fsa/oplocks_fixture_test.h"

namespace Atoll::fsa {
namespace {

class KernelOplocksTest : public OplocksTest {
 protected:
    void SetUp() override {
        OplocksTest::SetUp();
        share_with("kernel oplocks = yes\n");
    }
    void share_with(const std::string& lines) {
        for (Process* process : {&one_, &two_}) process->share = make_share(*process->files, lines);
    }
    // What a program gets that opens the file and does not wait.
    int error_of_open(int flags) {
        const UniqueFd fd(::open(at("f").c_str(), flags | O_NONBLOCK | O_CLOEXEC));
        return fd ? 0 : errno;
    }
};

TEST_F(KernelOplocksTest, AProgramWaitsUntilTheClientHasGivenUp) {
    const CreateResult held = must_open(one_, oplock(OplockLevel::exclusive));
    ASSERT_EQ(held.oplock, OplockLevel::exclusive);
    EXPECT_EQ(error_of_open(O_RDONLY), EWOULDBLOCK);
    pump();
    ASSERT_EQ(one_.client.oplocks.size(), 1u);
    EXPECT_EQ(one_.client.oplocks[0].to, OplockLevel::none);
    EXPECT_TRUE(one_.client.oplocks[0].acknowledge);
    EXPECT_EQ(error_of_open(O_RDONLY), EWOULDBLOCK);
    ASSERT_TRUE(one_.files->acknowledge_oplock(*held.open, OplockLevel::none));
    EXPECT_EQ(error_of_open(O_RDWR), 0);
    pump();
    EXPECT_EQ(one_.client.oplocks.size(), 1u);
}

TEST_F(KernelOplocksTest, LevelIIIsBrokenBeforeAProgramTruncates) {
    const CreateResult held = must_open(one_, oplock(OplockLevel::ii, "f", read_access));
    ASSERT_EQ(held.oplock, OplockLevel::ii);
    EXPECT_EQ(error_of_open(O_RDONLY), 0);
    EXPECT_EQ(error_of_open(O_WRONLY | O_TRUNC), EWOULDBLOCK);
    EXPECT_EQ(read("f"), "content");
    pump();
    ASSERT_EQ(one_.client.oplocks.size(), 1u);
    EXPECT_FALSE(one_.client.oplocks[0].acknowledge);
    EXPECT_EQ(error_of_open(O_WRONLY | O_TRUNC), 0);
}

TEST_F(KernelOplocksTest, WhatAProgramHasOpenIsNotGranted) {
    const UniqueFd program(::open(at("f").c_str(), O_RDWR | O_CLOEXEC));
    const CreateResult exclusive = must_open(one_, oplock(OplockLevel::batch));
    EXPECT_EQ(exclusive.oplock, OplockLevel::none);
    EXPECT_EQ(must_open(one_, oplock(OplockLevel::ii, "f", read_access)).oplock, OplockLevel::none);
}

TEST_F(KernelOplocksTest, AnotherClientTakesItToNothing) {
    const CreateResult held = must_open(one_, oplock(OplockLevel::batch));
    ASSERT_EQ(held.oplock, OplockLevel::batch);
    CreateResult second;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::PENDING);
    pump();
    ASSERT_EQ(one_.client.oplocks.size(), 1u);
    EXPECT_EQ(one_.client.oplocks[0].to, OplockLevel::none);
    ASSERT_TRUE(one_.files->acknowledge_oplock(*held.open, OplockLevel::none));
    pump();
    EXPECT_EQ(waiter_->resumed, 1);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), second), NtStatus::SUCCESS);
}

TEST_F(KernelOplocksTest, AProgramsOwnLeaseIsWaitedFor) {
    UniqueFd program(::open(at("f").c_str(), O_RDWR | O_CLOEXEC));
    ASSERT_NE(::signal(SIGIO, SIG_IGN), SIG_ERR);
    ASSERT_EQ(::fcntl(program.get(), F_SETLEASE, F_WRLCK), 0);
    CreateResult opened;
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), opened), NtStatus::PENDING);
    program.reset();
    const Monotonic deadline = monotonic_now() + std::chrono::seconds(10);
    while (waiter_->resumed == 0 && monotonic_now() < deadline) (void)loop_.run_once(deadline);
    EXPECT_EQ(try_open(two_, oplock(OplockLevel::none), opened), NtStatus::SUCCESS);
}

TEST_F(KernelOplocksTest, ACloseLeavesNothing) {
    const CreateResult held = must_open(one_, oplock(OplockLevel::exclusive));
    must_close(one_, *held.open);
    EXPECT_EQ(error_of_open(O_RDWR), 0);
    const LeaseRequest wanted = request(R, 7);
    EXPECT_EQ(must_open(one_, lease(wanted)).oplock, OplockLevel::none) << "no leases with kernel oplocks";
}

TEST_F(KernelOplocksTest, FakeOplocksAreGrantedToEverybodyAndNeverBroken) {
    share_with("fake oplocks = yes\n");
    EXPECT_EQ(must_open(one_, oplock(OplockLevel::batch)).oplock, OplockLevel::batch);
    const CreateResult second = must_open(two_, oplock(OplockLevel::exclusive));
    EXPECT_EQ(second.oplock, OplockLevel::exclusive);
    const uint8_t byte = 1;
    EXPECT_TRUE(second.open->write_now({&byte, 1}, 0, false));
    pump();
    EXPECT_TRUE(one_.client.oplocks.empty());
}

}  // namespace
}  // namespace Atoll::fsa
