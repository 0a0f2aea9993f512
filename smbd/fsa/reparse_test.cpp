// Reparse points: MS-FSA 2.1.5.10.3, .14, .37, docs/formats/reparse.md.
#include "smbd/fsa/reparse.h"

#include "base/bytes.h"
#include "smbd/fsa/fsa_fixture_test.h"

namespace Atoll::fsa {
namespace {

using D = Disposition;
constexpr uint32_t itself = option::open_reparse_point;

Buffer buffer_of(uint32_t tag, std::string_view data) {
    Buffer out;
    ByteWriter writer(out);
    writer.u32(tag);
    writer.u16(static_cast<uint16_t>(data.size()));
    writer.u16(0);
    writer.bytes(as_bytes(data));
    return out;
}

class ReparseTest : public FsaTest {
 protected:
    void make(std::string_view path, uint32_t options = 0, uint32_t tag = ReparsePoint::symlink) {
        Open& file = open(params(path, rw_access, D::open_if, itself | options));
        EXPECT_TRUE(file.set_reparse_point(buffer_of(tag, "target")));
        close(file);
    }
    NtStatus stopped(CreateParams p, StoppedAt& at) {
        p.stopped_at = &at;
        return status(p);
    }
};

TEST_F(ReparseTest, BuffersSayHowLongTheyAre) {
    const Buffer buffer = buffer_of(ReparsePoint::symlink, "abc");
    const auto link = ReparsePoint::decode(buffer);
    ASSERT_TRUE(link);
    EXPECT_EQ(as_text(link->data), "abc");
    EXPECT_FALSE(ReparsePoint::decode(buffer.bytes().first(10)));
    EXPECT_FALSE(ReparsePoint::decode(buffer_of(0x123, "abc"))) << "the GUID is missing";
    EXPECT_FALSE(ReparsePoint::decode({}));
}

TEST_F(ReparseTest, CreatesStopAtThem) {
    make("file");
    make("dir", option::directory_file);
    StoppedAt at;
    EXPECT_EQ(stopped(params("FILE"), at), NtStatus::STOPPED_ON_SYMLINK);
    EXPECT_EQ(at.rest, 0u);
    EXPECT_EQ(as_text(at.reparse.bytes().subspan(8)), "target");
    EXPECT_EQ(stopped(params("file", rw_access, D::overwrite_if), at), NtStatus::STOPPED_ON_SYMLINK);
    for (const std::string before : {"file", "dir"}) {
        for (const std::string behind : {"\\a", "\\a\\b"}) {
            EXPECT_EQ(stopped(params(before + behind, rw_access, D::create), at), NtStatus::STOPPED_ON_SYMLINK) << before + behind;
            EXPECT_EQ(at.rest, behind.size());
            EXPECT_EQ(stopped(params(before + behind, rw_access, D::open, itself), at), NtStatus::STOPPED_ON_SYMLINK) << before + behind;
        }
    }
    EXPECT_EQ(status(params("none\\a")), NtStatus::OBJECT_PATH_NOT_FOUND);
    make("other", 0, 0x80000014);
    EXPECT_EQ(status(params("other")), NtStatus::IO_REPARSE_TAG_NOT_HANDLED);
}

TEST_F(ReparseTest, StayWhatTheyAre) {
    make("file");
    Open& file = open(params("file", rw_access | access::delete_, D::open, itself));
    SetBasic basic;
    basic.attributes = attribute::hidden;
    EXPECT_TRUE(file.set_basic(basic));
    const auto info = file.info();
    EXPECT_EQ(info->basic.attributes, attribute::hidden | attribute::reparse_point);
    EXPECT_EQ(info->reparse_tag, ReparsePoint::symlink);
    EXPECT_TRUE(file.rename("new", false));
    close(file);
    CreateParams over = params("new", rw_access, D::overwrite, itself);
    over.attributes = attribute::hidden;
    EXPECT_EQ(status(over), NtStatus::SUCCESS);
    EXPECT_EQ(status(params("new")), NtStatus::STOPPED_ON_SYMLINK);
    Open& again = open(params("new", rw_access, D::open, itself));
    EXPECT_TRUE(again.delete_reparse_point(buffer_of(ReparsePoint::symlink, "")));
    EXPECT_EQ(again.info()->basic.attributes & attribute::reparse_point, 0u);
    EXPECT_EQ(status(params("new")), NtStatus::SUCCESS);
}

TEST_F(ReparseTest, AreListedWithTheirTag) {
    make("file");
    write("plain");
    Open& root = open(params("", access::list_directory, D::open, option::directory_file));
    ASSERT_TRUE(root.begin_query({}));
    uint32_t tag = 0, others = 0;
    while (true) {
        const auto item = root.next_entry(EntryDetail::ea_size);
        ASSERT_TRUE(item);
        if (*item == nullptr) break;
        ((*item)->name == "file" ? tag : others) |= (*item)->reparse_tag;
        if ((*item)->name == "file") {
            EXPECT_EQ((*item)->ea_size, ReparsePoint::symlink);
        }
    }
    EXPECT_EQ(tag, ReparsePoint::symlink);
    EXPECT_EQ(others, 0u);
}

TEST_F(ReparseTest, NotWhereAttributesAreNotKept) {
    connect("store dos attributes = no\n");
    Open& file = open(params("file", rw_access, D::create));
    EXPECT_EQ(file.set_reparse_point(buffer_of(ReparsePoint::symlink, "x")).error(), NtStatus::VOLUME_NOT_UPGRADED);
}

}  // namespace
}  // namespace Atoll::fsa
