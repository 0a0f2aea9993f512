// The modules of `vfs objects`, each on a directory of its own.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "vfs/directory.h"
#include "vfs/module_options.h"
#include "vfs/vfs.h"

namespace Atoll::vfs {
namespace {

class ModulesTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "atoll_modules_XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        root_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    std::unique_ptr<Vfs> connect(const std::string& modules, std::map<std::string, std::string, std::less<>> parameters = {}) {
        Options o;
        o.share = "test";
        o.path = root_;
        o.modules = {modules};
        o.parametric = [parameters = std::move(parameters)](std::string_view name) {
            const auto found = parameters.find(name);
            return found == parameters.end() ? std::string() : found->second;
        };
        auto vfs = connect_share(std::move(o));
        EXPECT_TRUE(vfs) << vfs.error().message();
        return vfs ? std::move(*vfs) : nullptr;
    }
    void write(const std::string& path, const std::string& text = "content") const { std::ofstream(root_ + "/" + path) << text; }
    [[nodiscard]] bool exists(const std::string& path) const { return std::filesystem::exists(root_ + "/" + path); }
    [[nodiscard]] std::string read(const std::string& path) const {
        std::ifstream in(root_ + "/" + path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void remove(Vfs& vfs, const std::string& directory, const std::string& leaf) const {
        auto parent = vfs.open(directory.c_str(), {});
        ASSERT_TRUE(parent);
        EXPECT_TRUE(vfs.unlink(*parent, leaf.c_str()));
    }
    static std::set<std::string> names(Vfs& vfs) {
        OpenHow how;
        how.access = Access::read;
        auto root = vfs.open("", how);
        EXPECT_TRUE(root);
        DirectoryReader reader(vfs, *root);
        std::set<std::string> found;
        for (auto entry = reader.next(); entry && entry->has_value(); entry = reader.next()) found.emplace((*entry)->name);
        found.erase(".");
        found.erase("..");
        return found;
    }

    std::string root_;
};

TEST_F(ModulesTest, Options) {
    auto vfs = connect("readonly", {{"m:yes", "Yes"}, {"m:no", "0"}, {"m:odd", "maybe"}, {"m:mode", "0755"}, {"m:list", "a, b\tc"}});
    const auto& o = vfs->options();
    EXPECT_TRUE(option_flag(o, "m:yes", false));
    EXPECT_FALSE(option_flag(o, "m:no", true));
    EXPECT_TRUE(option_flag(o, "m:odd", true));
    EXPECT_EQ(option_number(o, "m:mode", 0, 8), 0755u);
    EXPECT_EQ(option_number(o, "m:odd", 7), 7u);
    EXPECT_EQ(option_list(o, "m:list"), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(option_text(o, "m:none", "x"), "x");
}

TEST_F(ModulesTest, Readonly) {
    auto vfs = connect("readonly");
    EXPECT_TRUE(vfs->read_only());
    EXPECT_TRUE(vfs->space(vfs->root())->read_only);
}

TEST_F(ModulesTest, RecycleKeepsWhatIsDeleted) {
    auto vfs = connect("recycle", {{"recycle:exclude", "*.tmp"}, {"recycle:maxsize", "100"}});
    std::filesystem::create_directory(root_ + "/d");
    write("d/a", "one");
    write("x.tmp");
    write("large", std::string(200, 'x'));
    remove(*vfs, "d", "a");
    remove(*vfs, "", "x.tmp");
    remove(*vfs, "", "large");
    EXPECT_FALSE(exists("d/a"));
    EXPECT_EQ(read(".recycle/a"), "one");
    EXPECT_FALSE(exists(".recycle/x.tmp"));
    EXPECT_FALSE(exists(".recycle/large"));
    struct stat st {};
    ASSERT_EQ(::stat((root_ + "/.recycle").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0700u);
    write("d/a", "two");
    remove(*vfs, "d", "a");
    EXPECT_EQ(read(".recycle/a"), "two");  // without versions the newest stays
    remove(*vfs, ".recycle", "a");         // from the repository it goes for good
    EXPECT_FALSE(exists(".recycle/a"));
}

TEST_F(ModulesTest, RecycleKeepsTreesAndVersions) {
    auto vfs = connect("recycle", {{"recycle:repository", "bin/all"},
                                   {"recycle:keeptree", "yes"},
                                   {"recycle:versions", "yes"},
                                   {"recycle:noversions", "*.log"},
                                   {"recycle:exclude_dir", "scratch"},
                                   {"recycle:subdir_mode", "0711"}});
    std::filesystem::create_directories(root_ + "/d/e");
    std::filesystem::create_directory(root_ + "/scratch");
    for (const char* text : {"one", "two", "three"}) {
        write("d/e/a", text);
        remove(*vfs, "d/e", "a");
        write("d/e/b.log", text);
        remove(*vfs, "d/e", "b.log");
    }
    write("scratch/a");
    remove(*vfs, "scratch", "a");
    EXPECT_EQ(read("bin/all/d/e/a"), "one");
    EXPECT_EQ(read("bin/all/d/e/Copy #1 of a"), "two");
    EXPECT_EQ(read("bin/all/d/e/Copy #2 of a"), "three");
    EXPECT_EQ(read("bin/all/d/e/b.log"), "three");
    EXPECT_FALSE(exists("bin/all/scratch"));
    struct stat st {};
    ASSERT_EQ(::stat((root_ + "/bin/all/d").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0711u);
}

TEST_F(ModulesTest, CatiaShowsOtherCharacters) {  // the example of vfs_catia(8)
    auto vfs =
        connect("catia", {{"catia:mappings", "0x22:0xa8,0x2a:0xa4,0x2f:0xf8,0x3a:0xf7,0x3c:0xab,0x3e:0xbb,0x3f:0xbf,0x5c:0xff,0x7c:0xa6"}});
    const std::string stored = "a\\a:a*a?a\"a<a>a|a", shown = "aÿa÷a¤a¿a¨a«a»a¦a";
    write(stored);
    EXPECT_EQ(names(*vfs), std::set<std::string>{shown});
    EXPECT_TRUE(vfs->open(shown.c_str(), {}));
    EXPECT_FALSE(vfs->plain_names());
    OpenHow how;
    how.access = Access::write;
    how.create = true;
    how.mode = 0600;
    EXPECT_TRUE(vfs->open_at(vfs->root(), "new÷", how));
    EXPECT_TRUE(exists("new:"));
    EXPECT_TRUE(vfs->rename(vfs->root(), "new÷", vfs->root(), "¿", false));
    EXPECT_TRUE(exists("?"));
    EXPECT_TRUE(vfs->stat_at(vfs->root(), "¿"));
    EXPECT_TRUE(vfs->unlink(vfs->root(), "¿"));
    EXPECT_FALSE(exists("?"));
}

TEST_F(ModulesTest, CatiaListsManyNames) {
    auto vfs = connect("catia", {{"catia:mappings", "3a:f022"}});
    std::set<std::string> shown;
    for (int i = 0; i < 500; i++) {
        write(std::string(80, ':') + std::to_string(i));
        std::string name;
        for (int k = 0; k < 80; k++) name += "\xef\x80\xa2";
        shown.insert(name + std::to_string(i));
    }
    EXPECT_EQ(names(*vfs), shown);
}

TEST_F(ModulesTest, StreamsAreFoundWhateverTheirCase) {  // docs/formats/dosstream.md
    auto vfs = connect("streams_xattr");
    write("f");
    const std::string path = root_ + "/f";
    ASSERT_EQ(::setxattr(path.c_str(), "user.DosStream.Strm:$DATA", "abc\0", 4, 0), 0);
    ASSERT_EQ(::setxattr(path.c_str(), "user.DosStream.untyped", "abcd\0", 5, 0), 0);
    ASSERT_EQ(::setxattr(path.c_str(), "user.DosStream.nothing:$DATA", "", 0, 0), 0);
    auto file = vfs->open("f", {});
    ASSERT_TRUE(file);
    std::string name = "sTRM";
    auto stream = vfs->open_stream(*file, name, {});
    ASSERT_TRUE(stream);
    EXPECT_EQ(name, "Strm");
    EXPECT_EQ(vfs->stat(*stream)->size, 3u);
    EXPECT_EQ(vfs->stat(*stream)->inode, vfs->stat(*file)->inode);
    std::vector<StreamInfo> list;
    ASSERT_TRUE(vfs->list_streams(*file, list));
    EXPECT_EQ(list.size(), 2u);
    OpenHow make;
    make.access = Access::read_write;
    make.create = true;
    EXPECT_EQ(vfs->open_stream(*file, name, make).error(), EEXIST);
    name = "none";
    EXPECT_EQ(vfs->open_stream(*file, name, {}).error(), ENOENT);
    ASSERT_EQ(::removexattr(path.c_str(), "user.DosStream.Strm:$DATA"), 0);
    EXPECT_EQ(vfs->stat(*stream)->links, 0u);
}

}  // namespace
}  // namespace Atoll::vfs
