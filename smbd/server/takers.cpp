#include "smbd/server/takers.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/handover.h"
#include "smbd/server/process_packets.h"
#include "smbd/xsrv/message_types.h"
#include "smbd/xsrv/tables.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::server {

namespace {

constexpr uint16_t first_multichannel_dialect = 0x0300;

}  // namespace

void Takers::give(const verify_request& request, logon_grant grant, Done done) {
    Logon logon;
    // Clients that cannot have several channels, and those that do not say who they are, are never put into one process.
    if (request.dialect >= first_multichannel_dialect) logon.client_guid = request.client_guid;
    logon.dialect = request.dialect;
    logon.peer_address = request.peer_address;
    grant.client_guid = logon.client_guid;
    logon.grant = encode_record(grant);
    logon.done = std::move(done);
    logon.deadline = monotonic_now() + std::chrono::seconds(limits::handover_timeout_seconds);
    serve(std::move(logon));
}

void Takers::serve(Logon logon) {
    if (move_here(logon)) return;
    if (PacketSocket giver = find_taker(logon); giver.valid()) return logon.done(NtStatus::SUCCESS, std::move(giver));
    if (none_to_be_had_ || waiting_.size() >= limits::max_waiting_logons) return logon.done(NtStatus::INSUFFICIENT_RESOURCES, {});
    waiting_.push_back(std::move(logon));
}

// nullopt: nobody, a process of this node, or one that has ended.
std::optional<messaging::ServerId> Takers::owner_elsewhere(Bytes value) const {
    xsrv::client_global record;
    if (!decode(value, record)) return std::nullopt;
    const messaging::ServerId owner(record.owner);
    if (owner.node == messaging_.self().node || !messaging_.exists(owner)) return std::nullopt;
    return owner;
}

// False: no other node serves the client. Else its process there is told to end its connections, so that its durable opens are nobody's,
// and the log-on goes on when the record has changed.
bool Takers::move_here(Logon& logon) {
    if (watches_ == nullptr || logon.client_guid.is_zero()) return false;
    auto record = clients_.fetch_locked(logon.client_guid.bytes);
    if (!record || !record->exists()) return false;
    const auto owner = owner_elsewhere(record->value());
    if (!owner) return false;
    if (moving_.size() >= limits::max_waiting_logons) {
        logon.done(NtStatus::INSUFFICIENT_RESOURCES, {});
        return true;
    }
    auto at = moving_.emplace(moving_.end());
    at->watch = std::make_unique<watch::Watch>(*watches_, loop_, [this, at](watch::Woken why) { moved(at, why); });
    const auto armed = at->watch->arm(*record, logon.deadline);
    record->release();
    auto watch = std::move(at->watch);
    *at = std::move(logon);
    at->watch = std::move(watch);
    const auto told = armed ? messaging_.send(*owner, xsrv::message_client_moves, {}) : armed;
    if (!told) {
        log_error("a client that {} serves cannot come here: {}", to_string(*owner), told.error().message());
        at->done(NtStatus::INSUFFICIENT_RESOURCES, {});
        moving_.erase(at);
    }
    return true;
}

void Takers::moved(std::list<Logon>::iterator moving, watch::Woken why) {
    std::list<Logon> one;
    one.splice(one.end(), moving_, moving);
    const auto watch = std::move(one.front().watch);
    if (why == watch::Woken::changed) return serve(std::move(one.front()));
    log_warning("another node goes on serving a client that has come here");
    one.front().done(NtStatus::INSUFFICIENT_RESOURCES, {});
}

void Takers::spare_came(const messaging::ServerId& id, PacketSocket socket) {
    none_to_be_had_ = false;
    auto place = std::make_shared<std::list<Spare>::iterator>();
    *place = spares_.emplace(spares_.end(), loop_, id, std::move(socket), [this, place] { spare_spoke(*place); });
    (*place)->watch.watch_read(true);
}

