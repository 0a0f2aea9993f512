// `smbcontrol smbd upgrade`: the program as it is now on the disk serves what connects from now on, while the clients that there are stay
// with the processes that they have. Nobody is disconnected, and no connection is refused.
//
// The listener starts its successor with a socket to it (--upgrade-from) and gives it its listening sockets. Then, step by step:
//   successor: reads the configuration, opens the databases               -> prepared
//   listener:  ends committer and housekeeper, which a node has once      -> go_on
//   successor: starts its helper processes                                -> serves
//   listener:  accepts nothing any more, gives up the pid file            -> yours
//   successor: takes the pid file                                         -> holds
// A successor that ends before it serves changes nothing: the listener starts its helpers again. Afterwards the listener drains: it ends
// once its last client has left, or when the successor tells it to, or ends.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "smbd/server/addresses.h"
#include "smbd/server/packet_socket.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::server {

// How a successor of this process is started.
struct Program {
    std::string path;  // absolute
    std::vector<std::string> arguments;
};
// Where this process's program is; of one that has been replaced meanwhile, what has replaced it.
std::string own_program_path();

struct StartedSuccessor {
    pid_t pid = -1;
    PacketSocket link;
};

// What the listener knows of its successor.
enum class Step : uint8_t { starts, waits, goes_on };
struct Successor {
    pid_t pid = -1;
    PacketSocket link;
    messaging::ServerId asker;  // who wants to know of its success
    Step step = Step::starts;
    Monotonic deadline{};  // for it to serve
};

// Forks and executes; the caller owns no lock and no thread. Whether the program starts is seen from the link: it ends if not.
Result<StartedSuccessor> start_successor(const Program& program);

// Gives it `sockets`, and tells it who its predecessor is.
Result<void> bequeath(PacketSocket& link, const std::vector<ListeningSocket>& sockets, const messaging::ServerId& self);

// The other end: the listener that this one takes over from.
class Predecessor {
 public:
    // Waits for what is bequeathed.
    static Result<Predecessor> meet(int fd);

    [[nodiscard]] const messaging::ServerId& id() const { return id_; }
    [[nodiscard]] PacketSocket& link() { return link_; }
    std::vector<ListeningSocket> take_sockets() { return std::move(sockets_); }
    // Sends `step` and waits for `answer`. Code::dead: the predecessor has ended, or does not answer in time.
    Result<void> settle(PacketKind step, PacketKind answer);

 private:
    explicit Predecessor(PacketSocket link) : link_(std::move(link)) {}
    PacketSocket link_;
    messaging::ServerId id_;
    std::vector<ListeningSocket> sockets_;
};

}  // namespace Atoll::server
