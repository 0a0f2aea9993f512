#include "vfs/nt_acl.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "vfs/posix_descriptor.h"

namespace Atoll::vfs {
namespace {

std::vector<uint8_t> from_hex(std::string_view hex) {
    std::vector<uint8_t> out;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return out;
}

// What Debian's smbd 4.17 stored for a file of uid 1001 and gid 100, mode 0775, with an ACL (docs/formats/ntacl.md).
const std::vector<uint8_t> stored_by_debian = from_hex(
    "0400040000000200040002000100"
    "202a6a90caaf0aeae209831894977baa2741a28d80db60b95a036382352d2a3c"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "706f7369785f61636c004c235e963d7add01"
    "0030303c35904441cff297bd44e3d4e4d6ec94df7df36b59ece2acdc18367f67"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "01000480b4000000d000000000000000ec000000"
    "01050000000000051500000003d7608de0d98e35d2157a2fe8030000"
    "01050000000000051500000003d7608de0d98e35d2157a2f01020000"
    "0200640003000000"
    "00002400ff011f0001050000000000051500000003d7608de0d98e35d2157a2fe8030000"
    "00002400a900120001050000000000051500000003d7608de0d98e35d2157a2f01020000"
    "00001400a9001200010100000000000100000000");

const PosixAcl acl_of_it = {{PosixTag::user_obj, 7, 0}, {PosixTag::user, 7, 1001}, {PosixTag::group_obj, 5, 0},
                            {PosixTag::group, 5, 100},  {PosixTag::mask, 7, 0},    {PosixTag::other, 5, 0}};

TEST(NtAcl, ReadsAndWritesWhatDebianStored) {
    NtAcl acl;
    ASSERT_TRUE(decode_nt_acl(stored_by_debian, acl).ok());
    EXPECT_EQ(acl.version, 4);
    EXPECT_EQ(acl.description, posix_acl_description);
    EXPECT_EQ(to_string(*acl.descriptor.owner), "S-1-5-21-2371933955-898554336-796530130-1000");
    EXPECT_EQ(acl.descriptor.dacl->aces.size(), 3u);
    Buffer again;
    encode_nt_acl(acl.descriptor, acl.descriptor_hash, acl.system_hash, acl.time, again);
    EXPECT_EQ(std::vector<uint8_t>(again.bytes().begin(), again.bytes().end()), stored_by_debian);
}

TEST(NtAcl, KnowsTheFilesRightsByTheirHash) {
    NtAcl acl;
    ASSERT_TRUE(decode_nt_acl(stored_by_debian, acl).ok());
    Stat stat;
    stat.uid = 1001;
    stat.gid = 100;
    stat.mode = 0100775;
    NtAclHash hash;
    hash_posix_rights({stat, acl_of_it, {}}, hash);
    EXPECT_EQ(hash, acl.system_hash);
    stat.mode = 0100774;
    hash_posix_rights({stat, acl_of_it, {}}, hash);
    EXPECT_NE(hash, acl.system_hash);
}

// The other hash: what Debian's smbd stored for a file of S-1-5-21-...-1000 and gid 100 whose owner, group and everyone may do everything.
TEST(NtAcl, HashesTheMappedDescriptorAsItsVersion3) {
    const Sid owner = *parse_sid("S-1-5-21-2769311934-1877639769-2380948019-1000"), group = security::unix_group_sid(100);
    security::SecurityDescriptor mapped;
    mapped.control = security::control::dacl_present | security::control::dacl_protected;
    mapped.owner = owner;
    mapped.group = group;
    mapped.dacl.emplace();
    for (const Sid& sid : {owner, group, group, owner, well_known::everyone}) {
        security::Ace& ace = mapped.dacl->aces.emplace_back();
        ace.sid = sid;
        ace.mask = security::file_rights::all;
    }
    NtAclHash hash;
    hash_descriptor(mapped, hash);
    std::string hex;
    for (size_t i = 0; i < 32; i++) {
        hex += "0123456789abcdef"[hash[i] >> 4];
        hex += "0123456789abcdef"[hash[i] & 15];
    }
    EXPECT_EQ(hex, "84646213fcb29183001e76460dbf2555de50fa319dee31cdbd1053815fec0580");
}

TEST(NtAcl, Version3HasNoHash) {
    NtAcl acl;
    ASSERT_TRUE(decode_nt_acl(stored_by_debian, acl).ok());
    Buffer bytes;
    encode_nt_acl(acl.descriptor, bytes);
    NtAcl again;
    ASSERT_TRUE(decode_nt_acl(bytes, again).ok());
    EXPECT_EQ(again.version, 3);
    EXPECT_EQ(again.descriptor, acl.descriptor);
    EXPECT_EQ(again.descriptor_hash, NtAclHash{});
    EXPECT_EQ(load_le<uint32_t>(bytes.data() + 0x54), 0x64u);  // offsets count from the start of the attribute
}

TEST(NtAcl, TruncationAndOtherVersionsAreRefused) {
    NtAcl acl;
    for (size_t n = 0; n < stored_by_debian.size(); n++) ASSERT_FALSE(decode_nt_acl(Bytes(stored_by_debian).first(n), acl).ok()) << n;
    for (const uint8_t version : {uint8_t{0}, uint8_t{5}}) {
        auto other = stored_by_debian;
        other[0] = other[2] = version;
        EXPECT_FALSE(decode_nt_acl(other, acl).ok());
    }
}

TEST(PosixAclForm, GoesThereAndBack) {
    Buffer bytes;
    encode_posix_acl(acl_of_it, bytes);
    PosixAcl again;
    ASSERT_TRUE(decode_posix_acl(bytes, again));
    EXPECT_EQ(again, acl_of_it);
    EXPECT_FALSE(decode_posix_acl(bytes.bytes().first(bytes.size() - 1), again));
    bytes[0] = 3;
    EXPECT_FALSE(decode_posix_acl(bytes, again));
}

// Every expectation of the following two is what Debian's smbd 4.17 did.
struct Mapped : ::testing::Test {
    security::SecurityDescriptor of(uint32_t mode, bool directory, const PosixAcl& defaults = {}, PosixAcl access = {}) {
        stat.mode = mode | (directory ? 0040000 : 0100000);
        if (access.empty()) posix_acl_of_mode(stat.mode, access);
        security::SecurityDescriptor out;
        EXPECT_TRUE(descriptor_of_posix({stat, access, defaults}, {}, ids, out));
        return out;
    }
    std::vector<uint32_t> masks(uint32_t mode, bool directory) {
        std::vector<uint32_t> out;
        const auto descriptor = of(mode, directory);
        for (const auto& ace : descriptor.dacl->aces) out.push_back(ace.mask);
        return out;
    }
    Mapped() {
        stat.uid = 1001;
        stat.gid = 100;
    }
    Stat stat;
    security::UnixIdMap ids;
};

TEST_F(Mapped, ModesToDescriptors) {
    using M = std::vector<uint32_t>;
    EXPECT_EQ(masks(0755, false), (M{0x1e01ff, 0x1200a9, 0x1200a9}));
    EXPECT_EQ(masks(0755, true), (M{0x1f01ff, 0x1200a9, 0x1200a9}));
    EXPECT_EQ(masks(0640, false), (M{0x12019f, 0x120089, 0}));
    EXPECT_EQ(masks(0702, true), (M{0x1f01ff, 0, 0x120156}));
    EXPECT_EQ(masks(0111, false), (M{0x1200a0, 0x1200a0, 0x1200a0}));
    const auto d = of(0755, true, {{PosixTag::user_obj, 7, 0}, {PosixTag::group_obj, 5, 0}, {PosixTag::other, 5, 0}});
    EXPECT_EQ(d.control, security::control::dacl_present | security::control::dacl_protected);
    ASSERT_EQ(d.dacl->aces.size(), 5u);
    EXPECT_EQ(d.dacl->aces[0].sid, well_known::everyone);  // the same for the directory and its children
    EXPECT_EQ(d.dacl->aces[0].flags, 3);
    EXPECT_EQ(d.dacl->aces[3].sid, well_known::creator_owner);
    EXPECT_EQ(d.dacl->aces[3].flags, 0xb);
}

// As Debian's smbd 4.17 has it: of those who may nothing the first is one ACE for both, and who stands behind him is two.
TEST_F(Mapped, DefaultsToDescriptors) {
    const auto users = [](uint16_t first, uint16_t second) {
        return PosixAcl{{PosixTag::user_obj, 7, 0},  {PosixTag::user, first, 2001}, {PosixTag::user, second, 2002},
                        {PosixTag::group_obj, 5, 0}, {PosixTag::mask, 7, 0},        {PosixTag::other, 1, 0}};
    };
    const auto flags_of = [&](const PosixAcl& access, const PosixAcl& defaults, uint32_t uid) {
        std::string flags;
        const auto descriptor = of(0755, true, defaults, access);
        for (const security::Ace& ace : descriptor.dacl->aces) {
            if (ace.sid == ids.user_sid(uid)) flags += fmt::format("{:x} ", ace.flags);
        }
        return flags;
    };
    EXPECT_EQ(flags_of(users(0, 0), users(0, 0), 2001), "3 ");
    EXPECT_EQ(flags_of(users(0, 0), users(0, 0), 2002), "0 b ");
    EXPECT_EQ(flags_of(users(5, 5), users(5, 5), 2001), "3 ");
    EXPECT_EQ(flags_of(users(5, 5), users(5, 5), 2002), "3 ");
}

class DescriptorsToAcls : public Mapped {
 protected:
    // The bits of owner, users..., group, groups..., mask, everyone; empty: the POSIX rights stay as they are.
    std::string set(std::vector<security::Ace> aces) {
        d.dacl->aces = std::move(aces);
        PosixAcl access;
        EXPECT_TRUE(posix_acls_of_descriptor(d, stat, ids, false, access, defaults));
        std::string text;
        for (const PosixEntry& e : access) text += std::to_string(e.bits);
        return text;
    }
    static security::Ace allow(const Sid& sid, uint32_t mask) {
        security::Ace ace;
        ace.sid = sid;
        ace.mask = mask;
        return ace;
    }
    static security::Ace deny(const Sid& sid, uint32_t mask) {
        security::Ace ace = allow(sid, mask);
        ace.type = security::ace_type::access_denied;
        return ace;
    }

