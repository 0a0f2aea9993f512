#include "conf/ctdb_conf.h"

#include <gtest/gtest.h>

namespace Atoll::conf {
namespace {

const CtdbPaths paths{"/c", "/c/run", "/c/run/ctdbd.socket", "/c/run/ctdbd.pid"};

TEST(CtdbConf, ReadsWhatIsKnown) {
    const auto conf = parse_ctdb_conf(
        "# a comment\n[logging]\n log level = info\n location = file:/var/log/x\n[cluster]\n cluster lock = /s/lock\n node address = "
        "10.0.0.1\n"
        "[database]\n volatile database directory = /v\n tdb mutexes = false\n[legacy]\n start as disabled = yes\n",
        "ctdb.conf", paths);
    ASSERT_TRUE(conf.ok()) << conf.error().message();
    EXPECT_EQ(conf->log_level, 3);
    EXPECT_EQ(conf->log_file, "/var/log/x");
    EXPECT_EQ(conf->cluster_lock, "/s/lock");
    EXPECT_EQ(conf->cluster_register, "/s/lock.register");
    EXPECT_EQ(conf->node_address, "10.0.0.1");
    EXPECT_EQ(conf->volatile_directory, "/v");
    EXPECT_EQ(conf->state_directory, "/c/db/state");
    EXPECT_FALSE(conf->tdb_mutexes);
    EXPECT_TRUE(conf->start_as_disabled);
}

TEST(CtdbConf, RefusesWhatIsNot) {
    for (const char* text : {"[nosuch]\n", "[cluster]\nnosuch = 1\n", "[event]\ndebug script =\n", "[database]\ntdb mutexes = maybe\n",
                             "[cluster]\ntransport = ib\n", "[logging]\nlocation = syslog\n", "[logging]\nlog level = LOUD\n", "x = 1\n"})
        EXPECT_FALSE(parse_ctdb_conf(text, "ctdb.conf", paths).ok()) << text;
    const auto bad = parse_ctdb_conf("[cluster]\n\nnosuch = 1\n", "ctdb.conf", paths);
    EXPECT_EQ(bad.error().message(), "ctdb.conf:3: unknown option [cluster] -> \"nosuch\"");
}

TEST(CtdbConf, NodesKeepTheirNumbers) {
    const auto nodes = parse_nodes("10.0.0.1\n#10.0.0.2\n\n  fd00:0::3 \n", "nodes");
    ASSERT_TRUE(nodes.ok());
    ASSERT_EQ(nodes->live.size(), 2U);
    EXPECT_EQ(nodes->live[0].pnn, 0U);
    EXPECT_EQ(nodes->live[1].pnn, 2U);
    EXPECT_EQ(nodes->live[1].address, "fd00::3");
    EXPECT_EQ(nodes->deleted, 1U);
    for (const char* text : {"", "#10.0.0.1\n", "host\n", "10.0.0.1\n10.0.0.1\n"}) EXPECT_FALSE(parse_nodes(text, "nodes").ok()) << text;
}

TEST(CtdbConf, PublicAddresses) {
    const auto addresses = parse_public_addresses("10.1.1.1/24 eth0,eth1\n# no\nfd00::1/64\teth2\n", "public_addresses");
    ASSERT_TRUE(addresses.ok());
    ASSERT_EQ(addresses->size(), 2U);
    EXPECT_EQ((*addresses)[0].interfaces, (std::vector<std::string>{"eth0", "eth1"}));
    EXPECT_EQ((*addresses)[1].mask, 64U);
    for (const char* text : {"10.1.1.1 eth0", "10.1.1.1/33 eth0", "10.1.1.1/24", "10.1.1.1/24 a b", "x/24 eth0", "10.1.1.1/24 ,"})
        EXPECT_FALSE(parse_public_addresses(text, "public_addresses").ok()) << text;
}

}  // namespace
}  // namespace Atoll::conf
