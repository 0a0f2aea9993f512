// Messages between processes, by server id, received on the loop. One interface: on one node LocalMessaging, in a cluster one that also
// reaches processes of other nodes.
//
// A message either comes into its receiver's queue or fails, never both: at once, as send()'s error, or later, told to failed(). On this
// node the only later failure is the end of a process whose messages waited here because it was behind; from another node every failure
// comes later, its own end included. A process that ends may leave messages in its queue unread: who needs an answer asks for one.
//
// Loop thread only, in whatever identity the thread has.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>

#include "base/loop/loop.h"
#include "base/result.h"
#include "tdb/messaging/message_socket.h"
#include "tdb/messaging/message_types.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::messaging {

class Messaging {
 public:
    using Receiver = std::function<void(Message& message)>;
    // A message of this type did not reach `to`. Code::dead: it has ended, or its node has gone.
    using FailureReceiver = std::function<void(const ServerId& to, uint32_t type, Code why)>;

    virtual ~Messaging() = default;
    [[nodiscard]] virtual const ServerId& self() const = 0;

    // Delivered in the order of sending, as long as the receiver lives and takes its messages. A message to oneself is delivered too, on
    // the loop. Descriptors go to processes of this node only; they stay the caller's. Where the receiver is behind, up to
    // limits::max_queued_messages wait here.
    // Code::dead: there is no such process. Code::busy: its queue is full and so is ours for it. Code::invalid: larger than
    // limits::max_message, too many descriptors, or descriptors to another node.
    virtual Result<void> send(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors = {}) = 0;
    // As send, but nothing waits in this process: what succeeds arrives though this process ends now. Code::busy: the receiver is behind.
    virtual Result<void> send_at_once(const ServerId& to, uint32_t type, Bytes payload) = 0;
    // To every process of the class, on all nodes, but the caller; those that cannot take it are passed over, and no failure is told.
    // Gives how many of this node took it.
    virtual size_t broadcast(ProcessClass to, uint32_t type, Bytes payload) = 0;

    // For who ends: waits until nothing waits in this process any more, `at_most` milliseconds. False: something still does, or a broadcast
    // has passed somebody over because his queue was full and so was ours for him. Receives nothing meanwhile.
    virtual bool flush(std::chrono::milliseconds at_most) = 0;

    // From now on `receiver` gets the messages of this type; one receiver a type, an empty one ends it. What nobody receives is dropped.
    // A receiver may change receivers, its own too.
    virtual void receive(uint32_t type, Receiver receiver) = 0;
    // From now on `receiver` is told, on the loop and never inside a send, which messages of this type failed later; empty: nobody.
    virtual void failed(uint32_t type, FailureReceiver receiver) = 0;

    // False only if it is certain that the process has ended.
    [[nodiscard]] virtual bool exists(const ServerId& id) const = 0;
    // Takes away what a process that has ended left.
    virtual void forget(const ServerId& id) = 0;
};

// `socket` is made in the process that uses it.
std::unique_ptr<Messaging> make_local_messaging(loop::Loop& loop, MessageSocket socket);

}  // namespace Atoll::messaging
