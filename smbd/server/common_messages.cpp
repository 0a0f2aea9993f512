#include "smbd/server/common_messages.h"

#include <fmt/core.h>

#include "base/bytes.h"
#include "base/log.h"
#include "tdb/messaging/control_messages.h"

namespace Atoll::server {

namespace {

constexpr uint32_t highest_log_level = 10;

void answer(messaging::Messaging& messaging, const messaging::Message& message) {
    const auto out = answer_of_any_process(message);
    if (!out) return;
    const auto sent = messaging.send(message.from, out->type, out->payload);
    if (!sent) log_debug("{}", sent.error().message());
}

}  // namespace

std::optional<CommonAnswer> answer_of_any_process(const messaging::Message& message) {
    CommonAnswer out;
    switch (message.type) {
        case messaging::message_ping:
            out.type = messaging::message_pong;
            out.payload.assign(message.payload);
            return out;
        case messaging::message_ask_debug_level:
            out.type = messaging::message_tell_debug_level;
            out.payload.assign(as_bytes(fmt::format("all:{}", log_level())));
            return out;
        default: return std::nullopt;
    }
}

void set_log_level_by(const messaging::Message& message) {
    if (message.payload.size() != 4) return;
    const uint32_t level = load_le<uint32_t>(message.payload.data());
    if (level <= highest_log_level) log_set_level(static_cast<int>(level));
}

void receive_common_messages(messaging::Messaging& messaging, std::function<void()> reload) {
    for (const uint32_t question : {uint32_t{messaging::message_ping}, uint32_t{messaging::message_ask_debug_level}})
        messaging.receive(question, [&messaging](messaging::Message& message) { answer(messaging, message); });
    messaging.receive(messaging::message_debug_level, [](messaging::Message& message) { set_log_level_by(message); });
    messaging.receive(messaging::message_reload_config, [reload = std::move(reload)](messaging::Message&) { reload(); });
}

}  // namespace Atoll::server
