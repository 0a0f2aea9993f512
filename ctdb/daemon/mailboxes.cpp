#include "ctdb/daemon/mailboxes.h"

#include "ctdb/daemon/limits.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

using protocol::outcome;

constexpr uint64_t class_mask = 0xFF;

}  // namespace

void Mailboxes::open(ClientId client, const protocol::request& request) {
    protocol::reply reply;
    reply.number = request.number;
    const auto process = idl::decode<protocol::process_id>(Bytes(request.data));
    if (!process || process->pid == 0) {
        reply.result = outcome::INVALID;
    } else {
        left(client);
        mailboxes_[{process->pid, process->unique_id}] = client;
    }
    socket_.reply(client, reply);
}

void Mailboxes::left(ClientId client) {
    std::erase_if(mailboxes_, [&](const auto& entry) { return entry.second == client; });
}

void Mailboxes::send(ClientId client, const protocol::delivery& delivery) {
    Buffer encoded;
    encode(delivery, encoded, idl::written_level());
    protocol::reply reply;
    reply.data.assign(encoded.data(), encoded.data() + encoded.size());
    socket_.reply(client, reply);
}

void Mailboxes::send_all(const protocol::delivery& delivery) {
    for (const auto& [process, client] : mailboxes_) send(client, delivery);
}

outcome Mailboxes::put(ClientId client, const protocol::process_message& message) {
    if (socket_.waiting(client) >= limits::max_mailbox) return outcome::NO_SPACE;
    protocol::delivery delivery;
    delivery.message = message;
    send(client, delivery);
    return outcome::DONE;
}

outcome Mailboxes::deliver(const protocol::request& request) {
    const auto message = idl::decode<protocol::process_message>(Bytes(request.data));
    if (!message) return outcome::INVALID;
    if (message->to.pid != 0) {
        const auto found = mailboxes_.find({message->to.pid, message->to.unique_id});
        return found == mailboxes_.end() ? outcome::NO_PROCESS : put(found->second, *message);
    }
    for (const auto& [process, client] : mailboxes_) {
        if ((process.second & class_mask) == (message->to.unique_id & class_mask)) put(client, *message);
    }
    return outcome::DONE;
}

outcome Mailboxes::find(const protocol::request& request) const {
    const auto process = idl::decode<protocol::process_id>(Bytes(request.data));
    if (!process) return outcome::INVALID;
    return mailboxes_.contains({process->pid, process->unique_id}) ? outcome::DONE : outcome::NO_PROCESS;
}

void Mailboxes::note_members(const protocol::view& view) {
    std::map<Pnn, Session> now;
    for (const protocol::member& member : view.members) now[member.pnn] = member.session;
    for (const auto& [pnn, session] : std::exchange(members_, now)) {
        const auto still = now.find(pnn);
        if (still != now.end() && still->second == session) continue;
        protocol::delivery delivery;
        delivery.lost_node = pnn;
        send_all(delivery);
    }
}

void Mailboxes::note_level() {
    protocol::delivery delivery;
    delivery.level_rose = true;
    send_all(delivery);
}

}  // namespace Atoll::ctdb
