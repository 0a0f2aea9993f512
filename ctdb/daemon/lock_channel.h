// ctdbd's end of the supervisor: what the core asks of the cluster lock goes out, the answers come back as events.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "base/loop/loop.h"
#include "base/unique_fd.h"
#include "ctdb/core/events.h"
#include "ctdb/protocol/node.idl.h"

namespace Atoll::ctdb {

class LockChannel {
 public:
    using Deliver = std::function<void(Event)>;

    // `ended`: the supervisor is gone, and with it the lock, or the cluster is of another age than this program; why.
    LockChannel(loop::Loop& loop, UniqueFd supervisor, Deliver deliver, std::function<void(const std::string&)> ended);

    void take();
    void check(const CheckLock& check);
    void release();
    // The supervisor reads `nodes` again.
    void relist();
    void write(const WriteRegister& write);
    void write(const WriteBallot& write);

 private:
    void send(const protocol::lock_request& request);
    void flush();
    void readable();
    void answered(const protocol::lock_reply& reply);

    UniqueFd fd_;
    Deliver deliver_;
    std::function<void(const std::string&)> ended_;
    std::deque<Buffer> waiting_;
    Buffer packet_;
    loop::FdWatch watch_;
};

}  // namespace Atoll::ctdb
