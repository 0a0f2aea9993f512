// One process's mailbox: a datagram socket in `<lock directory>/msg.sock/`, named by its server id. Without a loop: the listener polls it.
//
// The directory is its owner's alone (0700), so whoever can send is root or the user that runs the server. A message arrives whole or
// not at all, and those of one sender in their order. What is larger than a datagram should be travels in a sealed memfd.
//
// Where the same process is written to more than once its mailbox is kept connected (limits::max_message_peers): a message is then one
// system call, in whatever identity the thread has, and allocates nothing.
#pragma once

#include <sys/socket.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::messaging {

struct Message {
    ServerId from;
    uint32_t type = 0;
    Bytes payload;                      // valid until the next receive
    std::vector<UniqueFd> descriptors;  // take what is wanted; the rest is closed with the message
};

class MessageSocket {
 public:
    // Makes the directory if need be. The error names what cannot be made, and why.
    static Result<MessageSocket> open(const std::string& lock_directory, ProcessClass process_class);
    // With an id that somebody else chose for the calling process.
    static Result<MessageSocket> open(const std::string& lock_directory, const ServerId& self);
    ~MessageSocket();  // takes the name away, in the process that opened it only
    MessageSocket(MessageSocket&&) noexcept;
    MessageSocket& operator=(MessageSocket&&) = delete;

    [[nodiscard]] const ServerId& self() const { return self_; }
    [[nodiscard]] int fd() const { return socket_.get(); }  // readable when a message waits

    // What succeeds is in the receiver's queue, whatever becomes of the sender. Code::dead: there is no such process (any more).
    // Code::busy: its queue is full; try again later. Code::invalid: larger than limits::max_message or more than
    // limits::max_message_descriptors. The descriptors stay the caller's.
    Result<void> send(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors = {});
    // The next message, or nullopt when none waits. Never blocks. What is not a message of ours is dropped, with a line in the log.
    std::optional<Message> receive();

    // All processes of this node that have a mailbox, living or dead.
    [[nodiscard]] std::vector<ServerId> processes() const;
    // False only if the process has certainly ended (or never was). So every process exists while the mailbox's own name is gone.
    [[nodiscard]] bool exists(const ServerId& id) const;
    // Takes away the name that a dead process left.
    void forget(const ServerId& id) const;

 private:
    struct Peer {
        ServerId id;
        UniqueFd socket;  // connected to its mailbox, from the second message on
        uint64_t used = 0;
    };

    MessageSocket(UniqueFd directory, UniqueFd socket, ServerId self);
    Peer& find_peer(const ServerId& id);
    bool connect(Peer& peer) const;
    bool transmit(Peer& peer, msghdr& message) const;
    [[nodiscard]] bool has_own_name() const;

    UniqueFd directory_;
    UniqueFd socket_;
    ServerId self_;
    Buffer received_;
    Buffer large_;
    std::array<Peer, limits::max_message_peers> peers_;
    uint64_t uses_ = 0;
};

}  // namespace Atoll::messaging
