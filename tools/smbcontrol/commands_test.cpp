#include "tools/smbcontrol/commands.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/bytes.h"
#include "tdb/messaging/control_messages.h"
#include "tdb/messaging/message_types.h"

namespace Atoll::smbcontrol {
namespace {

using namespace messaging;

class Commands : public testing::Test {
 protected:
    Commands() : directory_(::testing::TempDir() + "smbcontrol_commands." + std::to_string(::getpid())) {
        std::filesystem::create_directories(directory_);
        mailbox_.emplace(std::move(MessageSocket::open(directory_, ProcessClass::tool)).value());
        server_.emplace(std::move(MessageSocket::open(directory_, ProcessClass::listener)).value());
    }
    ~Commands() override {
        mailbox_.reset();
        server_.reset();
        std::filesystem::remove_all(directory_);
    }

    Result<bool> run(const char* name, std::vector<std::string> parameters, std::chrono::milliseconds patience = std::chrono::seconds(5)) {
        const Command* command = find_command(name);
        ATOLL_ASSERT(command);
        Call call{*mailbox_, {server_->self()}, std::move(parameters), patience};
        auto done = run_command(*command, call);
        out_ = call.out;
        return done;
    }

    // A server that answers every message with one of `type`.
    void answer_with(uint32_t type, Bytes payload, const std::function<void()>& meanwhile) {
        std::atomic<bool> stop = false;
        std::thread thread([&] {
            while (!stop) {
                pollfd fd{server_->fd(), POLLIN, 0};
                (void)::poll(&fd, 1, 10);
                while (auto message = server_->receive()) EXPECT_TRUE(server_->send(message->from, type, payload));
            }
        });
        meanwhile();
        stop = true;
        thread.join();
    }

    // What the server got.
    std::pair<uint32_t, std::string> received() {
        const auto message = server_->receive();
        if (!message) return {0, "nothing"};
        return {message->type, std::string(as_text(message->payload))};
    }

    std::string directory_;
    std::optional<MessageSocket> mailbox_;
    std::optional<MessageSocket> server_;
    std::string out_;
};

TEST_F(Commands, WrongNumberOfParametersIsTheUsage) {
    const auto usage = [this](const char* name, std::vector<std::string> parameters) {
        const auto done = run(name, std::move(parameters));
        return done ? "done" : done.error().text;
    };
    EXPECT_EQ(usage("ping", {"3"}), "Usage: smbcontrol <dest> ping");
    EXPECT_EQ(usage("debug", {}), "Usage: smbcontrol <dest> debug <debug-string>");
    EXPECT_EQ(usage("close-share", {}), "Usage: smbcontrol <dest> close-share <sharename>");
    EXPECT_EQ(usage("kill-client-ip", {"1.2.3.4", "x"}), "Usage: smbcontrol <dest> kill-client-ip <IP address>");
    EXPECT_EQ(find_command("bogus"), nullptr);
    EXPECT_EQ(received().second, "nothing");
}

TEST_F(Commands, AnswersAreSaidAndEndTheWait) {
    const std::string pid = std::to_string(::getpid());
    answer_with(message_pong, {}, [this] { EXPECT_TRUE(run("ping", {}).value()); });
    EXPECT_EQ(out_, "PONG from pid " + pid + "\n");
    answer_with(message_tell_debug_level, as_bytes("all:3"), [this] { EXPECT_TRUE(run("debuglevel", {}).value()); });
    EXPECT_EQ(out_, "PID " + pid + ": all:3\n");
    uint8_t children[4];
    store_le(children, uint32_t{12});
    answer_with(message_tell_children, children, [this] { EXPECT_TRUE(run("num-children", {}).value()); });
    EXPECT_EQ(out_, "12 children\n");
}

TEST_F(Commands, WhoeverDoesNotAnswerIsNotWaitedForForLong) {
    const auto done = run("ping", {}, std::chrono::milliseconds(30));
    ASSERT_TRUE(done);
    EXPECT_FALSE(*done);
    EXPECT_EQ(out_, "No replies received\n");
}

TEST_F(Commands, NobodyIsThere) {
    Call call{*mailbox_, {}, {}, std::chrono::seconds(5)};
    EXPECT_FALSE(find_command("reload-config")->run(call).value());
    EXPECT_FALSE(find_command("ping")->run(call).value());
}

TEST_F(Commands, SharesAndAddresses) {
    EXPECT_TRUE(run("close-share", {"*"}).value());
    EXPECT_EQ(received(), std::pair(uint32_t{message_close_share}, std::string("*")));
    EXPECT_FALSE(run("close-share", {std::string(limits::max_control_text + 1, 'x')}));
    EXPECT_TRUE(run("kill-client-ip", {"192.0.2.1"}).value());
    EXPECT_EQ(received(), std::pair(uint32_t{message_kill_client_ip}, std::string("192.0.2.1")));
    EXPECT_TRUE(run("kill-client-ip", {"2001:DB8:0::1"}).value());
    EXPECT_EQ(received(), std::pair(uint32_t{message_kill_client_ip}, std::string("2001:db8::1")));
    const auto bogus = run("kill-client-ip", {"bogus"});
    ASSERT_FALSE(bogus);
    EXPECT_EQ(bogus.error().text, "bogus is not a valid IP address!");
    EXPECT_EQ(received().second, "nothing");
}

TEST_F(Commands, DebugTakesWhatLogLevelTakes) {
    const auto level = [this](const char* text) -> int {
        if (const auto done = run("debug", {text}); !done) return -1;
        const auto message = server_->receive();
        return message && message->payload.size() == 4 ? static_cast<int>(load_le<uint32_t>(message->payload.data())) : -2;
    };
    EXPECT_EQ(level("3"), 3);
    EXPECT_EQ(level("all:2"), 2);
    EXPECT_EQ(level("4 auth:9"), 4);
    EXPECT_EQ(level("11"), -1);
    EXPECT_EQ(level("x"), -1);
    EXPECT_EQ(level("3\nlock directory = /nowhere"), -1);
}

}  // namespace
}  // namespace Atoll::smbcontrol
