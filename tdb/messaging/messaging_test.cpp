#include "tdb/messaging/messaging.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop/identity.h"
#include "tdb/messaging/message_format.h"

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

// A cleaner of old files, or an administrator: nobody may take the locks of the living for those of the dead.
TEST_F(MessagingTest, NobodyHasEndedWhenTheDirectoryIsEmptied) {
    const MessageSocket mine = open();
    const MessageSocket other = open();
    ServerId nobody = other.self();
    nobody.unique_id ^= 0x100;
    EXPECT_FALSE(mine.exists(nobody));
    other.forget(other.self());
    mine.forget(mine.self());
    EXPECT_TRUE(mine.exists(other.self()));
    EXPECT_TRUE(mine.exists(nobody));
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

TEST_F(MessagingTest, WhatWaitedForAProcessThatEndsFailsLater) {
    loop::Loop loop;
    const auto mine = make_local_messaging(loop, open());
    auto* id = static_cast<ServerId*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t child = in_child([&] {
        const MessageSocket socket = open();
        *id = socket.self();
        (void)!write(ready[1], "", 1);
        pause();
        return 0;
    });
    char byte;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    int direct = 0;
    while (mine->send_at_once(*id, 5, {}).ok()) ASSERT_LT(++direct, 100'000);
    EXPECT_EQ(mine->send_at_once(*id, 5, {}).error().code, Code::busy);
    std::vector<uint32_t> failed_types;
    const auto note = [&](const ServerId& to, uint32_t type, Code why) {
        EXPECT_EQ(to, *id);
        EXPECT_EQ(why, Code::dead);
        failed_types.push_back(type);
        if (failed_types.size() == 3) loop.stop();
    };
    mine->failed(6, note);
    mine->failed(7, note);
    for (const uint32_t type : {6u, 7u, 6u}) ASSERT_TRUE(mine->send(*id, type, {}).ok());
    EXPECT_EQ(mine->send_at_once(*id, 5, {}).error().code, Code::busy) << "not past what waits";
    // Who is not behind gets its messages meanwhile.
    const auto other = make_local_messaging(loop, open());
    other->receive(8, [&](Message&) { kill(child, SIGKILL); });
    ASSERT_TRUE(mine->send(other->self(), 8, {}).ok());
    EXPECT_TRUE(loop.run_until(monotonic_now() + 20s));
    EXPECT_EQ(failed_types, (std::vector<uint32_t>{6, 7, 6}));
    waitpid(child, nullptr, 0);
    EXPECT_EQ(mine->send(*id, 6, {}).error().code, Code::dead);
    munmap(id, 4096);
    close(ready[0]);
    close(ready[1]);
}

TEST_F(MessagingTest, WhoEndsGetsRidOfWhatWaited) {
    constexpr uint32_t count = 900;  // more than a queue holds
    loop::Loop loop;
    const auto mine = make_local_messaging(loop, open());
    EXPECT_TRUE(mine->flush(0ms));
    MessageSocket other = open(ProcessClass::authd);
    for (uint32_t i = 0; i < count; ++i) ASSERT_EQ(mine->broadcast(ProcessClass::authd, 1, {}), 1u);
    EXPECT_FALSE(mine->flush(5ms)) << "nobody takes them";
    const pid_t child = in_child([&] {
        for (uint32_t taken = 0; taken < count;) {
            if (other.receive()) ++taken;
        }
        return 0;
    });
    EXPECT_TRUE(mine->flush(20s));
    expect_success(child);
    // What was passed over is not made good.
    while (mine->broadcast(ProcessClass::authd, 1, {}) == 1) {
    }
    while (!mine->flush(0ms) && other.receive()) {
    }
    EXPECT_FALSE(mine->flush(0ms));
}

TEST_F(MessagingTest, TooMuchForOneReceiverIsBusyAndForAnotherIsNot) {
    loop::Loop loop;
    const auto mine = make_local_messaging(loop, open());
    const MessageSocket stuck = open(), other = open();
    size_t sent = 0;
    for (;; ++sent) {
        ASSERT_LT(sent, 100'000u);
        auto result = mine->send(stuck.self(), 1, {});
        if (result) continue;
        EXPECT_EQ(result.error().code, Code::busy);
        break;
    }
    EXPECT_GT(sent, limits::max_queued_messages);
    EXPECT_TRUE(mine->send(other.self(), 1, {}).ok());
}

TEST_F(MessagingTest, ManyReceiversInTurn) {
    MessageSocket mine = open();
    std::vector<MessageSocket> others;
    for (size_t i = 0; i < 3 * limits::max_message_peers; i++) others.push_back(open());
    for (uint32_t round = 0; round < 4; round++) {
        for (const MessageSocket& other : others) ASSERT_TRUE(mine.send(other.self(), round, {}).ok());
    }
    for (MessageSocket& other : others) {
        for (uint32_t round = 0; round < 4; round++) EXPECT_EQ(other.receive().value_or(Message{{}, 99, {}, {}}).type, round);
        EXPECT_FALSE(other.receive());
    }
}

TEST_F(MessagingTest, ADirectoryOfAnotherUserAndASymlinkAreRefused) {
    ASSERT_EQ(symlink("/tmp", (directory_ + "/msg.sock").c_str()), 0);
    EXPECT_FALSE(MessageSocket::open(directory_, ProcessClass::client).ok());
    ASSERT_EQ(unlink((directory_ + "/msg.sock").c_str()), 0);
    if (!loop::is_privileged()) return;  // only root can make a directory another's
    ASSERT_EQ(mkdir((directory_ + "/msg.sock").c_str(), 0700), 0);
    ASSERT_EQ(chown((directory_ + "/msg.sock").c_str(), 40001, 40001), 0);
    const auto refused = MessageSocket::open(directory_, ProcessClass::client);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Code::denied);
}

size_t open_descriptors() {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count++;
    return count;
}

// Whoever can write to a mailbox is root or the server's own user; what comes may still be garbled, or of another version.
TEST_F(MessagingTest, WhatIsNoMessageIsDroppedAndLeaksNothing) {
    log_set_level(-1);
    MessageSocket mine = open();
    const UniqueFd raw(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const UniqueFd in(::open((directory_ + "/msg.sock").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::string path = "/proc/self/fd/" + std::to_string(in.get()) + "/" + to_string(mine.self());
    std::copy(path.begin(), path.end(), address.sun_path);
    ASSERT_EQ(connect(raw.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const UniqueFd unsealed(memfd_create("test", MFD_CLOEXEC));
    ASSERT_EQ(ftruncate(unsealed.get(), 50'000), 0);
    const auto post = [&](Bytes datagram, size_t descriptors) {
        const std::vector<int> fds(descriptors, unsealed.get());
        iovec part{const_cast<uint8_t*>(datagram.data()), datagram.size()};
        alignas(cmsghdr) char control[CMSG_SPACE(32 * sizeof(int))];
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        if (descriptors > 0) {
            message.msg_control = control;
            message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
            cmsghdr* c = CMSG_FIRSTHDR(&message);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
            std::memcpy(CMSG_DATA(c), fds.data(), descriptors * sizeof(int));
        }
        ASSERT_GE(sendmsg(raw.get(), &message, 0), 0);
        EXPECT_FALSE(mine.receive());
    };
    const size_t before = open_descriptors();
    Buffer datagram;
    const auto header = [&](uint32_t flags, uint64_t length) {
        datagram.resize(MessageHeader::size);
        MessageHeader{1, flags, length, ServerId{}}.encode(datagram.data());
        return Bytes(datagram);
    };
    post({}, 0);
    post(as_bytes("short"), 2);
    post(header(0, 1), 0);                                    // less than it says
    post(header(0, 0), limits::max_message_descriptors + 1);  // more descriptors than a message has
    post(header(0, 0), 30);                                   // more than is looked at
    post(header(2, 0), 0);                                    // an unknown flag
    post(header(MessageHeader::flag_large, 50'000), 0);       // nothing to read it from
    post(header(MessageHeader::flag_large, 50'000), 1);       // from something that may change
    post(header(MessageHeader::flag_large, UINT64_MAX), 1);
    header(0, 0);
    datagram.append_zeros(100'000);  // larger than any
    post(datagram, 1);
    std::mt19937 random(3);
    for (int i = 0; i < 2000; i++) {
        datagram.resize(random() % 200);
        for (size_t at = 0; at < datagram.size(); at++) datagram[at] = static_cast<uint8_t>(random());
        if (datagram.size() >= 4) store_le<uint32_t>(datagram.data(), MessageHeader::magic_number);
        post(datagram, random() % 4);
    }
    EXPECT_EQ(open_descriptors(), before);
    MessageSocket other = open();
    ASSERT_TRUE(other.send(mine.self(), 3, {}).ok());
    EXPECT_TRUE(mine.receive());
}

// As a user without privileges: this program again.
TEST_F(MessagingTest, AllOfItWithoutPrivileges) {
    if (!loop::is_privileged()) GTEST_SKIP() << "that is how it runs";
    const UniqueFd self(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(self.valid());
    expect_success(in_child([&] {
        if (setgroups(0, nullptr) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) return 1;
        const UniqueFd quiet(::open("/dev/null", O_WRONLY));
        dup2(quiet.get(), STDOUT_FILENO);
        char name[] = "test", filter[] = "--gtest_filter=MessagingTest.*";
        char* arguments[] = {name, filter, nullptr};
        char* environment[] = {nullptr};
        fexecve(self.get(), arguments, environment);
        return 2;
    }));
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
