#include "base/loop/identity.h"

#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace Atoll::loop {
namespace {

// The line of /proc/thread-self/status that begins with `key`, without it.
std::string status_line(const std::string& key) {
    std::ifstream in("/proc/thread-self/status");
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with(key + ":")) return line.substr(key.size() + 2);
    }
    return {};
}

const Identity alice{40001, 40002, {40003, 40004}};
const Identity bob{40011, 40012, {}};

TEST(Identity, UnprivilegedOnlyTheInvokingUserIsAdmitted) {
    if (is_privileged()) GTEST_SKIP() << "runs as root";
    EXPECT_TRUE(take_identity(Identity{geteuid(), getegid(), {}}));
    EXPECT_FALSE(take_identity(Identity{geteuid() + 1, getegid(), {}}));
    const RootScope scope;
    EXPECT_EQ(current_identity().uid, geteuid());
}

class PrivilegedIdentity : public testing::Test {
 protected:
    void SetUp() override {
        if (!is_privileged()) GTEST_SKIP() << "needs root";
    }
    void TearDown() override { take_root(); }
};

TEST_F(PrivilegedIdentity, OnlyEffectiveIdsAndGroupsChange) {
    ASSERT_TRUE(take_identity(alice));
    EXPECT_EQ(status_line("Uid"), "0\t40001\t0\t40001");
    EXPECT_EQ(status_line("Gid"), "0\t40002\t0\t40002");
    EXPECT_EQ(status_line("Groups").substr(0, 11), "40003 40004");
    EXPECT_EQ(status_line("CapEff"), "0000000000000000");
}

TEST_F(PrivilegedIdentity, FromOneUserToAnotherAndBack) {
    ASSERT_TRUE(take_identity(alice));
    ASSERT_TRUE(take_identity(bob));
    EXPECT_EQ(status_line("Uid"), "0\t40011\t0\t40011");
    EXPECT_EQ(status_line("Groups").find_first_not_of(" "), std::string::npos);
    take_root();
    EXPECT_EQ(status_line("Uid"), "0\t0\t0\t0");
    EXPECT_NE(status_line("CapEff"), "0000000000000000");
}

TEST_F(PrivilegedIdentity, OtherThreadsKeepTheirs) {
    ASSERT_TRUE(take_identity(alice));
    std::string before;
    std::string after;
    std::thread([&] {
        before = status_line("Uid");
        take_root();
        ASSERT_TRUE(take_identity(bob));
        after = status_line("Uid");
    }).join();
    EXPECT_EQ(after, "0\t40011\t0\t40011");
    EXPECT_EQ(status_line("Uid"), "0\t40001\t0\t40001");
}

TEST_F(PrivilegedIdentity, RootScopeGivesBackWhatWas) {
    ASSERT_TRUE(take_identity(alice));
    {
        const RootScope outer;
        const RootScope inner;
        EXPECT_EQ(geteuid(), 0u);
    }
    EXPECT_EQ(geteuid(), alice.uid);
    EXPECT_EQ(current_identity(), alice);
}

TEST_F(PrivilegedIdentity, TheKernelChecksFileAccessAsTheUser) {
    char path[] = "/tmp/atoll-identity-XXXXXX";
    const int fd = mkstemp(path);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(fchmod(fd, 0600), 0);
    close(fd);
    ASSERT_TRUE(take_identity(bob));
    EXPECT_EQ(open(path, O_RDONLY), -1);
    EXPECT_EQ(errno, EACCES);
    take_root();
    unlink(path);
}

}  // namespace
}  // namespace Atoll::loop
