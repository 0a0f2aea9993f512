// shadow_copy2 as vfs_shadow_copy2(8) describes it, on plain directories that stand for snapshots.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "vfs/snapshot_names.h"
#include "vfs/snapshot_token.h"
#include "vfs/vfs.h"

namespace Atoll::vfs {
namespace {

constexpr const char* token = "@GMT-2015.01.01-00.00.00";
constexpr int64_t taken = 1420070400;
using Parameters = std::map<std::string, std::string, std::less<>>;

Options options_with(Parameters parameters, const std::string& path = {}) {
    Options o;
    o.share = "test";
    o.path = path;
    o.modules = {"shadow_copy2", "streams_xattr"};
    o.parametric = [parameters = std::move(parameters)](std::string_view name) {
        const auto found = parameters.find(name);
        return found == parameters.end() ? std::string() : found->second;
    };
    return o;
}

// A "file system" with a share in it: mount/base/share.
class ShadowCopy2Test : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "atoll_shadow_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        mount_ = std::filesystem::canonical(pattern).string();
        std::filesystem::create_directories(share());
    }
    void TearDown() override { std::filesystem::remove_all(mount_); }

    [[nodiscard]] std::string share() const { return mount_ + "/base/share"; }
    void write(const std::string& path, const std::string& text = "content") const {
        const std::filesystem::path whole = mount_ + "/" + path;
        std::filesystem::create_directories(whole.parent_path());
        std::ofstream(whole) << text;
    }
    std::unique_ptr<Vfs> connect(Parameters parameters) {
        parameters.emplace("shadow:mountpoint", mount_);
        auto vfs = connect_share(options_with(std::move(parameters), share()));
        EXPECT_TRUE(vfs) << vfs.error().message();
        return vfs ? std::move(*vfs) : nullptr;
    }
    static std::string content(Vfs& vfs, const std::string& path, const char* when = token) {
        OpenHow how;
        how.access = Access::read;
        auto file = vfs.open((std::string(when) + "/" + path).c_str(), how);
        if (!file) return "errno " + std::to_string(file.error());
        uint8_t bytes[64];
        auto n = vfs.pread(*file, bytes, 0);
        return n ? std::string(reinterpret_cast<const char*>(bytes), *n) : "errno of pread " + std::to_string(n.error());
    }
    static std::vector<int64_t> times(Vfs& vfs, const std::string& path = {}) {
        std::vector<int64_t> out;
        EXPECT_TRUE(vfs.list_snapshots(path, out));
        return out;
    }

    std::string mount_;
};

const std::string missing = "errno " + std::to_string(ENOENT), refused = "errno " + std::to_string(EXDEV);

TEST(SnapshotToken, Text) {
    EXPECT_EQ(parse_snapshot_token(token), taken);
    EXPECT_EQ(snapshot_token(taken), token);
    for (const char* wrong :
         {"", "@GMT-2015.01.01-00.00.0", "@GMT-2015.01.01-00.00.000", "@GMT-2015.02.30-00.00.00", "@gmt-2015.01.01-00.00.00",
          "@GMT-1970.01.01-00.00.00", "@GMT-1969.12.31-23.59.59", "@GMT-2015.1.01-00.00.00 ", "@GMT- 015.01.01-00.00.00"})
        EXPECT_FALSE(parse_snapshot_token(wrong)) << wrong;
    EXPECT_EQ(snapshot_token(int64_t{1} << 60), "");
}

TEST(SnapshotToken, InPaths) {
    const std::string t = token;
    for (const auto& [path, rest] : std::map<std::string, std::string>{{t, ""},
                                                                       {t + "/a/b", "a/b"},
                                                                       {"a/" + t + "/b", "a/b"},
                                                                       {"a/b/" + t, "a/b"},
                                                                       {"a@b/" + t + "/@c", "a@b/@c"},
                                                                       {t + "/" + t, t}}) {
        std::string left = path;
        EXPECT_EQ(take_snapshot_token(left), taken) << path;
        EXPECT_EQ(left, rest);
    }
    for (const std::string& path : {std::string(), std::string("a"), "x" + t, t + "x", "a/x" + t + "/b"}) {
        std::string left = path;
        EXPECT_EQ(take_snapshot_token(left), 0) << path;
        EXPECT_EQ(left, path);
    }
}

TEST(SnapshotNames, Formats) {
    const SnapshotNames plain(options_with({}));
    EXPECT_EQ(plain.time_of(token), taken);
    EXPECT_EQ(plain.name_of(taken), token);
    EXPECT_FALSE(plain.time_of("lost+found"));
    const SnapshotNames days(options_with({{"shadow:format", "day-%Y%m%d"}}));
    EXPECT_EQ(days.time_of("day-20150101"), taken);
    EXPECT_EQ(days.name_of(taken + 3600), "day-20150101");
    EXPECT_FALSE(days.time_of("day-2015011"));
    const SnapshotNames numbers(options_with({{"shadow:sscanf", "yes"}, {"shadow:format", "snap-%lu.ro"}}));
    EXPECT_EQ(numbers.time_of("snap-1420070400.ro"), taken);
    EXPECT_EQ(numbers.name_of(taken), "snap-1420070400.ro");
    for (const char* wrong : {"snap-.ro", "snap-14x.ro", "snap-14", "snap-014.ro", "snap-99999999999999999999.ro", "snap"})
        EXPECT_FALSE(numbers.time_of(wrong)) << wrong;
}

