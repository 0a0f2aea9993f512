#include "tools/smbcontrol/commands.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <thread>

#include "base/bytes.h"
#include "base/time.h"
#include "conf/configuration.h"
#include "tdb/messaging/control_messages.h"
#include "tdb/messaging/message_types.h"

namespace Atoll::smbcontrol {

namespace {

using namespace messaging;

constexpr auto pause_while_busy = std::chrono::milliseconds(10);

// False: nobody has it.
bool tell(Call& call, uint32_t type, Bytes payload) {
    const Monotonic deadline = monotonic_now() + call.patience;
    size_t told = 0;
    for (const ServerId& to : call.to) {
        auto sent = call.mailbox.send(to, type, payload);
        while (!sent && sent.error().code == Code::busy && monotonic_now() < deadline) {
            std::this_thread::sleep_for(pause_while_busy);
            sent = call.mailbox.send(to, type, payload);
        }
        told += sent.ok() ? 1 : 0;
    }
    return told > 0;
}

bool tell(Call& call, uint32_t type, std::string_view text) { return tell(call, type, as_bytes(text)); }

// Waits until each has answered or patience is at its end. False: nobody has answered.
bool ask(Call& call, uint32_t question, uint32_t answer, const std::function<void(const Message&)>& take) {
    std::vector<ServerId> waiting = call.to;
    if (!tell(call, question, Bytes())) return false;
    const Monotonic deadline = monotonic_now() + call.patience;
    while (!waiting.empty()) {
        while (const auto message = call.mailbox.receive()) {
            if (message->type == answer && std::erase(waiting, message->from) != 0) take(*message);
        }
        std::erase_if(waiting, [&](const ServerId& id) { return !call.mailbox.exists(id); });
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now());
        if (waiting.empty() || left.count() <= 0) break;
        pollfd fd{call.mailbox.fd(), POLLIN, 0};
        (void)::poll(&fd, 1, static_cast<int>(std::min<int64_t>(left.count(), 1000)));
    }
    return !call.out.empty();
}

bool ask_and_say(Call& call, uint32_t question, uint32_t answer, const std::function<void(const Message&)>& take) {
    if (ask(call, question, answer, take)) return true;
    call.out = "No replies received\n";
    return false;
}

Result<bool> ping(Call& call) {
    return ask_and_say(call, message_ping, message_pong,
                       [&](const Message& message) { call.out += fmt::format("PONG from pid {}\n", message.from.pid); });
}

Result<bool> debug_level(Call& call) {
    return ask_and_say(call, message_ask_debug_level, message_tell_debug_level, [&](const Message& message) {
        call.out += fmt::format("PID {}: {}\n", message.from.pid, as_text(message.payload));
    });
}

Result<bool> num_children(Call& call) {
    return ask_and_say(call, message_ask_children, message_tell_children, [&](const Message& message) {
        if (message.payload.size() == 4) call.out += fmt::format("{} children\n", load_le<uint32_t>(message.payload.data()));
    });
}

// "3", "1 auth:5", "all:2", as `log level` has it: the level of all classes is what counts.
Result<bool> debug(Call& call) {
    const std::string& text = call.parameters[0];
    const bool has_level = text.find('\n') == text.npos && text.find_first_of("0123456789") != text.npos;
    conf::LoadOptions load;
    load.overrides.emplace_back("log level", text);
    const auto loaded = conf::load_text("[global]\n", load);
    const int level = loaded ? (*loaded)->global().log_level_number : -1;
    if (level < 0 || level > 10 || !has_level) return fail(Code::invalid, {}, fmt::format("{} is not a debug level", text));
    uint8_t payload[4];
    store_le(payload, static_cast<uint32_t>(level));
    return tell(call, message_debug_level, payload);
}

// Waits for as long as it takes to start a server, if it takes longer than answers usually may.
Result<bool> upgrade(Call& call) {
    constexpr auto long_enough = std::chrono::seconds(70);
    call.patience = std::max<std::chrono::milliseconds>(call.patience, long_enough);
    std::string refusal = "no answer";
    for (const ServerId& to : call.to) {
        if (to.process_class() != ProcessClass::listener)
            return fail(Code::invalid, {}, "upgrade is for smbd, not for one of its processes");
    }
    (void)ask(call, message_upgrade, message_upgraded, [&](const Message& message) { refusal = as_text(message.payload); });
    if (refusal.empty()) return true;
    return fail(Code::dead, {}, fmt::format("not upgraded: {}", refusal));
}

Result<bool> shut_down(Call& call) { return tell(call, message_shutdown, Bytes()); }
Result<bool> reload_config(Call& call) { return tell(call, message_reload_config, Bytes()); }

Result<bool> with_share(Call& call, uint32_t type) {
    const std::string& name = call.parameters[0];
    if (name.empty() || name.size() > limits::max_control_text) return fail(Code::invalid, {}, "not the name of a share");
    return tell(call, type, name);
}

Result<bool> close_share(Call& call) { return with_share(call, message_close_share); }
Result<bool> close_denied_share(Call& call) { return with_share(call, message_close_denied_share); }

Result<bool> kill_client_ip(Call& call) {
    char text[INET6_ADDRSTRLEN];
    uint8_t address[sizeof(in6_addr)];
    for (const int family : {AF_INET, AF_INET6}) {
        if (::inet_pton(family, call.parameters[0].c_str(), address) == 1)
            return tell(call, message_kill_client_ip, std::string_view(::inet_ntop(family, address, text, sizeof text)));
    }
    return fail(Code::invalid, {}, fmt::format("{} is not a valid IP address!", call.parameters[0]));
}

constexpr Command all_commands[] = {
    {"debug", "Set debuglevel", "<debug-string>", 1, debug},
    {"ping", "Elicit a response", "", 0, ping},
    {"debuglevel", "Display current debuglevels", "", 0, debug_level},
    {"close-share", "Forcibly disconnect a share", "<sharename>", 1, close_share},
    {"close-denied-share", "Forcibly disconnect users from shares disallowed now", "<sharename>", 1, close_denied_share},
    {"kill-client-ip", "Forcibly disconnect a client with a specific IP address", "<IP address>", 1, kill_client_ip},
    {"shutdown", "Shut down daemon", "", 0, shut_down},
    {"reload-config", "Force smbd to reload config file", "", 0, reload_config},
    {"upgrade", "Serve new connections with the program as it is now", "", 0, upgrade},
    {"num-children", "Print number of smbd child processes", "", 0, num_children},
};

}  // namespace

std::span<const Command> commands() { return all_commands; }

const Command* find_command(std::string_view name) {
    const auto* at = std::find_if(std::begin(all_commands), std::end(all_commands), [&](const Command& one) { return one.name == name; });
    return at == std::end(all_commands) ? nullptr : at;
}

Result<bool> run_command(const Command& command, Call& call) {
    if (call.parameters.size() != command.count) {
        const std::string_view space = command.parameters.empty() ? "" : " ";
        return fail(Code::invalid, {}, fmt::format("Usage: smbcontrol <dest> {}{}{}", command.name, space, command.parameters));
    }
    return command.run(call);
}

}  // namespace Atoll::smbcontrol
