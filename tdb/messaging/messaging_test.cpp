#include "tdb/messaging/messaging.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/loop/identity.h"

namespace Atoll::messaging {
namespace {

using namespace std::chrono_literals;

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }
std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

class MessagingTest : public testing::Test {
 protected:
    void SetUp() override {
        char path[] = "/tmp/atoll-messaging-XXXXXX";
        ASSERT_NE(mkdtemp(path), nullptr);
        // Longer than a socket's address could hold.
        directory_ = std::string(path) + "/" + std::string(120, 'd');
        ASSERT_EQ(mkdir(directory_.c_str(), 0755), 0);
        root_ = path;
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    MessageSocket open(ProcessClass process_class = ProcessClass::client) {
        auto socket = MessageSocket::open(directory_, process_class);
        EXPECT_TRUE(socket.ok()) << (socket ? "" : socket.error().message());
        return std::move(socket).value();
    }
    // Runs `body` in a child and expects it to return 0.
    template <class F>
    static pid_t in_child(F body) {
        const pid_t pid = fork();
        if (pid == 0) _exit(body());
        return pid;
    }
    static void expect_success(pid_t pid) {
        int status = -1;
        ASSERT_EQ(waitpid(pid, &status, 0), pid);
        EXPECT_EQ(status, 0);
    }

    std::string root_;
    std::string directory_;
};

TEST(ServerId, TextForm) {
    const ServerId here{ServerId::this_node, 77, 0x0123456789abcd04};
    EXPECT_EQ(to_string(here), "77.0123456789abcd04");
    EXPECT_EQ(parse_server_id(to_string(here)), here);
    const ServerId there{3, 77, 5};
    EXPECT_EQ(parse_server_id(to_string(there)), there);
    EXPECT_EQ(here.process_class(), ProcessClass::client);
    for (const char* bad :
         {"", ".", "77", "77.12", "x.0123456789abcd04", "77.0123456789abcdxy", "1:2:77.0123456789abcd04", "77.0123456789abcd04 "}) {
        EXPECT_EQ(parse_server_id(bad), std::nullopt) << bad;
    }
}

TEST_F(MessagingTest, TheDirectoryIsItsOwnersAlone) {
    const MessageSocket socket = open();
    struct stat st;
    ASSERT_EQ(stat((directory_ + "/msg.sock").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 0777, 0700u);
}

TEST_F(MessagingTest, ALockDirectoryThatIsNotThereIsNamed) {
    auto socket = MessageSocket::open(directory_ + "/absent", ProcessClass::client);
    ASSERT_FALSE(socket.ok());
    EXPECT_NE(socket.error().message().find("/absent/msg.sock"), std::string::npos);
}

TEST_F(MessagingTest, InOrderFromAnotherProcess) {
    MessageSocket mine = open();
    const pid_t child = in_child([&] {
        MessageSocket socket = open(ProcessClass::authd);
        for (uint32_t i = 0; i < 5; ++i) {
            if (!socket.send(mine.self(), i, bytes_of(std::string(i, 'x')))) return 1;
        }
        return 0;
    });
    expect_success(child);
    for (uint32_t i = 0; i < 5; ++i) {
        auto message = mine.receive();
        ASSERT_TRUE(message);
        EXPECT_EQ(message->type, i);
        EXPECT_EQ(message->payload.size(), i);
        EXPECT_EQ(message->from.pid, static_cast<uint64_t>(child));
        EXPECT_EQ(message->from.process_class(), ProcessClass::authd);
    }
    EXPECT_FALSE(mine.receive());
}

TEST_F(MessagingTest, DescriptorsAndLargePayloadsTravel) {
    MessageSocket mine = open();
    std::string large(limits::max_message_inline + 100'000, '\0');
    for (size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 3);
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    const UniqueFd reader(pipe_fds[0]);
    expect_success(in_child([&] {
        MessageSocket socket = open();
        const int fds[] = {pipe_fds[1], STDERR_FILENO};
        return socket.send(mine.self(), 9, bytes_of(large), fds) ? 0 : 1;
    }));
    close(pipe_fds[1]);
    auto message = mine.receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(text_of(message->payload), large);
    ASSERT_EQ(message->descriptors.size(), 2u);
    EXPECT_EQ(fcntl(message->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(write(message->descriptors[0].get(), "!", 1), 1);
    char c = 0;
    EXPECT_EQ(read(reader.get(), &c, 1), 1);
    EXPECT_EQ(c, '!');
}

TEST_F(MessagingTest, WhatIsTooLargeIsRefused) {
    MessageSocket mine = open();
    Buffer huge;
    huge.append_zeros(limits::max_message + 1);
    auto sent = mine.send(mine.self(), 1, huge);
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().code, Code::invalid);
    const std::vector<int> fds(limits::max_message_descriptors + 1, STDERR_FILENO);
    EXPECT_FALSE(mine.send(mine.self(), 1, {}, fds).ok());
}

TEST_F(MessagingTest, TheDeadAreReportedAndTheirNamesGo) {
    MessageSocket mine = open();
    int pipe_fds[2];
    ASSERT_EQ(pipe(pipe_fds), 0);
    const pid_t child = in_child([&] {
        const MessageSocket socket = open();
        const ServerId id = socket.self();
        (void)!write(pipe_fds[1], &id, sizeof id);
        pause();
        return 0;
    });
    ServerId id;
    ASSERT_EQ(read(pipe_fds[0], &id, sizeof id), static_cast<ssize_t>(sizeof id));
    EXPECT_TRUE(mine.exists(id));
    EXPECT_TRUE(mine.send(id, 1, {}).ok());
    ServerId later_life = id;
    later_life.unique_id ^= 0x100;
    EXPECT_FALSE(mine.exists(later_life));

    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    EXPECT_FALSE(mine.exists(id));
    EXPECT_EQ(mine.processes().size(), 2u);
    auto sent = mine.send(id, 1, {});
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().code, Code::dead);
    EXPECT_EQ(mine.processes().size(), 1u);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

TEST_F(MessagingTest, AForkedChildDoesNotTakeItsParentsNameAway) {
    auto mine = std::make_unique<MessageSocket>(open());
    expect_success(in_child([&] {
        mine.reset();
        return 0;
    }));
    EXPECT_TRUE(mine->exists(mine->self()));
}

TEST_F(MessagingTest, AFullQueueIsBusy) {
    MessageSocket mine = open();
    MessageSocket other = open();
    int sent = 0;
    for (;; ++sent) {
        ASSERT_LT(sent, 100'000);
        auto result = other.send(mine.self(), 1, {});
        if (result) continue;
        EXPECT_EQ(result.error().code, Code::busy);
        break;
    }
    for (; sent > 0; --sent) EXPECT_TRUE(mine.receive());
    EXPECT_FALSE(mine.receive());
}

TEST_F(MessagingTest, OnTheLoopMoreThanAQueueHoldsArrivesInOrder) {
    loop::Loop loop;
    const auto a = make_local_messaging(loop, open());
    const auto b = make_local_messaging(loop, open());
    constexpr uint32_t count = 900;
    uint32_t next = 0;
    b->receive(7, [&](Message& message) {
        EXPECT_EQ(load_le<uint32_t>(message.payload.data()), next);
        EXPECT_EQ(message.from, a->self());
        if (++next == count) loop.stop();
    });
    for (uint32_t i = 0; i < count; ++i) {
        uint8_t number[4];
        store_le(number, i);
        ASSERT_TRUE(a->send(b->self(), 7, number).ok());
    }
    EXPECT_TRUE(loop.run_until(monotonic_now() + 20s));
    EXPECT_EQ(next, count);
}

TEST_F(MessagingTest, ReceiversMayEndThemselvesAndUnknownTypesAreDropped) {
    loop::Loop loop;
    const auto a = make_local_messaging(loop, open());
    int calls = 0;
    a->receive(1, [&](Message&) {
        a->receive(1, {});
        ++calls;
    });
    a->receive(2, [&](Message&) { loop.stop(); });
    for (uint32_t type : {1u, 1u, 99u, 2u}) ASSERT_TRUE(a->send(a->self(), type, {}).ok());
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
    EXPECT_EQ(calls, 1);
}

TEST_F(MessagingTest, BroadcastReachesTheClassOnly) {
    loop::Loop loop;
    const auto sender = make_local_messaging(loop, open(ProcessClass::client));
    const auto client = make_local_messaging(loop, open(ProcessClass::client));
    const auto authd = make_local_messaging(loop, open(ProcessClass::authd));
    int clients = 0;
    sender->receive(4, [](Message&) { FAIL() << "the sender"; });
    authd->receive(4, [](Message&) { FAIL() << "another class"; });
    client->receive(4, [&](Message&) {
        ++clients;
        loop.stop();
    });
    EXPECT_EQ(sender->broadcast(ProcessClass::client, 4, {}), 1u);
    EXPECT_TRUE(loop.run_until(monotonic_now() + 5s));
    EXPECT_EQ(clients, 1);
}

TEST_F(MessagingTest, AProcessThatServesAUserCanStillSend) {
    if (!loop::is_privileged()) GTEST_SKIP() << "needs root";
    MessageSocket mine = open();
    MessageSocket other = open();
    ASSERT_TRUE(loop::take_identity({40001, 40001, {}}));
    EXPECT_TRUE(other.send(mine.self(), 1, {}).ok());
    EXPECT_TRUE(other.exists(mine.self()));
    EXPECT_EQ(geteuid(), 40001u);
    loop::take_root();
}

}  // namespace
}  // namespace Atoll::messaging
