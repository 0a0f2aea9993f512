#include "vfs/vfs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "vfs/directory.h"
#include "vfs/dos_attributes.h"
#include "vfs/modes.h"
#include "vfs/name_lookup.h"
#include "vfs/path.h"
#include "vfs/remembered_xattrs.h"
#include "vfs/short_name.h"

namespace fs = std::filesystem;

namespace Atoll::vfs {
namespace {

class VfsTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = (fs::temp_directory_path() / "atoll_vfs_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        top_ = pattern;
        fs::create_directories(top_ + "/share/dir/deep");
        fs::create_directories(top_ + "/outside");
        write(top_ + "/share/file", "inside");
        write(top_ + "/share/dir/Leaf.TXT", "leaf");
        write(top_ + "/outside/secret", "secret");
        options_.share = "test";
        options_.path = top_ + "/share";
        connect();
    }
    void TearDown() override {
        vfs_.reset();
        fs::remove_all(top_);
    }
    void connect() {
        auto vfs = connect_share(options_);
        ASSERT_TRUE(vfs) << vfs.error().message();
        vfs_ = std::move(*vfs);
    }
    static void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
    void symlink(const std::string& target, const std::string& path) { fs::create_symlink(target, top_ + "/share/" + path); }
    static OpenHow reading() {
        OpenHow how;
        how.access = Access::read;
        return how;
    }
    // What the file reads, or the errno as "E<number>".
    std::string contents(const char* path) {
        auto file = vfs_->open(path, reading());
        if (!file) return "E" + std::to_string(file.error());
        std::array<uint8_t, 64> bytes;
        auto n = vfs_->pread(*file, bytes, 0);
        return n ? std::string(as_text({bytes.data(), *n})) : "E" + std::to_string(n.error());
    }
    static std::string error(int number) { return "E" + std::to_string(number); }

