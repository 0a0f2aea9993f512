// The committer on a disk that is full, and has room again.
//
// ATOLL_SMALL_DISK: a directory on a real file system of a few MiB with nothing else on it (torture/harness/durable_test.py mounts one).
// Without it the kernel refuses to let the committer's file grow, which is the same to LMDB.
#include <fcntl.h>

#include <cstdlib>

#include "tdb/committer/durable_store.h"
#include "tdb/committer/process_test.h"

namespace Atoll::committer {
namespace {

constexpr uint64_t largest = 4u << 20;  // of the file, where there is no small disk
constexpr uint64_t ballast = 512u << 10;

class FullDisk : public testing::Test {
 protected:
    FullDisk() : small_disk(std::getenv("ATOLL_SMALL_DISK")), directory(small_disk != nullptr ? small_disk : std::string()) {
        if (small_disk != nullptr) {
            const int fd = ::open((directory.path() + "/ballast").c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
            EXPECT_EQ(::posix_fallocate(fd, 0, ballast), 0);
            ::close(fd);
        }
    }
    static CommitterSettings settings(bool is_real) {
        CommitterSettings settings;
        settings.map_size = 128 * 1024;
        settings.max_file_size = is_real ? 0 : largest;
        return settings;
    }
    void make_room() {
        if (small_disk != nullptr) {
            ASSERT_EQ(::unlink((directory.path() + "/ballast").c_str()), 0);
        } else {
            const rlimit more{largest + ballast, RLIM_INFINITY};
            ASSERT_EQ(::prlimit(committer->pid(), RLIMIT_FSIZE, &more, nullptr), 0);
        }
    }
    // Two records that have to be there both or not at all.
    static Batch pair(int n) {
        Batch batch;
        const std::string value(50000, static_cast<char>('a' + n % 26));
        batch.insert("one", as_bytes("first" + std::to_string(n)), as_bytes(value));
        batch.insert("two", as_bytes("second" + std::to_string(n)), as_bytes(value));
        return batch;
    }
    bool has(const char* database, const std::string& key) {
        auto found = store.database(database)->exists(as_bytes(key));
        EXPECT_TRUE(found.ok());
        return found.ok() && *found;
    }
    // How many pairs were committed until one was not.
    int fill(int from) {
        for (int n = from; n < 1000; n++) {
            const auto done = store.commits().commit(pair(n));
            if (done.ok()) continue;
            EXPECT_EQ(done.error().code, Code::no_space) << done.error().message();
            return n;
        }
        ADD_FAILURE() << "the disk never got full";
        return from;
    }
    void verify(int pairs) {
        for (int n = 0; n < pairs; n++) {
            EXPECT_TRUE(has("one", "first" + std::to_string(n)) && has("two", "second" + std::to_string(n))) << n;
        }
        EXPECT_FALSE(has("one", "first" + std::to_string(pairs)) || has("two", "second" + std::to_string(pairs)));
    }

    const char* small_disk;
    TestDirectory directory;
    std::unique_ptr<CommitterProcess> committer = std::make_unique<CommitterProcess>(directory, settings(small_disk != nullptr));
    loop::Loop loop;
    DurableStore store{directory.path(), directory.path(), &loop};
};

TEST_F(FullDisk, AnErrorAndThePreviousStateAndOnItGoes) {
    const pid_t pid = committer->pid();
    const int pairs = fill(0);
    ASSERT_GT(pairs, 3);
    verify(pairs);
    for (int again = 0; again < 5; again++) EXPECT_EQ(store.commits().commit(pair(pairs)).error().code, Code::no_space);
    verify(pairs);
    make_room();
    const int more = fill(pairs);
    EXPECT_GT(more, pairs);
    verify(more);
    EXPECT_EQ(committer->pid(), pid);
    EXPECT_EQ(::kill(pid, 0), 0) << "the committer did not outlive it";
    // The same is there for one who starts from the disk.
    committer->kill();
    committer->start();
    verify(more);
}

// In one transaction with what does not fit: batches that do fit are committed all the same.
TEST_F(FullDisk, WhatIsLargeFailsAlone) {
    const int pairs = fill(0);
    ASSERT_TRUE([&] {
        Batch batch;
        batch.remove("one", as_bytes("first0"));  // pages that can be used again
        return store.commits().commit(batch).ok() && store.commits().commit(batch).ok();
    }());
    std::vector<Code> failures;
    int committed = 0;
    committer->stop();
    for (int i = 0; i < 12; i++) {
        Batch small;
        small.store("two", as_bytes("small" + std::to_string(i)), as_bytes("v"));
        Batch large = pair(pairs + i);
        for (const Batch* batch : {&small, &large}) {
            ASSERT_TRUE(store.commits()
                            .submit(*batch,
                                    [&](const Result<void>& done) {
                                        committed += done.ok() ? 1 : 0;
                                        if (!done) failures.push_back(done.error().code);
                                    })
                            .ok());
        }
    }
    committer->resume();
    while (store.commits().waiting() > 0) (void)loop.run_once(monotonic_now() + std::chrono::seconds(1));
    (void)loop.run_once(monotonic_now() + std::chrono::milliseconds(1));
    EXPECT_GE(committed, 12);
    EXPECT_FALSE(failures.empty());
    std::printf("%d committed, %zu not\n", committed, failures.size());
    for (const Code code : failures) EXPECT_EQ(code, Code::no_space);
    for (int i = 0; i < 12; i++) EXPECT_TRUE(has("two", "small" + std::to_string(i))) << i;
}

}  // namespace
}  // namespace Atoll::committer
