// full_audit as vfs_full_audit(8) describes it. What goes to syslog(3) is caught here.
#include <gtest/gtest.h>
#include <syslog.h>

#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "vfs/audit_operations.h"
#include "vfs/vfs.h"

namespace {
std::vector<std::pair<int, std::string>> logged;
}

extern "C" void syslog(int priority, const char* format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    (void)std::vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    logged.emplace_back(priority, line);
}

namespace Atoll::vfs {
namespace {

class FullAuditTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "atoll_audit_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = std::filesystem::canonical(pattern).string();
        logged.clear();
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    Result<std::unique_ptr<Vfs>> connect(std::map<std::string, std::string, std::less<>> parameters) {
        Options o;
        o.share = "test";
        o.path = root_;
        o.modules = {"full_audit"};
        o.expand = [](std::string_view text) { return "<" + std::string(text) + ">"; };
        o.parametric = [parameters = std::move(parameters)](std::string_view name) {
            const auto found = parameters.find(name);
            return found == parameters.end() ? std::string() : found->second;
        };
        return connect_share(std::move(o));
    }
    static std::vector<std::string> lines() {
        std::vector<std::string> out;
        for (auto& line : logged) out.push_back(line.second);
        logged.clear();
        return out;
    }

    std::string root_;
};
using Lines = std::vector<std::string>;

TEST_F(FullAuditTest, NothingByDefault) {
    auto vfs = connect({});
    ASSERT_TRUE(vfs);
    EXPECT_TRUE((*vfs)->mkdir((*vfs)->root(), "d", 0755));
    EXPECT_FALSE((*vfs)->open("none", {}));
    vfs->reset();
    EXPECT_EQ(lines(), Lines{});
}

TEST_F(FullAuditTest, RecordsWhatIsAskedFor) {
    auto connected = connect({{"full_audit:success", "connect, disconnect mkdirat unlinkat renameat openat pwrite create_file"},
                              {"full_audit:failure", "mkdirat openat"},
                              {"full_audit:prefix", "%u|%S"},
                              {"full_audit:facility", "LOCAL7"},
                              {"full_audit:priority", "alert"}});
    ASSERT_TRUE(connected);
    Vfs& vfs = **connected;
    EXPECT_EQ(logged.at(0).first, LOG_LOCAL7 | LOG_ALERT);
    EXPECT_EQ(lines(), Lines{"<%u|%S>|connect|ok|test"});
    EXPECT_TRUE(vfs.mkdir(vfs.root(), "d", 0755));
    EXPECT_FALSE(vfs.mkdir(vfs.root(), "d", 0755));
    EXPECT_FALSE(vfs.unlink(vfs.root(), "none"));
    EXPECT_EQ(lines(), (Lines{"<%u|%S>|mkdirat|ok|" + root_ + "/d", "<%u|%S>|mkdirat|fail (File exists)|" + root_ + "/d"}));
    OpenHow how;
    how.access = Access::write;
    how.create = true;
    how.mode = 0644;
    {
        auto file = vfs.open_at(vfs.root(), "f", how);
        ASSERT_TRUE(file);
        EXPECT_TRUE(vfs.pwrite(*file, as_bytes("x"), 0));
        EXPECT_TRUE(vfs.stat(*file));
    }
    EXPECT_EQ(lines(), (Lines{"<%u|%S>|openat|ok|w|" + root_ + "/f", "<%u|%S>|pwrite|ok|" + root_ + "/f"}));
    EXPECT_TRUE(vfs.rename(vfs.root(), "f", vfs.root(), "g", false));
    EXPECT_TRUE(vfs.unlink(vfs.root(), "g"));
    EXPECT_FALSE(vfs.open("d/none", {}));
    EXPECT_TRUE(vfs.rmdir(vfs.root(), "d"));
    EXPECT_EQ(lines(),
              (Lines{"<%u|%S>|renameat|ok|" + root_ + "/f|" + root_ + "/g", "<%u|%S>|unlinkat|ok|" + root_ + "/g",
                     "<%u|%S>|openat|fail (No such file or directory)|r|" + root_ + "/d/none", "<%u|%S>|unlinkat|ok|" + root_ + "/d"}));
    vfs.note_create("a/b", true, 0x100081, 2, NtStatus::SUCCESS);
    vfs.note_create("a/b", false, 0x1, 1, NtStatus::ACCESS_DENIED);
    EXPECT_EQ(lines(), Lines{"<%u|%S>|create_file|ok|0x100081|dir|create|" + root_ + "/a/b"});
    connected->reset();
    EXPECT_EQ(lines(), Lines{"<%u|%S>|disconnect|ok|test"});
}

TEST_F(FullAuditTest, UnknownNamesMakeTheShareUnavailable) {
    for (const char* list : {"full_audit:success", "full_audit:failure"}) {
        auto vfs = connect({{list, "mkdirat mkdirt"}});
        ASSERT_FALSE(vfs);
        EXPECT_NE(vfs.error().message().find("mkdirt"), std::string::npos);
    }
}

TEST(AuditSelection, Words) {
    const auto parse = [](std::vector<std::string> words) { return AuditSelection::parse(words); };
    EXPECT_STREQ(parse({"all"})->name(Audited::open), "openat");
    EXPECT_EQ(parse({"all", "!open"})->name(Audited::open), nullptr);
    EXPECT_EQ(parse({"all", "!open"})->name(Audited::open_stream), nullptr);
    EXPECT_STREQ(parse({"all", "!open"})->name(Audited::mkdir), "mkdirat");
    EXPECT_STREQ(parse({"mkdir", "rename"})->name(Audited::mkdir), "mkdir");
    EXPECT_STREQ(parse({"pread_send", "pread_recv"})->name(Audited::pread), "pread_recv");
    EXPECT_EQ(parse({"mkdir", "none"})->name(Audited::mkdir), nullptr);
    EXPECT_EQ(parse({})->name(Audited::connect), nullptr);
    EXPECT_TRUE(parse({"aio_force", "translate_name", "!close"}));
    for (const char* wrong : {"", "!", "!mkdirt", "ALL", "open_"}) EXPECT_FALSE(parse({wrong})) << wrong;
    EXPECT_EQ(syslog_facility("Local0"), LOG_LOCAL0);
    EXPECT_EQ(syslog_priority("DEBUG"), LOG_DEBUG);
    EXPECT_EQ(syslog_facility("LOG_USER"), -1);
}

}  // namespace
}  // namespace Atoll::vfs
