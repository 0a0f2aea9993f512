// The way of an oplock or lease break to a client (MS-SMB2 3.3.4.6, 3.3.4.7): on a channel that lives, and again on another where the first
// one ends, or its peer does not even take the bytes. Where none is left, the client cannot be told, and its opens are closed: those
// channels end. Main thread only.
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
    Monotonic began;                  // when the first one got it
    Monotonic sent;                   // when the last one did
};

class BreakNotices {
 public:
    explicit BreakNotices(Client& client);

    // False: there is no way to the client.
    bool send(BreakNotice notice);
    void connection_ended(const Connection& connection);

 private:
    static constexpr std::chrono::milliseconds tick_interval{250};
    // With a peer that does not take the bytes, while there is another channel. As long as Debian's smbd has it.
    static constexpr std::chrono::milliseconds patience{1250};
    // With one that is silent on all channels: TCP has tried four times by then.
    static constexpr std::chrono::milliseconds last_patience{5000};

    [[nodiscard]] Connection* choose(const BreakNotice& notice) const;
    bool try_next(BreakNotice& notice);
    void tick();
    bool is_settled(BreakNotice& notice);
    void end_silent(const BreakNotice& notice);

    Client& client_;
    std::list<BreakNotice> unsettled_;
    loop::Timer timer_;
};

}  // namespace Atoll::smb2
