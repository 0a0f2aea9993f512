#include "ctdb/daemon/tunables.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

namespace Atoll::ctdb {
namespace {

class TunablesFile : public testing::Test {
 protected:
    void TearDown() override { ::unlink(path_.c_str()); }
    Result<Tunables> load(const std::string& text) {
        std::ofstream(path_) << text;
        return load_tunables(path_);
    }
    const std::string path_ = testing::TempDir() + "tunables." + std::to_string(::getpid());
};

TEST_F(TunablesFile, SaysWhatDiffersFromTheDefaults) {
    const auto loaded = load("# for tests\n\n  MonitorInterval = 3\nMonitorTimeoutCount=1\nRecoverTimeout=9\n");
    ASSERT_TRUE(loaded.ok());
    EXPECT_EQ(loaded->monitor_interval, 3U);
    EXPECT_EQ(loaded->monitor_timeout_count, 1U);
    EXPECT_EQ(loaded->event_script_timeout, 30U);
    EXPECT_EQ(load_tunables(path_ + ".none")->monitor_interval, 15U);
}

TEST(Tunables, AreSetByNameWithoutRegardToCase) {
    Tunables tunables;
    EXPECT_TRUE(set_tunable(tunables, "noipfailback", 1).ok());
    EXPECT_EQ(tunables.no_ip_failback, 1U);
    EXPECT_EQ(set_tunable(tunables, "MonitorInterval", 0).error().code, Code::invalid);
    EXPECT_EQ(set_tunable(tunables, "KeepaliveInterval", 5).error().code, Code::unsupported);
    EXPECT_EQ(set_tunable(tunables, "nosuch", 5).error().code, Code::not_found);
}

TEST_F(TunablesFile, ALineThatIsNoneIsNamed) {
    for (const char* text : {"MonitorInterval\n", "MonitorInterval=\n", "MonitorInterval=3s\n", "MonitorInterval=-1\n"}) {
        const auto loaded = load(text);
        ASSERT_FALSE(loaded.ok()) << text;
        EXPECT_NE(loaded.error().message().find(":1: is not NAME=NUMBER"), std::string::npos) << loaded.error().message();
    }
}

}  // namespace
}  // namespace Atoll::ctdb
