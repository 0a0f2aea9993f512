#include "smbd/server/id_map_client.h"

#include <poll.h>

#include <cerrno>

#include "base/log.h"
#include "base/loop/identity.h"
#include "base/loop/socket_path.h"
#include "smbd/server/handover.h"

namespace Atoll::server {

namespace {

constexpr int answer_milliseconds = 1000;

bool wait_for(int fd) {
    pollfd poll{fd, POLLIN, 0};
    for (;;) {
        const int n = ::poll(&poll, 1, answer_milliseconds);
        if (n > 0) return true;
        if (n == 0 || errno != EINTR) return false;
    }
}

}  // namespace

// Once more over a new connection: authd may have been started again.
std::optional<Packet> IdMapClient::exchange(Bytes question) {
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!socket_.valid()) {
            // Root: authd answers only its own kind, and tells that by who connects.
            const loop::RootScope root;
            auto connected = loop::connect_to_path(path_);
            if (!connected) return std::nullopt;
            socket_ = PacketSocket::fresh(std::move(connected).value());
        }
        Packet packet;
        if (socket_.send(PacketKind::map_id, question) && wait_for(socket_.fd()) &&
            socket_.receive(packet) == PacketSocket::Received::packet && packet.kind == PacketKind::id_mapped)
            return packet;
        socket_.close();
    }
    return std::nullopt;
}

std::optional<accounts::IdAnswer> IdMapClient::ask(const accounts::IdQuestion& question) {
    id_question record;
    record.sid = question.sid;
    record.uid = question.uid;
    const Buffer encoded = encode_record(record);
    const auto packet = exchange(encoded);
    if (!packet) {
        log_warning("authd does not say who is {}", question.sid ? to_string(*question.sid) : std::to_string(question.uid));
        return std::nullopt;
    }
    id_answer answer;
    if (!decode(packet->payload, answer) || !answer.sid) return std::nullopt;
    return accounts::IdAnswer{*answer.sid, answer.uid};
}

}  // namespace Atoll::server
