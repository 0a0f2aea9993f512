#include "smbd/server/answered_logons.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/limits.h"
#include "smbd/server/limits.h"

namespace Atoll::server {
namespace {

verify_request request(uint64_t session, uint8_t byte) {
    verify_request made;
    made.session_id = session;
    made.proof.gss_token.assign(10, byte);
    return made;
}

logon_grant grant(const std::string& user) {
    logon_grant made;
    made.account_name = user;
    made.session_key.assign(16, 7);
    return made;
}

TEST(AnsweredLogons, OnlyTheSameRequestIsAnsweredAgain) {
    AnsweredLogons answered;
    answered.remember(request(1, 0xAA), grant("alice"));
    const auto again = answered.find(request(1, 0xAA));
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->account_name, "alice");
    EXPECT_EQ(again->session_key.size(), 16u);
    EXPECT_FALSE(answered.find(request(2, 0xAA)).has_value()) << "the same token for another session is a replay";
    EXPECT_FALSE(answered.find(request(1, 0xAB)).has_value());
}

TEST(AnsweredLogons, ForALittleWhile) {
    AnsweredLogons answered;
    const Monotonic now = monotonic_now();
    answered.remember(request(1, 0xAA), grant("alice"), now);
    const auto patience = std::chrono::seconds(limits::handover_timeout_seconds * limits::max_handover_attempts);
    EXPECT_TRUE(answered.find(request(1, 0xAA), now + patience - std::chrono::seconds(1)).has_value());
    EXPECT_FALSE(answered.find(request(1, 0xAA), now + patience).has_value());
}

TEST(AnsweredLogons, AndNotTooMany) {
    AnsweredLogons answered;
    for (uint64_t i = 0; i <= limits::max_answered_logons; i++) answered.remember(request(i, 0xAA), grant("alice"));
    EXPECT_FALSE(answered.find(request(0, 0xAA)).has_value());
    EXPECT_TRUE(answered.find(request(1, 0xAA)).has_value());
}

}  // namespace
}  // namespace Atoll::server
