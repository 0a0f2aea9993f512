// One connection that somebody has made to us.
#pragma once

#include "ctdb/daemon/node_links.h"

namespace Atoll::ctdb {

class NodeLinks::Incoming {
 public:
    // `pnn`: whose address it comes from.
    Incoming(NodeLinks& links, UniqueFd fd, Pnn pnn, std::string address);
    [[nodiscard]] Pnn pnn() const { return pnn_; }

 private:
    void readable();
    Result<void> take_all();
    Result<void> take(const Packet& packet);
    Result<void> greeted(Bytes body);
    Result<void> check_levels(const protocol::hello& hello);
    Result<void> message(Bytes body);
    template <class Record>
    Result<void> hand_on(Bytes body);
    void end(const std::string& why);

    NodeLinks& links_;
    UniqueFd fd_;
    const Pnn pnn_;
    const std::string address_;
    bool greeted_ = false;
    protocol::connection_kind kind_ = protocol::connection_kind::URGENT;
    PacketReader reader_;
    loop::Timer patience_;  // for the hello
    loop::FdWatch watch_;
};

}  // namespace Atoll::ctdb
