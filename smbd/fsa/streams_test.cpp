// Named streams (MS-FSA 2.1.5.1, 2.1.5.5, 2.1.5.12.29, 2.1.5.15), with streams_xattr.
#include <sys/xattr.h>

#include "smbd/fsa/fsa_fixture_test.h"

namespace Atoll::fsa {
namespace {

using D = Disposition;

class StreamsTest : public FsaTest {
 protected:
    static constexpr const char* module = "vfs objects = streams_xattr\n";
    static constexpr uint32_t delete_access = access::delete_ | access::read_attributes;

    void SetUp() override {
        FsaTest::SetUp();
        connect(module);
    }
    Open& make(std::string_view path, const std::string& text = "hello") {
        Open& o = open(params(path, rw_access | access::delete_, D::open_if));
        EXPECT_TRUE(o.write_now(as_bytes(text), 0, false));
        return o;
    }
    static std::string read_all(Open& o) {
        std::string text(100, '\0');
        auto n = o.run_read({reinterpret_cast<uint8_t*>(text.data()), text.size()}, 0);
        return n ? text.substr(0, *n) : std::string(to_string(n.error()));
    }
    std::string streams(Open& o) {
        std::vector<StreamEntry> list;
        EXPECT_TRUE(o.list_streams(list));
        std::string text;
        for (const auto& s : list) text += s.name + "=" + std::to_string(s.size) + " ";
        return text;
    }
    [[nodiscard]] std::string stored(const std::string& path, const std::string& xattr) const {
        std::string value(100, '\0');
        const ssize_t n = ::getxattr(at(path).c_str(), xattr.c_str(), value.data(), value.size());
        return n < 0 ? "none" : value.substr(0, static_cast<size_t>(n));
    }
};

TEST_F(StreamsTest, AreKeptAsSambaKeepsThem) {  // docs/formats/dosstream.md
    close(make("f:Strm"));
    EXPECT_EQ(stored("f", "user.DosStream.Strm:$DATA"), std::string("hello\0", 6));
    connect("vfs objects = streams_xattr\nstreams_xattr:prefix = user.XX.\nstreams_xattr:store_stream_type = no\n");
    close(make("g:Strm"));
    EXPECT_EQ(stored("g", "user.XX.Strm"), std::string("hello\0", 6));
}

TEST_F(StreamsTest, AreReadAndWrittenAnywhere) {
    Open& o = make("f:s");
    EXPECT_TRUE(o.write_now(as_bytes("X"), 7, false));
    EXPECT_EQ(read_all(o), std::string("hello\0\0X", 8));
    EXPECT_TRUE(o.set_end_of_file(2));
    EXPECT_EQ(read_all(o), "he");
    EXPECT_EQ(o.info()->end_of_file, 2u);
    EXPECT_EQ(o.run_read({}, 100).ok(), true);
    EXPECT_EQ(o.write_now(as_bytes("x"), 70000, false).error(), NtStatus::DISK_FULL);
    EXPECT_EQ(o.set_end_of_file(70000).error(), NtStatus::DISK_FULL);
    EXPECT_EQ(read_all(o), "he");
    EXPECT_EQ(read("f"), "");
}

TEST_F(StreamsTest, Names) {  // phases 5 to 7
    close(make("f:s"));
    mkdir("d");
    EXPECT_EQ(status(params("F:S:$data")), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("f::$DATA")), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("d::$DATA")), NtStatus::FILE_IS_A_DIRECTORY);
    EXPECT_EQ(status(params("d:none")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(params("none:s")), NtStatus::OBJECT_NAME_NOT_FOUND);
    for (const char* name : {"f:", "f::", "f:s:", "f:s:$FOO", "f:s:$DATA:x", "f:s:$INDEX_ALLOCATION", "f:a/b", "f:s\\x"})
        EXPECT_EQ(status(params(name)), NtStatus::OBJECT_NAME_INVALID) << name;
    EXPECT_EQ(status(params("f:s", read_access, D::open, option::directory_file)), NtStatus::NOT_A_DIRECTORY);
    EXPECT_EQ(status(params("f:" + std::string(256, 'x'), rw_access, D::create)), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_EQ(status(params("f:" + std::string(250, 'x'), rw_access, D::create)), NtStatus::OBJECT_NAME_INVALID);  // no room for it
}

TEST_F(StreamsTest, Dispositions) {  // 2.1.5.1.2
    write("f");
    EXPECT_EQ(status(params("f:s", rw_access, D::overwrite)), NtStatus::OBJECT_NAME_NOT_FOUND);
    close(make("f:s"));
    EXPECT_EQ(status(params("f:S", rw_access, D::create)), NtStatus::OBJECT_NAME_COLLISION);
    auto r = create(params("f:s", rw_access, D::overwrite_if));
    ASSERT_TRUE(r);
    EXPECT_EQ(r->action, CreateAction::overwritten);
    EXPECT_EQ(r->info.end_of_file, 0u);
    close(*r->open);
    EXPECT_EQ(read("f"), "content");
    EXPECT_EQ(status(params("f", rw_access, D::overwrite)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("f:s")), NtStatus::OBJECT_NAME_NOT_FOUND);
}

TEST_F(StreamsTest, Listing) {
    close(make("f:b", "12"));
    close(make("f:A", "123"));
    Open& f = open(params("f"));
    const std::string all = streams(f);
    EXPECT_TRUE(all == "::$DATA=0 :b:$DATA=2 :A:$DATA=3 " || all == "::$DATA=0 :A:$DATA=3 :b:$DATA=2 ") << all;
    EXPECT_EQ(streams(open(params("f:b"))), all);
    mkdir("d");
    close(make("d:s"));
    EXPECT_EQ(streams(open(params("d"))), ":s:$DATA=5 ");
}

TEST_F(StreamsTest, SharingIsEachStreamsOwn) {  // 2.1.5.1.2.2
    write("f");
    CreateParams p = params("f:s", rw_access, D::create);
    p.share_access = 0;
    Open& s = open(p);
    EXPECT_EQ(status(params("f:S", read_access)), NtStatus::SHARING_VIOLATION);
    EXPECT_EQ(status(params("f", rw_access)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("f:other", rw_access, D::create)), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("f", access::delete_)), NtStatus::SHARING_VIOLATION);  // 2.1.5.1.2.1
    close(s);
    EXPECT_EQ(status(params("f:s", read_access)), NtStatus::SUCCESS);

    Open& f = open(params("f", access::delete_));
    p = params("f:s", read_access);
    p.share_access = sharing::read | sharing::write;
    EXPECT_EQ(status(p), NtStatus::SHARING_VIOLATION);
    close(f);
    EXPECT_EQ(status(p), NtStatus::SUCCESS);
}

TEST_F(StreamsTest, DeletionOfAStream) {  // 2.1.5.5, phases 1 and 2
    Open& first = make("f:s");
    Open& second = open(params("f:s", delete_access, D::open, option::delete_on_close));
    close(second);
    EXPECT_EQ(status(params("f:s")), NtStatus::DELETE_PENDING);
    EXPECT_EQ(status(params("f")), NtStatus::SUCCESS);
    close(first);
    EXPECT_EQ(status(params("f:s")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(stored("f", "user.DosStream.s:$DATA"), "none");
    EXPECT_TRUE(exists("f"));
}

TEST_F(StreamsTest, AFileStaysWhileAStreamIsOpen) {  // 2.1.5.5, phase 3
    Open& s = make("f:s");
    EXPECT_EQ(status(params("f", delete_access, D::open, option::delete_on_close)), NtStatus::SUCCESS);
    EXPECT_TRUE(exists("f"));
    EXPECT_EQ(status(params("f")), NtStatus::DELETE_PENDING);
    EXPECT_EQ(status(params("f:other", rw_access, D::create)), NtStatus::DELETE_PENDING);
    EXPECT_EQ(read_all(s), "hello");
    close(s);
    EXPECT_FALSE(exists("f"));
}

TEST_F(StreamsTest, AFailedCreateLeavesNothing) {
    EXPECT_EQ(status(params("f:s", rw_access, D::open)), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(params("f:" + std::string(250, 'x'), rw_access, D::create)), NtStatus::OBJECT_NAME_INVALID);
    EXPECT_FALSE(exists("f"));
}

TEST_F(StreamsTest, Renaming) {  // 2.1.5.15.12.1
    Open& s = make("f:s");
    EXPECT_EQ(s.rename(":", false).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(s.rename(":a:", false).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(s.rename(":a/b", false).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(s.rename(":a:$FOO", false).error(), NtStatus::OBJECT_TYPE_MISMATCH);
    EXPECT_TRUE(s.rename(":New:$DATA", false));
    EXPECT_EQ(read_all(s), "hello");
    EXPECT_EQ(status(params("f:s")), NtStatus::OBJECT_NAME_NOT_FOUND);
    EXPECT_EQ(status(params("f:new")), NtStatus::SUCCESS);
    close(make("f:there"));
    EXPECT_EQ(s.rename(":there", false).error(), NtStatus::OBJECT_NAME_COLLISION);
    EXPECT_EQ(s.rename(":there", true).error(), NtStatus::INVALID_PARAMETER);  // it has data
    close(make("f:empty", ""));
    EXPECT_TRUE(s.rename(":Empty", true));
    EXPECT_TRUE(s.set_disposition(true));
    close(s);
    Open& f = open(params("f"));
    EXPECT_EQ(streams(f), "::$DATA=0 :there:$DATA=5 ");
}

TEST_F(StreamsTest, AStreamBecomesTheFilesData) {  // 2.1.5.15.12.1
    Open& s = make("f:s");
    ASSERT_TRUE(s.rename("::$DATA", false));
    EXPECT_EQ(read("f"), "hello");
    EXPECT_EQ(streams(s), "::$DATA=5 ");
    EXPECT_EQ(status(params("f:s")), NtStatus::OBJECT_NAME_NOT_FOUND);
    ASSERT_TRUE(s.set_disposition(true));
    close(s);
    EXPECT_FALSE(exists("f"));
    write("full");
    EXPECT_EQ(make("full:s").rename("::$DATA", true).error(), NtStatus::INVALID_PARAMETER);
    mkdir("d");
    EXPECT_EQ(make("d:s").rename("::$DATA", true).error(), NtStatus::INVALID_PARAMETER);
}

TEST_F(StreamsTest, ARenamedFileTakesItsStreamsAlong) {
    Open& s = make("f:s");
    Open& f = open(params("f", access::delete_));
    EXPECT_TRUE(f.rename("g", false));
    EXPECT_EQ(s.path(), "g");
    EXPECT_EQ(read_all(s), "hello");
    close(f);
    EXPECT_TRUE(s.set_disposition(true));
    close(s);
    EXPECT_EQ(status(params("g:s")), NtStatus::OBJECT_NAME_NOT_FOUND);
}

TEST_F(StreamsTest, ADeadProcessesStreamIsDeleted) {
    close(make("f:s"));
    auto other = make_process(2);
    auto share = make_share(*other, module);
    CreateParams p = params("f:s", delete_access, D::open, option::delete_on_close);
    auto r = other->create(*share, p);
    ASSERT_TRUE(r);
    dead_.insert(2);
    files_->end_holders({{0, 2, 0}}, [&](const std::string&) { return share_.get(); });
    EXPECT_EQ(stored("f", "user.DosStream.s:$DATA"), "none");
    EXPECT_TRUE(exists("f"));
    EXPECT_EQ(status(params("f", access::delete_)), NtStatus::SUCCESS);
    (void)other->close(*r->open).ok();
}

TEST_F(StreamsTest, AttributesAndTimesAreTheFiles) {
    mkdir("d");
    Open& s = make("d:s");
    EXPECT_FALSE(s.is_directory());
    auto info = s.info();
    ASSERT_TRUE(info);
    EXPECT_EQ(info->basic.attributes, attribute::archive);
    SetBasic basic;
    basic.attributes = attribute::hidden;
    EXPECT_TRUE(s.set_basic(basic));
    Open& d = open(params("d"));
    EXPECT_EQ(d.info()->basic.attributes, attribute::hidden | attribute::directory);
    EXPECT_EQ(d.info()->basic.write, s.info()->basic.write);
}

}  // namespace
}  // namespace Atoll::fsa
