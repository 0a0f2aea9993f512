#include "smbd/xsrv/pipe.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/bytes.h"

namespace Atoll::xsrv {
namespace {

class Service final : public PipeService {
 public:
    explicit Service(std::function<void(Pipe&, Bytes)> receive) : receive_(std::move(receive)) {}
    void receive(Pipe& pipe, Bytes message) override { receive_(pipe, message); }

 private:
    std::function<void(Pipe&, Bytes)> receive_;
};

class Reader final : public PipeReader {
 public:
    explicit Reader(std::function<void()> readable) : readable_(std::move(readable)) {}
    void pipe_readable() override { readable_(); }

 private:
    std::function<void()> readable_;
};

class PipeTest : public ::testing::Test {
 protected:
    PipeTest() {
        pipe = make_ref<Pipe>(loop, "echo");
        pipe->attach(std::make_unique<Service>([](Pipe& to, Bytes message) {
            if (as_text(message) == "end") return to.end();
            to.send(message);
        }));
    }
    std::string read(size_t size, bool more = false) {
        std::vector<uint8_t> room(size);
        const auto got = pipe->read(room);
        if (!got.ok()) return to_string(got.error());
        EXPECT_EQ(got->more, more);
        return std::string(as_text(Bytes(room).first(got->bytes)));
    }
    void turn() { loop.run_until(monotonic_now() + std::chrono::milliseconds(5)); }

    loop::Loop loop;
    Ref<Pipe> pipe;
};

TEST_F(PipeTest, MessagesAreReadOneByOne) {
    EXPECT_EQ(read(10), "NT_STATUS_PIPE_EMPTY");
    EXPECT_EQ(pipe->write(as_bytes("first")), NtStatus::SUCCESS);
    EXPECT_EQ(pipe->write(as_bytes("second")), NtStatus::SUCCESS);
    EXPECT_EQ(pipe->readable_bytes(), 11u);
    EXPECT_EQ(pipe->readable_messages(), 2u);
    EXPECT_EQ(pipe->first_message(), 5u);
    EXPECT_EQ(read(2, true), "fi");
    EXPECT_EQ(pipe->first_message(), 3u);
    EXPECT_EQ(read(100), "rst");
    EXPECT_EQ(read(6), "second");
    EXPECT_EQ(read(1), "NT_STATUS_PIPE_EMPTY");
}

TEST_F(PipeTest, ByteModeKnowsNoMessages) {
    pipe->message_mode = false;
    EXPECT_EQ(pipe->write(as_bytes("first")), NtStatus::SUCCESS);
    EXPECT_EQ(pipe->write(as_bytes("second")), NtStatus::SUCCESS);
    EXPECT_EQ(read(7), "firstse");
    EXPECT_EQ(pipe->first_message(), 4u);
    EXPECT_EQ(read(100), "cond");
}

TEST_F(PipeTest, PeekTakesNothing) {
    EXPECT_EQ(pipe->write(as_bytes("first")), NtStatus::SUCCESS);
    std::vector<uint8_t> room(3);
    const auto got = pipe->peek(room);
    EXPECT_EQ(as_text(Bytes(room).first(got.bytes)), "fir");
    EXPECT_TRUE(got.more);
    EXPECT_EQ(pipe->peek({}).bytes, 0u);
    EXPECT_EQ(read(9), "first");
}

TEST_F(PipeTest, AReaderIsCalledOnTheLoopAndOnce) {
    std::string got;
    int calls = 0;
    Reader reader([&] {
        calls++;
        got = read(10);
    });
    ASSERT_TRUE(pipe->wait(reader));
    EXPECT_EQ(pipe->write(as_bytes("one")), NtStatus::SUCCESS);
    EXPECT_EQ(calls, 0);
    turn();
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(got, "one");
    EXPECT_EQ(pipe->write(as_bytes("two")), NtStatus::SUCCESS);
    turn();
    EXPECT_EQ(calls, 1);
}

TEST_F(PipeTest, ReadersAreServedInTheirOrderAndMayBeForgotten) {
    std::string order;
    Reader first([&] { order += "1" + read(10); });
    Reader second([&] { order += "2" + read(10); });
    Reader third([&] { order += "3" + read(10); });
    ASSERT_TRUE(pipe->wait(first) && pipe->wait(second) && pipe->wait(third));
    pipe->forget(second);
    EXPECT_EQ(pipe->write(as_bytes("a")), NtStatus::SUCCESS);
    EXPECT_EQ(pipe->write(as_bytes("b")), NtStatus::SUCCESS);
    turn();
    EXPECT_EQ(order, "1a3b");
}

TEST_F(PipeTest, AnEndedServiceLeavesWhatItSaid) {
    std::string got;
    EXPECT_EQ(pipe->write(as_bytes("last words")), NtStatus::SUCCESS);
    EXPECT_EQ(pipe->write(as_bytes("end")), NtStatus::SUCCESS);
    EXPECT_TRUE(pipe->ended());
    EXPECT_EQ(pipe->write(as_bytes("more")), NtStatus::PIPE_DISCONNECTED);
    EXPECT_EQ(read(100), "last words");
    EXPECT_EQ(read(100), "NT_STATUS_PIPE_BROKEN");
}

TEST_F(PipeTest, CloseCallsWhoWaits) {
    std::string got;
    Reader reader([&] { got = read(10); });
    ASSERT_TRUE(pipe->wait(reader));
    pipe->close();
    pipe = nullptr;  // an object that is deferred may go
    turn();
    EXPECT_EQ(got, "");
    pipe = make_ref<Pipe>(loop, "echo");
    ASSERT_TRUE(pipe->wait(reader));
    const Ref<Pipe> keep = pipe;
    pipe->close();
    turn();
    EXPECT_EQ(got, "NT_STATUS_PIPE_BROKEN");
}

TEST_F(PipeTest, TheQueueAndItsReadersHaveLimits) {
    std::vector<uint8_t> large(1 << 20);
    NtStatus status = NtStatus::SUCCESS;
    size_t written = 0;
    while (status == NtStatus::SUCCESS && written < 2 * limits::max_pipe_queue) {
        status = pipe->write(large);
        written += large.size();
    }
    EXPECT_EQ(status, NtStatus::PIPE_BUSY);
    EXPECT_LE(pipe->readable_bytes(), limits::max_pipe_queue + large.size());
    while (pipe->readable_messages() > 0) ASSERT_TRUE(pipe->read(large).ok());
    EXPECT_EQ(pipe->write(large), NtStatus::SUCCESS);

    Reader reader([] {});
    for (size_t i = 0; i < limits::max_pipe_readers; i++) EXPECT_TRUE(pipe->wait(reader));
    EXPECT_FALSE(pipe->wait(reader));
}

}  // namespace
}  // namespace Atoll::xsrv
