// In mutex mode a read and an uncontended write make no system call: seccomp's strict mode kills the child that makes one.
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tdb/file/file_database.h"

#if !defined(ATOLL_SANITIZED)

namespace Atoll::tdb {
namespace {

// What happens to one open of a file, over and over: makes a record, reads it, changes it and removes it.
bool work(FileDatabase& database, Buffer& value) {
    for (int i = 0; i < 1000; i++) {
        auto made = database.fetch_locked(as_bytes("open"));
        if (!made || made->exists() || !made->store(as_bytes("a record of one open"))) return false;
        made->release();
        auto found = database.fetch(as_bytes("open"), value);
        if (!found || !*found) return false;
        if (!database.store(as_bytes("open"), as_bytes("the record of one open, changed"))) return false;
        auto removed = database.remove(as_bytes("open"));
        if (!removed || !*removed) return false;
        if (!database.sequence_number()) return false;
    }
    return true;
}

int run(FileDatabase& database, bool call_the_system) {
    const pid_t pid = ::fork();
    if (pid == 0) {
        Buffer value(4096);
        if (!database.reopen_after_fork() || !work(database, value)) ::_exit(1);  // the file has grown, memory is there
        if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) ::_exit(2);
        if (call_the_system) ::getppid();
        const bool worked = work(database, value);
        ::syscall(SYS_exit, worked ? 0 : 3);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
}

TEST(SystemCalls, NoneForReadsAndUncontendedWrites) {
    std::string directory = testing::TempDir() + "atoll_calls.XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    const std::string path = directory + "/calls.tdb";
    auto database = FileDatabase::open({.path = path, .clear_if_first = true, .count_changes = true, .locks = LockMode::mutex});
    ASSERT_TRUE(database.ok()) << database.error().message();
    EXPECT_EQ(run(**database, false), 0);
    const int killed = run(**database, true);
    EXPECT_TRUE(WIFSIGNALED(killed)) << "the test would not notice a system call";
    database->reset();
    ::unlink(path.c_str());
    ::rmdir(directory.c_str());
}

}  // namespace
}  // namespace Atoll::tdb

#endif
