// A TDB file of its own for each test, what it holds, and other processes that have it open.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {

using Records = std::map<std::string, std::string>;

inline Records contents(FileDatabase& database) {
    Records records;
    auto seen = database.traverse([&](Bytes key, Bytes value) {
        EXPECT_TRUE(records.emplace(as_text(key), as_text(value)).second);
        return Visit::go_on;
    });
    EXPECT_TRUE(seen.ok()) << seen.error().message();
    return records;
}

inline std::string read_file(const std::string& path) {
    std::string bytes(std::filesystem::file_size(path), '\0');
    const int fd = ::open(path.c_str(), O_RDONLY);
    EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
    return bytes;
}

inline void write_file(const std::string& path, const std::string& bytes) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    ASSERT_EQ(::pwrite(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
}

class TransactionFile : public testing::Test {
 protected:
    void SetUp() override {
        log_set_level(-1);
        directory = (::access("/dev/shm", W_OK) == 0 ? std::string("/dev/shm/") : testing::TempDir()) + "atoll_transaction.XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        path = directory + "/x.tdb";
    }
    void TearDown() override {
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }
    std::unique_ptr<FileDatabase> open(FileOptions options = {}) {
        if (options.path.empty()) options.path = path;
        auto database = FileDatabase::open(options);
        EXPECT_TRUE(database.ok()) << database.error().message();
        return database.ok() ? std::move(*database) : nullptr;
    }
    static void put(FileDatabase& database, const std::string& key, const std::string& value) {
        auto stored = database.store(as_bytes(key), as_bytes(value));
        ASSERT_TRUE(stored.ok()) << stored.error().message();
    }
    static std::string get(FileDatabase& database, const std::string& key) {
        Buffer value;
        auto found = database.fetch(as_bytes(key), value);
        EXPECT_TRUE(found.ok());
        return found.ok() && *found ? std::string(as_text(value)) : "(none)";
    }

    std::string directory, path;
};

// Runs `work` in a child that has the database open as another process has.
template <class F>
int in_child(FileDatabase& database, F work) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::alarm(20);
        if (!database.reopen_after_fork()) ::_exit(99);
        ::_exit(work());
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace Atoll::tdb
