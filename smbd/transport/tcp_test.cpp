#include "smbd/transport/tcp.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/bytes.h"

namespace Atoll::transport {
namespace {

class OneFrame final : public OutgoingFrame {
 public:
    OneFrame(std::string head, std::string tail) : head_("\0\0\0\0", 4), tail_(std::move(tail)) { head_ += head; }
    MutableBytes head() override { return {reinterpret_cast<uint8_t*>(head_.data()), head_.size()}; }
    Bytes payload() override { return as_bytes(tail_); }
    void sent() override { was_sent = true; }
    bool was_sent = false;

 private:
    std::string head_;
    std::string tail_;
};

class Collector final : public Transport::Handler {
 public:
    bool on_frame(MutableBytes frame, const ChunkRef& memory) override {
        frames.emplace_back(as_text(frame));
        views.emplace_back(frame);
        kept.push_back(memory);
        return !refuse;
    }
    void on_drained() override { drained++; }
    void on_end(const char* why) override { reason = why; }

    std::vector<std::string> frames;
    std::vector<MutableBytes> views;
    std::vector<ChunkRef> kept;
    int drained = 0;
    bool refuse = false;
    std::string reason;
};

std::string framed(const std::string& body) {
    std::string out(4, '\0');
    store_be32(reinterpret_cast<uint8_t*>(out.data()), static_cast<uint32_t>(body.size()));
    return out + body;
}

class TcpTest : public testing::Test {
 protected:
    void SetUp() override {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        peer_.reset(pair[1]);
        transport_ = std::make_unique<TcpTransport>(loop_, UniqueFd(pair[0]), 1u << 20, false);
    }
    void write(const std::string& bytes) {
        ASSERT_EQ(::write(peer_.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    template <class F>
    void run_until(F done) {
        const Monotonic deadline = monotonic_now() + std::chrono::seconds(5);
        while (!done() && loop_.run_once(deadline)) {
        }
        ASSERT_TRUE(done());
    }

    loop::Loop loop_;
    UniqueFd peer_;
    Collector collector_;
    std::unique_ptr<TcpTransport> transport_;
};

TEST_F(TcpTest, SplitsFramesHoweverTheyArrive) {
    transport_->start(collector_, {});
    const std::string stream = framed("one") + framed("two!") + framed("");
    for (const char c : stream) {
        write(std::string(1, c));
        loop_.run_once(monotonic_now() + std::chrono::milliseconds(100));
    }
    run_until([&] { return collector_.frames.size() == 3; });
    EXPECT_EQ(collector_.frames, (std::vector<std::string>{"one", "two!", ""}));
}

TEST_F(TcpTest, WhatWasReadBeforeComesFirst) {
    const std::string unread = framed("early") + framed("late").substr(0, 6);
    transport_->start(collector_, as_bytes(unread));
    write(framed("late").substr(6));
    run_until([&] { return collector_.frames.size() == 2; });
    EXPECT_EQ(collector_.frames[1], "late");
}

TEST_F(TcpTest, FramesThatAreReferredToStayWhereTheyAre) {
    transport_->start(collector_, {});
    std::vector<std::string> sent;
    for (int i = 0; i < 40; i++) {
        sent.emplace_back(static_cast<size_t>(20000 + i), static_cast<char>('a' + i % 26));
        write(framed(sent.back()));
        run_until([&] { return collector_.frames.size() == sent.size(); });
    }
    for (size_t i = 0; i < sent.size(); i++) EXPECT_EQ(as_text(collector_.views[i]), sent[i]);
}

TEST_F(TcpTest, AFrameLargerThanAllowedEndsTheConnection) {
    transport_->start(collector_, {});
    std::string header(4, '\0');
    store_be32(reinterpret_cast<uint8_t*>(header.data()), (1u << 20) + 1);
    write(header);
    run_until([&] { return !collector_.reason.empty(); });
    EXPECT_TRUE(collector_.frames.empty());
}

TEST_F(TcpTest, ARefusedFrameEndsTheConnection) {
    collector_.refuse = true;
    transport_->start(collector_, {});
    write(framed("x") + framed("y"));
    run_until([&] { return !collector_.reason.empty(); });
    EXPECT_EQ(collector_.frames.size(), 1u);
}

TEST_F(TcpTest, SendsHeadAndPayloadOfManyFramesInOneFlush) {
    transport_->start(collector_, {});
    OneFrame first("head", "tail");
    OneFrame second("alone", "");
    transport_->send(first);
    transport_->send(second);
    transport_->flush();
    EXPECT_TRUE(first.was_sent && second.was_sent);
    char bytes[64];
    const ssize_t n = ::read(peer_.get(), bytes, sizeof bytes);
    EXPECT_EQ(std::string(bytes, static_cast<size_t>(n)), framed("headtail") + framed("alone"));
}

TEST_F(TcpTest, APeerThatDoesNotReadIsWaitedFor) {
    transport_->start(collector_, {});
    OneFrame large(std::string(900000, 'x'), std::string(900000, 'y'));
    transport_->send(large);
    transport_->flush();
    EXPECT_FALSE(large.was_sent);
    EXPECT_GT(transport_->queued_bytes(), 0u);
    std::string received;
    std::vector<char> bytes(65536);
    run_until([&] {
        ssize_t n = 0;
        while ((n = ::recv(peer_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT)) > 0)
            received.append(bytes.data(), static_cast<size_t>(n));
        return large.was_sent;
    });
    EXPECT_EQ(transport_->queued_bytes(), 0u);
}

}  // namespace
}  // namespace Atoll::transport
