#include "ctdb/daemon/node_links.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "ctdb/daemon/incoming.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/outgoing.h"
#include "ctdb/daemon/sockets.h"

namespace Atoll::ctdb {

using protocol::connection_kind;

bool is_urgent(const protocol::message& message) { return !message.body.is_framed() && !message.body.is_acknowledged(); }

NodeLinks::NodeLinks(loop::Loop& loop, const Settings& settings, Statistics& statistics, NodeObserver& observer)
    : loop_(loop), settings_(settings), statistics_(statistics), observer_(observer) {}

NodeLinks::~NodeLinks() = default;

Result<void> NodeLinks::start() {
    auto listener = listen_at(settings_.address, node_port);
    if (!listener) return listener.failure();
    listener_ = std::move(*listener);
    watch_ = std::make_unique<loop::FdWatch>(loop_, listener_.get(), [this] { accept_all(); });
    watch_->watch_read(true);
    relist();
    return {};
}

void NodeLinks::relist() {
    std::erase_if(outgoing_, [&](const auto& entry) { return settings_.address_of(entry.first.first) == nullptr; });
    std::erase_if(incoming_, [&](const auto& entry) { return settings_.address_of(entry.first->pnn()) == nullptr; });
    for (const auto& node : settings_.nodes) {
        if (node.pnn == settings_.me) continue;
        for (const connection_kind kind : {connection_kind::URGENT, connection_kind::BULK}) {
            auto& connection = outgoing_[{node.pnn, kind}];
            if (connection) continue;
            connection = std::make_unique<Outgoing>(*this, node.pnn, node.address, kind);
            connection->start();
        }
    }
}

void NodeLinks::send(const protocol::message& message) {
    const auto found = outgoing_.find({message.to, is_urgent(message) ? connection_kind::URGENT : connection_kind::BULK});
    if (found == outgoing_.end()) return;
    Buffer* out = found->second->queue();
    if (out == nullptr) return;
    append_packet(*out, PacketKind::message, message);
    statistics_.count(&protocol::statistics::node_packets_sent);
    if (message.body.is_alive()) statistics_.count(&protocol::statistics::keepalive_packets_sent);
    found->second->queued();
}

Buffer* NodeLinks::bulk_queue(Pnn to) {
    const auto found = outgoing_.find({to, connection_kind::BULK});
    return found != outgoing_.end() ? found->second->queue() : nullptr;
}

void NodeLinks::queued(Pnn to) { outgoing_.at({to, connection_kind::BULK})->queued(); }

bool NodeLinks::connected(Pnn pnn) const {
    const auto found = outgoing_.find({pnn, connection_kind::BULK});
    return found != outgoing_.end() && found->second->connected();
}

void NodeLinks::accept_all() {
    for (;;) {
        UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!fd) return;
        const std::string address = peer_address(fd.get());
        const Pnn pnn = settings_.node_at(address);
        if (pnn == no_node || pnn == settings_.me) {
            complain(address, "is not listed in `nodes`");
        } else if (incoming_.size() >= limits::max_node_connections) {
            complain(address, "there are too many connections");
        } else {
            auto connection = std::make_unique<Incoming>(*this, std::move(fd), pnn, address);
            incoming_[connection.get()] = std::move(connection);
        }
    }
}

void NodeLinks::remove(Incoming& connection) { incoming_.erase(&connection); }

// An address that comes again and again does not fill the log.
void NodeLinks::complain(const std::string& address, const std::string& text) {
    const Monotonic now = monotonic_now();
    std::erase_if(complained_, [&](const auto& entry) { return now - entry.second > limits::complaint_interval; });
    if (complained_.size() >= limits::max_node_connections || !complained_.emplace(address + " " + text, now).second) return;
    log_error("refused a connection from {}: {}", address, text);
}

}  // namespace Atoll::ctdb
