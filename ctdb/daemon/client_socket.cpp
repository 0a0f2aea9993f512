#include "ctdb/daemon/client_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>

#include "base/log.h"
#include "base/loop/socket_path.h"
#include "ctdb/daemon/limits.h"
#include "idl/level.h"

namespace Atoll::ctdb {

namespace {

// The lowest that has all of it: who asks may be too old for the one that the cluster writes, and has to be able to read that he is.
idl::Level level_of(const protocol::reply& reply) {
    if (!reply.state) return idl::first_level;
    const auto& databases = reply.state->databases;
    const bool replicated = std::any_of(databases.begin(), databases.end(), [](const auto& database) { return database.replicated; });
    return replicated ? idl::written_level() : idl::first_level;
}

}  // namespace

class ClientSocket::Connection {
 public:
    Connection(ClientSocket& socket, ClientId id, pid_t process, UniqueFd fd)
        : socket_(socket),
          id_(id),
          process_(process),
          fd_(std::move(fd)),
          watch_(
              socket.loop_, fd_.get(), [this] { readable(); }, [this] { flush(); }) {
        watch_.watch_read(true);
    }

    [[nodiscard]] pid_t process() const { return process_; }
    [[nodiscard]] size_t waiting() const { return waiting_.size(); }

    // The socket then says to the loop that it has ended.
    void end() {
        broken_ = true;
        ::shutdown(fd_.get(), SHUT_RDWR);
    }

    void send(const protocol::reply& reply) {
        socket_.statistics_.count(&protocol::statistics::client_packets_sent);
        waiting_.emplace_back();
        encode(reply, waiting_.back(), level_of(reply));
        if (waiting_.size() > limits::max_client_replies) {
            log_warning("client {} does not read its replies", id_);
            broken_ = true;
            return;
        }
        flush();
    }

 private:
    void flush() {
        while (!waiting_.empty()) {
            const ssize_t sent = ::send(fd_.get(), waiting_.front().data(), waiting_.front().size(), MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0 && errno != EAGAIN) waiting_.clear();
            if (sent < 0) break;
            waiting_.pop_front();
        }
        watch_.watch_write(!waiting_.empty());
    }

    // `this` may be gone when it returns.
    void readable() {
        packet_.resize(protocol::MAX_REQUEST);
        const ssize_t size = ::recv(fd_.get(), packet_.data(), packet_.size(), MSG_DONTWAIT);
        // Reset: it has ended with replies unread. What it sent before is still to be read.
        if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)) return;
        protocol::request request;
        if (size <= 0 || broken_) return socket_.remove(id_);
        if (const auto read = decode(Bytes(packet_.data(), static_cast<size_t>(size)), request); !read) {
            log_error("refused a malformed request of client {}: {}", id_, read.error().message());
            return socket_.remove(id_);
        }
        socket_.statistics_.count(&protocol::statistics::client_packets_recv);
        socket_.observer_.requested(id_, request);
    }

    ClientSocket& socket_;
    const ClientId id_;
    const pid_t process_;
    UniqueFd fd_;
    Buffer packet_;
    std::deque<Buffer> waiting_;
    bool broken_ = false;
    loop::FdWatch watch_;
};

ClientSocket::ClientSocket(loop::Loop& loop, Statistics& statistics, ClientObserver& observer)
    : loop_(loop), statistics_(statistics), observer_(observer) {}

ClientSocket::~ClientSocket() {
    if (listener_) ::unlink(path_.c_str());
}

Result<void> ClientSocket::listen(const std::string& path) {
    auto listener = loop::listen_on_path(path);
    if (!listener) return listener.failure();
    if (::chmod(path.c_str(), 0666) != 0) return fail_errno(errno, path, "cannot let others connect");
    path_ = path;
    listener_ = std::move(*listener);
    watch_ = std::make_unique<loop::FdWatch>(loop_, listener_.get(), [this] { accept_all(); });
    watch_->watch_read(true);
    return {};
}

void ClientSocket::accept_all() {
    for (;;) {
        UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) return;
        ucred who{};
        socklen_t size = sizeof who;
        const bool known = ::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &who, &size) == 0;
        if (!known || (who.uid != 0 && who.uid != ::geteuid())) {
            log_error("refused process {} of user {}: it has no right to control the cluster", who.pid, who.uid);
        } else if (connections_.size() >= limits::max_daemon_clients) {
            log_error("refused process {}: there are too many clients", who.pid);
        } else {
            const ClientId id = ++last_;
            connections_[id] = std::make_unique<Connection>(*this, id, who.pid, std::move(fd));
        }
    }
}

void ClientSocket::reply(ClientId client, const protocol::reply& reply) {
    const auto found = connections_.find(client);
    if (found != connections_.end()) found->second->send(reply);
}

pid_t ClientSocket::process_of(ClientId client) const {
    const auto found = connections_.find(client);
    return found != connections_.end() ? found->second->process() : 0;
}

bool ClientSocket::has_process(pid_t process) const {
    return std::any_of(connections_.begin(), connections_.end(), [&](const auto& entry) { return entry.second->process() == process; });
}

size_t ClientSocket::waiting(ClientId client) const {
    const auto found = connections_.find(client);
    return found != connections_.end() ? found->second->waiting() : 0;
}

void ClientSocket::disconnect(ClientId client) {
    const auto found = connections_.find(client);
    if (found != connections_.end()) found->second->end();
}

void ClientSocket::remove(ClientId client) {
    connections_.erase(client);
    observer_.client_left(client);
}

}  // namespace Atoll::ctdb
