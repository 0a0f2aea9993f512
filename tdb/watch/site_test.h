// For the tests of watches: processes that share a watched database and its companion in a directory.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/file/file_database.h"
#include "tdb/watch/watches.h"

namespace Atoll::watch {

using namespace std::chrono_literals;

// The databases, opened once; children of a fork go on with them.
struct Shared {
    explicit Shared(const std::string& its_directory)
        : directory(its_directory),
          records(open(directory, "records.tdb", tdb::Rank::locking)),
          companion(open(directory, "watches.tdb", tdb::Rank::watches)) {}

    static std::unique_ptr<tdb::FileDatabase> open(const std::string& directory, const char* name, tdb::Rank rank) {
        tdb::FileOptions options;
        options.path = directory + "/" + name;
        options.rank = rank;
        options.clear_if_first = true;
        options.locks = tdb::LockMode::mutex;
        options.hash_size = 131;
        auto opened = tdb::FileDatabase::open(options);
        EXPECT_TRUE(opened.ok()) << opened.error().message();
        return std::move(*opened);
    }

    std::string directory;
    std::unique_ptr<tdb::FileDatabase> records, companion;
};

// One process's part: its loop, its mailbox and its Watches.
struct Site {
    explicit Site(Shared& shared, messaging::ProcessClass process_class = messaging::ProcessClass::client)
        : messaging(messaging::make_local_messaging(loop, open_mailbox(shared.directory, process_class))),
          records(*shared.records),
          watches(std::make_unique<Watches>(loop, *messaging, *shared.companion)) {
        watches->observe(records, "records.tdb");
    }
    static messaging::MessageSocket open_mailbox(const std::string& directory, messaging::ProcessClass process_class) {
        auto opened = messaging::MessageSocket::open(directory, process_class);
        if (!opened) ::abort();
        return std::move(*opened);
    }

    bool store(std::string_view key, std::string_view value) { return records.store(as_bytes(key), as_bytes(value)).ok(); }
    std::string fetch(std::string_view key) {
        Buffer value;
        (void)records.fetch(as_bytes(key), value).ok();
        return std::string(as_text(value));
    }
    void arm(Watch& watch, std::string_view key, Monotonic deadline = Monotonic::max()) {
        auto record = records.fetch_locked(as_bytes(key));
        ASSERT_TRUE(record.ok());
        ASSERT_TRUE(watch.arm(*record, deadline).ok());
    }
    // Runs the loop until `done`; false after ten seconds.
    template <class Done>
    bool run_until(Done done) {
        const Monotonic deadline = monotonic_now() + 10s;
        while (!done()) {
            if (!loop.run_once(deadline)) return false;
        }
        return true;
    }
    // Runs the loop until all messages that this process has been sent so far are taken.
    void drain() {
        bool drained = false;
        messaging->receive(marker, [&](messaging::Message&) { drained = true; });
        EXPECT_TRUE(messaging->send(messaging->self(), marker, {}).ok());
        EXPECT_TRUE(run_until([&] { return drained; }));
        messaging->receive(marker, {});
    }

    static constexpr uint32_t marker = 0x7FFFFFFF;  // a message that only tests send
    loop::Loop loop;
    std::unique_ptr<messaging::Messaging> messaging;
    tdb::FileDatabase& records;
    std::unique_ptr<Watches> watches;
};

// A process of its own with its own Site, that ends with what `body` gives.
template <class Body>
pid_t in_child(Shared& shared, Body body) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    log_set_level(-1);
    int status = 98;
    {
        if (!shared.records->reopen_after_fork() || !shared.companion->reopen_after_fork()) ::_exit(97);
        Site site(shared);
        status = body(site);
    }
    ::_exit(status);
}

inline int status_of(pid_t pid) {
    int status = -1;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    return status;
}

class WatchTest : public testing::Test {
 protected:
    void SetUp() override {
        char path[] = "/tmp/atoll-watch-XXXXXX";
        ASSERT_NE(::mkdtemp(path), nullptr);
        directory = path;
        shared = std::make_unique<Shared>(directory);
    }
    void TearDown() override {
        shared.reset();
        std::filesystem::remove_all(directory);
    }

    std::string directory;
    std::unique_ptr<Shared> shared;
};

}  // namespace Atoll::watch