    std::string top_;
    Options options_;
    std::unique_ptr<Vfs> vfs_;
};

TEST(Path, Validity) {
    EXPECT_TRUE(is_valid_path(""));
    EXPECT_TRUE(is_valid_path("a/b.c/..d"));
    for (const char* bad : {"/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b"}) EXPECT_FALSE(is_valid_path(bad)) << bad;
    EXPECT_FALSE(is_valid_path(std::string_view("a\0b", 3)));
    EXPECT_TRUE(is_valid_path(std::string(255, 'x')));
    EXPECT_FALSE(is_valid_path(std::string(256, 'x')));
}

TEST_F(VfsTest, UnknownModuleAndMissingPathMakeTheShareUnavailable) {
    options_.modules = {"no_such_module"};
    auto vfs = connect_share(options_);
    ASSERT_FALSE(vfs);
    EXPECT_NE(vfs.error().message().find("no_such_module"), std::string::npos);
    options_.modules.clear();
    options_.path = top_ + "/nowhere";
    auto missing = connect_share(options_);
    ASSERT_FALSE(missing);
    EXPECT_NE(missing.error().message().find("nowhere"), std::string::npos);
    options_.path = top_ + "/share";
    options_.fileid_algorithm = "dice";
    EXPECT_FALSE(connect_share(options_));
}

struct CountingModule : Module {
    using Module::Module;
    static inline int unlinks = 0;
    Result<void, int> unlink(const File& parent, const char* leaf) override {
        unlinks++;
        return next().unlink(parent, leaf);
    }
};

TEST_F(VfsTest, ModulesStack) {
    register_module("counting",
                    [](std::unique_ptr<Vfs> next) -> std::unique_ptr<Vfs> { return std::make_unique<CountingModule>(std::move(next)); });
    options_.modules = {"counting", "counting"};
    connect();
    CountingModule::unlinks = 0;
    ASSERT_TRUE(vfs_->unlink(vfs_->root(), "file"));
    EXPECT_EQ(CountingModule::unlinks, 2);
    EXPECT_FALSE(fs::exists(top_ + "/share/file"));
}

TEST_F(VfsTest, NothingLeadsOut) {
    symlink("../outside/secret", "relative");
    symlink(top_ + "/outside/secret", "absolute");
    symlink("/etc/passwd", "etc");
    symlink("../outside", "directory");
    symlink("/proc/self/root", "magic");
    symlink("dir/../../outside/secret", "around");
    for (const char* path : {"relative", "absolute", "etc", "directory/secret", "magic/etc/passwd", "around"}) {
        EXPECT_EQ(contents(path), error(EXDEV)) << path;
    }
    EXPECT_EQ(contents("../outside/secret"), error(EXDEV));
    EXPECT_EQ(contents("/etc/passwd"), error(EXDEV));
}

TEST_F(VfsTest, LinksInsideAreFollowedAndAbsoluteOnesReRooted) {
    symlink("dir/Leaf.TXT", "relative");
    symlink(top_ + "/share/dir/Leaf.TXT", "absolute");
    symlink(top_ + "/share/dir", "absdir");
    symlink("../share/dir", "out_and_in");
    symlink(top_ + "/share/../outside/secret", "sneaky");
    EXPECT_EQ(contents("relative"), "leaf");
    EXPECT_EQ(contents("absolute"), "leaf");
    EXPECT_EQ(contents("absdir/Leaf.TXT"), "leaf");
    EXPECT_EQ(contents("out_and_in/Leaf.TXT"), "leaf");
    EXPECT_EQ(contents("sneaky"), error(EXDEV));
    symlink("absdir/Leaf.TXT", "chain");
    EXPECT_EQ(contents("chain"), "leaf");
    // A share whose own path goes through a symlink: links by that path are inside as well.
    fs::create_symlink(top_ + "/share", top_ + "/alias");
    symlink(top_ + "/alias/file", "by_alias");
    options_.path = top_ + "/alias";
    connect();
    EXPECT_EQ(contents("by_alias"), "inside");
    EXPECT_EQ(contents("absolute"), "leaf");
}

TEST_F(VfsTest, LoopsEnd) {
    symlink("loop2", "loop1");
    symlink("loop1", "loop2");
    symlink(top_ + "/share/abs2", "abs1");
    symlink(top_ + "/share/abs1", "abs2");
    EXPECT_EQ(contents("loop1"), error(ELOOP));
    EXPECT_EQ(contents("abs1"), error(ELOOP));
}

TEST_F(VfsTest, FollowSymlinksAndWideLinks) {
    symlink("dir/Leaf.TXT", "inside");
    symlink(top_ + "/outside/secret", "wide");
    symlink("dir", "linked");
    options_.follow_symlinks = false;
    connect();
    EXPECT_EQ(contents("inside"), error(ELOOP));
    EXPECT_EQ(contents("linked/Leaf.TXT"), error(ELOOP));
    EXPECT_EQ(contents("dir/Leaf.TXT"), "leaf");
    options_.follow_symlinks = true;
    options_.wide_links = true;
    connect();
    EXPECT_EQ(contents("wide"), "secret");
}

TEST_F(VfsTest, RacingSymlinksNeverLeadOut) {
    fs::create_directory(top_ + "/share/real");
    write(top_ + "/share/real/secret", "inside");
    const std::string path = top_ + "/share/flip";
    symlink(top_ + "/share/real", "flip");
    std::atomic<bool> stop{false};
    std::thread flipper([&] {
        for (int i = 0; !stop; i++) {
            const std::string next = path + ".new";
            ::unlink(next.c_str());
            const std::string target = top_ + (i % 2 == 0 ? "/outside" : "/share/real");
            if (::symlink(target.c_str(), next.c_str()) == 0) ::rename(next.c_str(), path.c_str());
        }
    });
    // On a busy machine one of the two may hold the processor for long: until both ends of the link have been met.
    std::set<std::string> seen;
    const auto enough = [&] { return seen.contains("inside") && seen.contains(error(EXDEV)); };
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (int i = 0; i < 3000 || (!enough() && std::chrono::steady_clock::now() < deadline); i++) seen.insert(contents("flip/secret"));
    stop = true;
    flipper.join();
    EXPECT_FALSE(seen.contains("secret"));
    EXPECT_TRUE(seen.contains("inside"));
    EXPECT_TRUE(seen.contains(error(EXDEV)));
}

TEST_F(VfsTest, LookupIgnoresCaseAndGivesStoredNames) {
    NameLookup lookup(*vfs_);
    Located at;
    ASSERT_TRUE(lookup.locate("DIR/leaf.txt", at));
    EXPECT_EQ(at.missing, Missing::nothing);
    EXPECT_EQ(at.path, "dir/Leaf.TXT");
    EXPECT_STREQ(at.leaf(), "Leaf.TXT");
    ASSERT_TRUE(vfs_->stat_at(at.parent, at.leaf()));
    std::string stored;
    ASSERT_TRUE(lookup.open("Dir/DEEP", {}, stored));
    EXPECT_EQ(stored, "dir/deep");
}

TEST_F(VfsTest, LookupPrefersTheExactName) {
    write(top_ + "/share/FILE", "other");
    NameLookup lookup(*vfs_);
    std::string stored;
    ASSERT_TRUE(lookup.open("FILE", {}, stored));
    EXPECT_EQ(stored, "FILE");
    ASSERT_TRUE(lookup.open("file", {}, stored));
    EXPECT_EQ(stored, "file");
}

TEST_F(VfsTest, LookupTellsWhatIsMissing) {
    NameLookup lookup(*vfs_);
    Located at;
    ASSERT_TRUE(lookup.locate("Dir/new name", at));
    EXPECT_EQ(at.missing, Missing::leaf);
    EXPECT_EQ(at.path, "dir/new name");
    EXPECT_TRUE(at.parent.valid());
    ASSERT_TRUE(lookup.locate("nowhere/x", at));
    EXPECT_EQ(at.missing, Missing::component);
    ASSERT_TRUE(lookup.locate("file/x", at));
    EXPECT_EQ(at.missing, Missing::component);
    symlink("gone", "dangling");
    ASSERT_TRUE(lookup.locate("Dangling", at));
    EXPECT_EQ(at.missing, Missing::leaf);
    EXPECT_TRUE(at.dangling);
    std::string stored;
    EXPECT_EQ(lookup.open("nowhere/x", {}, stored).error(), ENOTDIR);
    EXPECT_EQ(lookup.open("x", {}, stored).error(), ENOENT);
}

TEST(ShortNames, EightDotThree) {  // MS-FSCC 2.1.5.2.1
    for (const char* good : {"a", "abcdefgh.txt", "A.B", "renamed.bin"}) EXPECT_TRUE(is_8_3_name(good)) << good;
    for (const char* bad : {"", "abcdefghi", "a.text", "a b", "a.b.c", ".a", "a.", "a:b", "\xC3\xA4"})
        EXPECT_FALSE(is_8_3_name(bad)) << bad;
    EXPECT_EQ(ShortName("File.txt", '~').text(), "File.txt");
    const ShortName made("long file name.text", '~');
    EXPECT_TRUE(is_8_3_name(made.text()));
    EXPECT_TRUE(may_be_made(made.text(), '~'));
    EXPECT_TRUE(made.text().ends_with(".TEX"));
    EXPECT_EQ(made.text(), ShortName("LONG FILE NAME.text", '~').text());
    EXPECT_NE(made.text(), ShortName("long file name 2.text", '~').text());
    EXPECT_TRUE(is_8_3_name(ShortName("a:b?", '~').text()));
}

TEST_F(VfsTest, LookupByShortName) {
    write(top_ + "/share/long file name.text", "");
    NameLookup lookup(*vfs_);
    Located at;
    const std::string made(ShortName("long file name.text", '~').text());
    ASSERT_TRUE(lookup.locate(made, at));
    EXPECT_EQ(at.missing, Missing::nothing);
    EXPECT_EQ(at.path, "long file name.text");
    options_.mangled_names = MangledNames::no;
    connect();
    NameLookup plain(*vfs_);
    ASSERT_TRUE(plain.locate(made, at));
    EXPECT_EQ(at.missing, Missing::leaf);
}

// tmpfs refuses RWF_NOWAIT, and its reads wait for no disk.
TEST(MemoryBacked, ReadsAreAlwaysCached) {
    struct statfs kind {};
    if (::statfs("/dev/shm", &kind) != 0 || kind.f_type != TMPFS_MAGIC) GTEST_SKIP() << "no tmpfs at /dev/shm";
    std::string pattern = "/dev/shm/atoll_vfs_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    std::ofstream(pattern + "/file") << "in memory";
    Options options;
    options.share = "test";
    options.path = pattern;
    auto vfs = connect_share(options);
    ASSERT_TRUE(vfs) << vfs.error().message();
    OpenHow how;
    how.access = Access::read;
    auto file = (*vfs)->open("file", how);
    ASSERT_TRUE(file);
    std::array<uint8_t, 64> bytes;
    auto n = (*vfs)->pread_cached(*file, bytes, 3);
    ASSERT_TRUE(n);
    EXPECT_EQ(as_text({bytes.data(), *n}), "memory");
    EXPECT_TRUE((*vfs)->reads_cached());
    fs::remove_all(pattern);
}

TEST_F(VfsTest, CaseSensitiveShareDoesNotScan) {
    options_.case_sensitive = true;
    connect();
    NameLookup lookup(*vfs_);
    Located at;
    ASSERT_TRUE(lookup.locate("FILE", at));
    EXPECT_EQ(at.missing, Missing::leaf);
    ASSERT_TRUE(lookup.locate("DIR/Leaf.TXT", at));
    EXPECT_EQ(at.missing, Missing::component);
}

TEST_F(VfsTest, CreateRenameLinkUnlink) {
    OpenHow how;
    how.access = Access::read_write;
    how.create = true;
    how.mode = 0666;
    auto file = vfs_->open_at(vfs_->root(), "new", how);
    ASSERT_TRUE(file);
    EXPECT_EQ(vfs_->stat(*file)->mode & 07777, 0666u);  // no umask
    EXPECT_EQ(vfs_->open_at(vfs_->root(), "new", how).error(), EEXIST);
    EXPECT_EQ(vfs_->rename(vfs_->root(), "new", vfs_->root(), "file", false).error(), EEXIST);
    ASSERT_TRUE(vfs_->rename(vfs_->root(), "new", vfs_->root(), "file", true));
    ASSERT_TRUE(vfs_->link(*file, vfs_->root(), "second"));
    EXPECT_EQ(vfs_->stat(*file)->links, 2u);
    ASSERT_TRUE(vfs_->unlink(vfs_->root(), "second"));
    EXPECT_EQ(vfs_->rmdir(vfs_->root(), "dir").error(), ENOTEMPTY);
    ASSERT_TRUE(vfs_->mkdir(vfs_->root(), "made", 0777));
    EXPECT_EQ(vfs_->stat_at(vfs_->root(), "made")->mode & 07777, 0777u);
    symlink("file", "link");
    OpenHow plain = reading();
    EXPECT_EQ(vfs_->open_at(vfs_->root(), "link", plain).error(), ELOOP);
}

TEST_F(VfsTest, DataAndSizes) {
    auto file = vfs_->open("file", {});
    ASSERT_TRUE(file);
    auto data = vfs_->reopen(*file, Access::read_write);
    ASSERT_TRUE(data);
    ASSERT_TRUE(vfs_->pwrite(*data, as_bytes("0123456789"), 4));
    std::array<uint8_t, 32> bytes;
    EXPECT_EQ(*vfs_->pread(*data, bytes, 0), 14u);
    EXPECT_EQ(as_text({bytes.data(), 14}), "insi0123456789");
    auto cached = vfs_->pread_cached(*data, bytes, 0);
    if (cached) {
        EXPECT_EQ(*cached, 14u);
    } else {
        EXPECT_TRUE(cached.error() == EOPNOTSUPP || cached.error() == EAGAIN) << cached.error();
    }
    EXPECT_EQ(*vfs_->pread(*data, bytes, 14), 0u);
    ASSERT_TRUE(vfs_->truncate(*data, 3));
    EXPECT_EQ(vfs_->stat(*file)->size, 3u);
    ASSERT_TRUE(vfs_->fsync(*data));
    auto allocated = vfs_->allocate(*data, Allocate::keep_size, 0, 65536);
    if (allocated) {
        EXPECT_GE(vfs_->stat(*file)->allocated, 65536u);
    }
    EXPECT_EQ(vfs_->stat(*file)->size, 3u);
}

TEST_F(VfsTest, TimesModesAndXattrsByPathDescriptor) {
    auto file = vfs_->open("file", {});
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->path_only);
    ASSERT_TRUE(vfs_->set_times(*file, {0, UTIME_OMIT}, {1000000000, 500}));
    EXPECT_EQ(vfs_->stat(*file)->write_time.tv_sec, 1000000000);
    EXPECT_EQ(vfs_->stat(*file)->write_time.tv_nsec, 500);
    ASSERT_TRUE(vfs_->chmod(*file, 0640));
    EXPECT_EQ(vfs_->stat(*file)->mode & 07777, 0640u);
    if (!vfs_->set_xattr(*file, "user.test", as_bytes("value"))) GTEST_SKIP() << "no user xattrs on this file system";
    std::array<uint8_t, 64> bytes;
    ASSERT_TRUE(vfs_->get_xattr(*file, "user.test", bytes));
    EXPECT_EQ(as_text({bytes.data(), 5}), "value");
    EXPECT_EQ(*vfs_->get_xattr(*file, "user.test", {}), 5u);
    EXPECT_EQ(vfs_->get_xattr(*file, "user.none", bytes).error(), ENODATA);
    auto listed = vfs_->list_xattr(*file, bytes);
    ASSERT_TRUE(listed);
    EXPECT_NE(as_text({bytes.data(), *listed}).find("user.test"), std::string_view::npos);
    ASSERT_TRUE(vfs_->remove_xattr(*file, "user.test"));
    EXPECT_EQ(vfs_->get_xattr(*file, "user.test", bytes).error(), ENODATA);
}

