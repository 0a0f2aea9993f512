#include "tdb/committer/committer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/socket_path.h"
#include "tdb/committer/packet.h"

namespace Atoll::committer {
namespace {

constexpr idl::Level level = idl::first_level;
constexpr auto soon = std::chrono::seconds(1);
constexpr auto pause_without_descriptors = std::chrono::milliseconds(100);
constexpr int accepts_per_turn = 64;

}  // namespace

struct Committer::Connection {
    Connection(UniqueFd its_socket, pid_t its_pid) : socket(std::move(its_socket)), pid(its_pid) {}
    UniqueFd socket;
    pid_t pid;
    std::optional<loop::FdWatch> watch;
    std::optional<Guid> sender;  // after its hello
    std::deque<answer> answers;  // that its socket did not take; not read from until it has
    size_t gathered = 0;         // of its batches
};

Result<std::unique_ptr<Committer>> Committer::open(loop::Loop& loop, const std::string& socket_path, const JournalOptions& options) {
    auto journal = Journal::open(options);
    if (!journal) return journal.failure();
    auto door = loop::listen_on_path(socket_path);
    if (!door) return door.failure();
    return std::unique_ptr<Committer>(new Committer(loop, std::move(*door), std::move(*journal)));
}

Committer::Committer(loop::Loop& loop, UniqueFd door, std::unique_ptr<Journal> journal)
    : loop_(loop),
      door_(std::move(door)),
      door_watch_(loop, door_.get(), [this] { accept(); }),
      journal_(std::move(journal)),
      commit_timer_(loop, [this] { commit_gathered(); }),
      clean_timer_(loop, [this] { clean(); }),
      accept_timer_(loop, [this] { door_watch_.watch_read(true); }) {
    door_watch_.watch_read(true);
    clean_timer_.set_in(soon);
}

Committer::~Committer() = default;

void Committer::accept() {
    for (int i = 0; i < accepts_per_turn; i++) {
        UniqueFd socket(::accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) {
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
            log_error("accept: {}", ::strerrordesc_np(errno));
            door_watch_.watch_read(false);
            return accept_timer_.set_in(pause_without_descriptors);
        }
        ucred peer{};
        socklen_t length = sizeof peer;
        const bool known = ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
        if (!known || peer.uid != ::geteuid()) {
            log_warning("a stranger (uid {}) came to the committer's socket", peer.uid);
            continue;
        }
        const auto it = connections_.emplace(connections_.end(), std::move(socket), peer.pid);
        it->watch.emplace(
            loop_, it->socket.get(), [this, it] { spoke(it); }, [this, it] { send_answers(it); });
        it->watch->watch_read(true);
    }
}

void Committer::spoke(Connections::iterator connection) {
    const bool lives = read_from(*connection);
    const bool is_full = gathered_.size() >= limits::max_batches_in_commit || gathered_bytes_ >= limits::max_commit_bytes;
    if (!lives || is_full) commit_gathered();
    if (!lives) return close(connection);
    if (!gathered_.empty() && !commit_timer_.is_set()) commit_timer_.set_at(monotonic_now());
}

// Reads what there is, but not more than one sender may have unanswered. False: the connection has ended, or has to.
bool Committer::read_from(Connection& connection) {
    for (size_t i = 0; i < MAX_UNANSWERED && connection.answers.empty(); i++) {
        const Received received = receive_packet(connection.socket.get(), received_);
        if (received == Received::nothing) return true;
        if (received == Received::ended) return false;
        const bool good =
            received == Received::record && (connection.sender ? take_batch(connection, received_) : take_hello(connection, received_));
        if (!good) {
            log_error("process {} sends the committer what is no batch of changes", connection.pid);
            return false;
        }
    }
    return true;
}

bool Committer::take_hello(Connection& connection, Bytes packet) {
    hello greeting;
    if (!decode(packet, greeting)) return false;
    if (!journal_->enter(greeting.sender, connection.pid, greeting.answered)) return false;
    connection.sender = greeting.sender;
    return true;
}

bool Committer::take_batch(Connection& connection, Bytes packet) {
    Pending pending;
    if (!decode(packet, pending.request)) return false;
    pending.sender = *connection.sender;
    switch (journal_->recall(pending.sender, pending.request, pending.reply)) {
        case Journal::Known::out_of_order: return false;
        case Journal::Known::decided: connection.answers.push_back(std::move(pending.reply)); break;
        case Journal::Known::is_new:
            gathered_.push_back(std::move(pending));
            gathered_bytes_ += packet.size();
            connection.gathered++;
            return true;
    }
    // In its order: what was decided before is older than what it has gathered.
    return connection.gathered == 0 && flush(connection);
}

void Committer::commit_gathered() {
    commit_timer_.cancel();
    if (gathered_.empty()) return;
    journal_->decide(gathered_);
    std::map<Guid, Connection*> by_name;
    for (Connection& connection : connections_) {
        if (connection.gathered == 0) continue;
        connection.gathered = 0;
        by_name.emplace(*connection.sender, &connection);
    }
    for (Pending& pending : gathered_) by_name.at(pending.sender)->answers.push_back(std::move(pending.reply));
    gathered_.clear();
    gathered_bytes_ = 0;
    // An end of a connection is heard when it is next read from.
    for (auto& [name, connection] : by_name) (void)flush(*connection);
    if (journal_->is_broken() && on_broken) on_broken();
}

// False: the connection has ended.
bool Committer::flush(Connection& connection) {
    while (!connection.answers.empty()) {
        encoded_.clear();
        encode(connection.answers.front(), encoded_, level);
        const Sent sent = send_packet(connection.socket.get(), encoded_);
        if (sent == Sent::ended) {
            connection.answers.clear();
            return false;
        }
        if (sent == Sent::full) break;
        connection.answers.pop_front();
    }
    connection.watch->watch_write(!connection.answers.empty());
    connection.watch->watch_read(connection.answers.empty());
    return true;
}

void Committer::send_answers(Connections::iterator connection) {
    if (flush(*connection)) return;
    if (connection->gathered > 0) commit_gathered();
    close(connection);
}

void Committer::close(Connections::iterator connection) {
    ATOLL_ASSERT(connection->gathered == 0);
    if (connection->sender) journal_->leave(*connection->sender);
    connections_.erase(connection);
    process_ended();
}

void Committer::process_ended() {
    if (!clean_soon_) clean_timer_.set_in(soon);
    clean_soon_ = true;
}

void Committer::clean() {
    clean_soon_ = false;
    journal_->clean();
    clean_timer_.set_in(std::chrono::seconds(limits::clean_readers_seconds));
    if (journal_->is_broken() && on_broken) on_broken();
}

void Committer::drain() {
    uint64_t before;
    do {
        before = journal_->batches();
        for (auto it = connections_.begin(); it != connections_.end();) spoke(it++);
        commit_gathered();
    } while (journal_->batches() != before);
}

}  // namespace Atoll::committer
