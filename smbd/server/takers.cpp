#include "smbd/server/takers.h"

#include <chrono>

#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/handover.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::server {

namespace {

constexpr uint16_t first_multichannel_dialect = 0x0300;

}  // namespace

Takers::Takers(loop::Loop& loop, messaging::Messaging& messaging, PacketSocket& listener, tdb::Database& clients)
    : loop_(loop), messaging_(messaging), listener_(listener), clients_(clients) {}

void Takers::give(const verify_request& request, UniqueFd taker) {
    // Clients that cannot have several channels, and those that do not say who they are, are never put into one process.
    if (request.client_guid.is_zero() || request.dialect < first_multichannel_dialect) return fork(Guid{}, taker.get());
    const Guid& guid = request.client_guid;
    if (const auto found = forking_.find(guid); found != forking_.end()) {
        found->second->waiting.push_back(std::move(taker));
        return;
    }
    if (give_to_existing(guid, taker.get())) return;
    auto forking = std::make_unique<Forking>(loop_, [this, guid] { fork_failed(guid); });
    forking->dialect = request.dialect;
    forking->peer_address = request.peer_address;
    forking->timeout.set_in(std::chrono::seconds(limits::handover_timeout_seconds));
    forking_.emplace(guid, std::move(forking));
    fork(guid, taker.get());
}

bool Takers::give_to_existing(const Guid& client_guid, int taker) {
    xsrv::client_global record;
    Buffer value;
    const auto found = clients_.fetch(client_guid.bytes, value);
    if (!found || !*found || !decode(value, record)) return false;
    return messaging_.send(messaging::ServerId(record.owner), messaging::message_take_channel, {}, {&taker, 1}).ok();
}

void Takers::fork(const Guid& client_guid, int taker) {
    fork_client request;
    request.client_guid = client_guid;
    request.authd_pid = messaging_.self().pid;
    request.authd_unique_id = messaging_.self().unique_id;
    const auto sent = listener_.send(PacketKind::fork_client, encode_record(request), {&taker, 1});
    if (sent) return;
    log_warning("cannot ask for a client process: {}", sent.error().text);
    forking_.erase(client_guid);
}

void Takers::fork_failed(const Guid& client_guid) { forking_.erase(client_guid); }

void Takers::forked_client_ready(const messaging::ServerId& process, const Guid& client_guid) {
    const auto found = forking_.find(client_guid);
    if (found == forking_.end()) return;
    const std::unique_ptr<Forking> forking = std::move(found->second);
    forking_.erase(found);
    enter(process, client_guid, *forking);
    for (const UniqueFd& taker : forking->waiting) {
        const int fd = taker.get();
        (void)messaging_.send(process, messaging::message_take_channel, {}, {&fd, 1});
    }
}

// Finds or makes the client's record in one locked step: a living owner that another node entered meanwhile stays.
void Takers::enter(const messaging::ServerId& process, const Guid& client_guid, const Forking& forking) {
    auto locked = clients_.fetch_locked(client_guid.bytes);
    if (!locked) return log_error("{}", locked.error().message());
    xsrv::client_global record;
    if (locked->exists() && decode(locked->value(), record) && messaging_.exists(messaging::ServerId(record.owner))) return;
    record = {};
    record.client_guid = client_guid;
    record.owner = process.to_record();
    record.dialect = forking.dialect;
    record.connected = NtTime::now();
    record.remote_address = forking.peer_address;
    const auto stored = locked->store(encode_record(record));
    if (!stored) log_error("{}", stored.error().message());
}

}  // namespace Atoll::server
