#include "ctdb/daemon/fence.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace Atoll::ctdb {
namespace {

// Addresses for documentation (RFC 5737): this machine has none of them, so that nothing is taken away.
IpAddress address(int number) { return parse_ip("192.0.2." + std::to_string(number)).value(); }

TEST(Fence, KnowsWhatMayBeUp) {
    auto fence = Fence::make();
    ASSERT_TRUE(fence.ok());
    EXPECT_FALSE(fence->any_up());
    ASSERT_TRUE(fence->may_be_up(address(1)).ok());
    ASSERT_TRUE(fence->may_be_up(address(2)).ok());
    fence->is_down(address(1));
    EXPECT_TRUE(fence->any_up());
    fence->is_down(address(2));
    EXPECT_FALSE(fence->any_up());
    ASSERT_TRUE(fence->may_be_up(address(1)).ok());
    EXPECT_TRUE(fence->any_up());
}

TEST(Fence, AnotherProcessSeesItAndKillsTheScript) {
    auto fence = Fence::make();
    ASSERT_TRUE(fence.ok());
    const pid_t script = ::fork();
    if (script == 0) {
        ::setpgid(0, 0);
        for (;;) ::pause();
    }
    ::setpgid(script, script);
    ASSERT_TRUE(fence->may_be_up(address(1)).ok());
    fence->script_runs(script);
    const pid_t other = ::fork();
    if (other == 0) ::_exit(fence->any_up() && fence->drop() ? 0 : 1);
    int status = 0;
    ASSERT_EQ(::waitpid(script, &status, 0), script);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ASSERT_EQ(::waitpid(other, &status, 0), other);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(fence->drops(), 1U);
}

}  // namespace
}  // namespace Atoll::ctdb