// A child's descriptors are its own, not those of the process that it was forked from.
TEST_F(VfsTest, XattrsByPathDescriptorAfterFork) {
    auto file = vfs_->open("file", {}), other = vfs_->open("dir/Leaf.TXT", {});
    ASSERT_TRUE(file && other);
    ASSERT_TRUE(vfs_->set_xattr(*file, "user.test", as_bytes("parent")));
    ASSERT_TRUE(vfs_->set_xattr(*other, "user.test", as_bytes("other")));
    EXPECT_EQ(*vfs_->get_xattr(*file, "user.test", {}), 6u);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        // In the child the number is another file's.
        const bool moved = ::dup3(other->fd.get(), file->fd.get(), O_CLOEXEC) >= 0;
        const auto size = vfs_->get_xattr(*file, "user.test", {});
        ::_exit(moved && size && *size == 5 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(*vfs_->get_xattr(*file, "user.test", {}), 6u);
}

// What a local program, or another process of ours, changes is seen at once, however often it has been looked at.
TEST_F(VfsTest, RememberedAttributesAreThoseOfNow) {
    auto others = connect_share(options_);
    ASSERT_TRUE(others);
    auto file = vfs_->open("file", {});
    ASSERT_TRUE(file);
    const auto hidden = [&] { return (vfs_->dos_attributes(*file, *vfs_->stat(*file), "file").attributes & attribute::hidden) != 0; };
    for (int round = 0; round < 3; round++) {
        for (const bool wanted : {true, false}) {
            DosAttributes value;
            value.attributes = wanted ? attribute::hidden : attribute::archive;
            ASSERT_TRUE((*others)->set_dos_attributes(*file, *vfs_->stat(*file), value));
            for (int i = 0; i < 40; i++) ASSERT_EQ(hidden(), wanted);
            std::this_thread::sleep_for(std::chrono::milliseconds(70));
            for (int i = 0; i < 40; i++) ASSERT_EQ(hidden(), wanted);
        }
        ASSERT_TRUE((*others)->remove_xattr(*file, "user.DOSATTRIB"));
        ASSERT_FALSE(hidden());
    }
}

TEST_F(VfsTest, AttributesAreRememberedForAChangeTime) {
    RememberedXattrs remembered(vfs_->root().fd.get());
    auto file = vfs_->open("file", {});
    Stat stat = *vfs_->stat(*file);
    if (!RememberedXattrs::knows(vfs_->root().fd.get())) GTEST_SKIP() << "not on this file system";
    const Stat young = stat;
    stat.change_time.tv_sec -= 10;
    for (int i = 0; i < 100; i++) remembered.remember(young, as_bytes("value"));
    EXPECT_FALSE(remembered.find(young)) << "the next change could have the same change time";
    for (int i = 0; i < 100; i++) remembered.remember(stat, as_bytes("value"));
    ASSERT_TRUE(remembered.find(stat));
    EXPECT_EQ(as_text(*remembered.find(stat)), "value");
    EXPECT_FALSE(remembered.find(young));
    Stat other = stat;
    other.device++;
    EXPECT_FALSE(remembered.find(other));
    remembered.remember(stat, {});
    ASSERT_TRUE(remembered.find(stat));
    EXPECT_TRUE(remembered.find(stat)->empty()) << "that there is none is known, too";
    // More files than there is room for: each that is known is right.
    for (uint64_t i = 1; i < 10000; i++) {
        other = stat;
        other.inode = i;
        remembered.remember(other, as_bytes(std::to_string(i)));
    }
    size_t known = 0;
    for (uint64_t i = 1; i < 10000; i++) {
        other = stat;
        other.inode = i;
        if (const auto found = remembered.find(other)) {
            EXPECT_EQ(as_text(*found), std::to_string(i));
            known++;
        }
    }
    EXPECT_GT(known, 1000u);
}

TEST_F(VfsTest, FileIdsTellFilesApartAndStay) {
    auto a = vfs_->open("file", {});
    auto b = vfs_->open("dir/Leaf.TXT", {});
    ASSERT_TRUE(a && b);
    const FileId first = vfs_->file_id(*a, *vfs_->stat(*a));
    EXPECT_NE(first, vfs_->file_id(*b, *vfs_->stat(*b)));
    EXPECT_NE(first.volume, 0u);
    ASSERT_TRUE(vfs_->rename(vfs_->root(), "file", vfs_->root(), "moved", true));
    connect();
    auto again = vfs_->open("moved", {});
    ASSERT_TRUE(again);
    EXPECT_EQ(first, vfs_->file_id(*again, *vfs_->stat(*again)));
    for (const char* name : {"fsname", "fsid", "next_module"}) {
        options_.fileid_algorithm = name;
        connect();
        EXPECT_NE(vfs_->file_id(vfs_->root(), *vfs_->stat(vfs_->root())).volume, 0u) << name;
    }
}

TEST_F(VfsTest, DirectoryReaderRestartsAndResumes) {
    fs::create_directory(top_ + "/share/many");
    for (int i = 0; i < 2000; i++) write(top_ + "/share/many/file number " + std::to_string(i), "");
    auto directory = vfs_->open("many", reading());
    ASSERT_TRUE(directory);
    DirectoryReader reader(*vfs_, *directory);
    std::vector<std::pair<std::string, int64_t>> all;
    while (true) {
        auto entry = reader.next();
        ASSERT_TRUE(entry);
        if (!entry->has_value()) break;
        all.emplace_back((*entry)->name, (*entry)->position);
    }
    EXPECT_EQ(all.size(), 2002u);
    ASSERT_TRUE(reader.seek(all[1000].second));
    EXPECT_EQ((*reader.next())->name, all[1001].first);
    ASSERT_TRUE(reader.rewind());
    EXPECT_EQ((*reader.next())->name, all[0].first);
}

// docs/formats/dosattrib.md: values that Debian's smbd 4.17 wrote, or read as stated there.
Buffer unhex(std::string_view hex) {
    Buffer out;
    for (size_t i = 0; i < hex.size(); i += 2)
        *out.extend(1).data() = static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
}

TEST(DosAttrib, ReadsEveryVersion) {
    constexpr uint64_t year_1999 = 0x01be3519aca68000;
    auto v5 = decode_dos_attrib(unhex("00000500050000001100000027000000bcea2bd0047add01"));
    ASSERT_TRUE(v5);
    EXPECT_EQ(v5->attributes, 0x27u);
    EXPECT_EQ(v5->create_time.ticks, 0x01dd7a04d02beabcu);
    auto text = decode_dos_attrib(unhex("30783230000005000500000011000000220000000080a6ac1935be01"));
    ASSERT_TRUE(text);
    EXPECT_EQ(text->attributes, 0x22u);
    EXPECT_EQ(text->create_time.ticks, year_1999);
    auto v4 = decode_dos_attrib(unhex("00000400040000003100000022000000000019bb76f7bb01"
                                      "0080a6ac1935be01")
                                    .bytes());
    ASSERT_TRUE(v4);
    EXPECT_EQ(v4->create_time.ticks, year_1999);
    auto v3 = decode_dos_attrib(
        unhex("00000300030000001100000022000000000000004d0000000000000058000000000000000080a6ac1935be0100c0df334816bd01"));
    ASSERT_TRUE(v3);
    EXPECT_EQ(v3->attributes, 0x22u);
    EXPECT_EQ(v3->create_time.ticks, year_1999);
    auto plain = decode_dos_attrib(as_bytes("0x22"));
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->attributes, 0x22u);
    EXPECT_EQ(decode_dos_attrib(unhex("000005000500000001000000220000000080a6ac1935be01"))->create_time.ticks, 0u);  // not marked valid
}

