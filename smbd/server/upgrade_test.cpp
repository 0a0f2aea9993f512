#include "smbd/server/upgrade.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "smbd/server/options.h"

namespace Atoll::server {
namespace {

using messaging::ProcessClass;
using messaging::ServerId;

std::vector<ListeningSocket> two_sockets() {
    std::vector<ListeningSocket> out(2);
    for (ListeningSocket& one : out) one.fd.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    out[0].name = "127.0.0.1:445";
    out[1].name = "127.0.0.1:139";
    out[1].netbios = true;
    return out;
}

ino_t inode_of(int fd) {
    struct stat st {};
    EXPECT_EQ(::fstat(fd, &st), 0);
    return st.st_ino;
}

TEST(Upgrade, SocketsAreBequeathed) {
    auto pair = PacketSocket::make_pair();
    ASSERT_TRUE(pair);
    const auto sockets = two_sockets();
    const ServerId self = ServerId::make(ProcessClass::listener);
    ASSERT_TRUE(bequeath(pair->first, sockets, self));
    auto met = Predecessor::meet(pair->second.take().release());
    ASSERT_TRUE(met) << met.error().message();
    EXPECT_EQ(met->id(), self);
    const auto got = met->take_sockets();
    ASSERT_EQ(got.size(), 2u);
    for (size_t i = 0; i < 2; i++) {
        EXPECT_EQ(got[i].name, sockets[i].name);
        EXPECT_EQ(got[i].netbios, sockets[i].netbios);
        EXPECT_EQ(inode_of(got[i].fd.get()), inode_of(sockets[i].fd.get()));
        EXPECT_NE(::fcntl(got[i].fd.get(), F_GETFD) & FD_CLOEXEC, 0);
    }
}

TEST(Upgrade, WhatIsNotUnderstoodIsRefused) {
    const auto refused = [](PacketKind kind, Bytes payload) {
        auto pair = PacketSocket::make_pair();
        EXPECT_TRUE(pair->first.send(kind, payload));
        return !Predecessor::meet(pair->second.take().release()).ok();
    };
    EXPECT_TRUE(refused(PacketKind::inherit, as_bytes("\1name"))) << "without a descriptor";
    EXPECT_TRUE(refused(PacketKind::serves, {}));
    EXPECT_TRUE(refused(PacketKind::inherited, as_bytes("nobody")));
    EXPECT_FALSE(Predecessor::meet(-1));
    auto pair = PacketSocket::make_pair();
    pair->first.close();
    EXPECT_EQ(Predecessor::meet(pair->second.take().release()).error().code, Code::dead);
}

TEST(Upgrade, StepsWaitForTheirAnswers) {
    auto pair = PacketSocket::make_pair();
    ASSERT_TRUE(bequeath(pair->first, {}, ServerId::make(ProcessClass::listener)));
    auto met = Predecessor::meet(pair->second.take().release());
    ASSERT_TRUE(met);
    ASSERT_TRUE(pair->first.send(PacketKind::go_on, {}));
    EXPECT_TRUE(met->settle(PacketKind::prepared, PacketKind::go_on));
    Packet packet;
    ASSERT_EQ(pair->first.receive(packet), PacketSocket::Received::packet);
    EXPECT_EQ(packet.kind, PacketKind::prepared);
    ASSERT_TRUE(pair->first.send(PacketKind::go_on, {}));
    EXPECT_FALSE(met->settle(PacketKind::serves, PacketKind::yours)) << "another answer";
    pair->first.close();
    EXPECT_FALSE(met->settle(PacketKind::serves, PacketKind::yours));
}

TEST(Upgrade, ProgramThatIsNoneAndOneThatEnds) {
    EXPECT_FALSE(start_successor({"/nowhere/smbd", {}}));
    auto started = start_successor({"/bin/false", {}});
    ASSERT_TRUE(started);
    int status = 0;
    ASSERT_EQ(::waitpid(started->pid, &status, 0), started->pid);
    Packet packet;
    EXPECT_EQ(started->link.receive(packet), PacketSocket::Received::ended);
    struct stat st {};
    EXPECT_EQ(::stat(own_program_path().c_str(), &st), 0);
}

TEST(Upgrade, SuccessorHasTheSameArguments) {
    Options options;
    options.config_file = "/etc/x.conf";
    options.ports = {4450, 4451};
    options.debug_level = 3;
    options.log_to_stderr = true;
    options.overrides = {{"workgroup", "A B"}};
    std::vector<std::string> words = successor_arguments(options);
    words.insert(words.begin(), "smbd");
    words.insert(words.end(), {"--upgrade-from", "7"});
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    const ParsedOptions parsed = parse_options(static_cast<int>(argv.size()), argv.data());
    ASSERT_FALSE(parsed.exit_status);
    EXPECT_EQ(parsed.options.mode, Options::Mode::foreground);
    EXPECT_FALSE(parsed.options.process_group);
    EXPECT_EQ(parsed.options.config_file, "/etc/x.conf");
    EXPECT_EQ(parsed.options.ports, options.ports);
    EXPECT_EQ(parsed.options.debug_level, 3);
    EXPECT_TRUE(parsed.options.log_to_stderr);
    EXPECT_EQ(parsed.options.overrides, options.overrides);
    EXPECT_EQ(parsed.options.predecessor, 7);
}

}  // namespace
}  // namespace Atoll::server
