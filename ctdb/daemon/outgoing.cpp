#include "ctdb/daemon/outgoing.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/sockets.h"
#include "idl/level.h"

namespace Atoll::ctdb {

NodeLinks::Outgoing::Outgoing(NodeLinks& links, Pnn to, std::string address, protocol::connection_kind kind)
    : links_(links), to_(to), address_(std::move(address)), kind_(kind), again_(links.loop_, [this] { connect(); }) {}

size_t NodeLinks::Outgoing::limit() const {
    return kind_ == protocol::connection_kind::URGENT ? limits::max_urgent_queue : limits::max_bulk_queue;
}

Buffer* NodeLinks::Outgoing::queue() {
    if (!connected_) return nullptr;
    if (queue_.size() <= limit()) return &queue_;
    if (kind_ == protocol::connection_kind::BULK) lose();
    return nullptr;
}

void NodeLinks::Outgoing::connect() {
    auto fd = start_connecting(links_.settings_.address, address_, node_port, kind_);
    if (!fd) {
        again_.set_in(limits::connect_again);
        return;
    }
    fd_ = std::move(*fd);
    // Nothing is ever sent to us here: it becomes readable when the other end goes.
    watch_ = std::make_unique<loop::FdWatch>(
        links_.loop_, fd_.get(), [this] { lose(); }, [this] { writable(); });
    watch_->watch_write(true);
}

void NodeLinks::Outgoing::writable() {
    if (connected_) return flush();
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) return lose();
    connected_ = true;
    watch_->watch_read(true);
    if (kind_ == protocol::connection_kind::BULK) log_notice("connected to node {} at {}", to_, address_);
    greet();
    flush();
}

void NodeLinks::Outgoing::greet() {
    const Settings& settings = links_.settings_;
    append_packet(
        queue_, PacketKind::hello,
        protocol::hello{settings.me, to_, settings.incarnation, kind_, settings.cluster, idl::newest_known_level(), idl::written_level()});
    if (kind_ == protocol::connection_kind::BULK) append_packet(queue_, PacketKind::catalogue, links_.observer_.catalogue());
}

void NodeLinks::Outgoing::flush() {
    while (connected_ && sent_ < queue_.size()) {
        const ssize_t sent = ::send(fd_.get(), queue_.data() + sent_, queue_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) break;
        if (sent < 0) return lose();
        sent_ += static_cast<size_t>(sent);
    }
    if (!connected_) return;
    if (sent_ == queue_.size()) {
        queue_.clear();
        sent_ = 0;
    }
    watch_->watch_write(sent_ < queue_.size());
}

void NodeLinks::Outgoing::lose() {
    watch_.reset();
    fd_.reset();
    queue_.clear();
    sent_ = 0;
    again_.set_in(limits::connect_again);
    if (!std::exchange(connected_, false) || kind_ != protocol::connection_kind::BULK) return;
    log_notice("the connection to node {} at {} is lost", to_, address_);
    links_.observer_.disconnected(to_);
}

}  // namespace Atoll::ctdb
