#include "tdb/committer/committer.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <iterator>
#include <map>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/socket_path.h"
#include "idl/level.h"
#include "tdb/committer/packet.h"

namespace Atoll::committer {
namespace {

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
    size_t undecided = 0;        // of its batches
    bool is_ended = false;       // and stays until they are decided
};

Result<std::unique_ptr<Committer>> Committer::open(loop::Loop& loop, const std::string& socket_path,
                                                   std::unique_ptr<Journal> journal) {
    auto door = loop::listen_on_path(socket_path);
    if (!door) return door.failure();
    return std::unique_ptr<Committer>(new Committer(loop, std::move(*door), std::move(journal)));
}

Committer::Committer(loop::Loop& loop, UniqueFd door, std::unique_ptr<Journal> journal)
    : loop_(loop),
      door_(std::move(door)),
      door_watch_(loop, door_.get(), [this] { accept(); }),
      journal_(std::move(journal)),
      commit_timer_(loop, [this] { commit_gathered(); }),
      clean_timer_(loop, [this] { clean(); }),
      accept_timer_(loop, [this] { door_watch_.watch_read(true); }) {
    journal_->on_broken = [this] {
        if (on_broken) on_broken();
    };
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
        it->watch->watch_read(!holds_back_);
    }
}

bool Committer::is_full() const {
    return gathered_.size() >= limits::max_batches_in_commit || gathered_bytes_ >= limits::max_commit_bytes;
}

void Committer::spoke(Connections::iterator connection) {
    if (!read_from(*connection)) return end(connection);
    if (is_full()) commit_gathered();
    if (is_full()) hold_back();
    commit_soon();
}

void Committer::commit_soon() {
    if (!gathered_.empty() && !is_deciding() && !commit_timer_.is_set()) commit_timer_.set_at(monotonic_now());
}

// What one transaction does not take stays with its senders.
void Committer::hold_back() {
    holds_back_ = true;
    for (Connection& connection : connections_) {
        if (connection.watch) connection.watch->watch_read(false);
    }
}

void Committer::go_on_reading() {
    holds_back_ = false;
    for (Connection& connection : connections_) {
        if (connection.watch) connection.watch->watch_read(connection.answers.empty());
    }
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
    if (!journal_->senders().enter(greeting.sender, connection.pid, greeting.answered)) return false;
    connection.sender = greeting.sender;
    return true;
}

bool Committer::take_batch(Connection& connection, Bytes packet) {
    Pending pending;
    if (!decode(packet, pending.request)) return false;
    pending.sender = *connection.sender;
    switch (journal_->senders().recall(pending.sender, pending.request, pending.reply)) {
        case Senders::Known::out_of_order: return false;
        case Senders::Known::decided: connection.answers.push_back(std::move(pending.reply)); break;
        case Senders::Known::is_new:
            gathered_.push_back(std::move(pending));
            gathered_bytes_ += packet.size();
            connection.undecided++;
            return true;
    }
    // In its order: what was decided before is older than what it has gathered.
    return connection.undecided == 0 && flush(connection);
}

void Committer::commit_gathered() {
    commit_timer_.cancel();
    if (gathered_.empty() || is_deciding()) return;
    deciding_ = std::move(gathered_);
    gathered_.clear();
    gathered_bytes_ = 0;
    journal_->decide(deciding_, [this] { decided(); });
}

void Committer::decided() {
    std::map<Guid, Connections::iterator> by_name;
    for (auto it = connections_.begin(); it != connections_.end(); ++it) {
        if (it->undecided > 0) by_name.emplace(*it->sender, it);
    }
    for (Pending& pending : deciding_) {
        Connection& connection = *by_name.at(pending.sender);
        connection.undecided--;
        connection.answers.push_back(std::move(pending.reply));
    }
    deciding_.clear();
    decided_groups_++;
    for (const auto& [name, connection] : by_name) {
        // That one has ended is heard when it is next read from.
        if (!connection->is_ended) {
            (void)flush(*connection);
        } else if (connection->undecided == 0) {
            close(connection);
        }
    }
    if (holds_back_ && !is_full()) go_on_reading();
    commit_soon();
}

// False: the connection has ended.
bool Committer::flush(Connection& connection) {
    while (!connection.answers.empty()) {
        encoded_.clear();
        encode(connection.answers.front(), encoded_, idl::written_level());
        const Sent sent = send_packet(connection.socket.get(), encoded_);
        if (sent == Sent::ended) {
            connection.answers.clear();
            return false;
        }
        if (sent == Sent::full) break;
        connection.answers.pop_front();
    }
    connection.watch->watch_write(!connection.answers.empty());
    connection.watch->watch_read(connection.answers.empty() && !holds_back_);
    return true;
}

void Committer::send_answers(Connections::iterator connection) {
    if (!flush(*connection)) end(connection);
}

void Committer::end(Connections::iterator connection) {
    if (connection->undecided > 0) commit_gathered();
    if (connection->undecided == 0) return close(connection);
    connection->is_ended = true;
    connection->watch.reset();
}

void Committer::close(Connections::iterator connection) {
    ATOLL_ASSERT(connection->undecided == 0);
    if (connection->sender) journal_->senders().leave(*connection->sender);
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
}

// All that has come, as one group or, if more than one holds has, several.
void Committer::drain_once(Monotonic deadline) {
    for (auto it = connections_.begin(); it != connections_.end() && !is_full();) {
        const auto next = std::next(it);
        if (!it->is_ended) spoke(it);
        it = next;
    }
    commit_gathered();
    while (is_deciding() && monotonic_now() < deadline) (void)loop_.run_once(deadline);
}

void Committer::drain(std::chrono::milliseconds patience) {
    const Monotonic deadline = monotonic_now() + patience;
    uint64_t before = 0;
    do {
        before = decided_groups_;
        drain_once(deadline);
    } while (decided_groups_ != before && monotonic_now() < deadline);
}

}  // namespace Atoll::committer
