// The committer: the one process of a node that writes the durable state. It gathers the batches that arrive from all processes, commits
// those that came while the last commit was synced as one transaction with one sync, and answers each when that is on the disk.
//
// - A sender's batches are decided in its order. In the transaction of its batches the committer keeps, for each sender, which were decided
//   and how; a batch that comes again after the committer was killed gets the answer that it got, and is not made twice.
// - A batch's conditions fail that batch alone. When the disk is full or fails, every batch of the transaction is answered so (smaller
//   parts of it are tried first), what was committed before is untouched, and the next transaction is tried as ever.
// - Only the databases that it was started with can be written, only by processes of its own user. What cannot be read as a batch ends its
//   connection. A sender that does not take its answers is not read from.
//
// Main thread. The process has no other use of the loop that may not wait for a sync.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/loop/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tdb/committer/journal.h"

namespace Atoll::committer {

class Committer {
 public:
    // Opens or makes the file, removes what dead senders left, and listens. The error is a line for the administrator.
    static Result<std::unique_ptr<Committer>> open(loop::Loop& loop, const std::string& socket_path, const JournalOptions& options);
    ~Committer();

    // Decides and answers all that has arrived: before an end in good order.
    void drain();
    // A process has ended: the place that it had as a reader is freed soon.
    void process_ended();
    // Called when the file cannot be written any more until it is opened anew: the process should end and be started again.
    std::function<void()> on_broken;

    [[nodiscard]] const Journal& journal() const { return *journal_; }

 private:
    struct Connection;
    using Connections = std::list<Connection>;

    Committer(loop::Loop& loop, UniqueFd door, std::unique_ptr<Journal> journal);
    void accept();
    void spoke(Connections::iterator connection);
    bool read_from(Connection& connection);
    bool take_hello(Connection& connection, Bytes packet);
    bool take_batch(Connection& connection, Bytes packet);
    void commit_gathered();
    bool flush(Connection& connection);
    void send_answers(Connections::iterator connection);
    void close(Connections::iterator connection);
    void clean();

    loop::Loop& loop_;
    UniqueFd door_;
    loop::FdWatch door_watch_;
    std::unique_ptr<Journal> journal_;
    Connections connections_;
    std::vector<Pending> gathered_;
    size_t gathered_bytes_ = 0;
    loop::Timer commit_timer_;  // rings when every socket that is ready has been read
    loop::Timer clean_timer_;
    loop::Timer accept_timer_;  // no descriptors were left
    bool clean_soon_ = false;
    Buffer received_;
    Buffer encoded_;
};

}  // namespace Atoll::committer
