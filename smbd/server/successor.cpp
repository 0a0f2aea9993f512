// How the listener hands over to a successor, and drains (upgrade.h).
#include <poll.h>

#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "smbd/server/listener.h"
#include "smbd/server/service_manager.h"
#include "tdb/messaging/control_messages.h"

namespace Atoll::server {

namespace {

constexpr auto successor_patience = std::chrono::seconds(60);  // from its start until it serves

}  // namespace

void Listener::upgrade(const messaging::Message& message) {
    const auto refuse = [&](std::string_view why) {
        log_error("not upgraded: {}", why);
        answer(message, messaging::message_upgraded, as_bytes(why));
    };
    if (draining_) return refuse("this server has a successor");
    if (successor_) return refuse("another upgrade is under way");
    auto started = start_successor(program_);
    if (!started) return refuse(started.error().message());
    successor_.emplace();
    successor_->pid = started->pid;
    successor_->link = std::move(started->link);
    successor_->asker = message.from;
    successor_->deadline = monotonic_now() + successor_patience;
    log_notice("{} is started to take over, as process {}", program_.path, successor_->pid);
    // A failure is seen as the link's end.
    (void)bequeath(successor_->link, sockets_, mailbox_->self()).ok();
}

void Listener::successor_spoke() {
    Packet packet;
    while (successor_) {
        const auto received = successor_->link.receive(packet);
        if (received == PacketSocket::Received::nothing) return;
        if (received == PacketSocket::Received::ended) return successor_ended();
        if (packet.kind == PacketKind::prepared && successor_->step == Step::starts) end_single_helpers();
        if (packet.kind == PacketKind::serves && successor_->step == Step::goes_on) hand_over();
        if (packet.kind == PacketKind::holds && draining_) upgraded();
        if (packet.kind == PacketKind::stop) stopping_ = true;
    }
}

bool Listener::is_single(const Helper& helper) { return helper.role == Role::committer || helper.role == Role::housekeeper; }

void Listener::end_single_helpers() {
    for (const auto& helper : helpers_) {
        if (!is_single(*helper)) continue;
        helper->retired = true;
        helper->control.close();
    }
    successor_->step = Step::waits;
}

void Listener::advance_successor() {
    if (!successor_ || draining_) return;
    if (successor_->step == Step::waits &&
        std::none_of(helpers_.begin(), helpers_.end(), [](const auto& one) { return is_single(*one); })) {
        successor_->step = Step::goes_on;
        (void)successor_->link.send(PacketKind::go_on, {}).ok();
    }
    if (monotonic_now() >= successor_->deadline) successor_ended();
}

void Listener::successor_ended() {
    if (draining_) {
        log_notice("the successor has ended");
        tell_asker("the new server has ended");
        stopping_ = true;
        return;
    }
    log_error("not upgraded: the successor (process {}) has not come to serve; its log says why", successor_->pid);
    kill(successor_->pid, SIGKILL);
    const bool had_ended_helpers = successor_->step != Step::starts;
    tell_asker("the program does not come to serve; the log says why");
    successor_.reset();
    if (!had_ended_helpers) return;
    start_helper(Role::committer);
    start_helper(Role::housekeeper);
}

void Listener::tell_asker(std::string_view text) {
    const auto told = mailbox_->send(successor_->asker, messaging::message_upgraded, as_bytes(text));
    if (!told) log_debug("{}", told.error().message());
}

void Listener::hand_over() {
    draining_ = true;
    sockets_.clear();
    restarts_.clear();
    retire_preauth();
    if (pid_file_) pid_file_->give_up();
    pid_file_.reset();
    (void)successor_->link.send(PacketKind::yours, {}).ok();
    start_helper(Role::housekeeper);  // of those clients that stay; the successor's sees local changes
    tell_all_clients(messaging::message_reload_config, {});
}

void Listener::upgraded() {
    tell_service_manager(fmt::format("MAINPID={}", successor_->pid));
    tell_asker({});
    log_notice("process {} has taken over; {} clients stay", successor_->pid, clients_.size() - spares_.size() - released_.size());
}

// Connections that have not logged on get that far, with the processes that wait for them; then only clients are left, and what the
// housekeeper, which may be about to start, has to clean up after them.
void Listener::drain() {
    if (!draining_ || stopping_) return;
    const auto is_preauth = [](const auto& helper) { return helper->role == Role::preauth; };
    if (std::any_of(helpers_.begin(), helpers_.end(), is_preauth)) return;
    if (Helper* authd = find(Role::authd)) {
        release_spares();
        authd->retired = true;
        authd->control.close();
    }
    if (clients_.empty() && ended_.empty() && !predecessor_) stopping_ = true;
}

Result<void> Listener::take_over() {
    if (!predecessor_) return {};
    if (auto settled = predecessor_->settle(PacketKind::serves, PacketKind::yours); !settled) return settled;
    auto pid_file = PidFile::create(configuration_->global());
    if (!pid_file) return pid_file.failure();
    pid_file_.emplace(std::move(*pid_file));
    return predecessor_->link().send(PacketKind::holds, {});
}

void Listener::predecessor_spoke() {
    Packet packet;
    while (predecessor_) {
        const auto received = predecessor_->link().receive(packet);
        if (received == PacketSocket::Received::nothing) return;
        if (received == PacketSocket::Received::packet) continue;
        log_notice("the predecessor's last client has left");
        predecessor_.reset();
    }
}

void Listener::pass_on(uint32_t type, Bytes payload) {
    if (!predecessor_) return;
    const auto sent = mailbox_->send(predecessor_->id(), type, payload);
    if (!sent) log_warning("the predecessor is not told: {}", sent.error().message());
}

// Its clients are ended in good order too.
void Listener::end_predecessor(Monotonic deadline) {
    while (predecessor_ && monotonic_now() < deadline) {
        pollfd fd{predecessor_->link().fd(), POLLIN, 0};
        (void)poll(&fd, 1, 20);
        predecessor_spoke();
    }
}

}  // namespace Atoll::server
