#include "base/loop/worker_pool.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/loop/core.h"

namespace Atoll::loop {

namespace {

struct JobQueue {
    Job* first = nullptr;
    Job* last = nullptr;
};

// What the loop is given when jobs have finished: one for all that finish until it runs. The loop may still hold it when the pool goes.
struct WakeUp final : Posted {
    void run_posted() override;
    void drop() override { held_by_loop.reset(); }

    WorkerPoolCore* pool = nullptr;        // null once the pool has gone; loop's thread only
    bool pending = false;                  // with the loop; guarded by the pool's mutex
    std::shared_ptr<WakeUp> held_by_loop;  // while it is pending
};

}  // namespace

struct WorkerPoolCore {
    WorkerPoolCore(Loop& on, unsigned most) : loop(on.core()), most_threads(most) {}

    static void push(JobQueue& queue, Job& job) {
        job.next_ = nullptr;
        (queue.last != nullptr ? queue.last->next_ : queue.first) = &job;
        queue.last = &job;
    }
    static Job* pop(JobQueue& queue) {
        Job* job = queue.first;
        if (job == nullptr) return nullptr;
        queue.first = job->next_;
        if (queue.first == nullptr) queue.last = nullptr;
        return job;
    }

    void work();
    static void run(Job& job);
    void deliver();

    LoopCore& loop;
    const unsigned most_threads;
    std::vector<std::thread> threads;
    size_t outstanding = 0;  // loop's thread only

    std::mutex mutex;  // guards what follows
    std::condition_variable wanted;
    JobQueue waiting;
    JobQueue finished;
    unsigned idle = 0;
    bool ending = false;
    std::shared_ptr<WakeUp> wake_up = std::make_shared<WakeUp>();
};

void WakeUp::run_posted() {
    const std::shared_ptr<WakeUp> life = std::move(held_by_loop);
    if (pool != nullptr) pool->deliver();
}

void WorkerPoolCore::work() {
    std::unique_lock lock(mutex);
    for (;;) {
        ++idle;
        wanted.wait(lock, [this] { return ending || waiting.first != nullptr; });
        --idle;
        if (ending) return;
        Job& job = *pop(waiting);
        lock.unlock();
        run(job);
        lock.lock();
        push(finished, job);
        if (!wake_up->pending) {
            wake_up->pending = true;
            wake_up->held_by_loop = wake_up;
            lock.unlock();
            loop.post(*wake_up);
            lock.lock();
        }
    }
}

void WorkerPoolCore::run(Job& job) {
    if (job.identity == nullptr) {
        take_root();
    } else if (!take_identity(*job.identity)) {
        job.refused = true;
        return;
    }
    job.run();
}

void WorkerPoolCore::deliver() {
    JobQueue batch;
    {
        const std::lock_guard lock(mutex);
        wake_up->pending = false;
        batch = std::exchange(finished, {});
    }
    const std::shared_ptr<WakeUp> life = wake_up;
    // A done() may end the pool; jobs of the batch behind it are then not told.
    while (life->pool != nullptr) {
        Job* job = pop(batch);
        if (job == nullptr) return;
        --outstanding;
        job->done();
    }
}

WorkerPool::WorkerPool(Loop& loop, unsigned threads) : core_(std::make_unique<WorkerPoolCore>(loop, threads)) {
    ATOLL_ASSERT(threads > 0);
    core_->wake_up->pool = core_.get();
    core_->threads.reserve(threads);
    (void)is_privileged();  // remembered from here, before any thread takes an identity
}

WorkerPool::~WorkerPool() {
    core_->wake_up->pool = nullptr;
    {
        const std::lock_guard lock(core_->mutex);
        core_->ending = true;
    }
    core_->wanted.notify_all();
    for (std::thread& thread : core_->threads) thread.join();
}

void WorkerPool::submit(Job& job) {
    job.refused = false;
    ++core_->outstanding;
    bool start_one = false;
    {
        const std::lock_guard lock(core_->mutex);
        WorkerPoolCore::push(core_->waiting, job);
        start_one = core_->idle == 0 && core_->threads.size() < core_->most_threads;
    }
    if (start_one) {
        core_->threads.emplace_back([core = core_.get()] { core->work(); });
    } else {
        core_->wanted.notify_one();
    }
}

size_t WorkerPool::outstanding() const { return core_->outstanding; }

}  // namespace Atoll::loop
