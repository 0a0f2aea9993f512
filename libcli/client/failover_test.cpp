// What the failing-over client does without a server: numbers of locks, the way from one address to the next, giving up. With servers that
// are killed it is tested by atoll.failover of smbtorture.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "libcli/client/failover.h"

namespace Atoll::client {
namespace {

TEST(LockBuckets, EachIndexOnceAtATime) {
    LockBuckets buckets;
    std::array<bool, LockBuckets::count + 1> seen{};
    for (uint32_t i = 0; i < LockBuckets::count; i++) {
        const auto sequence = buckets.take();
        ASSERT_TRUE(sequence);
        EXPECT_TRUE(sequence->index >= 1 && sequence->index <= LockBuckets::count);
        EXPECT_FALSE(seen[sequence->index]);
        EXPECT_EQ(sequence->number, 0);
        seen[sequence->index] = true;
    }
    EXPECT_FALSE(buckets.take());
    buckets.give_back({17, 0});
    const auto again = buckets.take();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->index, 17u);
    EXPECT_EQ(again->number, 1);
}

TEST(LockBuckets, NumbersAreModulo16) {
    LockBuckets buckets;
    for (unsigned i = 0; i < 40; i++) {
        const auto sequence = buckets.take();
        ASSERT_TRUE(sequence);
        EXPECT_EQ(sequence->index, 1u);
        EXPECT_EQ(sequence->number, i % 16);
        buckets.give_back(*sequence);
    }
}

// Takes connections and ends them at once, as a server does that is about to go.
class Leaving {
 public:
    explicit Leaving(loop::Loop& loop) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(socket_.get(), 100), 0);
        EXPECT_EQ(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
        port_ = ntohs(address.sin_port);
        watch_ = std::make_unique<loop::FdWatch>(loop, socket_.get(), [this] {
            const UniqueFd taken(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            if (taken) count_++;
        });
        watch_->watch_read(true);
    }
    [[nodiscard]] FailoverOptions::Address address() const { return {"127.0.0.1", port_}; }
    [[nodiscard]] unsigned count() const { return count_; }

 private:
    UniqueFd socket_;
    std::unique_ptr<loop::FdWatch> watch_;
    uint16_t port_ = 0;
    unsigned count_ = 0;
};

TEST(FailoverShare, TriesEveryAddressAndGivesUp) {
    loop::Loop loop;
    Leaving one(loop), two(loop);
    FailoverOptions options;
    options.addresses = {one.address(), two.address()};
    options.share = "\\\\server\\share";
    options.patience = std::chrono::milliseconds(200);
    unsigned made = 0;
    options.on_connected = [&](Connection&) { made++; };
    FailoverShare share(loop, options);
    EXPECT_EQ(share.connect(), NtStatus::CONNECTION_DISCONNECTED);
    EXPECT_FALSE(share.connected());
    EXPECT_GE(one.count(), 2u);
    EXPECT_GE(two.count(), 2u);
    EXPECT_EQ(one.count() + two.count(), made);
    EXPECT_EQ(share.reconnects(), 0u);
    const auto file = share.open("f");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error(), NtStatus::CONNECTION_DISCONNECTED);
}

TEST(FailoverShare, NamesThatAreNone) {
    loop::Loop loop;
    FailoverOptions options;
    options.addresses = {{"127.0.0.1", 1}};
    options.patience = std::chrono::milliseconds(1);
    FailoverShare share(loop, options);
    const auto file = share.open("\xFF");
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error(), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(share.connect(), NtStatus::CONNECTION_REFUSED);
}

}  // namespace
}  // namespace Atoll::client
