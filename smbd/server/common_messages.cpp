#include "smbd/server/common_messages.h"

#include "base/bytes.h"
#include "base/log.h"

namespace Atoll::server {

void receive_common_messages(messaging::Messaging& messaging, std::function<void()> reload) {
    messaging.receive(messaging::message_ping, [&messaging](messaging::Message& message) {
        Buffer payload;
        payload.assign(message.payload);
        const auto sent = messaging.send(message.from, messaging::message_pong, payload);
        if (!sent) log_debug("{}", sent.error().message());
    });
    messaging.receive(messaging::message_debug_level, [](messaging::Message& message) {
        if (message.payload.size() == 4) log_set_level(static_cast<int>(load_le<uint32_t>(message.payload.data())));
    });
    messaging.receive(messaging::message_reload_config, [reload = std::move(reload)](messaging::Message&) { reload(); });
}

}  // namespace Atoll::server
