// This process's part in its node: its registration at ctdbd, the shared memory, and the wait for records that are elsewhere. Shared by
// its ClusterDatabases.
//
// It connects at the first use, as the user that the process then is: root, or ctdbd's own user. A connection that has ended is not made
// anew: what the process had locked or found in the databases is void with it, so it has to end (serves() is false for good). Main thread
// only.
//
// Fork: the child calls after_fork() before its first use, and gets a registration of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/buffer.h"
#include "ctdb/client/client.h"
#include "ctdb/core/shared_state.h"
#include "ctdb/shared/shared_memory.h"

namespace Atoll::ctdb {

class Node {
 public:
    explicit Node(std::string socket_path) : socket_path_(std::move(socket_path)) {}

    // Nothing but a look once it is connected. Code::dead: no ctdbd listens, or the connection has ended. Code::unsupported: the cluster
    // writes at a newer format level than this program reads.
    Result<void> connect() {
        if (__builtin_expect(connection_.has_value(), 1)) return {};
        return register_here();
    }
    void after_fork();
    // Called when the connection has ended or an answer of ctdbd has not come, from inside the operation that found it.
    std::function<void()> on_end;

    // Whether this process may answer its clients: the node has a lease, and ctdbd still knows the process. No system call. False before
    // it is connected.
    [[nodiscard]] bool serves() const { return serves_in(session()); }
    [[nodiscard]] bool serves_in(Session session) const;
    [[nodiscard]] Session session() const { return memory_.mapped() ? memory_.lease().session.value() : 0; }
    // After connect().
    [[nodiscard]] Pnn pnn() const { return pnn_; }
    [[nodiscard]] Client id() const { return id_; }
    // At which all of the node write; it rises while processes run.
    [[nodiscard]] const Shared<uint32_t>& level() const { return memory_.level(); }
    [[nodiscard]] const NodeLease& lease() const { return memory_.lease(); }
    [[nodiscard]] const SlotGate& gate(Slot slot) const { return memory_.gates()[slot]; }
    // Readable when the connection has ended.
    [[nodiscard]] int fd() const { return connection_ ? connection_->fd() : -1; }

    // A slot that this node locates, another one each time, those that are in use before those that are being recovered.
    std::optional<Slot> own_slot();

    // So that ctdbd finds the record if the process dies: before its holder is written, until after it is cleared.
    size_t note_hold(uint32_t database, Slot slot);
    void strike_out_hold(size_t hold) { memory_.places()[place_].holds[hold] = 0; }

    // Blocks until ctdbd has locked the record for this process, limits::record_patience at most. Any error is the end of the connection.
    Result<void> want(const std::string& database, Bytes key);
    // As want(), of a record that is only to be read. False: it is not locked, for there is a copy that may be read, or was a moment ago.
    Result<bool> want_to_read(const std::string& database, Bytes key);
    // This process has stored a mirrored record that it has locked. Blocks until another member has the copy, limits::record_patience at most;
    // any error is the end of the connection.
    Result<void> stored(const std::string& database, Bytes key);
    // This process has released a record for which somebody waits.
    void released(const std::string& database, Bytes key);
    // Any other request, blocking. Code::dead: the connection has ended.
    Result<protocol::reply> ask(protocol::request& request);

    struct Counters {
        uint64_t wanted = 0;    // records that came from elsewhere, or had somebody in the way; or copies of them
        uint64_t released = 0;  // and those that somebody waited for
        uint64_t mirrored = 0;  // stores that waited for their mirror
    };
    [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
    Result<void> register_here();
    Failure<Error> end(const char* why);
    protocol::request& prepare(protocol::operation what, const std::string& database, Bytes key);

    const std::string socket_path_;
    std::optional<DaemonConnection> connection_;
    bool ended_ = false;
    SharedMemory memory_;
    Client id_ = 0;
    Pnn pnn_ = no_node;
    uint32_t place_ = 0;
    Slot last_own_slot_ = 0;
    protocol::request request_;  // kept for its capacity
    Counters counters_;
};

}  // namespace Atoll::ctdb
