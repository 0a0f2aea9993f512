#include <gtest/gtest.h>

#include "base/bytes.h"
#include "libcli/security/security.idl.h"
#include "libcli/security/security_descriptor.h"

namespace Atoll::security {
namespace {

std::vector<uint8_t> to_vector(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

TEST(Token, RoundTrips) {
    const Token token = {*parse_sid("S-1-5-21-1-2-3-1000"),
                         {well_known::users, well_known::everyone},
                         0x800000,
                         1000,
                         100,
                         {27, 44},
                         "anna",
                         "ATOLL",
                         false,
                         false};
    Buffer out;
    encode(token, out, 1);
    const auto again = idl::decode<Token>(out);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_EQ(*again, token);
    EXPECT_NE(print(token).find("user_sid: S-1-5-21-1-2-3-1000"), std::string::npos);
    for (uint64_t seed = 0; seed < 500; seed++) {
        idl::Arbitrary random(seed);
        Buffer record;
        security_records()[0].make(random, record, 1);
        ASSERT_TRUE(security_records()[0].to_text(record).ok());
        ASSERT_TRUE(security_records()[0].round_trips(record));
    }
}

// O:BAG:SYD:PAI(A;OICI;FA;;;BA), byte by byte after MS-DTYP 2.4.6.
TEST(Descriptor, SelfRelativeFormByHand) {
    SecurityDescriptor descriptor;
    descriptor.control = control::dacl_present | control::dacl_protected | control::dacl_auto_inherited;
    descriptor.owner = well_known::administrators;
    descriptor.group = well_known::system;
    descriptor.dacl = Acl{2,
                          {Ace{ace_type::access_allowed,
                               ace_flag::object_inherit | ace_flag::container_inherit,
                               file_rights::all,
                               {},
                               {},
                               well_known::administrators,
                               {}}}};
    Buffer out;
    encode(descriptor, out);
    const std::vector<uint8_t> expected = {
        0x01, 0x00, 0x04, 0x94, 20,   0,    0,    0,    36, 0, 0, 0, 0,    0,    0, 0, 48, 0, 0, 0,  // header
        1,    2,    0,    0,    0,    0,    0,    5,    32, 0, 0, 0, 0x20, 0x02, 0, 0,               // S-1-5-32-544
        1,    1,    0,    0,    0,    0,    0,    5,    18, 0, 0, 0,                                 // S-1-5-18
        2,    0,    32,   0,    1,    0,    0,    0,                                                 // ACL
        0,    3,    24,   0,    0xFF, 0x01, 0x1F, 0x00, 1,  2, 0, 0, 0,    0,    0, 5, 32, 0, 0, 0, 0x20, 0x02, 0, 0};
    EXPECT_EQ(to_vector(out), expected);
    EXPECT_EQ(encoded_size(descriptor), out.size());
    SecurityDescriptor again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, descriptor);
    EXPECT_EQ(to_sddl(again), "O:BAG:SYD:PAI(A;OICI;FA;;;BA)");
}

TEST(Descriptor, ObjectAcesNullAndEmptyAcls) {
    SecurityDescriptor descriptor;
    descriptor.control = control::dacl_present | control::sacl_present;
    Ace ace;
    ace.type = ace_type::access_allowed_callback_object;
    ace.object_type = Guid::random();
    ace.sid = well_known::everyone;
    ace.data = {'a', 'r', 't', 'x'};
    descriptor.sacl = Acl{4, {ace}};
    Buffer out;
    encode(descriptor, out);
    SecurityDescriptor again;
    ASSERT_TRUE(decode(out, again).ok());
    EXPECT_EQ(again, descriptor);
    EXPECT_FALSE(again.dacl.has_value());
    EXPECT_EQ(to_sddl(again).substr(0, 19), "D:NO_ACCESS_CONTROL");
    descriptor.dacl.emplace();  // empty: nobody gets anything
    out.clear();
    encode(descriptor, out);
    ASSERT_TRUE(decode(out, again).ok());
    ASSERT_TRUE(again.dacl.has_value());
    EXPECT_TRUE(again.dacl->aces.empty());
}

TEST(Descriptor, EveryTruncationAndBadFieldIsRefused) {
    Buffer out;
    encode(from_posix(unix_user_sid(1000), unix_group_sid(100), 0640, false), out);
    SecurityDescriptor value;
    for (size_t n = 0; n < out.size(); n++) ASSERT_FALSE(decode(out.bytes().first(n), value).ok()) << n;
    const size_t acl = load_le<uint32_t>(out.data() + 16);
    const auto refused = [&](size_t at, uint8_t byte) {
        Buffer copy;
        copy.append(out);
        copy[at] = byte;
        return !decode(copy, value).ok();
    };
    EXPECT_TRUE(refused(0, 2));          // revision
    EXPECT_TRUE(refused(3, 0));          // not self-relative
    EXPECT_TRUE(refused(4, 19));         // the owner inside the header
    EXPECT_TRUE(refused(18, 1));         // the DACL behind the end
    EXPECT_TRUE(refused(acl, 3));        // ACL revision
    EXPECT_TRUE(refused(acl + 2, 4));    // ACL size
    EXPECT_TRUE(refused(acl + 4, 200));  // count of ACEs
    EXPECT_TRUE(refused(acl + 8, 4));    // ACE type
    EXPECT_TRUE(refused(acl + 10, 0));   // ACE size
    EXPECT_TRUE(refused(acl + 10, 10));
    EXPECT_TRUE(refused(acl + 17, 16));  // sub-authorities of its SID
}

TEST(Descriptor, PartsAsAskedFor) {
    SecurityDescriptor descriptor = from_posix(unix_user_sid(1), unix_group_sid(2), 0755, true);
    descriptor.control |= control::dacl_protected;
    const SecurityDescriptor owner = select_parts(descriptor, part::owner);
    EXPECT_EQ(owner.control, 0);
    EXPECT_TRUE(owner.owner.has_value() && !owner.group && !owner.dacl);
    EXPECT_EQ(select_parts(descriptor, part::owner | part::group | part::dacl), descriptor);
}

TEST(Posix, ModesBecomeAces) {
    const Sid owner = unix_user_sid(1000), group = unix_group_sid(100);
    const auto sddl = [&](uint32_t mode, bool directory) { return to_sddl(from_posix(owner, group, mode, directory)); };
    const std::string head = "O:S-1-22-1-1000G:S-1-22-2-100D:";
    EXPECT_EQ(sddl(0755, true), head + "(A;;FA;;;S-1-22-1-1000)(A;;0x1200a9;;;S-1-22-2-100)(A;;0x1200a9;;;WD)");
    EXPECT_EQ(sddl(0640, false), head + "(A;;0x16019f;;;S-1-22-1-1000)(A;;FR;;;S-1-22-2-100)");
    EXPECT_EQ(sddl(0000, false), head + "(A;;0x160180;;;S-1-22-1-1000)");
    EXPECT_EQ(sddl(0077, false), head + "(D;;0x27;;;S-1-22-1-1000)(A;;0x160180;;;S-1-22-1-1000)(A;;FA;;;S-1-22-2-100)(A;;FA;;;WD)");
    EXPECT_EQ(sddl(0702, true), head + "(A;;FA;;;S-1-22-1-1000)(D;;0x46;;;S-1-22-2-100)(A;;0x120156;;;WD)");
}

}  // namespace
}  // namespace Atoll::security
