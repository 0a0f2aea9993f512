// What files were: opens in snapshots that shadow_copy2 shows (MS-SMB2 3.3.5.9.4).
#include "smbd/fsa/fsa_fixture_test.h"

namespace Atoll::fsa {
namespace {

constexpr const char* token = "@GMT-2015.01.01-00.00.00";
constexpr int64_t taken = 1420070400;

class SnapshotsTest : public FsaTest {
 protected:
    void SetUp() override {
        FsaTest::SetUp();
        std::filesystem::create_directories(at(snapshot("dir")));
        mkdir("dir");
        write(snapshot("dir/file"), "older");
        write(snapshot("gone"), "gone");
        write("dir/file", "newer");
        connect("vfs objects = shadow_copy2\nshadow:snapdir = .snapshots\nshadow:mountpoint = " + root_ + "\n");
    }
    static std::string snapshot(const std::string& path) { return ".snapshots/" + std::string(token).append("/" + path); }
    CreateParams then(std::string_view path, uint32_t desired = read_access, Disposition disposition = Disposition::open) {
        CreateParams p = params(path, desired, disposition);
        p.snapshot = taken;
        return p;
    }
    static std::string content(Open& file) {
        uint8_t bytes[16];
        auto n = file.run_read(bytes, 0);
        return n ? std::string(reinterpret_cast<const char*>(bytes), *n) : to_string(n.error());
    }
};

TEST_F(SnapshotsTest, AreOpenedByTimeOrName) {
    EXPECT_EQ(content(open(params("dir\\file"))), "newer");
    Open& older = open(then("DIR\\file"));
    EXPECT_EQ(content(older), "older");
    EXPECT_EQ(older.info()->name, "\\dir\\file");
    for (const std::string& path : {std::string(token) + "\\dir\\file", std::string("dir\\") + token + "\\file"})
        EXPECT_EQ(content(open(params(path))), "older") << path;
    EXPECT_EQ(content(open(then("gone"))), "gone");
    Open& root = open(then("", access::list_directory | access::read_attributes));
    EXPECT_TRUE(root.is_directory());
    EXPECT_EQ(root.info()->name, "\\");
    EXPECT_NE(open(then("dir\\file")).file_id(), open(params("dir\\file")).file_id());
}

TEST_F(SnapshotsTest, WhatIsNotThere) {
    EXPECT_EQ(status(then("none")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(then("none\\file")), NtStatus::OBJECT_PATH_NOT_FOUND);
    CreateParams other = params("dir\\file");
    for (const int64_t time : {taken + 1, int64_t{-5}, int64_t{1} << 60}) {
        other.snapshot = time;
        EXPECT_EQ(status(other), NtStatus::OBJECT_NAME_NOT_FOUND) << time;
    }
    connect();  // a share that shows none
    EXPECT_EQ(status(then("dir\\file")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(params(std::string(token).append("\\gone"))), NtStatus::OBJECT_PATH_NOT_FOUND);
}

TEST_F(SnapshotsTest, NothingChangesThem) {
    for (const uint32_t desired : {access::write_data, access::delete_, access::write_attributes, access::write_dac, access::write_ea})
        EXPECT_EQ(status(then("dir\\file", desired)), NtStatus::MEDIA_WRITE_PROTECTED) << desired;
    for (const auto d : {Disposition::create, Disposition::overwrite, Disposition::overwrite_if, Disposition::supersede})
        EXPECT_EQ(status(then("dir\\file", read_access, d)), NtStatus::MEDIA_WRITE_PROTECTED) << static_cast<uint32_t>(d);
    EXPECT_EQ(status(then("new", read_access, Disposition::open_if)), NtStatus::MEDIA_WRITE_PROTECTED);
    EXPECT_EQ(open(then("dir\\file", access::maximum_allowed)).granted_access() & (access::write_data | access::delete_), 0u);
    Open& live = open(params("dir\\file", rw_access | access::delete_));
    EXPECT_EQ(live.rename(std::string(token) + "\\moved", true).error(), NtStatus::MEDIA_WRITE_PROTECTED);
    EXPECT_EQ(live.link(std::string(token) + "\\linked", true).error(), NtStatus::MEDIA_WRITE_PROTECTED);
    EXPECT_EQ(read(snapshot("dir/file")), "older");
    EXPECT_EQ(read("dir/file"), "newer");
}

TEST_F(SnapshotsTest, AreListed) {
    for (const char* name : {"@GMT-2016.01.01-00.00.00", "other", "@GMT-2016.02.30-00.00.00"}) mkdir(std::string(".snapshots/") + name);
    std::vector<int64_t> times;
    Open& live = open(params("dir\\file"));
    ASSERT_TRUE(live.list_snapshots(times));
    EXPECT_EQ(times, (std::vector<int64_t>{1451606400, taken}));
    Open& older = open(then("dir"));
    ASSERT_TRUE(older.list_snapshots(times));
    EXPECT_EQ(times.size(), 2u);
    close(live);
    close(older);
    EXPECT_EQ(snapshot_token(taken), token);
    connect();
    ASSERT_TRUE(open(params("dir")).list_snapshots(times));
    EXPECT_TRUE(times.empty());
}

}  // namespace
}  // namespace Atoll::fsa
