// A connection between two of our processes: whole packets, each with a kind and perhaps descriptors, over a SOCK_SEQPACKET socket.
// Never blocks. Main thread only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/buffer.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace Atoll::server {

// A packet's kind; each is sent in one direction only. What stands in brackets travels as a descriptor.
enum class PacketKind : uint32_t {
    // listener to preauth
    accepted = 1,    // u8: 1 on a NetBIOS session port [the client's socket]
    authd_link = 2,  // [a socket to authd, in place of the former]
    retire = 3,      // end when the last connection has gone
    log_level = 21,  // u8
    // listener to preauth, authd and committer
    format_level = 30,  // u32: at which the server's processes write from now on
    // listener to authd
    preauth_link = 4,  // [a socket to a preauth process]
    reload = 5,        // read smb.conf again, and let go of all spares: they have the former one
    spare = 6,         // a spare's server id [the hand-over socket's end that is not the spare's]
    no_spare = 15,     // nor will there be one until a client's process ends
    // authd to listener
    spare_taken = 7,  // its server id
    // listener to housekeeper, and without an id to the committer
    process_ended = 8,  // its server id as text; sent back by the housekeeper when everything of it is gone
    // authd, housekeeper and committer to listener, a spare to authd
    ready = 14,  // has opened all that it needs; the housekeeper says it again when the format level rises
    // preauth or a client process to authd, and back
    verify = 9,     // verify_request
    verified = 10,  // verify_answer [to preauth, on success: its end of the hand-over socket]
    // a client process to authd, and back
    map_id = 16,     // id_question
    id_mapped = 17,  // id_answer
    // on a hand-over socket, to the taker: authd's grant, then preauth's handover; then the taker's answer
    grant = 11,     // logon_grant
    handover = 12,  // channel_handover [the client's socket]
    taken = 13,
    // preauth to authd, answered by verified: bind_request
    bind = 18,
    // on a hand-over socket in place of the grant: the channel is to bind to a session of the taker's; instead of `taken`: bind_refusal
    binding = 19,
    refused = 20,
    // between a listener and its successor of another build (upgrade.h): to the successor
    inherit = 22,    // u8: 1 for a NetBIOS session port, then the name [a listening socket]
    inherited = 23,  // no more of these; the server id of the predecessor
    go_on = 24,      // helper processes may be started
    yours = 25,      // the pid file, and what clients come from now on
    // and from it
    prepared = 26,  // has read the configuration, opened the databases
    serves = 27,    // its helper processes run
    holds = 29,     // has the pid file
    stop = 28,      // end, with all clients
};

struct Packet {
    PacketKind kind{};
    Bytes payload;  // valid until the next receive of any PacketSocket
    std::vector<UniqueFd> descriptors;
};

class PacketSocket {
 public:
    enum class Received : uint8_t { packet, nothing, ended };

    PacketSocket() = default;
    // An end that another of our processes has made and sent.
    explicit PacketSocket(UniqueFd fd) : fd_(std::move(fd)) {}
    // An end that has just been accepted or connected.
    static PacketSocket fresh(UniqueFd fd);

    // Two connected ends.
    static Result<std::pair<PacketSocket, PacketSocket>> make_pair();

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] bool valid() const { return fd_.valid(); }
    void close() { fd_.reset(); }
    UniqueFd take() { return std::move(fd_); }

    // Code::busy: the other end does not read; Code::dead: there is none. The descriptors stay the caller's.
    Result<void> send(PacketKind kind, Bytes payload, std::span<const int> descriptors = {});
    Received receive(Packet& packet);

 private:
    UniqueFd fd_;
};

}  // namespace Atoll::server