TEST(SnapshotNames, LocalTime) {
    ASSERT_EQ(::setenv("TZ", "TST-3", 1), 0);
    ::tzset();
    const SnapshotNames local(options_with({{"shadow:localtime", "yes"}, {"shadow:format", "%Y.%m.%d-%H.%M"}}));
    EXPECT_EQ(local.time_of("2015.01.01-03.00"), taken);
    EXPECT_EQ(local.name_of(taken), "2015.01.01-03.00");
    ASSERT_EQ(::unsetenv("TZ"), 0);
    ::tzset();
}

TEST(SnapshotNames, Prefixes) {
    const SnapshotNames names(options_with({{"shadow:snapprefix", "^[a-z]*ly$"}, {"shadow:delimiter", "_"}, {"shadow:format", "_%Y%m%d"}}));
    EXPECT_EQ(names.time_of("daily_20150101"), taken);
    EXPECT_EQ(names.time_of("weekly_20150101"), taken);
    EXPECT_FALSE(names.time_of("manual_20150101"));
    EXPECT_FALSE(names.time_of("daily20150101"));
    EXPECT_FALSE(names.name_of(taken));
    const SnapshotNames behind(options_with({{"shadow:snapprefix", "a"}, {"shadow:format", "%Y%m%d"}}));
    EXPECT_EQ(behind.time_of("a_GMT20150101"), taken);
}

TEST_F(ShadowCopy2Test, BelowTheMountPoint) {
    write(".snapshots/" + std::string(token) + "/base/share/d/f", "older");
    write("base/share/d/f", "newer");
    auto vfs = connect({});
    EXPECT_EQ(content(*vfs, "d/f"), "older");
    EXPECT_EQ(content(*vfs, "d/g"), missing);
    EXPECT_EQ(content(*vfs, "d/f", "@GMT-2016.01.01-00.00.00"), missing);
    EXPECT_TRUE(vfs->stat_at(vfs->root(), token)->is_directory());
    EXPECT_EQ(times(*vfs), std::vector<int64_t>{taken});
    auto file = vfs->open("d/f", {});
    ASSERT_TRUE(file);
    EXPECT_EQ(file->snapshot, 0);
}

TEST_F(ShadowCopy2Test, AbsoluteDirectoryAndBase) {
    write("away/" + std::string(token) + "/share/f", "based");
    write("away/" + std::string(token) + "/else/f", "named");
    EXPECT_EQ(content(*connect({{"shadow:snapdir", mount_ + "/away/"}, {"shadow:basedir", mount_ + "/base"}}), "f"), "based");
    EXPECT_EQ(content(*connect({{"shadow:snapdir", mount_ + "/away"}, {"shadow:snapsharepath", "else"}}), "f"), "named");
    // basedir counts before snapsharepath
    EXPECT_EQ(
        content(*connect({{"shadow:snapdir", mount_ + "/away"}, {"shadow:basedir", mount_ + "/base"}, {"shadow:snapsharepath", "else"}}),
                "f"),
        "based");
}

TEST_F(ShadowCopy2Test, Everywhere) {
    write("base/share/a/.snaps/" + std::string(token) + "/b/f", "of a");
    write("base/share/.snaps/" + std::string(token) + "/f", "of share");
    write("base/share/.snaps/" + std::string(token) + "/gone/f", "of what is gone");
    write("base/.snaps/" + std::string(token) + "/share/g", "of base");
    write("base/share/a/b/x");
    auto vfs = connect({{"shadow:snapdir", ".snaps"}, {"shadow:snapdirseverywhere", "yes"}});
    EXPECT_EQ(content(*vfs, "a/b/f"), "of a");
    EXPECT_EQ(content(*vfs, "f"), "of share");
    EXPECT_EQ(content(*vfs, "gone/f"), "of what is gone");
    EXPECT_EQ(content(*vfs, "g"), "of base");
    std::filesystem::create_directory(share() + "/a/.snaps/@GMT-2016.01.01-00.00.00");
    EXPECT_EQ(times(*vfs, "a/b/x").size(), 2u);  // the nearest directory of snapshots
    EXPECT_EQ(times(*vfs).size(), 1u);
}

TEST_F(ShadowCopy2Test, Order) {
    for (const char* day : {"02", "03", "01"}) write(".snapshots/@GMT-2015.01." + std::string(day) + "-00.00.00/base/share/f");
    constexpr int64_t day = 86400;
    EXPECT_EQ(times(*connect({})), (std::vector<int64_t>{taken + 2 * day, taken + day, taken}));
    EXPECT_EQ(times(*connect({{"shadow:sort", "asc"}})), (std::vector<int64_t>{taken, taken + day, taken + 2 * day}));
    EXPECT_EQ(times(*connect({{"shadow:sort", "none"}})).size(), 3u);
}