TEST(DosAttrib, RefusesWhatIsNotTheFormat) {
    EXPECT_FALSE(decode_dos_attrib(unhex("000005000500000011000000220000000080a6ac")));
    EXPECT_FALSE(decode_dos_attrib(unhex("000006000600000011000000220000000080a6ac1935be01")));
    EXPECT_FALSE(decode_dos_attrib(as_bytes("hello")));
    EXPECT_FALSE(decode_dos_attrib({}));
}

TEST(DosAttrib, WritesWhatSmbdWrites) {
    Buffer out;
    encode_dos_attrib(out, {0x27, NtTime{0x01dd7a04d02beabc}});
    EXPECT_EQ(as_text(out), as_text(unhex("00000500050000001100000027000000bcea2bd0047add01")));
}

TEST_F(VfsTest, DosAttributesAreStoredAndReadBack) {
    auto file = vfs_->open("file", {});
    ASSERT_TRUE(file);
    auto stat = *vfs_->stat(*file);
    EXPECT_FALSE(vfs_->dos_attributes(*file, stat, "file").stored);
    EXPECT_EQ(vfs_->dos_attributes(*file, stat, "file").attributes, attribute::normal);
    if (!vfs_->set_dos_attributes(*file, stat, {attribute::readonly | attribute::archive, NtTime{123456789}, {}, false}))
        GTEST_SKIP() << "no user xattrs here";
    auto back = vfs_->dos_attributes(*file, stat, "file");
    EXPECT_TRUE(back.stored);
    EXPECT_EQ(back.attributes, attribute::readonly | attribute::archive);
    EXPECT_EQ(back.create_time.ticks, 123456789u);
    EXPECT_EQ(vfs_->dos_attributes_at(vfs_->root(), "file", stat).attributes, back.attributes);
    auto dir = vfs_->open("dir", {});
    EXPECT_EQ(vfs_->dos_attributes(*dir, *vfs_->stat(*dir), "dir").attributes, attribute::directory);
    EXPECT_EQ(vfs_->dos_attributes(*dir, *vfs_->stat(*dir), ".dir").attributes, attribute::directory | attribute::hidden);
}

