// What administrators' tools tell the listener (smbcontrol(1)), and what it passes on to the other processes.
#include <algorithm>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/common_messages.h"
#include "smbd/server/limits.h"
#include "smbd/server/listener.h"
#include "tdb/messaging/control_messages.h"

namespace Atoll::server {

void Listener::take_messages() {
    while (auto message = mailbox_->receive()) take_message(*message);
}

void Listener::take_message(messaging::Message& message) {
    switch (message.type) {
        case messaging::message_upgrade: return upgrade(message);
        case messaging::message_shutdown: stopping_ = true; return;
        case messaging::message_reload_config: return reload();
        case messaging::message_debug_level: return take_log_level(message);
        case messaging::message_close_share:
        case messaging::message_close_denied_share:
        case messaging::message_kill_client_ip:
            pass_on(message.type, message.payload);
            return tell_all_clients(message.type, message.payload);
        case messaging::message_ask_children: {
            uint8_t children[4];
            store_le(children, static_cast<uint32_t>(clients_.size() - spares_.size() - released_.size()));
            return answer(message, messaging::message_tell_children, children);
        }
        default: break;
    }
    if (const auto out = answer_of_any_process(message)) return answer(message, out->type, out->payload);
    log_debug("message of type {} from {}", message.type, to_string(message.from));
}

void Listener::answer(const messaging::Message& message, uint32_t type, Bytes payload) {
    const auto sent = mailbox_->send(message.from, type, payload);
    if (!sent) log_debug("{}", sent.error().message());
}

// Those that are forked from now on have the level with the fork.
void Listener::take_log_level(const messaging::Message& message) {
    set_log_level_by(message);
    pass_on(message.type, message.payload);
    const auto level = static_cast<uint8_t>(log_level());
    for (const auto& helper : helpers_) {
        const auto told = helper->role == Role::preauth ? helper->control.send(PacketKind::log_level, {&level, 1})
                                                        : mailbox_->send(helper->id, message.type, message.payload);
        if (!told) log_warning("{} keeps its log level: {}", name_of(helper->role), told.error().message());
    }
    tell_all_clients(message.type, message.payload);
}

void Listener::tell_all_clients(uint32_t type, Bytes payload) {
    auto kept = std::make_shared<Buffer>();
    kept->assign(payload);
    for (const auto& [pid, id] : clients_) {
        const bool waits = std::any_of(untold_.begin(), untold_.end(), [pid = pid, type, payload](const Untold& one) {
            return one.to == pid && one.type == type && std::ranges::equal(Bytes(*one.payload), payload);
        });
        if (waits) continue;
        if (untold_.size() >= limits::max_untold_messages) {
            log_error("smbd (process {}) is not told a message of type {}: it is behind", pid, type);
            continue;
        }
        untold_.push_back({pid, type, kept});
    }
    tell_waiting();
}

void Listener::tell_waiting() {
    std::erase_if(untold_, [this](const Untold& one) {
        const auto client = clients_.find(one.to);
        if (client == clients_.end()) return true;
        const auto sent = mailbox_->send(client->second, one.type, *one.payload);
        // Dead: it has not opened its mailbox yet, or is to be reaped.
        return sent.ok() || (sent.error().code != Code::busy && sent.error().code != Code::dead);
    });
}

}  // namespace Atoll::server