TEST_F(ShadowCopy2Test, PrefixedNamesAreLookedFor) {
    write(".snapshots/daily_20150101/base/share/f", "daily");
    auto vfs = connect({{"shadow:snapprefix", "^[a-z]*$"}, {"shadow:delimiter", "_"}, {"shadow:format", "_%Y%m%d"}});
    EXPECT_EQ(content(*vfs, "f"), "daily");
    EXPECT_EQ(times(*vfs), std::vector<int64_t>{taken});
}

TEST_F(ShadowCopy2Test, NothingLeadsOut) {
    const std::string snapshot = ".snapshots/" + std::string(token) + "/base/share/";
    write(snapshot + "f", "inside");
    write("base/share/live", "live");
    write("secret", "secret");
    ASSERT_EQ(::symlink("f", (mount_ + "/" + snapshot + "good").c_str()), 0);
    ASSERT_EQ(::symlink("../../../../secret", (mount_ + "/" + snapshot + "up").c_str()), 0);
    ASSERT_EQ(::symlink((mount_ + "/secret").c_str(), (mount_ + "/" + snapshot + "absolute").c_str()), 0);
    ASSERT_EQ(::symlink((share() + "/live").c_str(), (mount_ + "/" + snapshot + "to_share").c_str()), 0);
    auto vfs = connect({});
    EXPECT_EQ(content(*vfs, "good"), "inside");
    for (const char* out : {"up", "absolute", "to_share"}) EXPECT_EQ(content(*vfs, out), refused) << out;
    // A user's own "snapshot", where snapshots are in the share.
    std::filesystem::create_directory(share() + "/.mine");
    ASSERT_EQ(::symlink(mount_.c_str(), (share() + "/.mine/" + token).c_str()), 0);
    auto mine = connect({{"shadow:mountpoint", share()}, {"shadow:snapdir", ".mine"}});
    EXPECT_EQ(content(*mine, "secret"), refused);
}

TEST_F(ShadowCopy2Test, NothingChanges) {
    write(".snapshots/" + std::string(token) + "/base/share/f", "older");
    write("base/share/f", "newer");
    auto vfs = connect({});
    OpenHow how;
    how.access = Access::write;
    EXPECT_EQ(vfs->open((std::string(token) + "/f").c_str(), how).error(), EROFS);
    EXPECT_EQ(vfs->open((std::string(token) + "/none").c_str(), how).error(), ENOENT);
    auto top = vfs->open(token, {});
    ASSERT_TRUE(top);
    auto file = vfs->open_at(*top, "f", {});
    ASSERT_TRUE(file);
    EXPECT_EQ(file->snapshot, taken);
    EXPECT_EQ(vfs->reopen(*file, Access::write).error(), EROFS);
    EXPECT_EQ(vfs->reopen(*file, Access::read)->snapshot, taken);
    EXPECT_FALSE(vfs->may(*file, W_OK));
    how.create = true;
    EXPECT_EQ(vfs->open_at(*top, "new", how).error(), EROFS);
    std::string stream = "s";
    EXPECT_EQ(vfs->open_stream(*file, stream, how).error(), EROFS);
    EXPECT_EQ(vfs->mkdir(*top, "d", 0755).error(), EROFS);
    EXPECT_EQ(vfs->unlink(*top, "f").error(), EROFS);
    EXPECT_EQ(vfs->rename(*top, "f", vfs->root(), "g", true).error(), EROFS);
    EXPECT_EQ(vfs->rename(vfs->root(), "f", *top, "g", true).error(), EROFS);
    EXPECT_EQ(vfs->link(*file, vfs->root(), "g").error(), EROFS);
    EXPECT_EQ(vfs->chmod(*file, 0777).error(), EROFS);
    EXPECT_EQ(vfs->set_xattr(*file, "user.x", {}).error(), EROFS);
    EXPECT_EQ(vfs->set_dos_attributes(*file, *vfs->stat(*file), {}).error(), EROFS);
}

TEST_F(ShadowCopy2Test, InodesOnRequest) {
    write("base/share/f");
    const std::string snapshot = mount_ + "/.snapshots/" + token + "/base/share";
    std::filesystem::create_directories(snapshot);
    std::filesystem::create_hard_link(share() + "/f", snapshot + "/f");
    for (const char* fix : {"no", "yes"}) {
        auto vfs = connect({{"shadow:fixinodes", fix}});
        auto now = vfs->open("f", {}), then = vfs->open((std::string(token) + "/f").c_str(), {});
        ASSERT_TRUE(now && then);
        EXPECT_EQ(vfs->stat(*now)->inode == vfs->stat(*then)->inode, *fix == 'n');
        EXPECT_EQ(vfs->file_id(*now, *vfs->stat(*now)) == vfs->file_id(*then, *vfs->stat(*then)), *fix == 'n');
    }
}

}  // namespace
}  // namespace Atoll::vfs