TEST_F(VfsTest, AttributesMapToModeBits) {  // smb.conf(5): map archive, map hidden, map system, map readonly
    options_.store_dos_attributes = false;
    options_.map_hidden = options_.map_system = true;
    options_.map_readonly = MapReadonly::yes;
    options_.hide_dot_files = false;
    options_.create_mask = 0745;  // no room for SYSTEM
    connect();
    auto file = vfs_->open("file", {});
    ASSERT_TRUE(vfs_->chmod(*file, 0640));
    ASSERT_TRUE(vfs_->set_dos_attributes(*file, *vfs_->stat(*file),
                                         {attribute::readonly | attribute::hidden | attribute::system | attribute::archive, {}, {}, false}));
    auto stat = *vfs_->stat(*file);
    EXPECT_EQ(stat.mode & 07777, 0541u);
    EXPECT_EQ(vfs_->dos_attributes(*file, stat, ".file").attributes, attribute::readonly | attribute::hidden | attribute::archive);
}

TEST(Modes, CreateMaskAndItsFamily) {
    Options o;
    Stat parent;
    parent.mode = S_IFDIR | S_ISUID | S_ISGID | 0751;
    EXPECT_EQ(mode_of_new_file(o, attribute::archive, parent), 0744u);
    EXPECT_EQ(mode_of_new_file(o, 0, parent), 0644u);
    EXPECT_EQ(mode_of_new_directory(o, parent), 0755u);
    o.create_mask = 0600;
    o.force_create_mode = 0020;
    o.directory_mask = 0700;
    o.force_directory_mode = 02000;
    EXPECT_EQ(mode_of_new_file(o, 0, parent), 0620u);
    EXPECT_EQ(mode_of_new_directory(o, parent), 02700u);
    o.inherit_permissions = true;
    EXPECT_EQ(mode_of_new_file(o, attribute::archive, parent), 0740u);
    EXPECT_EQ(mode_of_new_directory(o, parent), 02751u);
    EXPECT_EQ(mode_of_new_file(o, 0, parent, true), 0620u);  // `inherit acls`
    EXPECT_EQ(mode_of_new_directory(o, parent, true), 02700u);
}

}  // namespace
}  // namespace Atoll::vfs
