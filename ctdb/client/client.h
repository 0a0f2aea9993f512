// A process's connection to its node's ctdbd, in the blocking form that tools use: one request at a time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

// Where ctdbd listens without CTDB_BASE.
constexpr const char* default_socket = "/run/ctdb/ctdbd.socket";

class DaemonConnection {
 public:
    // Code::dead: no daemon listens there.
    static Result<DaemonConnection> connect(const std::string& socket_path);

    // This process becomes one of the node's, which may lock records and write databases as long as the connection lasts. Code::unsupported: the
    // cluster writes at a newer format level than this program reads. Code::denied: any other refusal. Else as call().
    Result<protocol::registration> enrol(std::chrono::milliseconds patience);

    // Gives the request its number. Code::busy: no answer came in time; a later one is not taken for another request's. Code::dead: the
    // daemon has ended.
    Result<protocol::reply> call(protocol::request& request, std::chrono::milliseconds patience);
    // What is not answered; its number is 0. Waits while the daemon is behind, `patience` at most.
    Result<void> tell(protocol::request& request, std::chrono::milliseconds patience);
    [[nodiscard]] int fd() const { return fd_.get(); }

    // Without waiting, for who watches fd(): one who uses these does not call().
    // Gives the request its number. False: nothing was sent, and can be when fd() is writable. Code::dead: the daemon has ended.
    Result<bool> try_send(protocol::request& request);
    // nullopt: none has come.
    Result<std::optional<protocol::reply>> try_receive();

 private:
    Result<void> send(const protocol::request& request, Monotonic deadline);

    explicit DaemonConnection(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
    uint64_t last_ = 0;
    Buffer packet_;
};

}  // namespace Atoll::ctdb
