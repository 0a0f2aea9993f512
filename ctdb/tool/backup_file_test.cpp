#include "ctdb/tool/backup_file.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/file.h"

namespace Atoll::ctdb {
namespace {

std::string corpus(const char* name) { return CTDB_TOOL_CORPUS "/" + std::string(name); }

// Made by Debian's ctdb 4.17.
TEST(BackupFile, ReadsDebians) {
    const auto file = read_file(corpus("persistent"), max_backup_file);
    ASSERT_TRUE(file);
    const auto backup = read_backup(as_bytes(*file));
    ASSERT_TRUE(backup) << backup.error().message();
    EXPECT_EQ(backup->name, "p.tdb");
    EXPECT_EQ(backup->kind, BackupKind::of_persistent);
    ASSERT_EQ(backup->records.size(), 11u);
    EXPECT_EQ(backup->records[0], (DumpedRecord{"k1", "", 2, 0, 0}));
    EXPECT_TRUE(is_sequence_record(backup->records[1]));
    EXPECT_EQ(backup->records[1], sequence_record(5));
    EXPECT_EQ(backup->records[2], (DumpedRecord{"k2", "a\tb", 1, 0, 0}));
}

TEST(BackupFile, WrittenAndReadAgain) {
    Backup backup{
        1234, BackupKind::of_replicated, "a.tdb", {sequence_record(7), {"key", "value", 3, 1, 0}, {std::string(1, '\0'), "", 0, 0, 2}}};
    Buffer file;
    ASSERT_TRUE(write_backup(backup, file));
    const auto again = read_backup(file.bytes());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->moment, 1234);
    EXPECT_EQ(again->kind, BackupKind::of_replicated);
    EXPECT_EQ(again->name, "a.tdb");
    EXPECT_EQ(again->records, backup.records);
    backup.name.assign(64, 'n');
    EXPECT_FALSE(write_backup(backup, file));
}

TEST(BackupFile, RefusesWhatIsNone) {
    const auto file = read_file(corpus("persistent"), max_backup_file);
    ASSERT_TRUE(file);
    for (size_t size = 0; size < file->size(); size++) EXPECT_FALSE(read_backup(as_bytes(file->substr(0, size)))) << size;
    const std::string other = "root:x:0:0:root";
    const auto refused = read_backup(as_bytes(other));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "Wrong version of backup file, expected 3, got 3475222254926655346");
}

TEST(BackupFile, Text) {
    EXPECT_EQ(text_of({"k\"2", "a\tb\\", 1, 2, 0}),
              "key(3) = \"k\\222\"\ndmaster: 2\nrsn: 1\nflags: 0x00000000\ndata(4) = \"a\\09b\\5C\"\n\n");
}

}  // namespace
}  // namespace Atoll::ctdb
