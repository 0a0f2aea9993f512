// A file system that is really full: ext4 in a loop mount, and tmpfs. Needs root and the means to mount; skipped without.
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <map>

#include <gtest/gtest.h>

#include "base/log.h"
#include "tdb/file/file_database.h"

namespace Atoll::tdb {
namespace {

class FullDisk : public testing::TestWithParam<const char*> {
 protected:
    void SetUp() override {
        log_set_level(-1);
        directory = testing::TempDir() + "atoll_full.XXXXXX";
        ASSERT_NE(::mkdtemp(directory.data()), nullptr);
        if (::getuid() != 0) GTEST_SKIP() << "needs root";
        const std::string quiet = " >/dev/null 2>&1";
        if (std::string(GetParam()) == "tmpfs") {
            mounted = ::mount("tmpfs", directory.c_str(), "tmpfs", 0, "size=2m") == 0;
        } else {
            const std::string image = directory + ".img";
            mounted = ::system(("truncate -s 4M " + image + " && mkfs.ext4 -q -F " + image + " && mount -o loop " + image + " " +
                                directory + quiet)
                                   .c_str()) == 0;
        }
        if (!mounted) GTEST_SKIP() << "nothing can be mounted here";
        path = directory + "/x.tdb";
    }
    void TearDown() override {
        if (mounted) ::umount(directory.c_str());
        ::rmdir(directory.c_str());
        ::unlink((directory + ".img").c_str());
    }
    // Takes all the room that there is.
    void fill_up() const {
        const int fd = ::open((directory + "/ballast").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        const std::string block(4096, 'b');
        while (::write(fd, block.data(), block.size()) > 0) {
        }
        EXPECT_EQ(errno, ENOSPC);
        ::close(fd);
    }
    void make_room() const { ::unlink((directory + "/ballast").c_str()); }

    std::string directory, path;
    bool mounted = false;
};

INSTANTIATE_TEST_SUITE_P(File, FullDisk, testing::Values("ext4", "tmpfs"), [](const auto& kind) { return std::string(kind.param); });

std::map<std::string, std::string> contents(FileDatabase& database) {
    std::map<std::string, std::string> records;
    EXPECT_TRUE(database
                    .traverse([&](Bytes key, Bytes value) {
                        records.emplace(as_text(key), as_text(value));
                        return Visit::go_on;
                    })
                    .ok());
    return records;
}

TEST_P(FullDisk, IsAnErrorAndThePreviousStateStays) {
    auto database = FileDatabase::open({.path = path, .hash_size = 17});
    ASSERT_TRUE(database.ok()) << database.error().message();
    for (int i = 0; i < 40; i++) ASSERT_TRUE((*database)->store(as_bytes("key" + std::to_string(i)), as_bytes(std::string(200, 'o'))).ok());
    ASSERT_TRUE((*database)->begin().ok());
    ASSERT_TRUE((*database)->store(as_bytes("key0"), as_bytes("by a transaction")).ok());
    ASSERT_TRUE((*database)->commit().ok());
    const auto before = contents(**database);
    fill_up();
    const std::string large(400000, 'l');
    EXPECT_EQ((*database)->store(as_bytes("large"), as_bytes(large)).error().code, Code::no_space);
    EXPECT_EQ(FileDatabase::open({.path = directory + "/other.tdb"}).error().code, Code::no_space);
    for (int round = 0; round < 3; round++) {
        ASSERT_TRUE((*database)->begin().ok());
        ASSERT_TRUE((*database)->store(as_bytes("key1"), as_bytes("changed")).ok());
        ASSERT_TRUE(*(*database)->remove(as_bytes("key2")));
        ASSERT_TRUE((*database)->store(as_bytes("large"), as_bytes(large)).ok());  // in memory
        EXPECT_EQ((*database)->commit().error().code, Code::no_space);
        EXPECT_EQ(contents(**database), before);
        auto checked = (*database)->check();
        ASSERT_TRUE(checked.ok()) << checked.error().message();
    }
    // What needs no room is committed even now.
    ASSERT_TRUE((*database)->begin().ok());
    ASSERT_TRUE((*database)->store(as_bytes("key1"), as_bytes("small")).ok());
    EXPECT_TRUE((*database)->commit().ok());
    make_room();
    ASSERT_TRUE((*database)->begin().ok());
    ASSERT_TRUE((*database)->store(as_bytes("large"), as_bytes(large)).ok());
    EXPECT_TRUE((*database)->commit().ok());
    EXPECT_EQ(contents(**database).size(), before.size() + 1);
    EXPECT_TRUE((*database)->check().ok());
}

}  // namespace
}  // namespace Atoll::tdb
