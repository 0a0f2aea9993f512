#include "ctdb/daemon/incoming.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/log.h"
#include "ctdb/daemon/limits.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

Failure<Error> bad(const std::string& text) { return fail(Code::invalid, "", text); }

}  // namespace

NodeLinks::Incoming::Incoming(NodeLinks& links, UniqueFd fd, Pnn pnn, std::string address)
    : links_(links),
      fd_(std::move(fd)),
      pnn_(pnn),
      address_(std::move(address)),
      reader_(limits::max_urgent_packet),
      patience_(links.loop_, [this] { end("says nothing"); }),
      watch_(links.loop_, fd_.get(), [this] { readable(); }) {
    patience_.set_in(limits::hello_time);
    watch_.watch_read(true);
}

void NodeLinks::Incoming::readable() {
    const MutableBytes space = reader_.space(limits::max_node_read);
    const ssize_t size = ::recv(fd_.get(), space.data(), space.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return end("");
    reader_.filled(static_cast<size_t>(size));
    if (const auto taken = take_all(); !taken) end(taken.error().text);
}

Result<void> NodeLinks::Incoming::take_all() {
    Packet packet;
    for (;;) {
        const auto more = reader_.next(packet);
        if (!more) return more.failure();
        if (!*more) return {};
        if (auto taken = take(packet); !taken) return taken;
    }
}

Result<void> NodeLinks::Incoming::take(const Packet& packet) {
    links_.statistics_.count(&protocol::statistics::node_packets_recv);
    if ((packet.kind == PacketKind::hello) == greeted_) return bad(greeted_ ? "a second hello" : "no hello at the start");
    if (packet.kind == PacketKind::hello) return greeted(packet.body);
    if (packet.kind == PacketKind::message) return message(packet.body);
    if (kind_ == protocol::connection_kind::URGENT) return bad("a packet on the urgent connection that is not urgent");
    switch (packet.kind) {
        case PacketKind::catalogue: return hand_on<protocol::catalogue>(packet.body);
        case PacketKind::ask: return hand_on<protocol::ask>(packet.body);
        case PacketKind::answer: return hand_on<protocol::answer>(packet.body);
        case PacketKind::connections: return hand_on<protocol::connections>(packet.body);
        default: return hand_on<protocol::ended>(packet.body);
    }
}

Result<void> NodeLinks::Incoming::greeted(Bytes body) {
    protocol::hello hello;
    if (!decode(body, hello)) return bad("a malformed hello");
    if (hello.kind != protocol::connection_kind::URGENT && hello.kind != protocol::connection_kind::BULK) return bad("a malformed hello");
    if (hello.from != pnn_ || hello.to != links_.settings_.me) return bad("a hello of another node, or for another");
    if (hello.cluster == links_.settings_.other_mode) {
        links_.observer_.disagrees(pnn_, hello.incarnation);
        return bad(links_.settings_.by_majority() ? "a node that has a cluster lock, and this one has none"
                                                  : "a node that has no cluster lock, and this one has one");
    }
    if (hello.cluster != links_.settings_.cluster) return bad("a node whose `nodes` differs from ours");
    if (auto fits = check_levels(hello); !fits) return fits;
    greeted_ = true;
    kind_ = hello.kind;
    patience_.cancel();
    if (kind_ == protocol::connection_kind::BULK) reader_.set_limit(limits::max_node_packet);
    return {};
}

// Each of the two reads what the other writes.
Result<void> NodeLinks::Incoming::check_levels(const protocol::hello& hello) {
    if (hello.level > idl::newest_known_level()) {
        links_.observer_.outdated(hello.level);
        return bad("writes at a newer format level");
    }
    if (hello.newest_level >= idl::written_level()) return {};
    return bad("its ctdbd reads format levels up to " + std::to_string(hello.newest_level) + ", and the cluster writes at " +
               std::to_string(idl::written_level()));
}

Result<void> NodeLinks::Incoming::message(Bytes body) {
    protocol::message message;
    if (!decode(body, message)) return bad("a malformed message");
    if (message.from != pnn_ || message.to != links_.settings_.me) return bad("a message of another node, or for another");
    if (is_urgent(message) != (kind_ == protocol::connection_kind::URGENT)) return bad("a message on the wrong connection");
    if (!links_.observer_.received(std::move(message))) return bad("a message about a database that was not named");
    return {};
}

template <class Record>
Result<void> NodeLinks::Incoming::hand_on(Bytes body) {
    Record record;
    if (!decode(body, record) || !links_.observer_.received(pnn_, record)) return bad("a malformed packet");
    return {};
}

// `this` is gone when it returns.
void NodeLinks::Incoming::end(const std::string& why) {
    if (!why.empty()) links_.complain(address_, why);
    links_.remove(*this);
}

}  // namespace Atoll::ctdb
