#include "smbd/accounts/user_cache.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace Atoll::accounts {
namespace {

struct Directory {
    std::optional<UnixUser> operator()(std::string_view name) {
        ++*asked;
        if (name == "nobody-at-all") return std::nullopt;
        return UnixUser{std::string(name), *uid, 100, {100}, "", "/"};
    }
    int* asked;
    uint32_t* uid;
};

class UserCacheTest : public ::testing::Test {
 protected:
    int asked = 0;
    uint32_t uid = 1;
    UserCache cache{Directory{&asked, &uid}};
    const Monotonic start = monotonic_now();
    const std::chrono::seconds age{limits::user_cache_seconds};
};

TEST_F(UserCacheTest, AUserIsLookedUpOnceWithinTheAge) {
    EXPECT_EQ(cache.find("alice", start)->uid, 1u);
    uid = 2;
    EXPECT_EQ(cache.find("alice", start + age - std::chrono::milliseconds(1))->uid, 1u);
    EXPECT_EQ(asked, 1);
    EXPECT_EQ(cache.find("alice", start + age)->uid, 2u);
    EXPECT_EQ(cache.find("bob", start)->name, "bob");
    EXPECT_EQ(asked, 3);
}

TEST_F(UserCacheTest, AUserWhoIsNotThereIsAlwaysLookedUp) {
    EXPECT_EQ(cache.find("nobody-at-all", start), nullptr);
    EXPECT_EQ(cache.find("nobody-at-all", start), nullptr);
    EXPECT_EQ(asked, 2);
}

TEST_F(UserCacheTest, ItIsBoundedAndCanBeCleared) {
    for (size_t i = 0; i <= limits::max_cached_users; ++i) EXPECT_NE(cache.find("user" + std::to_string(i), start), nullptr);
    const int before = asked;
    EXPECT_NE(cache.find("user" + std::to_string(limits::max_cached_users), start), nullptr);
    EXPECT_EQ(asked, before);
    EXPECT_NE(cache.find("user0", start), nullptr);
    EXPECT_EQ(asked, before + 1);
    cache.clear();
    EXPECT_NE(cache.find("user0", start), nullptr);
    EXPECT_EQ(asked, before + 2);
}

}  // namespace
}  // namespace Atoll::accounts
