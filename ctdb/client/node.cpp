#include "ctdb/client/node.h"

#include "base/log.h"
#include "ctdb/client/limits.h"
#include "ctdb/shared/node_clock.h"

namespace Atoll::ctdb {

Result<void> Node::register_here() {
    if (ended_) return fail(Code::dead, socket_path_, "the connection to ctdbd has ended");
    auto connection = DaemonConnection::connect(socket_path_);
    if (!connection) return connection.failure();
    const auto registration = connection->enrol(limits::daemon_patience);
    if (!registration) return registration.failure();
    auto memory = SharedMemory::attach(registration->shared_memory);
    if (!memory) return memory.failure();
    if (memory->incarnation() != registration->incarnation || registration->place >= memory->places().size())
        return fail(Code::invalid, socket_path_, "ctdbd's shared memory is another's");
    memory_ = std::move(*memory);
    id_ = registration->client;
    pnn_ = registration->pnn;
    place_ = registration->place;
    connection_ = std::move(*connection);
    return {};
}

void Node::after_fork() {
    connection_.reset();
    memory_ = SharedMemory();
    id_ = 0;
    ended_ = false;
}

bool Node::serves_in(Session session) const {
    if (!connection_ || session == 0 || memory_.places()[place_].client != id_) return false;
    const NodeLease& lease = memory_.lease();
    return lease.session == session && node_now() < lease.deadline && lease.session == session;
}

std::optional<Slot> Node::own_slot() {
    if (!connect()) return std::nullopt;
    std::optional<Slot> closed;
    for (Slot step = 1; step <= protocol::SLOTS; step++) {
        const Slot slot = (last_own_slot_ + step) % protocol::SLOTS;
        if (!gate(slot).located) continue;
        if (!gate(slot).open) {
            if (!closed) closed = slot;
            continue;
        }
        last_own_slot_ = slot;
        return slot;
    }
    return closed;
}

size_t Node::note_hold(uint32_t database, Slot slot) {
    auto& holds = memory_.places()[place_].holds;
    size_t hold = 0;
    while (hold < holds.size() && holds[hold] != 0) hold++;
    ATOLL_ASSERT(hold < holds.size() && "more records of the cluster locked than limits::max_client_holds");
    holds[hold] = make_hold(database, slot);
    return hold;
}

// What waits at ctdbd for this process goes with the connection, so that nothing is locked for it that it does not know of.
Failure<Error> Node::end(const char* why) {
    log_error("{}: {}: this process serves no longer", socket_path_, why);
    connection_.reset();
    ended_ = true;
    if (on_end) on_end();
    return fail(Code::dead, socket_path_, why);
}

protocol::request& Node::prepare(protocol::operation what, const std::string& database, Bytes key) {
    request_.node = no_node;
    request_.op = what;
    request_.database = database;
    request_.key.assign(key.begin(), key.end());
    return request_;
}

Result<void> Node::want(const std::string& database, Bytes key) {
    counters_.wanted++;
    const auto reply = connection_->call(prepare(protocol::operation::WANT, database, key), limits::record_patience);
    if (!reply) return end("no answer about a record");
    if (reply->result != protocol::outcome::DONE) return end("the node does not serve");
    return {};
}

Result<bool> Node::want_to_read(const std::string& database, Bytes key) {
    counters_.wanted++;
    const auto reply = connection_->call(prepare(protocol::operation::WANT_READ, database, key), limits::record_patience);
    if (!reply) return end("no answer about a record");
    if (reply->result == protocol::outcome::READABLE) return false;
    if (reply->result != protocol::outcome::DONE) return end("the node does not serve");
    return true;
}

Result<void> Node::stored(const std::string& database, Bytes key) {
    counters_.mirrored++;
    const auto reply = connection_->call(prepare(protocol::operation::STORED, database, key), limits::record_patience);
    if (!reply) return end("no answer about the mirror of a record");
    if (reply->result != protocol::outcome::DONE) return end("a record has no mirror");
    return {};
}

void Node::released(const std::string& database, Bytes key) {
    counters_.released++;
    if (!connection_) return;
    if (!connection_->tell(prepare(protocol::operation::RELEASED, database, key), limits::daemon_patience)) end("it does not listen");
}

Result<protocol::reply> Node::ask(protocol::request& request) {
    if (auto connected = connect(); !connected) return connected.failure();
    auto reply = connection_->call(request, limits::daemon_patience);
    if (!reply) return end("no answer");
    return reply;
}

}  // namespace Atoll::ctdb
