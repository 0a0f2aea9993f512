#include "ctdb/daemon/votes.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/file.h"
#include "ctdb/daemon/limits.h"

namespace Atoll::ctdb {
namespace {

class VotesTest : public testing::Test {
 protected:
    void SetUp() override { ASSERT_NE(::mkdtemp(directory.data()), nullptr); }
    void TearDown() override { (void)!std::system(("rm -rf " + directory).c_str()); }
    [[nodiscard]] std::string file(Pnn pnn) const { return directory + "/votes." + std::to_string(pnn); }

    std::string directory = testing::TempDir() + "votes.XXXXXX";
};

protocol::ballot ballot_for(Term term) {
    protocol::ballot ballot;
    ballot.promised = {term, 2, 77};
    ballot.stored = {term - 1, 4, {0, 1, 2}, {0, 1}, {1, 2, 3}};
    return ballot;
}

TEST_F(VotesTest, HasNoneAtFirstAndThenWhatWasWrittenLast) {
    {
        const auto votes = Votes::open(directory, 3);
        ASSERT_TRUE(votes.ok()) << votes.error().message();
        EXPECT_FALSE(votes->found().has_value());
        ASSERT_TRUE(votes->write(ballot_for(8)).ok());
        ASSERT_TRUE(votes->write(ballot_for(9)).ok());
    }
    const auto votes = Votes::open(directory, 3);
    ASSERT_TRUE(votes.ok()) << votes.error().message();
    EXPECT_EQ(votes->found(), ballot_for(9));
}

TEST_F(VotesTest, NodesOfOneDirectoryHaveTheirOwn) {
    const auto first = Votes::open(directory, 0);
    const auto second = Votes::open(directory, 1);
    ASSERT_TRUE(first.ok() && second.ok());
    ASSERT_TRUE(first->write(ballot_for(5)).ok());
    EXPECT_FALSE(read_file(file(1), limits::max_register_file).ok());
}

// A vote that cannot be read is not taken for one that was never given: the node would vote a second time.
TEST_F(VotesTest, RefusesADamagedFileByItsName) {
    ASSERT_TRUE(Votes::open(directory, 0)->write(ballot_for(5)).ok());
    const auto whole = read_file(file(0), limits::max_register_file);
    ASSERT_TRUE(whole.ok());
    for (size_t length = 0; length < whole->size(); ++length) {
        std::ofstream(file(0), std::ios::trunc) << whole->substr(0, length);
        const auto votes = Votes::open(directory, 0);
        ASSERT_FALSE(votes.ok()) << length << " bytes of it";
        EXPECT_NE(votes.error().message().find(file(0)), std::string::npos) << votes.error().message();
    }
}

TEST_F(VotesTest, WritesNothingWhereItCannot) {
    const auto votes = Votes::open(directory, 0);
    ASSERT_TRUE(votes.ok());
    ASSERT_EQ(std::system(("rm -r " + directory).c_str()), 0);
    EXPECT_FALSE(votes->write(ballot_for(5)).ok());
    EXPECT_FALSE(Votes::open(directory, 0).ok());
}

// As a supervisor does that outlives its ctdbd: what it inherited has to be closed before the next one votes.
TEST_F(VotesTest, WaitsForTheProcessesOfAFormerDaemon) {
    constexpr useconds_t lives_on = 300'000;
    auto former = Votes::open(directory, 0);
    ASSERT_TRUE(former.ok());
    const pid_t child = ::fork();
    if (child == 0) {
        ::usleep(lives_on);
        (void)former->write(ballot_for(6));
        ::_exit(0);
    }
    former = fail(Code::busy, "former", "closed");
    const auto next = Votes::open(directory, 0);
    ::waitpid(child, nullptr, 0);
    ASSERT_TRUE(next.ok()) << next.error().message();
    EXPECT_EQ(next->found(), ballot_for(6)) << "it was opened while another could still write";
}

}  // namespace
}  // namespace Atoll::ctdb
