// The committer: the one process of a node that writes the durable state. It gathers the batches that arrive from all processes, commits
// those that came while the last commit was synced as one transaction with one sync, and answers each when that is on the disk.
//
// - A sender's batches are decided in its order. In the transaction of its batches the committer keeps, for each sender, which were decided
//   and how; a batch that comes again after the committer was killed gets the answer that it got, and is not made twice.
// - A batch's conditions fail that batch alone. When the disk is full or fails, every batch of the transaction is answered so (smaller
//   parts of it are tried first), what was committed before is untouched, and the next transaction is tried as ever.
// - Only the databases that its journal knows can be written, only by processes of its own user. What cannot be read as a batch ends its
//   connection. A sender that does not take its answers is not read from, and none is while as much has gathered as one transaction takes.
//
// What is decided and how it gets to the disk is the journal's (journal.h). Main thread. With a FileJournal the process has no other use of
// the loop that may not wait for a sync.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop/loop.h"
#include "base/result.h"
#include "base/time.h"
#include "base/unique_fd.h"
#include "tdb/committer/journal.h"

namespace Atoll::committer {

class Committer {
 public:
    // Listens. The error is a line for the administrator.
    static Result<std::unique_ptr<Committer>> open(loop::Loop& loop, const std::string& socket_path, std::unique_ptr<Journal> journal);
    ~Committer();

    // Decides and answers all that has arrived, if that takes no longer than `patience`: before an end in good order. Outside loop.run().
    void drain(std::chrono::milliseconds patience);
    // A process has ended: the place that it had as a reader is freed soon.
    void process_ended();
    // Called when nothing can be written any more until the journal is opened anew: the process should end and be started again.
    std::function<void()> on_broken;

 private:
    struct Connection;
    using Connections = std::list<Connection>;

    Committer(loop::Loop& loop, UniqueFd door, std::unique_ptr<Journal> journal);
    void accept();
    void spoke(Connections::iterator connection);
    bool read_from(Connection& connection);
    bool take_hello(Connection& connection, Bytes packet);
    bool take_batch(Connection& connection, Bytes packet);
    [[nodiscard]] bool is_deciding() const { return !deciding_.empty(); }
    [[nodiscard]] bool is_full() const;
    void commit_gathered();
    void commit_soon();
    void decided();
    void hold_back();
    void go_on_reading();
    void drain_once(Monotonic deadline);
    bool flush(Connection& connection);
    void send_answers(Connections::iterator connection);
    void end(Connections::iterator connection);
    void close(Connections::iterator connection);
    void clean();

    loop::Loop& loop_;
    UniqueFd door_;
    loop::FdWatch door_watch_;
    std::unique_ptr<Journal> journal_;
    Connections connections_;
    std::vector<Pending> gathered_;
    size_t gathered_bytes_ = 0;
    std::vector<Pending> deciding_;  // the journal has them
    uint64_t decided_groups_ = 0;
    bool holds_back_ = false;   // nobody is read from
    loop::Timer commit_timer_;  // rings when every socket that is ready has been read
    loop::Timer clean_timer_;
    loop::Timer accept_timer_;  // no descriptors were left
    bool clean_soon_ = false;
    Buffer received_;
    Buffer encoded_;
};

}  // namespace Atoll::committer
