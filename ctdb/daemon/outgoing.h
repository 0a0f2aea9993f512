// One connection to another node, made again whenever it is lost.
#pragma once

#include <functional>

#include "ctdb/daemon/node_links.h"

namespace Atoll::ctdb {

class NodeLinks::Outgoing final : public loop::Deferred {
 public:
    Outgoing(NodeLinks& links, Pnn to, std::string address, protocol::connection_kind kind);

    void start() { connect(); }
    // nullptr: it is not connected, or has more to send than it may.
    Buffer* queue();
    // Something was put into queue().
    void queued() { links_.loop_.defer(*this); }
    [[nodiscard]] bool connected() const { return connected_; }

 private:
    void run_deferred() override { flush(); }
    void connect();
    void writable();
    void greet();
    void flush();
    void lose();
    [[nodiscard]] size_t limit() const;

    NodeLinks& links_;
    const Pnn to_;
    const std::string address_;
    const protocol::connection_kind kind_;
    UniqueFd fd_;
    std::unique_ptr<loop::FdWatch> watch_;
    loop::Timer again_;
    bool connected_ = false;
    Buffer queue_;
    size_t sent_ = 0;  // of queue_
};

}  // namespace Atoll::ctdb
