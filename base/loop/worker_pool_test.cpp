#include "base/loop/worker_pool.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace Atoll::loop {
namespace {

using namespace std::chrono_literals;

struct CountingJob : Job {
    void run() override {
        ran_on = std::this_thread::get_id();
        euid = geteuid();
        ++*runs;
    }
    void done() override {
        done_on = std::this_thread::get_id();
        if (again > 0) {
            --again;
            pool->submit(*this);
            return;
        }
        if (--*left == 0) loop->stop();
    }
    std::atomic<int>* runs = nullptr;
    int* left = nullptr;
    int again = 0;
    WorkerPool* pool = nullptr;
    Loop* loop = nullptr;
    std::thread::id ran_on;
    std::thread::id done_on;
    uid_t euid = 0;
};

TEST(WorkerPool, RunsJobsElsewhereAndTellsTheLoop) {
    Loop loop;
    WorkerPool pool(loop, 3);
    std::atomic<int> runs{0};
    int left = 50;
    std::vector<CountingJob> jobs(50);
    for (CountingJob& job : jobs) {
        job.runs = &runs;
        job.left = &left;
        job.again = 20;
        job.pool = &pool;
        job.loop = &loop;
        pool.submit(job);
    }
    EXPECT_EQ(pool.outstanding(), 50u);
    EXPECT_TRUE(loop.run_until(monotonic_now() + 20s));
    EXPECT_EQ(runs, 50 * 21);
    EXPECT_EQ(pool.outstanding(), 0u);
    for (const CountingJob& job : jobs) {
        EXPECT_NE(job.ran_on, std::this_thread::get_id());
        EXPECT_EQ(job.done_on, std::this_thread::get_id());
    }
}

TEST(WorkerPool, JobsActAsTheirIdentity) {
    if (!is_privileged()) GTEST_SKIP() << "needs root";
    Loop loop;
    WorkerPool pool(loop, 2);
    std::atomic<int> runs{0};
    int left = 30;
    std::vector<Identity> users;
    for (uid_t i = 0; i < 30; ++i) users.push_back({41000 + i % 7, 41000, {}});
    std::vector<CountingJob> jobs(30);
    for (size_t i = 0; i < jobs.size(); ++i) {
        jobs[i].runs = &runs;
        jobs[i].left = &left;
        jobs[i].pool = &pool;
        jobs[i].loop = &loop;
        jobs[i].identity = i % 5 == 4 ? nullptr : &users[i];
        pool.submit(jobs[i]);
    }
    EXPECT_TRUE(loop.run_until(monotonic_now() + 20s));
    for (size_t i = 0; i < jobs.size(); ++i) EXPECT_EQ(jobs[i].euid, i % 5 == 4 ? 0 : users[i].uid);
    EXPECT_EQ(geteuid(), 0u);
}

TEST(WorkerPool, WhoeverIsNotAdmittedIsNotServed) {
    if (is_privileged()) GTEST_SKIP() << "needs an unprivileged user";
    Loop loop;
    WorkerPool pool(loop, 1);
    std::atomic<int> runs{0};
    int left = 1;
    const Identity stranger{geteuid() + 1, getegid(), {}};
    CountingJob job;
    job.runs = &runs;
    job.left = &left;
    job.loop = &loop;
    job.identity = &stranger;
    pool.submit(job);
    EXPECT_TRUE(loop.run_until(monotonic_now() + 20s));
    EXPECT_TRUE(job.refused);
    EXPECT_EQ(runs, 0);
}

struct SlowJob : Job {
    explicit SlowJob(std::atomic<bool>& run_ended) : ended(run_ended) {}
    void run() override {
        started = true;
        std::this_thread::sleep_for(50ms);
        ended = true;
    }
    void done() override { FAIL() << "the pool has gone"; }
    std::atomic<bool> started{false};
    std::atomic<bool>& ended;
};

TEST(WorkerPool, ItsEndWaitsForWhatRuns) {
    Loop loop;
    std::atomic<bool> ended{false};
    SlowJob job(ended);
    {
        WorkerPool pool(loop, 1);
        pool.submit(job);
        while (!job.started) std::this_thread::yield();
    }
    EXPECT_TRUE(ended);
    EXPECT_FALSE(loop.run_until(monotonic_now() + 30ms));
}

}  // namespace
}  // namespace Atoll::loop
