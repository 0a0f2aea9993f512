#include "torture/bench/cluster/ring.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/time.h"
#include "base/unique_fd.h"
#include "ctdb/client/cluster_database.h"
#include "torture/bench/cluster/players.h"

namespace Atoll::bench {
namespace {

constexpr const char* database_name = "clusterbench_ring.tdb";
constexpr unsigned patience_s = 300;  // for a round
constexpr size_t message_size = 128;  // about that of a message about a record

// Of one round.
struct Board {
    Meeting ready, done;
    std::atomic<uint64_t> began{0}, ended{0};  // nanoseconds of the monotonic clock; the first that begins, and the one that ends it
    std::atomic<uint64_t> visits{0};
};

uint64_t nanoseconds_now() { return static_cast<uint64_t>(monotonic_now().time_since_epoch() / std::chrono::nanoseconds(1)); }

void begin(Board& board) {
    uint64_t nobody = 0;
    board.began.compare_exchange_strong(nobody, nanoseconds_now());
}

double microseconds_each(const Board& board, uint64_t count) {
    return static_cast<double>(board.ended - board.began) / 1e3 / static_cast<double>(count);
}

// What the record says: how often it has moved, and the player that had it last.
struct Token {
    uint64_t moves = 0;
    uint64_t last = ~uint64_t{0};
};

void play_record(const std::string& socket, unsigned player, unsigned players, const std::string& key, uint64_t moves, Board& board) {
    const auto database = must(ctdb::ClusterDatabase::open(std::make_shared<ctdb::Node>(socket), database_name, tdb::Rank::locking));
    board.ready.come(players);
    begin(board);
    for (Token token; token.moves < moves;) {
        auto record = must(database->fetch_locked(as_bytes(key)));
        token = Token();
        if (record.value().size() == sizeof token) std::memcpy(&token, record.value().data(), sizeof token);
        if (token.moves == moves) break;
        board.visits++;
        if (token.last != player) token = {token.moves + 1, player};
        must(record.store({reinterpret_cast<const uint8_t*>(&token), sizeof token}));
        if (token.moves == moves) board.ended = nanoseconds_now();
    }
    board.done.come(players);
    if (player == 0) must(database->remove(as_bytes(key)));
}

double run_record(const RingOptions& options, unsigned round, uint64_t& visits) {
    Shared<Board> board;
    Players players(patience_s);
    const auto count = static_cast<unsigned>(options.sockets.size());
    const std::string key = fmt::format("{}.{}", ::getpid(), round);
    for (unsigned player = 0; player < count; player++)
        players.add([&, player] { play_record(options.sockets[player], player, count, key, options.moves, *board); });
    players.await_end();
    visits += board->visits;
    return microseconds_each(*board, options.moves);
}

// Both ends of a TCP connection on loopback.
std::array<UniqueFd, 2> loopback_connection() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const where = reinterpret_cast<sockaddr*>(&address);
    const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    UniqueFd one(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const bool connected = ::bind(listener.get(), where, size) == 0 && ::listen(listener.get(), 1) == 0 &&
                           ::getsockname(listener.get(), where, &size) == 0 && ::connect(one.get(), where, size) == 0;
    UniqueFd other(connected ? ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC) : -1);
    if (other.get() < 0) give_up("no connection on loopback");
    const int on = 1;
    for (const int fd : {one.get(), other.get()}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return {std::move(one), std::move(other)};
}

// Message m goes from player m to the next one, which sends the one after it.
void play_messages(int in, int out, unsigned player, unsigned players, uint64_t messages, Board& board) {
    std::array<char, message_size> message{};
    board.ready.come(players);
    begin(board);
    for (uint64_t m = 0; m < messages; m++) {
        if (m % players == player && ::send(out, message.data(), message.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(message.size()))
            give_up("cannot send");
        if ((m + 1) % players == player && ::recv(in, message.data(), message.size(), MSG_WAITALL) != static_cast<ssize_t>(message.size()))
            give_up("cannot receive");
    }
    if (messages % players == player) board.ended = nanoseconds_now();
}

double run_messages(const RingOptions& options) {
    Shared<Board> board;
    Players players(patience_s);
    const auto count = static_cast<unsigned>(options.sockets.size());
    std::vector<std::array<UniqueFd, 2>> connections;  // of each player to the next one
    for (unsigned player = 0; player < count; player++) connections.push_back(loopback_connection());
    for (unsigned player = 0; player < count; player++) {
        players.add([&, player] {
            const int in = connections[(player + count - 1) % count][1].get(), out = connections[player][0].get();
            play_messages(in, out, player, count, options.moves, *board);
        });
    }
    players.await_end();
    return microseconds_each(*board, options.moves);
}

}  // namespace

void run_ring(const RingOptions& options) {
    std::string rounds;
    uint64_t visits = 0;
    for (unsigned round = 0; round < options.rounds; round++) {
        double move = 0, message = 0;
        for (const bool record : {round % 2 == 0, round % 2 != 0})  // who begins changes from round to round
            (record ? move : message) = record ? run_record(options, round, visits) : run_messages(options);
        rounds += fmt::format(R"({}{{"move_us":{:.3f},"message_us":{:.3f}}})", round == 0 ? "" : ",", move, message);
    }
    fmt::print("{{\"nodes\":{},\"moves\":{},\"visits\":{},\"rounds\":[{}]}}\n", options.sockets.size(), options.moves, visits, rounds);
}

}  // namespace Atoll::bench
