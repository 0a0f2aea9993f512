#include "smbd/server/common_messages.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/messaging/control_messages.h"

namespace Atoll::server {
namespace {

messaging::Message message_of(uint32_t type, Bytes payload) {
    messaging::Message message;
    message.type = type;
    message.payload = payload;
    return message;
}

class LogLevel : public testing::Test {
 protected:
    ~LogLevel() override { log_set_level(before_); }
    int before_ = log_level();
};

TEST(CommonMessages, PingIsAnsweredWithWhatItCarried) {
    const auto answer = answer_of_any_process(message_of(messaging::message_ping, as_bytes("what")));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->type, uint32_t{messaging::message_pong});
    EXPECT_EQ(as_text(answer->payload), "what");
}

TEST_F(LogLevel, IsToldAsItWasSet) {
    uint8_t level[4];
    store_le(level, uint32_t{7});
    set_log_level_by(message_of(messaging::message_debug_level, level));
    const auto answer = answer_of_any_process(message_of(messaging::message_ask_debug_level, {}));
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->type, uint32_t{messaging::message_tell_debug_level});
    EXPECT_EQ(as_text(answer->payload), "all:7");
}

TEST_F(LogLevel, WhatIsNoLevelChangesNothing) {
    log_set_level(2);
    uint8_t level[4];
    store_le(level, uint32_t{11});
    set_log_level_by(message_of(messaging::message_debug_level, level));
    set_log_level_by(message_of(messaging::message_debug_level, {}));
    set_log_level_by(message_of(messaging::message_debug_level, Bytes(level).first(3)));
    EXPECT_EQ(log_level(), 2);
}

TEST(CommonMessages, WhatIsNoQuestionHasNoAnswer) {
    EXPECT_FALSE(answer_of_any_process(message_of(messaging::message_reload_config, {})));
    EXPECT_FALSE(answer_of_any_process(message_of(messaging::message_close_share, as_bytes("share"))));
}

}  // namespace
}  // namespace Atoll::server