void Takers::spare_spoke(std::list<Spare>::iterator spare) {
    Packet packet;
    const auto received = spare->socket.receive(packet);
    if (received == PacketSocket::Received::nothing) return;
    if (received == PacketSocket::Received::packet && packet.kind == PacketKind::ready) {
        spare->ready = true;
        return serve_waiting();
    }
    spares_.erase(spare);  // it has ended: the listener sees that and forks another
}

void Takers::serve_waiting() {
    while (!waiting_.empty()) {
        Logon& logon = waiting_.front();
        if (logon.deadline > monotonic_now()) {
            PacketSocket giver = find_taker(logon);
            if (!giver.valid()) return;
            logon.done(NtStatus::SUCCESS, std::move(giver));
        }
        waiting_.pop_front();
    }
}

void Takers::no_spare() {
    none_to_be_had_ = true;
    for (const Logon& logon : std::exchange(waiting_, {})) logon.done(NtStatus::INSUFFICIENT_RESOURCES, {});
}

PacketSocket Takers::find_taker(const Logon& logon) {
    if (!logon.client_guid.is_zero()) {
        if (PacketSocket giver = give_to_existing(logon); giver.valid()) return giver;
    }
    return give_to_spare(logon);
}

PacketSocket Takers::give_to_existing(const Logon& logon) {
    xsrv::client_global record;
    Buffer value;
    const auto found = clients_.fetch(logon.client_guid.bytes, value);
    if (!found || !*found || !decode(value, record)) return {};
    return give_to(messaging::ServerId(record.owner), PacketKind::grant, logon.grant);
}

// A process that serves a client already gets a hand-over socket with its first packet; the other end is the giver's.
PacketSocket Takers::give_to(const messaging::ServerId& process, PacketKind kind, Bytes first) {
    auto pair = PacketSocket::make_pair();
    if (!pair) {
        log_error("{}", pair.error().message());
        return {};
    }
    auto& [giver, taker] = *pair;
    const int fd = taker.fd();
    if (!giver.send(kind, first)) return {};
    if (!messaging_.send(process, messaging::message_take_channel, {}, {&fd, 1})) return {};
    return std::move(giver);
}

Result<PacketSocket, NtStatus> Takers::reach_holder(uint64_t session_id) {
    const auto holder = xsrv::find_session_holder(sessions_, session_id);
    if (!holder) return NtStatus::USER_SESSION_DELETED;
    PacketSocket giver = give_to(holder->process, PacketKind::binding, {});
    if (!giver.valid()) return NtStatus::USER_SESSION_DELETED;  // its process has ended, and the record is about to
    return giver;
}

PacketSocket Takers::give_to_spare(const Logon& logon) {
    for (;;) {
        const auto spare = std::find_if(spares_.begin(), spares_.end(), [](const Spare& one) { return one.ready; });
        if (spare == spares_.end()) return {};
        const messaging::ServerId id = spare->id;
        PacketSocket socket = std::move(spare->socket);
        spares_.erase(spare);
        if (const auto granted = socket.send(PacketKind::grant, logon.grant); !granted) {
            log_debug("{}: {}", to_string(id), granted.error().message());  // it has just ended
            continue;
        }
        if (!logon.client_guid.is_zero()) enter(id, logon);
        const auto told = send_process(listener_, PacketKind::spare_taken, id);
        if (!told) log_warning("the listener: {}", told.error().message());
        return socket;
    }
}

// Finds or makes the client's record in one locked step: a living owner that another node entered meanwhile stays.
void Takers::enter(const messaging::ServerId& process, const Logon& logon) {
    auto locked = clients_.fetch_locked(logon.client_guid.bytes);
    if (!locked) return log_error("{}", locked.error().message());
    xsrv::client_global record;
    if (locked->exists() && decode(locked->value(), record) && messaging_.exists(messaging::ServerId(record.owner))) return;
    record = {};
    record.client_guid = logon.client_guid;
    record.owner = process.to_record();
    record.dialect = logon.dialect;
    record.connected = NtTime::now();
    record.remote_address = logon.peer_address;
    const auto stored = locked->store(encode_record(record));
    if (!stored) log_error("{}", stored.error().message());
}

}  // namespace Atoll::server
