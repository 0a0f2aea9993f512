// Messages between processes, by server id, received on the loop. One interface: on one node LocalMessaging, in a cluster one that also
// reaches processes of other nodes.
//
// Loop thread only, in whatever identity the thread has.
#pragma once

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

    virtual ~Messaging() = default;
    [[nodiscard]] virtual const ServerId& self() const = 0;

    // Delivered in the order of sending, as long as the receiver lives and takes its messages. Code::dead: there is no such process.
    // Code::busy: its queue is full and so is ours for it: the message is not sent. Descriptors go to processes of this node only; they
    // stay the caller's. A message to oneself is delivered too, on the loop.
    virtual Result<void> send(const ServerId& to, uint32_t type, Bytes payload, std::span<const int> descriptors = {}) = 0;
    // To every process of the class but the caller; those that cannot take it are passed over. Gives how many took it.
    virtual size_t broadcast(ProcessClass to, uint32_t type, Bytes payload) = 0;

    // From now on `receiver` gets the messages of this type; one receiver a type, an empty one ends it. What nobody receives is dropped.
    // A receiver may change receivers, its own too.
    virtual void receive(uint32_t type, Receiver receiver) = 0;

    // False only if it is certain that the process has ended.
    [[nodiscard]] virtual bool exists(const ServerId& id) const = 0;
    // Takes away what a process that has ended left.
    virtual void forget(const ServerId& id) = 0;
};

// `socket` is made in the process that uses it.
std::unique_ptr<Messaging> make_local_messaging(loop::Loop& loop, MessageSocket socket);

}  // namespace Atoll::messaging
