#include "libcli/security/access_check.h"

#include <gtest/gtest.h>

namespace Atoll::security {
namespace {

const Sid user = *parse_sid("S-1-5-21-1-2-3-1000"), other = *parse_sid("S-1-5-21-1-2-3-1001"), group = *parse_sid("S-1-5-21-1-2-3-513");

Token token_of(const Sid& sid, uint64_t privileges = 0) {
    Token token;
    token.user_sid = sid;
    token.group_sids = {group, well_known::everyone};
    token.privileges = privileges;
    return token;
}

Ace ace(uint8_t type, const Sid& sid, uint32_t mask, uint8_t flags = 0) {
    Ace a;
    a.type = type;
    a.sid = sid;
    a.mask = mask;
    a.flags = flags;
    return a;
}
Ace allow(const Sid& sid, uint32_t mask, uint8_t flags = 0) { return ace(ace_type::access_allowed, sid, mask, flags); }
Ace deny(const Sid& sid, uint32_t mask, uint8_t flags = 0) { return ace(ace_type::access_denied, sid, mask, flags); }

SecurityDescriptor owned_by(const Sid& owner, std::vector<Ace> aces) {
    SecurityDescriptor d;
    d.control = control::dacl_present;
    d.owner = owner;
    d.group = group;
    d.dacl = Acl{2, std::move(aces)};
    return d;
}

NtStatus status(const SecurityDescriptor& d, const Token& token, uint32_t desired) {
    const auto r = access_check(d, token, desired);
    return r ? NtStatus::SUCCESS : r.error();
}

TEST(AccessCheck, AcesInTheirOrder) {
    const auto denied_first = owned_by(other, {deny(user, 2), allow(well_known::everyone, 3)});
    EXPECT_EQ(granted_access(denied_first, token_of(user)), 1u);
    EXPECT_EQ(status(denied_first, token_of(user), 2), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(denied_first, token_of(user), 3), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(denied_first, token_of(user), 1), NtStatus::SUCCESS);
    // Not canonical: what is allowed first stays allowed.
    const auto allowed_first = owned_by(other, {allow(well_known::everyone, 3), deny(user, 2)});
    EXPECT_EQ(granted_access(allowed_first, token_of(user)), 3u);
    // From several ACEs together.
    EXPECT_EQ(status(owned_by(other, {allow(group, 1), allow(user, 2)}), token_of(user), 3), NtStatus::SUCCESS);
}

TEST(AccessCheck, NullAndEmptyDacl) {
    auto d = owned_by(other, {});
    EXPECT_EQ(granted_access(d, token_of(user)), 0u);
    EXPECT_EQ(status(d, token_of(user), right::maximum_allowed), NtStatus::ACCESS_DENIED);
    d.dacl.reset();
    EXPECT_EQ(granted_access(d, token_of(user)), file_rights::all);
}

TEST(AccessCheck, OwnerHasWhatHeNeedsToGetTheRest) {
    constexpr uint32_t implicit = right::read_control | right::write_dac;
    EXPECT_EQ(granted_access(owned_by(user, {}), token_of(user)), implicit);
    // Even if an ACE denies it: the owner's come first.
    EXPECT_EQ(granted_access(owned_by(user, {deny(user, implicit | 1)}), token_of(user)), implicit);
    // By a group that owns.
    EXPECT_EQ(granted_access(owned_by(group, {}), token_of(user)), implicit);
}

TEST(AccessCheck, OwnerRightsReplaceThem) {
    const auto d = owned_by(user, {allow(well_known::owner_rights, 1)});
    EXPECT_EQ(granted_access(d, token_of(user)), 1u);
    EXPECT_EQ(granted_access(owned_by(other, {allow(well_known::owner_rights, 1)}), token_of(user)), 0u);
    EXPECT_EQ(
        granted_access(owned_by(user, {deny(well_known::owner_rights, right::write_dac), allow(user, file_rights::all)}), token_of(user)),
        file_rights::all & ~right::write_dac);
    // One that only children inherit changes nothing here.
    EXPECT_EQ(granted_access(owned_by(user, {allow(well_known::owner_rights, 1, ace_flag::inherit_only)}), token_of(user)),
              right::read_control | right::write_dac);
}

TEST(AccessCheck, InheritOnlyAndOtherAcesDoNotCount) {
    EXPECT_EQ(granted_access(owned_by(other, {deny(user, 1, ace_flag::inherit_only), allow(user, 1)}), token_of(user)), 1u);
    auto object = allow(user, 1);
    object.type = ace_type::access_allowed_object;
    EXPECT_EQ(granted_access(owned_by(other, {object}), token_of(user)), 1u);
    object.object_type = Guid::random();
    EXPECT_EQ(granted_access(owned_by(other, {object}), token_of(user)), 0u);
    const auto conditional = ace(ace_type::access_allowed_callback, user, 1);
    EXPECT_EQ(granted_access(owned_by(other, {conditional}), token_of(user)), 0u);
    const auto conditional_deny = ace(ace_type::access_denied_callback, user, 1);
    EXPECT_EQ(granted_access(owned_by(other, {conditional_deny, allow(user, 3)}), token_of(user)), 2u);
}

TEST(AccessCheck, GenericRightsOfAcesAreMapped) {
    EXPECT_EQ(granted_access(owned_by(other, {allow(user, right::generic_read)}), token_of(user)), file_rights::generic_read);
    EXPECT_EQ(granted_access(owned_by(other, {allow(user, right::generic_all)}), token_of(user)), file_rights::all);
    EXPECT_EQ(map_generic_file_rights(right::generic_write | right::generic_execute),
              file_rights::generic_write | file_rights::generic_execute);
}

TEST(AccessCheck, Privileges) {
    const auto d = owned_by(other, {allow(user, 1 | right::system_security)});
    EXPECT_EQ(status(d, token_of(user), right::system_security | 1), NtStatus::PRIVILEGE_NOT_HELD);
    EXPECT_EQ(status(d, token_of(user), right::system_security | 2), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(d, token_of(user, privilege::security), right::system_security | 1), NtStatus::SUCCESS);
    EXPECT_EQ(status(d, token_of(user), right::write_owner), NtStatus::ACCESS_DENIED);
    EXPECT_EQ(status(d, token_of(user, privilege::take_ownership), right::write_owner), NtStatus::SUCCESS);
    // MAXIMUM_ALLOWED does not ask for the system's ACL.
    EXPECT_EQ(*access_check(d, token_of(user, privilege::security), right::maximum_allowed), 1u);
    EXPECT_EQ(*access_check(d, token_of(user, privilege::security), right::maximum_allowed | right::system_security),
              1u | right::system_security);
}

}  // namespace
}  // namespace Atoll::security
