// Extended attributes: MS-FSA 2.1.5.12.12, 2.1.5.15.6, docs/formats/extended_attributes.md.
#include "smbd/fsa/extended_attributes.h"

#include <sys/xattr.h>

#include <map>

#include "base/limits.h"
#include "smbd/fsa/fsa_fixture_test.h"

namespace Atoll::fsa {
namespace {

using D = Disposition;
constexpr uint32_t ea_access = access::read_ea | access::write_ea | access::read_attributes;

class ExtendedAttributesTest : public FsaTest {
 protected:
    using Map = std::map<std::string, std::string>;

    void SetUp() override {
        FsaTest::SetUp();
        write("a");
        const std::string name = at("a");
        if (::setxattr(name.c_str(), "user.probe", "1", 1, 0) != 0) GTEST_SKIP() << "no xattrs in " << root_;
        ::removexattr(name.c_str(), "user.probe");
    }
    static Map of(Open& file) {
        ExtendedAttributes all;
        EXPECT_TRUE(file.get_extended_attributes(all));
        Map out;
        for (size_t i = 0; i < all.size(); i++) {
            EXPECT_EQ(all[i].flags, 0);
            out[std::string(all[i].name)] = as_text(all[i].value);
        }
        return out;
    }
    static NtStatus set(Open& file, std::string_view name, std::string_view value, uint8_t flags = 0) {
        const ExtendedAttribute ea{name, as_bytes(value), flags};
        auto r = file.set_extended_attributes({&ea, 1});
        return r ? NtStatus::SUCCESS : r.error();
    }
    void set_xattr(const std::string& path, const char* name, std::string_view value) const {
        ASSERT_EQ(::setxattr(at(path).c_str(), name, value.data(), value.size(), 0), 0) << name;
    }
    [[nodiscard]] std::string xattr(const std::string& path, const char* name) const {
        std::array<char, 256> value;
        const ssize_t n = ::getxattr(at(path).c_str(), name, value.data(), value.size());
        return n < 0 ? "none" : std::string(value.data(), static_cast<size_t>(n));
    }
    uint32_t listed_length(std::string_view name, EntryDetail detail) {
        Open& directory = open(params(""));
        QueryDirectory query;
        query.pattern = name;
        EXPECT_TRUE(directory.begin_query(query));
        auto item = directory.next_entry(detail);
        EXPECT_TRUE(item && *item != nullptr);
        const uint32_t length = item && *item != nullptr ? (*item)->ea_size : 0;
        close(directory);
        return length;
    }
};

TEST_F(ExtendedAttributesTest, AreUserXattrs) {
    Open& file = open(params("a", ea_access));
    EXPECT_EQ(of(file), Map{});
    EXPECT_EQ(set(file, "One", "1"), NtStatus::SUCCESS);
    EXPECT_EQ(xattr("a", "user.One"), "1");
    set_xattr("a", "user.two", std::string_view("\0\1", 2));
    EXPECT_EQ(of(file), (Map{{"One", "1"}, {"two", std::string("\0\1", 2)}}));
    EXPECT_EQ(set(file, "oNE", "other"), NtStatus::SUCCESS);  // found in any case; the first name stays
    EXPECT_EQ(xattr("a", "user.One"), "other");
    EXPECT_EQ(xattr("a", "user.oNE"), "none");
    EXPECT_EQ(set(file, "ONE", ""), NtStatus::SUCCESS);  // without a value: deleted
    EXPECT_EQ(xattr("a", "user.One"), "none");
    EXPECT_EQ(set(file, "not there", ""), NtStatus::SUCCESS);
    EXPECT_EQ(of(file).size(), 1u);
}

TEST_F(ExtendedAttributesTest, WhatClientsDoNotSee) {
    Open& file = open(params("a", ea_access));
    for (const char* name : {"user.DOSATTRIB", "user.dosattrib", "user.DosStream.x:$DATA", "user.SAMBA_PAI", "user.samba_streams",
                             "user.NTACL", "user.org.netatalk.Metadata", "user.a:b", "user.a;b"})
        set_xattr("a", name, "x");
    set_xattr("a", "user.empty", "");
    set_xattr("a", "user.DosStreams", "x");
    set_xattr("a", "user.user.x", "x");
    EXPECT_EQ(of(file), (Map{{"DosStreams", "x"}, {"user.x", "x"}}));
    for (const char* name :
         {"DOSATTRIB", "dosattrib", "DosStream.x", "DOSSTREAM.", "SAMBA_PAI", "Samba_Streams", "ntacl", "org.netatalk.Metadata"})
        EXPECT_EQ(set(file, name, "y"), NtStatus::ACCESS_DENIED) << name;
    EXPECT_EQ(xattr("a", "user.dosattrib"), "x");
}

TEST_F(ExtendedAttributesTest, WhatModulesKeepWhereTheyAreTold) {
    connect(
        "ea support = yes\nvfs objects = streams_xattr acl_xattr\nacl_xattr:security_acl_name = user.Acl.Mine\nstreams_xattr:prefix = "
        "user.S.\n");
    Open& file = open(params("a", ea_access));
    for (const char* name : {"user.Acl.Mine", "user.acl.mine", "user.S.x:$DATA", "user.s.y", "user.seen"}) set_xattr("a", name, "x");
    EXPECT_EQ(of(file), (Map{{"seen", "x"}}));
    for (const char* name : {"Acl.Mine", "ACL.MINE", "S.x", "s.new"}) EXPECT_EQ(set(file, name, "y"), NtStatus::ACCESS_DENIED) << name;
    EXPECT_EQ(xattr("a", "user.Acl.Mine"), "x");
    CreateParams made = params("new", ea_access, Disposition::create);
    const ExtendedAttribute list[] = {{"acl.mine", as_bytes("y"), 0}};
    made.extended_attributes = list;
    EXPECT_EQ(status(made), NtStatus::ACCESS_DENIED);
}

TEST_F(ExtendedAttributesTest, NamesAndFlags) {  // MS-FSCC 2.4.16
    Open& file = open(params("a", ea_access));
    for (const char c : std::string_view("\\/:*?\"<>|,+=[];\x1f\n"))
        EXPECT_EQ(set(file, std::string("a") + c, "x"), NtStatus::INVALID_EA_NAME) << c;
    EXPECT_EQ(set(file, std::string_view("a\0", 2), "x"), NtStatus::INVALID_EA_NAME);
    EXPECT_EQ(set(file, "", "x"), NtStatus::INVALID_EA_NAME);
    EXPECT_EQ(set(file, std::string(251, 'x'), "x"), NtStatus::INVALID_EA_NAME);
    EXPECT_EQ(set(file, "a", "x", 0x40), NtStatus::INVALID_EA_NAME);
    EXPECT_EQ(set(file, std::string(250, 'x'), "x"), NtStatus::SUCCESS);
    EXPECT_EQ(set(file, "a b.c", "x", 0x80), NtStatus::SUCCESS);
    EXPECT_EQ(of(file).size(), 2u);
}

TEST_F(ExtendedAttributesTest, AllOrNothing) {
    Open& file = open(params("a", ea_access));
    const ExtendedAttribute bad[] = {{"good", as_bytes("x"), 0}, {"b*d", as_bytes("x"), 0}};
    EXPECT_EQ(file.set_extended_attributes(bad).error(), NtStatus::INVALID_EA_NAME);
    const std::string half(40000, 'x');
    const ExtendedAttribute large[] = {{"one", as_bytes(half), 0}, {"two", as_bytes(half), 0}};
    EXPECT_EQ(file.set_extended_attributes(large).error(), NtStatus::EA_TOO_LARGE);
    EXPECT_EQ(of(file), Map{});
    const ExtendedAttribute twice[] = {{"same", as_bytes("1"), 0}, {"SAME", as_bytes("2"), 0}, {"gone", as_bytes("1"), 0}, {"gone", {}, 0}};
    EXPECT_TRUE(file.set_extended_attributes(twice));
    EXPECT_EQ(of(file), (Map{{"same", "2"}}));
}

TEST_F(ExtendedAttributesTest, Lengths) {
    Open& file = open(params("a", ea_access));
    EXPECT_EQ(file.ea_length(), 0u);
    EXPECT_EQ(listed_length("a", EntryDetail::ea_size), 0u);
    set(file, "a", "1");
    EXPECT_EQ(file.ea_length(), 11u);  // 8, the name and its NUL, the value
    set(file, "bb", "22");
    EXPECT_TRUE(file.ea_length() == 12 + 13 || file.ea_length() == 16 + 11) << file.ea_length();  // as the file system orders them
    EXPECT_EQ(listed_length("a", EntryDetail::ea_size), file.ea_length());
    EXPECT_EQ(listed_length("a", EntryDetail::information), 0u);
    set_xattr("", "user.of root", "12345");
    EXPECT_EQ(listed_length(".", EntryDetail::ea_size), 8u + 8 + 5);
    ASSERT_EQ(::symlink("a", at("link").c_str()), 0);
    EXPECT_EQ(listed_length("link", EntryDetail::ea_size), file.ea_length());
}

TEST_F(ExtendedAttributesTest, ManyNamesDoNotFitAtOnce) {
    Open& file = open(params("a", ea_access));
    Map expected;
    for (int i = 0; i < 30; i++) {
        const std::string name = std::string(60, 'n') + std::to_string(i);
        set_xattr("a", ("user." + name).c_str(), "1");
        expected[name] = "1";
    }
    EXPECT_EQ(of(file), expected);
    EXPECT_GT(file.ea_length(), 30u * (8 + 62));
}

TEST_F(ExtendedAttributesTest, NeedTheirAccess) {
    set_xattr("a", "user.x", "1");
    Open& other = open(params("a", access::read_data | access::read_attributes | access::write_data));
    ExtendedAttributes all;
    EXPECT_EQ(other.get_extended_attributes(all).error(), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(set(other, "x", "2"), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(other.ea_length(), 11u);  // the size is told without
    EXPECT_EQ(set(open(params("a", access::read_ea)), "x", "2"), NtStatus::ACCESS_DENIED);
}

TEST_F(ExtendedAttributesTest, SetTheArchiveAttribute) {
    Open& file = open(params("a", ea_access | access::write_attributes));
    SetBasic basic;
    basic.attributes = attribute::hidden;
    ASSERT_TRUE(file.set_basic(basic));
    EXPECT_EQ(set(file, "x", "1"), NtStatus::SUCCESS);
    EXPECT_EQ(file.info()->basic.attributes, attribute::hidden | attribute::archive);
}

TEST_F(ExtendedAttributesTest, OfACreate) {  // MS-SMB2 3.3.5.9.1
    const ExtendedAttribute x{"x", as_bytes("1"), 0}, y{"y", as_bytes("2"), 0}, bad{"*", as_bytes("1"), 0};
    CreateParams p = params("new", ea_access, D::create);
    p.extended_attributes = {&x, 1};
    EXPECT_EQ(of(open(p)), (Map{{"x", "1"}}));
    p = params("new", ea_access, D::open);  // not of one that is there
    p.extended_attributes = {&bad, 1};
    EXPECT_EQ(of(open(p)), (Map{{"x", "1"}}));
    p = params("new", ea_access, D::overwrite_if);
    p.extended_attributes = {&y, 1};
    EXPECT_EQ(of(open(p)), (Map{{"x", "1"}, {"y", "2"}}));
    p = params("directory", ea_access, D::create, option::directory_file);
    p.extended_attributes = {&x, 1};
    EXPECT_EQ(of(open(p)), (Map{{"x", "1"}}));
    p = params("not made", ea_access, D::create);
    p.extended_attributes = {&bad, 1};
    EXPECT_EQ(status(p), NtStatus::INVALID_EA_NAME);
    p.extended_attributes = {&x, 1};
    p.options = option::no_ea_knowledge;
    EXPECT_EQ(status(p), NtStatus::ACCESS_DENIED);
    EXPECT_FALSE(exists("not made"));
}

TEST_F(ExtendedAttributesTest, AFailedOverwriteKeepsTheFile) {
    const std::string half(40000, 'x');
    const ExtendedAttribute large[] = {{"one", as_bytes(half), 0}, {"two", as_bytes(half), 0}};
    CreateParams p = params("a", ea_access, D::overwrite);
    p.extended_attributes = large;
    EXPECT_EQ(status(p), NtStatus::EA_TOO_LARGE);
    EXPECT_EQ(read("a"), "content");
    p = params("b", ea_access, D::create);
    p.extended_attributes = large;
    EXPECT_EQ(status(p), NtStatus::EA_TOO_LARGE);
    EXPECT_FALSE(exists("b"));
}

TEST_F(ExtendedAttributesTest, EaSupportNo) {
    set_xattr("a", "user.x", "1");
    connect("ea support = no\n");
    Open& file = open(params("a", ea_access));
    EXPECT_EQ(of(file), Map{});
    EXPECT_EQ(file.ea_length(), 0u);
    EXPECT_EQ(listed_length("a", EntryDetail::ea_size), 0u);
    EXPECT_EQ(set(file, "x", "2"), NtStatus::EAS_NOT_SUPPORTED);
    const ExtendedAttribute y{"y", as_bytes("2"), 0};
    CreateParams p = params("new", ea_access, D::create);
    p.extended_attributes = {&y, 1};
    EXPECT_EQ(status(p), NtStatus::EAS_NOT_SUPPORTED);
    EXPECT_FALSE(exists("new"));
    EXPECT_EQ(share_->volume()->attributes & 0x800000, 0u);
    close(file);
    connect();
    EXPECT_EQ(share_->volume()->attributes & 0x800000, 0x800000u);
}

TEST_F(ExtendedAttributesTest, OfAnotherUser) {
    if (::getuid() != 0) GTEST_SKIP() << "needs root";
    set_xattr("a", "user.x", "1");
    ASSERT_EQ(::chmod(at("a").c_str(), 0600), 0);
    ASSERT_EQ(::chmod(root_.c_str(), 0777), 0);
    act_as(65534);
    EXPECT_EQ(status(params("a", access::read_ea)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(params("a", access::write_ea)), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(listed_length("a", EntryDetail::ea_size), 0u);  // what may not be read does not count
    Open& file = open(params("mine", ea_access, D::create));
    loop::take_root();
    ASSERT_EQ(::chmod(at("mine").c_str(), 0), 0);
    act_as(65534);
    EXPECT_EQ(set(file, "x", "1"), NtStatus::SUCCESS);  // the right was granted at the create
    EXPECT_EQ(of(file), (Map{{"x", "1"}}));
}

TEST_F(FsaTest, NothingIsLargerThanTheLargestFile) {  // MS-FSA 2.1.5.4
    Open& file = open(params("a", rw_access, D::create));
    constexpr uint64_t largest = limits::max_file_size;
    EXPECT_EQ(file.check_write(largest, 1).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(file.check_write(largest - 1, 2).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(file.check_write(UINT64_MAX, 1).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_TRUE(file.check_write(largest - 1, 1));
    EXPECT_TRUE(file.check_write(INT64_MAX, 0));  // nothing fits everywhere but past the end of numbers
    EXPECT_EQ(file.check_write(uint64_t{1} << 63, 0).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(file.set_end_of_file(largest + 1).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(file.set_allocation_size(largest + 1).error(), NtStatus::INVALID_PARAMETER);
}

}  // namespace
}  // namespace Atoll::fsa
