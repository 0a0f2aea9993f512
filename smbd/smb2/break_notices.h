// The way of an oplock or lease break to a client that has several channels (MS-SMB2 3.3.4.6, 3.3.4.7): on one that lives, and again on
// another where the first one ends, or its peer does not even take the bytes. Main thread only.
#pragma once

#include <cstdint>
#include <list>
#include <vector>

#include "base/buffer.h"
#include "base/guid.h"
#include "base/loop/loop.h"
#include "smbd/xsrv/ref.h"
#include "smbd/xsrv/session.h"

namespace Atoll::smb2 {

class Client;
class Connection;

struct BreakNotice {
    xsrv::Ref<xsrv::Session> session;  // whose channels it may take; null: any connection of `client`
    Guid client;
    xsrv::Ref<xsrv::Session> sealer;  // null: it is not sealed
    Buffer message;                   // from its header on
    std::vector<uint64_t> tried;      // connections, by id; the last one has it
    Monotonic sent;
};

class BreakNotices {
 public:
    explicit BreakNotices(Client& client);

    // False: there is no way to the client.
    bool send(BreakNotice notice);
    void connection_ended(const Connection& connection);

 private:
    static constexpr std::chrono::milliseconds tick_interval{500};
    static constexpr std::chrono::milliseconds patience{1000};  // with a peer that does not take the bytes, while there is another channel

    [[nodiscard]] Connection* choose(const BreakNotice& notice) const;
    bool try_next(BreakNotice& notice);
    void tick();
    bool is_settled(BreakNotice& notice);

    Client& client_;
    std::list<BreakNotice> unsettled_;
    loop::Timer timer_;
};

}  // namespace Atoll::smb2
