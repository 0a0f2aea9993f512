// For the tests of this room: a committer in a process of its own, and a directory for its files that goes with the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>

#include "base/log.h"
#include "tdb/committer/committer.h"
#include "tdb/committer/durable_store.h"
#include "tdb/committer/file_journal.h"

namespace Atoll::committer {

class TestDirectory {
 public:
    // Each commit is synced: memory if there is such a place, and nothing else is asked for.
    explicit TestDirectory(const std::string& parent = {}) {
        std::string pattern = !parent.empty() ? parent + "/" : ::access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : testing::TempDir();
        pattern += "atoll_committer.XXXXXX";
        path_ = ::mkdtemp(pattern.data());
    }
    ~TestDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TestDirectory(const TestDirectory&) = delete;
    TestDirectory& operator=(const TestDirectory&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string database() const { return database_path(path_); }
    [[nodiscard]] std::string socket() const { return socket_path(path_); }

 private:
    std::string path_;
};

// Forks; the child runs `body` and ends, or is killed when the test ends.
template <class Body>
pid_t fork_child(Body body) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    ::_exit(0);
}

struct CommitterSettings {
    std::vector<std::string> databases = {"one", "two"};
    uint64_t map_size = 256u << 20;
    uint64_t max_file_size = 0;  // 0: no limit; the disk is full there
};

class CommitterProcess {
 public:
    explicit CommitterProcess(const TestDirectory& directory, CommitterSettings settings = {})
        : directory_(directory), settings_(std::move(settings)) {
        start();
    }
    ~CommitterProcess() {
        if (pid_ > 0) kill();
    }
    CommitterProcess(const CommitterProcess&) = delete;
    CommitterProcess& operator=(const CommitterProcess&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }

    // Returns when it listens.
    void start() {
        int ready[2];
        ASSERT_EQ(::pipe(ready), 0);
        pid_ = fork_child([&] { run(directory_, settings_, ready[1]); });
        ::close(ready[1]);
        char byte;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1) << "the committer does not start";
        ::close(ready[0]);
    }
    void kill() {
        ::kill(pid_, SIGKILL);
        wait();
    }
    // In good order.
    int end() {
        ::kill(pid_, SIGTERM);
        return wait();
    }
    int wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return status;
    }
    void stop() const {
        ::kill(pid_, SIGSTOP);
        int status = 0;
        ::waitpid(pid_, &status, WUNTRACED);
    }
    void resume() const { ::kill(pid_, SIGCONT); }

    static void run(const TestDirectory& directory, const CommitterSettings& settings, int ready) {
        log_set_level(-1);
        if (settings.max_file_size != 0) {
            ::signal(SIGXFSZ, SIG_IGN);
            const rlimit limit{settings.max_file_size, RLIM_INFINITY};
            (void)::setrlimit(RLIMIT_FSIZE, &limit);
        }
        static loop::Loop* running = nullptr;
        loop::Loop loop;
        running = &loop;
        ::signal(SIGTERM, [](int) { running->stop(); });
        auto journal = FileJournal::open({directory.database(), settings.databases, settings.map_size});
        if (!journal) fail_to_start(journal.error());
        auto committer = Committer::open(loop, directory.socket(), std::move(*journal));
        if (!committer) fail_to_start(committer.error());
        (*committer)->on_broken = [] { ::_exit(3); };
        (void)!::write(ready, "r", 1);
        loop.run();
        (*committer)->drain(std::chrono::seconds(10));
        ::_exit(0);
    }

 private:
    [[noreturn]] static void fail_to_start(const Error& error) {
        std::fprintf(stderr, "%s\n", error.message().c_str());
        ::_exit(1);
    }

    const TestDirectory& directory_;
    CommitterSettings settings_;
    pid_t pid_ = -1;
};

}  // namespace Atoll::committer
