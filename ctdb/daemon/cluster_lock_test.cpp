#include "ctdb/daemon/cluster_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/bytes.h"
#include "base/file.h"
#include "ctdb/daemon/files.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

class ClusterLockTest : public testing::Test {
 protected:
    void SetUp() override { ASSERT_NE(::mkdtemp(directory.data()), nullptr); }
    void TearDown() override { (void)!std::system(("rm -rf " + directory).c_str()); }
    [[nodiscard]] std::string at(const std::string& name) const { return directory + "/" + name; }

    std::string directory = testing::TempDir() + "cluster_lock.XXXXXX";
};

protocol::view view_of(Term term, uint64_t number) {
    protocol::view view;
    view.id = term << 32 | number;
    return view;
}

// Whether another process can take the lock now. (A process's POSIX locks do not exclude each other.)
Code taken_elsewhere(const std::string& lock, const std::string& path) {
    const pid_t child = ::fork();
    if (child == 0) {
        ClusterLock other(lock, path, 9);
        const auto taken = other.take();
        ::_exit(taken ? 100 : static_cast<int>(taken.error().code));
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return static_cast<Code>(WEXITSTATUS(status));
}
constexpr Code could_take{100};

TEST_F(ClusterLockTest, IsExclusiveAndTermsRise) {
    ClusterLock lock(at("lock"), at("lock.register"), 0);
    const auto first = lock.take();
    ASSERT_TRUE(first.ok()) << first.error().message();
    EXPECT_EQ(first->term, 1U);
    EXPECT_FALSE(first->last.has_value());
    EXPECT_TRUE(lock.held());
    EXPECT_EQ(taken_elsewhere(at("lock"), at("lock.register")), Code::busy);
    lock.release();
    EXPECT_FALSE(lock.held());
    EXPECT_EQ(taken_elsewhere(at("lock"), at("lock.register")), could_take);
    EXPECT_EQ(lock.take()->term, 3U);
}

TEST_F(ClusterLockTest, TheNextHolderFindsTheLastView) {
    ClusterLock lock(at("lock"), at("lock.register"), 0);
    ASSERT_TRUE(lock.take().ok());
    ASSERT_TRUE(lock.write(view_of(1, 1)).ok());
    ASSERT_TRUE(lock.write(view_of(1, 2)).ok());
    lock.release();
    EXPECT_EQ(lock.write(view_of(1, 3)).error().code, Code::dead);
    ClusterLock next(at("lock"), at("lock.register"), 1);
    const auto found = next.take();
    ASSERT_TRUE(found.ok());
    ASSERT_TRUE(found->last.has_value());
    EXPECT_EQ(found->last->id, view_of(1, 2).id);
    EXPECT_EQ(found->term, 2U);
}

// It stood still when it had looked at the lock, and writes when another has it.
TEST_F(ClusterLockTest, WhatAFormerHolderWritesLateDoesNotCount) {
    ClusterLock former(at("lock"), at("lock.register"), 0);
    ASSERT_TRUE(former.take().ok());
    ASSERT_TRUE(former.write(view_of(1, 5)).ok());
    const auto late = read_file(at("lock.register.0"), 1 << 20);
    ASSERT_TRUE(late.ok());
    former.release();
    ClusterLock next(at("lock"), at("lock.register"), 1);
    ASSERT_TRUE(next.take().ok());
    ASSERT_TRUE(next.write(view_of(2, 1)).ok());
    ASSERT_TRUE(replace_file(at("lock.register.0"), *late).ok());
    EXPECT_TRUE(next.held());
    next.release();
    EXPECT_EQ(next.take()->last->id, view_of(2, 1).id);
}

TEST_F(ClusterLockTest, IsLostWithItsFile) {
    ClusterLock lock(at("lock"), at("lock.register"), 0);
    ASSERT_TRUE(lock.take().ok());
    ASSERT_EQ(::unlink(at("lock").c_str()), 0);
    EXPECT_FALSE(lock.held());
    std::ofstream(at("lock")).close();
    EXPECT_FALSE(lock.held());
}

TEST_F(ClusterLockTest, ADamagedRegisterIsNotTakenForNone) {
    ClusterLock lock(at("lock"), at("lock.register"), 0);
    ASSERT_TRUE(lock.take().ok());
    lock.release();
    std::ofstream(at("lock.register.0")) << "nonsense";
    EXPECT_EQ(lock.take().error().code, Code::corrupt);
}

// Whoever does not read that level has to find it readable as long as it is not written at.
TEST_F(ClusterLockTest, TheRegisterIsWrittenAtTheLevelOfItsView) {
    ClusterLock lock(at("lock"), at("lock.register"), 0);
    ASSERT_TRUE(lock.take().ok());
    for (const uint32_t level : {1U, 2U}) {
        protocol::view view = view_of(1, level);
        view.level = level;
        ASSERT_TRUE(lock.write(view).ok());
        const auto written = read_file(at("lock.register.0"), 1 << 20);
        ASSERT_TRUE(written.ok());
        EXPECT_EQ(load_le<uint16_t>(as_bytes(*written).data()), level);
    }
    lock.release();
    EXPECT_EQ(lock.take()->last->level, 2U);
}

TEST_F(ClusterLockTest, ARegisterOfANewerLevelIsRefused) {
    ClusterLock lock(at("lock"), at("lock.register"), 0);
    ASSERT_TRUE(lock.take().ok());
    protocol::view view = view_of(1, 1);
    view.level = idl::newest_known_level() + 1;
    EXPECT_FALSE(lock.write(view).ok());
    lock.release();
    EXPECT_EQ(lock.take().error().code, Code::unsupported);
}

TEST_F(ClusterLockTest, AHelperHoldsIt) {
    std::ofstream(at("helper")) << "#!/bin/sh\nmkdir " << directory << "/$1 2>/dev/null || { printf 1; exit; }\n"
                                << "trap 'rmdir " << directory << "/$1; exit' TERM\nprintf 0\nwhile :; do sleep 0.02; done\n";
    ASSERT_EQ(::chmod(at("helper").c_str(), 0755), 0);
    const std::string spec = "!" + at("helper") + " mutex";
    ClusterLock lock(spec, at("register"), 0);
    ASSERT_TRUE(lock.take().ok());
    EXPECT_TRUE(lock.held());
    EXPECT_EQ(taken_elsewhere(spec, at("register")), Code::busy);
    lock.release();
    ClusterLock next(spec, at("register"), 1);
    const auto taken = next.take();
    ASSERT_TRUE(taken.ok()) << taken.error().message();
    EXPECT_EQ(taken->term, 2U);
    ClusterLock none("!/nonexistent/helper", at("register"), 2);
    EXPECT_EQ(none.take().error().code, Code::io);
}

TEST_F(ClusterLockTest, IncarnationsRise) {
    const auto first = next_incarnation(at("incarnation"));
    ASSERT_TRUE(first.ok());
    ASSERT_TRUE(replace_file(at("incarnation"), std::to_string(*first + 1'000'000'000'000) + "\n").ok());
    EXPECT_EQ(*next_incarnation(at("incarnation")), *first + 1'000'000'000'001);
    ASSERT_TRUE(replace_file(at("incarnation"), "soon\n").ok());
    EXPECT_EQ(next_incarnation(at("incarnation")).error().code, Code::corrupt);
}

}  // namespace
}  // namespace Atoll::ctdb
