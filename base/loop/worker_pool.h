// Threads for what blocks or computes for long: file I/O, signing and sealing in bulk. A job gets a descriptor, a buffer and an identity
// and gives back bytes or errno; it touches no database and no object of the main thread.
#pragma once

#include <memory>

#include "base/loop/identity.h"
#include "base/loop/loop.h"

namespace Atoll::loop {

// Derived from by whoever has work; lives where the submitter keeps it (in the request object), so that submitting allocates nothing.
class Job {
 public:
    Job() = default;
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    virtual ~Job() = default;

    virtual void run() = 0;   // on a pool thread, acting as `identity`
    virtual void done() = 0;  // then on the loop's thread; may destroy the job or submit it again

    // Null: root (the invoking user, when unprivileged). Must stay as it is until done().
    const Identity* identity = nullptr;
    // Set before done() if `identity` was not admitted: run() was not called.
    bool refused = false;

 private:
    friend struct WorkerPoolCore;
    Job* next_ = nullptr;
};

struct WorkerPoolCore;

class WorkerPool {
 public:
    // Starts no thread before the first submit. Completions are handed to the loop in batches, one wake-up each. All on the loop's thread.
    WorkerPool(Loop& loop, unsigned threads);
    // Waits for jobs that are running. Jobs submitted but not begun are not run, and no done() is called any more.
    ~WorkerPool();
    WorkerPool(const WorkerPool&) = delete;
    WorkerPool& operator=(const WorkerPool&) = delete;

    // From the loop's thread. The job may not be touched until its done().
    void submit(Job& job);
    // Jobs submitted whose done() has not been called.
    [[nodiscard]] size_t outstanding() const;

 private:
    std::unique_ptr<WorkerPoolCore> core_;
};

}  // namespace Atoll::loop
