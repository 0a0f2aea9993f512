#include "smbd/accounts/id_cache.h"

#include <gtest/gtest.h>

#include "libcli/security/security_descriptor.h"

namespace Atoll::accounts {
namespace {

const Sid anna = *parse_sid("S-1-5-21-1-2-3-1000"), bert = *parse_sid("S-1-5-21-1-2-3-1001"), users = *parse_sid("S-1-5-21-1-2-3-513");

TEST(IdCache, TokensAreEnoughForTheirOwn) {
    IdCache cache(nullptr);
    security::Token token;
    token.user_sid = anna;
    token.uid = 1001;
    token.gid = 100;
    token.group_sids = {users, well_known::everyone};
    cache.learn(token);
    EXPECT_EQ(cache.user_sid(1001), anna);
    EXPECT_EQ(cache.uid_of(anna), 1001u);
    EXPECT_EQ(cache.gid_of(users), 100u);
    EXPECT_EQ(cache.group_sid(100), security::unix_group_sid(100));
    EXPECT_EQ(cache.user_sid(7), security::unix_user_sid(7));
    EXPECT_EQ(cache.uid_of(security::unix_user_sid(7)), 7u);
    EXPECT_EQ(cache.gid_of(security::unix_group_sid(7)), 7u);
    EXPECT_FALSE(cache.uid_of(bert).has_value());
}

TEST(IdCache, AsksOnceForEachOther) {
    int asked = 0;
    IdCache cache([&](const IdQuestion& question) -> std::optional<IdAnswer> {
        asked++;
        if (question.sid ? *question.sid == bert : question.uid == 1002) return IdAnswer{bert, 1002};
        return std::nullopt;
    });
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(cache.user_sid(1002), bert);
        EXPECT_EQ(cache.uid_of(bert), 1002u);
    }
    EXPECT_EQ(asked, 1);
    for (int i = 0; i < 3; i++) EXPECT_FALSE(cache.uid_of(anna).has_value());
    for (int i = 0; i < 3; i++) EXPECT_EQ(cache.user_sid(5), security::unix_user_sid(5));
    EXPECT_EQ(asked, 3);
    // What is no account of a domain is nobody's to know.
    EXPECT_FALSE(cache.uid_of(well_known::administrators).has_value());
    EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace Atoll::accounts
