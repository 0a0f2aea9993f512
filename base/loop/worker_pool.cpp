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

// Shared with the loop, which may still hold one when the pool goes.
struct WakeUp {
    WorkerPoolCore* pool = nullptr;  // null once the pool has gone; loop's thread only
    bool pending = false;            // with the loop; guarded by the pool's mutex
    HandlerMemory memory;
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

namespace {

// What the loop is given when jobs have finished: one for all that finish until it runs.
struct WakeHandler {
    using allocator_type = HandlerAllocator<void>;
    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type(wake_up->memory); }
    void operator()() {
        if (wake_up->pool != nullptr) wake_up->pool->deliver();
    }
    std::shared_ptr<WakeUp> wake_up;
};

}  // namespace

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
            lock.unlock();
            asio::post(loop.context, WakeHandler{wake_up});
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
