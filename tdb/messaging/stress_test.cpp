// Eight processes write to each other without pause while members are killed and come again.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <random>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/messaging/messaging.h"

namespace Atoll::messaging {
namespace {

using namespace std::chrono_literals;

constexpr size_t members = 8;
constexpr uint32_t numbered = 1000, large = 1001;  // types of messages

// What the members tell in memory that outlives them. An id is whole if its generation is the same before and after it is read.
struct Board {
    struct Entry {
        std::atomic<uint32_t> generation;
        std::atomic<uint64_t> pid, unique_id;
    } entries[members];
    std::atomic<uint64_t> received, dead, failed_later, misordered, garbled;
    std::atomic<bool> stop;

    void enter(size_t member, const ServerId& id) {
        entries[member].generation++;
        entries[member].pid = id.pid;
        entries[member].unique_id = id.unique_id;
        entries[member].generation++;
    }
    ServerId find(size_t member) const {
        for (;;) {
            const uint32_t before = entries[member].generation;
            const ServerId id(ServerId::this_node, entries[member].pid, entries[member].unique_id);
            if (before % 2 == 0 && entries[member].generation == before) return id;
            if (stop) return {};
            usleep(100);  // it may have been killed between the two
        }
    }
};

class Member {
 public:
    Member(const std::string& directory, Board& board, size_t number, unsigned seed)
        : board_(board), random_(seed), burst_(loop_, [this] { write(); }) {
        auto socket = MessageSocket::open(directory, ProcessClass::client);
        if (!socket) ::_exit(3);
        messaging_ = make_local_messaging(loop_, std::move(*socket));
        board_.enter(number, messaging_->self());
        messaging_->receive(numbered, [this](Message& message) { take(message, 8); });
        messaging_->receive(large, [this](Message& message) { take(message, 40'000); });
        messaging_->failed(numbered, [this](const ServerId&, uint32_t, Code) { board_.failed_later++; });
        burst_.set_in(0ms);
    }

    void run() { loop_.run(); }

 private:
    // Numbers of one sender come without a gap.
    void take(Message& message, size_t size) {
        board_.received++;
        if (message.payload.size() != size || message.payload.back() != message.payload[1]) {
            board_.garbled++;
            return;
        }
        const uint64_t number = load_le<uint64_t>(message.payload.data()) & 0xFFFFFFFFFF;
        const auto [last, is_first] = received_.try_emplace(message.from, number);
        if (!is_first && number != last->second + 1) board_.misordered++;
        last->second = number;
    }
    void write() {
        if (board_.stop) return loop_.stop();
        for (int i = 0; i < 20; i++) {
            const ServerId to = board_.find(random_() % members);
            if (to.pid == 0 || to == messaging_->self()) continue;
            const bool is_large = random_() % 50 == 0;
            uint64_t& number = sent_[to];
            payload_.clear();
            payload_.append_zeros(is_large ? 40'000 : 8);
            store_le<uint64_t>(payload_.data(), number);
            payload_[payload_.size() - 1] = payload_[1];
            const auto sent = messaging_->send(to, is_large ? large : numbered, payload_);
            if (sent) number++;
            if (!sent && sent.error().code == Code::dead) board_.dead++;
        }
        burst_.set_in(std::chrono::microseconds(random_() % 500));
    }

    Board& board_;
    std::mt19937 random_;
    loop::Loop loop_;
    loop::Timer burst_;
    std::unique_ptr<Messaging> messaging_;
    std::map<ServerId, uint64_t> received_, sent_;
    Buffer payload_;
};

TEST(MessagingStress, WithMembersKilledOrderHolds) {
    char path[] = "/tmp/atoll-messaging-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    const std::string directory = path;
    auto* board = static_cast<Board*>(mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    unsigned seed = 1;
    const auto start = [&](size_t number) {
        const pid_t pid = fork();
        if (pid == 0) {
            log_set_level(-1);
            Member(directory, *board, number, seed).run();
            ::_exit(0);
        }
        seed++;
        return pid;
    };
    std::array<pid_t, members> pids{};
    for (size_t i = 0; i < members; i++) pids[i] = start(i);
    std::mt19937 random(5);
    int killed = 0;
    const Monotonic end = monotonic_now() + 2s;
    while (monotonic_now() < end) {
        usleep(static_cast<useconds_t>(random() % 20'000));
        const size_t victim = random() % members;
        kill(pids[victim], SIGKILL);
        waitpid(pids[victim], nullptr, 0);
        pids[victim] = start(victim);
        killed++;
    }
    board->stop = true;
    for (const pid_t pid : pids) {
        int status = -1;
        waitpid(pid, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(board->misordered, 0u);
    EXPECT_EQ(board->garbled, 0u);
    EXPECT_GT(board->received, 100u);
    EXPECT_GT(board->dead, 0u);
    std::printf("%lu messages received, %d members killed, %lu sends to the dead refused, %lu told later\n",
                static_cast<unsigned long>(board->received), killed, static_cast<unsigned long>(board->dead),
                static_cast<unsigned long>(board->failed_later));
    munmap(board, sizeof(Board));
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace Atoll::messaging
