// A process's connection to its node's ctdbd, in the blocking form that tools use: one request at a time.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

class Client {
 public:
    // Code::dead: no daemon listens there.
    static Result<Client> connect(const std::string& socket_path);

    // Gives the request its number. Code::busy: no answer came in time; a later one is not taken for another request's. Code::dead: the
    // daemon has ended.
    Result<protocol::reply> call(protocol::request& request, std::chrono::milliseconds patience);

 private:
    explicit Client(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
    uint64_t last_ = 0;
    Buffer packet_;
};

}  // namespace Atoll::ctdb
