#include "smbd/accounts/tokens.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "libcli/security/security_descriptor.h"
#include "smbd/accounts/passdb.h"
#include "smbd/accounts/username_map.h"

namespace Atoll::accounts {
namespace {

const Sid domain = *parse_sid("S-1-5-21-1-2-3");
const TokenBuilder builder(domain, "ATOLL");
const UnixUser alice = {"alice", 1234, 100, {100, 27}, "Alice", "/home/alice"};

bool has(const security::Token& token, const Sid& sid) {
    return std::find(token.group_sids.begin(), token.group_sids.end(), sid) != token.group_sids.end();
}

TEST(Tokens, OfAnAccount) {
    Account account = new_account("alice", "", "ATOLL");
    account.rid = 1007;
    const auto token = builder.account(account, alice);
    EXPECT_EQ(to_string(token.user_sid), "S-1-5-21-1-2-3-1007");
    EXPECT_EQ(to_string(token.group_sids.front()), "S-1-5-21-1-2-3-513");
    for (const char* sid : {"S-1-22-2-100", "S-1-22-2-27", "S-1-1-0", "S-1-5-2", "S-1-5-11", "S-1-5-32-545"})
        EXPECT_TRUE(has(token, *parse_sid(sid))) << sid;
    EXPECT_FALSE(has(token, well_known::administrators));
    EXPECT_EQ(token.uid, 1234u);
    EXPECT_EQ(token.gid, 100u);
    EXPECT_EQ(token.gids, (std::vector<uint32_t>{100, 27}));
    EXPECT_EQ(token.privileges, 0u);
    EXPECT_FALSE(token.is_guest || token.is_anonymous);
}

TEST(Tokens, WithoutAnAccount) {
    const auto token = builder.unix_user(alice);
    EXPECT_EQ(to_string(token.user_sid), "S-1-22-1-1234");
    EXPECT_EQ(to_string(token.group_sids.front()), "S-1-22-2-100");
}

TEST(Tokens, GuestAndAnonymousAreNotAuthenticatedUsers) {
    const auto guest = builder.guest(alice);
    EXPECT_TRUE(guest.is_guest);
    EXPECT_EQ(to_string(guest.user_sid), "S-1-5-21-1-2-3-501");
    EXPECT_TRUE(has(guest, well_known::guests));
    EXPECT_FALSE(has(guest, well_known::authenticated_users));
    const auto anonymous = builder.anonymous(alice);
    EXPECT_TRUE(anonymous.is_anonymous);
    EXPECT_EQ(anonymous.user_sid, well_known::anonymous);
    EXPECT_FALSE(has(anonymous, well_known::authenticated_users));
    EXPECT_TRUE(has(anonymous, well_known::everyone));
}

TEST(Tokens, AdministratorActsAsRoot) {
    auto token = builder.unix_user(alice);
    TokenBuilder::make_administrator(token);
    EXPECT_EQ(token.uid, 0u);
    EXPECT_TRUE(has(token, well_known::administrators));
    EXPECT_NE(token.privileges & (uint64_t{1} << 18), 0u);
}

TEST(Tokens, ForcedGroup) {
    const auto root = find_unix_group("root");
    EXPECT_EQ(find_unix_group_name(0), "root");
    EXPECT_FALSE(find_unix_group_name(0xFFFFFFF0));
    ASSERT_TRUE(root.has_value());
    auto token = builder.unix_user(alice);
    EXPECT_FALSE(TokenBuilder::force_group(token, "no-such-group-here"));
    EXPECT_TRUE(TokenBuilder::force_group(token, "+root"));
    EXPECT_EQ(token.gid, 100u) << "+: only who is in it";
    EXPECT_TRUE(TokenBuilder::force_group(token, "root"));
    EXPECT_EQ(token.gid, *root);
    EXPECT_EQ(token.group_sids.front(), security::unix_group_sid(*root));
    EXPECT_NE(std::find(token.gids.begin(), token.gids.end(), *root), token.gids.end());
    EXPECT_TRUE(TokenBuilder::force_group(token, "+root"));
}

TEST(UnixUsers, FromTheSystem) {
    const auto root = find_unix_user("root");
    ASSERT_TRUE(root.has_value());
    EXPECT_EQ(root->uid, 0u);
    EXPECT_NE(std::find(root->gids.begin(), root->gids.end(), root->gid), root->gids.end());
    EXPECT_EQ(find_unix_user("ROOT")->name, "root");
    EXPECT_EQ(find_unix_user(0u)->name, "root");
    EXPECT_FALSE(find_unix_user("no-such-user-here").has_value());
    EXPECT_FALSE(find_unix_user("").has_value());
    EXPECT_TRUE(unix_user_in_group("root", "root"));
    EXPECT_EQ(may_serve(4711), ::geteuid() == 0);
    EXPECT_TRUE(may_serve(::geteuid()));
}

bool in_group(std::string_view user, std::string_view group) { return user == "carol" && group == "staff"; }

TEST(UsernameMap, Lines) {
    const auto map = UsernameMap::parse(
        "# comment\n"
        "root = admin Administrator\r\n"
        "!alice = \"Alice Liddell\" al\n"
        "\n"
        "team = @staff\n"
        "bob = alice, robert\n",
        "map");
    ASSERT_TRUE(map.ok());
    EXPECT_EQ(map->map("ADMINISTRATOR", in_group), "root");
    EXPECT_EQ(map->map("alice liddell", in_group), "alice") << "! ends the search";
    EXPECT_EQ(map->map("alice", in_group), "bob");
    EXPECT_EQ(map->map("Robert", in_group), "bob");
    EXPECT_EQ(map->map("carol", in_group), "team");
    EXPECT_EQ(map->map("dave", in_group), "dave");
    EXPECT_EQ(UsernameMap().map("dave", in_group), "dave");
}

TEST(UsernameMap, LaterLinesSeeTheNewName) {
    const auto map = UsernameMap::parse("b = a\nc = b\nnobody = *\n", "map");
    EXPECT_EQ(map->map("a", in_group), "nobody");
    EXPECT_EQ(UsernameMap::parse("b = a\nc = b\n", "map")->map("a", in_group), "c");
}

TEST(UsernameMap, BadLineIsNamed) {
    const auto map = UsernameMap::parse("a = b\n= c\n", "/etc/map");
    ASSERT_FALSE(map.ok());
    EXPECT_EQ(map.error().where, "/etc/map:2");
    EXPECT_FALSE(UsernameMap::load("/nonexistent/map").ok());
}

}  // namespace
}  // namespace Atoll::accounts
