// wakebench [--smoke] [--rounds N] [--only GAME]: how long it takes to wake another process: by a message, and by a change of a record that
// it watches; beside a bare pipe, a bare futex and a bare socket with epoll, in turns, on one core and on two. Prints microseconds a round
// trip, and the ratios.
#include <fmt/format.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "tdb/file/file_database.h"
#include "tdb/watch/watches.h"

namespace {

using namespace Atoll;

constexpr uint32_t ball = 0x7FFFFFFF;  // the type of the bench's message
constexpr size_t message_size = 48;    // of a wake-up

[[noreturn]] void give_up(const std::string& why) {
    fmt::print(stderr, "wakebench: {}\n", why);
    ::_exit(2);
}
template <class T>
T must(Result<T> result) {
    if (!result) give_up(result.error().message());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// Memory that both players see. They begin and end nearly together: either may tell when.
struct Court {
    std::atomic<uint32_t> ball[2];
    std::atomic<uint32_t> ready;
    std::chrono::steady_clock::time_point began, ended;
    messaging::ServerId id[2];
};

// What one of two players does with each of `rounds` balls. Player 0 serves.
struct Game {
    const char* name;
    std::function<void(int player, uint64_t rounds)> play;
};

struct Setting {
    Court* court;
    std::string directory;
    int pipes[2][2];
    int sockets[2];
    std::unique_ptr<tdb::FileDatabase> records, companion;
};

void meet(Court& court) {
    court.ready++;
    while (court.ready < 2) ::sched_yield();
    court.began = std::chrono::steady_clock::now();
}

void leave(Court& court) { court.ended = std::chrono::steady_clock::now(); }

void play_pipe(const Setting& setting, int player, uint64_t rounds) {
    meet(*setting.court);
    char byte = 0;
    const int out = setting.pipes[player][1], in = setting.pipes[1 - player][0];
    for (uint64_t i = 0; i < rounds; i++) {
        if (player == 0 && ::write(out, &byte, 1) != 1) give_up("pipe");
        if (::read(in, &byte, 1) != 1) give_up("pipe");
        if (player == 1 && ::write(out, &byte, 1) != 1) give_up("pipe");
    }
    leave(*setting.court);
}

void play_futex(const Setting& setting, int player, uint64_t rounds) {
    meet(*setting.court);
    auto& own = setting.court->ball[player];
    auto& other = setting.court->ball[1 - player];
    const auto throw_ball = [&] {
        other.store(1);
        ::syscall(SYS_futex, &other, FUTEX_WAKE, 1, nullptr, nullptr, 0);
    };
    for (uint64_t i = 0; i < rounds; i++) {
        if (player == 0) throw_ball();
        while (own.load() == 0) ::syscall(SYS_futex, &own, FUTEX_WAIT, 0, nullptr, nullptr, 0);
        own.store(0);
        if (player == 1) throw_ball();
    }
    leave(*setting.court);
}

// The least that a loop can do which waits for more than one thing and takes what may carry descriptors: a datagram, and epoll.
void play_socket(const Setting& setting, int player, uint64_t rounds) {
    const int own = setting.sockets[player], poll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{.events = EPOLLIN, .data = {.fd = own}};
    if (poll < 0 || ::epoll_ctl(poll, EPOLL_CTL_ADD, own, &event) != 0) give_up("epoll");
    char datagram[message_size] = {};
    const auto throw_ball = [&] {
        if (::send(own, datagram, sizeof datagram, 0) != static_cast<ssize_t>(sizeof datagram)) give_up("socket");
    };
    meet(*setting.court);
    for (uint64_t i = 0; i < rounds; i++) {
        if (player == 0) throw_ball();
        if (::epoll_wait(poll, &event, 1, -1) != 1 || ::recv(own, datagram, sizeof datagram, 0) <= 0) give_up("socket");
        if (player == 1) throw_ball();
    }
    leave(*setting.court);
    ::close(poll);
}

std::unique_ptr<messaging::Messaging> join(loop::Loop& loop, const Setting& setting, int player) {
    auto messaging =
        messaging::make_local_messaging(loop, must(messaging::MessageSocket::open(setting.directory, messaging::ProcessClass::tool)));
    setting.court->id[player] = messaging->self();
    return messaging;
}

void play_messages(const Setting& setting, int player, uint64_t rounds) {
    loop::Loop loop;
    const auto messaging = join(loop, setting, player);
    uint64_t seen = 0;
    meet(*setting.court);
    const messaging::ServerId other = setting.court->id[1 - player];
    const auto throw_ball = [&] {
        uint8_t payload[8];
        std::memcpy(payload, &seen, sizeof seen);
        must(messaging->send(other, ball, payload));
    };
    messaging->receive(ball, [&](messaging::Message&) {
        seen++;
        if (player == 1 || seen < rounds) throw_ball();
        if (seen == rounds) loop.stop();
    });
    if (player == 0) throw_ball();
    loop.run();
    leave(*setting.court);
}

// Each player changes its record and watches the other's.
void play_wake_ups(const Setting& setting, int player, uint64_t rounds) {
    must(setting.records->reopen_after_fork());
    must(setting.companion->reopen_after_fork());
    loop::Loop loop;
    const auto messaging = join(loop, setting, player);
    watch::Watches watches(loop, *messaging, *setting.companion);
    watches.observe(*setting.records, "records.tdb");
    const Bytes own = as_bytes(player == 0 ? "ping" : "pong"), others = as_bytes(player == 0 ? "pong" : "ping");
    uint64_t seen = 0;
    const auto throw_ball = [&] {
        uint8_t value[8];
        std::memcpy(value, &seen, sizeof seen);
        must(setting.records->store(own, value));
    };
    std::unique_ptr<watch::Watch> watch;
    const auto arm = [&] { must(watch->arm(must(setting.records->fetch_locked(others)))); };
    watch = std::make_unique<watch::Watch>(watches, loop, [&](watch::Woken) {
        seen++;
        if (seen < rounds) arm();
        if (player == 1 || seen < rounds) throw_ball();
        if (seen == rounds) loop.stop();
    });
    arm();
    meet(*setting.court);
    if (player == 0) throw_ball();
    loop.run();
    leave(*setting.court);
    watch.reset();
    if (watches.counters().messages != rounds || watches.counters().stale != 0) give_up("a change has woken more or less than once");
}

void use_core(int core) {
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    if (::sched_setaffinity(0, sizeof cores, &cores) != 0) give_up("cannot choose a core");
}

// Microseconds a round trip.
double run(const Setting& setting, const Game& game, uint64_t rounds, bool two_cores) {
    setting.court->ready = 0;
    setting.court->ball[0] = setting.court->ball[1] = 0;
    const auto player = [&](int number) {
        const pid_t pid = ::fork();
        if (pid != 0) return pid;
        log_set_level(0);
        use_core(two_cores ? number : 0);
        game.play(number, rounds);
        ::_exit(0);
    };
    const pid_t pids[] = {player(0), player(1)};
    for (const pid_t pid : pids) {
        int status = 0;
        if (::waitpid(pid, &status, 0) != pid || status != 0) give_up(std::string(game.name) + ": a player has failed");
    }
    const std::chrono::duration<double, std::micro> taken = setting.court->ended - setting.court->began;
    return taken.count() / static_cast<double>(rounds);
}

std::unique_ptr<tdb::FileDatabase> open(const std::string& path, tdb::Rank rank) {
    tdb::FileOptions options;
    options.path = path;
    options.rank = rank;
    options.clear_if_first = true;
    options.locks = tdb::LockMode::mutex;
    return must(tdb::FileDatabase::open(options));
}

void compare(const Setting& setting, uint64_t rounds, int repetitions, bool two_cores, const std::string& only) {
    const Game games[] = {
        {"bare pipe", [&](int player, uint64_t n) { play_pipe(setting, player, n); }},
        {"bare futex", [&](int player, uint64_t n) { play_futex(setting, player, n); }},
        {"bare socket", [&](int player, uint64_t n) { play_socket(setting, player, n); }},
        {"message", [&](int player, uint64_t n) { play_messages(setting, player, n); }},
        {"wake-up", [&](int player, uint64_t n) { play_wake_ups(setting, player, n); }},
    };
    std::vector<std::vector<double>> taken(std::size(games));
    for (int i = 0; i < repetitions; i++) {
        for (size_t game = 0; game < std::size(games); game++) {
            if (only.empty() || only == games[game].name) taken[game].push_back(run(setting, games[game], rounds, two_cores));
        }
    }
    const auto median = [&](size_t game) {
        if (taken[game].empty()) return 0.0;
        std::nth_element(taken[game].begin(), taken[game].begin() + repetitions / 2, taken[game].end());
        return taken[game][static_cast<size_t>(repetitions / 2)];
    };
    const double pipe = median(0), futex = median(1);
    for (size_t game = 0; game < std::size(games); game++) {
        if (taken[game].empty()) continue;
        fmt::print("{:9}  {:11}  {:7.2f} us   {:5.2f} x pipe  {:5.2f} x futex\n", two_cores ? "two cores" : "one core", games[game].name,
                   median(game), median(game) / pipe, median(game) / futex);
    }
}

}  // namespace

int main(int argc, char** argv) {
    uint64_t rounds = 20'000;
    int repetitions = 7;
    std::string only;
    for (int i = 1; i < argc; i++) {
        const std::string argument = argv[i];
        if (argument == "--smoke") {
            rounds = 500;
            repetitions = 1;
        } else if (argument == "--rounds" && i + 1 < argc) {
            rounds = std::max<uint64_t>(1, std::strtoull(argv[++i], nullptr, 10));
        } else if (argument == "--only" && i + 1 < argc) {
            only = argv[++i];  // for profiles
        } else {
            fmt::print(stderr, "usage: wakebench [--smoke] [--rounds N] [--only GAME]\n");
            return 2;
        }
    }
    std::string directory = "/tmp/atoll-wakebench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) give_up("cannot make a directory in /tmp");
    {
        Setting setting;
        setting.directory = directory;
        setting.court = static_cast<Court*>(::mmap(nullptr, sizeof(Court), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        if (::pipe(setting.pipes[0]) != 0 || ::pipe(setting.pipes[1]) != 0) give_up("cannot make a pipe");
        if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, setting.sockets) != 0) give_up("cannot make a pair of sockets");
        setting.records = open(directory + "/records.tdb", tdb::Rank::locking);
        setting.companion = open(directory + "/watches.tdb", tdb::Rank::watches);
        compare(setting, rounds, repetitions, false, only);
        if (::sysconf(_SC_NPROCESSORS_ONLN) > 1) compare(setting, rounds, repetitions, true, only);
    }
    std::filesystem::remove_all(directory);
    return 0;
}
