// Asking the committer to commit: asynchronously with a callback on the loop, or waiting for it.
//
// The batches of one CommitClient are decided in the order in which they were handed in. Each is decided once, whatever happens to the
// committer: when it dies, the client connects to its successor and sends again what was not answered, and the committer knows what it has
// decided before. What was answered with success is on the disk.
//
// Main thread of one process (asserted: not across a fork). It acts as root to connect, whoever the thread acts as.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/guid.h"
#include "base/limits.h"
#include "base/loop/loop.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "tdb/committer/batch.h"

namespace Atoll::committer {

class CommitClient {
 public:
    // Success: it is on the disk. Code::exists, not_found, busy: a condition did not hold (the text says of which record), no_space: the
    // disk is full, io, invalid: nothing of it has happened. Code::dead: there was no committer for as long as `patience` says, and whether
    // it happened is not known.
    using Done = std::function<void(Result<void>)>;

    // Connects when first needed. With a loop for submit(); without one there is only commit().
    explicit CommitClient(std::string socket_path, loop::Loop* loop = nullptr,
                          std::chrono::milliseconds patience = std::chrono::seconds(limits::committer_patience_seconds));
    // What has not been answered may happen or not; its callbacks are not called.
    ~CommitClient();
    CommitClient(const CommitClient&) = delete;
    CommitClient& operator=(const CommitClient&) = delete;

    // Never waits. `done` is called on the loop, once, never from here. Code::busy: limits::max_waiting_batches or max_waiting_batch_bytes
    // wait already; Code::invalid: the batch is empty or larger than can be sent. Then nothing was handed in.
    Result<void> submit(const Batch& batch, Done done);
    // Waits for the answer, and for those of all batches before. For tools, and where there is nothing else to do.
    Result<void> commit(const Batch& batch);

    [[nodiscard]] size_t waiting() const { return waiting_.size(); }

 private:
    struct Waiting {
        batch record;
        size_t bytes;
        Done done;
        std::optional<Result<void>>* outcome;  // of commit()
    };
    struct Answered {
        Done done;
        Result<void> result;
    };

    Result<void> enqueue(const Batch& batch, Done done, std::optional<Result<void>>* outcome);
    void connect();
    void lose_connection();
    void spoke();
    void send_more();
    void take_answers();
    bool take_answer(Bytes packet);
    void finish(Waiting& waiting, Result<void> result);
    void give_up_if_late();
    void deliver();
    void rang();
    void set_timer();

    std::string path_;
    loop::Loop* loop_;
    std::chrono::milliseconds patience_;
    pid_t owner_;
    Guid name_;
    uint64_t last_number_ = 0;  // handed in
    uint64_t answered_number_ = 0;
    std::deque<Waiting> waiting_;
    size_t sent_ = 0;  // of waiting_, on this connection
    size_t waiting_bytes_ = 0;
    std::vector<Answered> answered_;  // not delivered yet
    UniqueFd socket_;
    std::optional<loop::FdWatch> watch_;
    std::optional<loop::Timer> timer_;  // to connect again, and to deliver
    Monotonic progress_at_{};           // the last answer, or the first batch after there was none
    Monotonic next_try_{};              // to connect
    Buffer received_;
    Buffer encoded_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);  // a callback may end the client
};

}  // namespace Atoll::committer
