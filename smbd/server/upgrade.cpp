#include "smbd/server/upgrade.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <optional>

#include "base/limits.h"
#include "base/loop/signals.h"
#include "smbd/server/process_packets.h"

namespace Atoll::server {

namespace {

constexpr auto patience = std::chrono::seconds(60);  // for the other side's next step
constexpr std::string_view replaced = " (deleted)";  // proc(5), of /proc/PID/exe
constexpr size_t max_sockets = 1024;                 // that a successor takes

// The next packet; Code::dead.
Result<void> await_packet(PacketSocket& link, Packet& packet) {
    const Monotonic deadline = monotonic_now() + patience;
    for (;;) {
        const auto received = link.receive(packet);
        if (received == PacketSocket::Received::packet) return {};
        if (received == PacketSocket::Received::ended) return fail(Code::dead, "upgrade", "the predecessor has ended");
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now()).count();
        if (left <= 0) return fail(Code::dead, "upgrade", "the predecessor does not go on");
        pollfd fd{link.fd(), POLLIN, 0};
        (void)::poll(&fd, 1, static_cast<int>(left));
    }
}

[[noreturn]] void execute(const Program& program, int link) {
    loop::unblock_signals();
    // What is ignored would stay so.
    for (const int signal : {SIGINT, SIGHUP, SIGPIPE, SIGTERM, SIGCHLD}) ::signal(signal, SIG_DFL);
    const std::string number = fmt::format("{}", link);
    std::vector<char*> arguments = {const_cast<char*>(program.path.c_str())};
    for (const std::string& argument : program.arguments) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(const_cast<char*>("--upgrade-from"));
    arguments.push_back(const_cast<char*>(number.c_str()));
    arguments.push_back(nullptr);
    (void)::fcntl(link, F_SETFD, 0);
    ::execv(program.path.c_str(), arguments.data());
    ::_exit(127);
}

}  // namespace

std::string own_program_path() {
    std::array<char, PATH_MAX> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    std::string out(path.data(), size > 0 ? static_cast<size_t>(size) : 0);
    if (out.ends_with(replaced)) out.resize(out.size() - replaced.size());
    return out;
}

Result<StartedSuccessor> start_successor(const Program& program) {
    if (::access(program.path.c_str(), X_OK) != 0) return fail_errno(errno, program.path, "cannot be started");
    auto pair = PacketSocket::make_pair();
    if (!pair) return pair.failure();
    const pid_t pid = ::fork();
    if (pid < 0) return fail_errno(errno, program.path, "cannot fork");
    if (pid == 0) execute(program, pair->second.fd());
    return StartedSuccessor{pid, std::move(pair->first)};
}

Result<void> bequeath(PacketSocket& link, const std::vector<ListeningSocket>& sockets, const messaging::ServerId& self) {
    for (const ListeningSocket& socket : sockets) {
        std::vector<uint8_t> payload = {static_cast<uint8_t>(socket.netbios ? 1 : 0)};
        payload.insert(payload.end(), socket.name.begin(), socket.name.end());
        const int fd = socket.fd.get();
        if (auto sent = link.send(PacketKind::inherit, payload, {&fd, 1}); !sent) return sent;
    }
    return send_process(link, PacketKind::inherited, self);
}

Result<Predecessor> Predecessor::meet(int fd) {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return fail_errno(errno, "--upgrade-from", "no such descriptor");
    Predecessor out(PacketSocket{UniqueFd(fd)});
    Packet packet;
    for (;;) {
        if (auto came = await_packet(out.link_, packet); !came) return came.failure();
        if (packet.kind == PacketKind::inherited) break;
        const bool good = packet.kind == PacketKind::inherit && packet.descriptors.size() == 1 && !packet.payload.empty();
        if (!good || out.sockets_.size() == max_sockets)
            return fail(Code::invalid, "upgrade", "the predecessor says what is not understood");
        ListeningSocket socket;
        socket.fd = std::move(packet.descriptors[0]);
        socket.netbios = packet.payload[0] != 0;
        socket.name = std::string(as_text(packet.payload.subspan(1)));
        out.sockets_.push_back(std::move(socket));
    }
    const auto id = process_of(packet);
    if (!id) return fail(Code::invalid, "upgrade", "the predecessor does not say who it is");
    out.id_ = *id;
    return out;
}

Result<void> Predecessor::settle(PacketKind step, PacketKind answer) {
    if (auto sent = link_.send(step, {}); !sent) return sent;
    Packet packet;
    if (auto came = await_packet(link_, packet); !came) return came;
    if (packet.kind != answer) return fail(Code::invalid, "upgrade", "the predecessor says what is not understood");
    return {};
}

}  // namespace Atoll::server