    static constexpr uint32_t r = 0x1, w = 0x2, x = 0x20, rwx = 0x1f01ff;
    security::SecurityDescriptor d = of(0744, false);
    PosixAcl defaults;
    const Sid owner = ids.user_sid(1001), other = ids.user_sid(1002), group = ids.group_sid(100), others = ids.group_sid(101);
    const Sid everyone = well_known::everyone;
};

TEST_F(DescriptorsToAcls, Permissions) {
    EXPECT_EQ(set({allow(owner, 0x1f01ff)}), "770070");
    EXPECT_EQ(set({allow(owner, 0x1200a9), allow(well_known::everyone, 0x1f01ff)}), "557777");
    EXPECT_EQ(set({allow(owner, 0x120089), allow(group, 0x120089), allow(well_known::everyone, 0x120089)}), "444474");
    EXPECT_EQ(set({allow(other, 0x1f01ff)}), "7770070");
    EXPECT_EQ(set({}), "");
    d.dacl->aces = {allow(*parse_sid("S-1-5-21-1-2-3-1000"), 1)};
    PosixAcl access;
    EXPECT_FALSE(posix_acls_of_descriptor(d, stat, ids, false, access, defaults));
}

// As Debian's smbd 4.17 sets them.
TEST_F(DescriptorsToAcls, Denials) {
    EXPECT_EQ(set({deny(other, w), allow(owner, rwx), allow(everyone, r | x)}), "7755575");  // what everyone has, less the denied
    EXPECT_EQ(set({deny(other, x), allow(other, r), allow(everyone, x)}), "7741171");        // who is allowed something has that alone
    EXPECT_EQ(set({deny(other, r), allow(other, r), allow(everyone, r | x)}), "7715575");    // nothing is left of it
    EXPECT_EQ(set({deny(others, w), allow(everyone, rwx)}), "7777577");
    EXPECT_EQ(set({deny(everyone, w), allow(everyone, rwx)}), "775575");
    EXPECT_EQ(set({deny(everyone, w), allow(other, rwx)}), "7750070");  // taken from all
    EXPECT_EQ(set({deny(everyone, w), allow(everyone, r | w), allow(other, rwx)}), "7774474");
    EXPECT_EQ(set({deny(everyone, rwx), allow(other, w), allow(everyone, x)}), "770070");  // the rest does not count
    EXPECT_EQ(set({allow(other, w), deny(others, x), allow(everyone, x)}), "");            // not in order
    EXPECT_EQ(set({allow(everyone, rwx), deny(other, x)}), "");
}

TEST_F(DescriptorsToAcls, DenialsThatADirectoryHandsOn) {
    stat.mode = 040755;
    const auto handed_on = [](security::Ace ace) {
        ace.flags = security::ace_flag::object_inherit | security::ace_flag::container_inherit;
        return ace;
    };
    EXPECT_EQ(set({handed_on(deny(everyone, w)), allow(everyone, r)}), "774474");
    EXPECT_TRUE(defaults.empty());  // a denial to everyone alone is not handed on
    EXPECT_EQ(set({handed_on(deny(group, w)), handed_on(allow(well_known::creator_group, rwx)), allow(everyone, r)}), "774474");
    ASSERT_EQ(defaults.size(), 6u);
    EXPECT_EQ(defaults[2].tag, PosixTag::group_obj);
    EXPECT_EQ(defaults[2].bits, 5);  // CREATOR GROUP is denied what the directory's group is
    auto inherit_only = handed_on(allow(everyone, rwx));
    inherit_only.flags |= security::ace_flag::inherit_only;
    EXPECT_EQ(set({inherit_only}), "");
    EXPECT_EQ(set({handed_on(allow(everyone, rwx)), handed_on(deny(other, w))}), "");
}

}  // namespace
}  // namespace Atoll::vfs
