// Every expectation is what Debian's smbd 4.17 stored, and answered, with `map acl inherit = yes`; the files are those of uid 1001 and gid
// 100.
#include "vfs/acl_inheritance.h"

#include <gtest/gtest.h>

#include "vfs/posix_descriptor.h"

namespace Atoll::vfs {
namespace {

namespace flag = security::ace_flag;
namespace control = security::control;
constexpr uint32_t full = security::file_rights::all, read_only = 0x120089;
constexpr uint8_t both = flag::object_inherit | flag::container_inherit, handed_on = both | flag::inherit_only;

struct Inheritance : ::testing::Test {
    struct Given {
        Sid sid;
        uint32_t mask;
        uint8_t flags;
        uint8_t type = security::ace_type::access_allowed;
    };
    Inheritance() {
        stat.uid = 1001;
        stat.gid = 100;
    }
    void be(bool directory) { stat.mode = directory ? 0040755 : 0100744; }
    // In hexadecimal, what is kept of a descriptor with these ACEs.
    std::string kept(uint16_t bits, std::initializer_list<Given> aces) {
        security::SecurityDescriptor d;
        d.control = static_cast<uint16_t>(control::dacl_present | bits);
        d.owner = owner;
        d.group = group;
        d.dacl.emplace();
        for (const Given& given : aces) {
            security::Ace& ace = d.dacl->aces.emplace_back();
            ace.type = given.type;
            ace.sid = given.sid;
            ace.mask = given.mask;
            ace.flags = given.flags;
        }
        EXPECT_TRUE(posix_acls_of_descriptor(d, stat, ids, false, access, defaults, &inheritance));
        Buffer bytes;
        encode_acl_inheritance(inheritance, bytes);
        std::string hex;
        for (const uint8_t byte : bytes.bytes()) {
            hex += "0123456789abcdef"[byte >> 4];
            hex += "0123456789abcdef"[byte & 15];
        }
        return hex;
    }
    // The ACEs as they are read again.
    std::vector<std::pair<Sid, int>> seen() {
        security::SecurityDescriptor d;
        EXPECT_TRUE(descriptor_of_posix({stat, access, defaults, &inheritance}, {}, ids, d));
        control_seen = d.control;
        std::vector<std::pair<Sid, int>> out;
        for (const security::Ace& ace : d.dacl->aces) out.emplace_back(ace.sid, ace.flags);
        return out;
    }
    using Seen = std::vector<std::pair<Sid, int>>;

    Stat stat;
    security::UnixIdMap ids;
    const Sid owner = security::unix_user_sid(1001), group = security::unix_group_sid(100), everyone = well_known::everyone;
    PosixAcl access, defaults;
    AclInheritance inheritance;
    uint16_t control_seen = 0;
};

TEST_F(Inheritance, OfAFile) {
    be(false);
    EXPECT_EQ(kept(0, {{everyone, read_only, 0}, {owner, full, flag::inherited}}),
              "020480050000000001640000000000e90300000001640000000002ffffffff1000e9030000");
    EXPECT_EQ(seen(), (Seen{{group, 0}, {group, 0}, {everyone, 0}, {owner, 0x10}, {owner, 0x10}}));
    EXPECT_EQ(control_seen, control::dacl_present);
    EXPECT_EQ(kept(control::dacl_protected, {{owner, full, 0}, {everyone, read_only, flag::inherited}}),
              "020490050000000001640000000000e90300000001640000000000e90300001002ffffffff");
    EXPECT_EQ(seen(), (Seen{{owner, 0}, {group, 0}, {group, 0}, {owner, 0}, {everyone, 0x10}}));
    EXPECT_EQ(control_seen, control::dacl_present | control::dacl_protected);
    EXPECT_EQ(kept(control::dacl_auto_inherited, {{owner, full, 0}, {everyone, read_only, flag::inherited}}),
              "020484050000000001640000000000e90300000001640000000000e90300001002ffffffff");
    (void)seen();
    EXPECT_EQ(control_seen, control::dacl_present | control::dacl_auto_inherited);
}

TEST_F(Inheritance, OfAFileThatHandsOn) {
    be(false);
    EXPECT_EQ(kept(0, {{everyone, read_only, flag::container_inherit | flag::no_propagate_inherit}, {owner, full, both}}),
              "020480050000000001640000000000e90300000001640000000602ffffffff0300e9030000");
    EXPECT_EQ(seen(), (Seen{{owner, 3}, {owner, 3}, {everyone, 6}, {group, 0}, {group, 0}}));
    // What is inherited only is not there, and of several the last one counts.
    EXPECT_EQ(kept(0, {{owner, full, 0},
                       {everyone, read_only, 0},
                       {security::unix_group_sid(0), read_only, handed_on},
                       {owner, read_only, flag::inherited}}),
              "020480050000000001640000000000e90300000001640000000002ffffffff1000e9030000");
}

TEST_F(Inheritance, OfADirectory) {
    be(true);
    EXPECT_EQ(kept(0, {{owner, full, both | flag::inherited}, {everyone, read_only, both | flag::inherited}}),
              "020480050005000001640000000000e90300000001640000001000e90300001002ffffffff"
              "0001640000000001640000000000e90300001300e90300001302ffffffff");
    EXPECT_EQ(seen().size(), 7u);
    EXPECT_EQ(seen()[3], (std::pair<Sid, int>{owner, both | flag::inherited}));
    EXPECT_EQ(seen()[4], (std::pair<Sid, int>{everyone, both | flag::inherited}));
    EXPECT_EQ(seen()[6], (std::pair<Sid, int>{well_known::creator_owner, handed_on | flag::inherited}));
    EXPECT_EQ(kept(0, {{owner, full, 0},
                       {well_known::creator_owner, full, handed_on},
                       {well_known::creator_group, read_only, handed_on | flag::inherited},
                       {everyone, read_only, flag::inherited}}),
              "020480050005000001640000000000e90300000001640000000000e90300001002ffffffff"
              "0001640000000000e90300000002ffffffff0b00e90300001b0164000000");
    EXPECT_EQ(seen(), (Seen{{owner, both},
                            {group, 0},
                            {group, 0},
                            {owner, 0},
                            {well_known::creator_owner, handed_on},
                            {everyone, handed_on},
                            {everyone, flag::inherited},
                            {group, handed_on | flag::inherited},
                            {well_known::creator_group, handed_on | flag::inherited}}));
}

// Of what is to go no further the directory has no ACE that says both.
TEST_F(Inheritance, ThatEndsWithTheChildren) {
    be(true);
    const uint8_t once = both | flag::no_propagate_inherit;
    EXPECT_EQ(kept(0, {{owner, full, once}, {everyone, full, static_cast<uint8_t>(once | flag::inherited)}}),
              "020480050005000001640000000000e90300000001640000000400e90300001402ffffffff"
              "0001640000000001640000000000e90300000700e90300001702ffffffff");
    const auto all = seen();
    ASSERT_EQ(all.size(), 9u);
    EXPECT_EQ(all[0], (std::pair<Sid, int>{group, both}));
    EXPECT_EQ(all[1], (std::pair<Sid, int>{owner, 4}));
    EXPECT_EQ(all[4], (std::pair<Sid, int>{well_known::creator_owner, 0xf}));
    EXPECT_EQ(all[6], (std::pair<Sid, int>{owner, 0xf}));
    EXPECT_EQ(all[7], (std::pair<Sid, int>{everyone, 0x14}));
    EXPECT_EQ(all[8], (std::pair<Sid, int>{everyone, 0x1f}));
}

// Somebody who may write to a file cannot take the rights of others away by its attribute.
TEST_F(Inheritance, AForgedOneTakesNothingAway) {
    be(false);
    (void)kept(0, {{owner, full, 0}, {everyone, read_only, 0}});
    for (auto& entry : inheritance.access) entry.flags = 0xff;
    for (const auto& [sid, flags] : seen()) EXPECT_EQ(flags, 0x17);
}

TEST(InheritanceForm, IsReadAsItIsWritten) {
    AclInheritance value;
    value.control = 0x9004;
    value.access = {{0x10, AclInheritance::Who::user, 1001}, {0, AclInheritance::Who::everyone, UINT32_MAX}};
    value.defaults = {{3, AclInheritance::Who::group, 100}};
    Buffer bytes;
    encode_acl_inheritance(value, bytes);
    AclInheritance again;
    ASSERT_TRUE(decode_acl_inheritance(bytes, again));
    EXPECT_EQ(again, value);
    for (size_t n = 0; n < bytes.size(); n++) EXPECT_FALSE(decode_acl_inheritance(bytes.bytes().first(n), again)) << n;
    bytes[8] = 3;  // whom the first entry is about
    EXPECT_FALSE(decode_acl_inheritance(bytes, again));
    bytes[8] = 0;
    bytes[0] = 1;
    EXPECT_FALSE(decode_acl_inheritance(bytes, again));
}

}  // namespace
}  // namespace Atoll::vfs
