// How the listener starts, links, restarts and ends the other processes.
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/limits.h"
#include "base/log.h"
#include "base/loop/loop.h"
#include "idl/level.h"
#include "smbd/fsa/name_sharing.h"
#include "smbd/server/authd.h"
#include "smbd/server/committer_process.h"
#include "smbd/server/housekeeper.h"
#include "smbd/server/limits.h"
#include "smbd/server/listener.h"
#include "smbd/server/preauth.h"
#include "smbd/server/process_packets.h"
#include "smbd/smb2/session_policy.h"
#include "tdb/database.h"

namespace Atoll::server {

namespace {

constexpr auto ready_patience = std::chrono::seconds(30);
constexpr auto end_patience = std::chrono::seconds(5);
constexpr auto soon = std::chrono::seconds(1);  // a helper that ends within it has ended at once

// What no child may inherit (docs/design.md, "Processes").
void assert_forkable() {
    ATOLL_ASSERT(loop::Loop::count() == 0);
    ATOLL_ASSERT(tdb::held_records() == 0);
    struct stat tasks;
    ATOLL_ASSERT(stat("/proc/self/task", &tasks) != 0 || tasks.st_nlink == 3);  // ".", ".." and one thread
}

// By itself, or by its node's supervisor.
bool ended_with_service(int status) {
    return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == exit_service_ended;
}

std::string describe(int status) {
    if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
    return fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace

const char* Listener::name_of(Role role) {
    switch (role) {
        case Role::preauth: return "preauth";
        case Role::authd: return "authd";
        case Role::housekeeper: return "housekeeper";
        case Role::committer: return "committer";
    }
    return "";
}

messaging::ProcessClass Listener::class_of(Role role) {
    switch (role) {
        case Role::preauth: return messaging::ProcessClass::preauth;
        case Role::authd: return messaging::ProcessClass::authd;
        case Role::housekeeper: return messaging::ProcessClass::housekeeper;
        case Role::committer: return messaging::ProcessClass::committer;
    }
    return messaging::ProcessClass::tool;
}

pid_t Listener::fork_process(const char* name, const std::function<void()>& body) {
    assert_forkable();
    const pid_t pid = fork();
    if (pid < 0) log_error("fork: {}", strerror(errno));
    if (pid != 0) return pid;
    (void)prctl(PR_SET_NAME, name);
    loop::unblock_signals();
    // Of what a terminal or `killall` sends to all, the listener makes something.
    for (const int signal : {SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
    body();
    _exit(0);
}

// Closes what is the listener's own.
void Listener::become_child() {
    sockets_.clear();
    helpers_.clear();
    mailbox_.reset();
    pid_file_.reset();
    life_write_.reset();
    signals_.close();
    successor_.reset();
    predecessor_.reset();
}

Listener::Helper* Listener::find(Role role) {
    for (const auto& helper : helpers_) {
        if (helper->role == role && helper->control.valid() && !helper->retired) return helper.get();
    }
    return nullptr;
}

void Listener::start_helper(Role role) {
    auto pair = PacketSocket::make_pair();
    if (!pair) return log_error("{}", pair.error().message());
    auto helper = std::make_unique<Helper>();
    helper->role = role;
    helper->started = monotonic_now();
    helper->control = std::move(pair->first);
    PacketSocket theirs = std::move(pair->second);
    messaging::ServerId id = make_server_id(cluster_, class_of(role));
    const bool first = role == Role::housekeeper && !housekeeper_was_started_;
    const char* name = name_of(role);
    const pid_t pid = fork_process(name, [&] {
        helper.reset();
        become_child();
        life_read_.reset();
        if (role != Role::housekeeper) fsa::give_up_names();
        id.pid = static_cast<uint64_t>(getpid());
        switch (role) {
            case Role::authd: run_authd({std::move(theirs), id, std::move(databases_), cluster_, configuration_, load_options_});
            case Role::housekeeper:
                run_housekeeper({std::move(theirs), id, std::move(databases_), cluster_, configuration_, first, leftover_, !draining_});
            case Role::committer: databases_ = {}; run_committer({std::move(theirs), id, cluster_, configuration_});
            case Role::preauth:
                databases_ = {};
                run_preauth(std::move(theirs), {configuration_, smb2::negotiate_policy(*configuration_, server_guid_),
                                                smb2::negotiate_token(*configuration_)});
        }
    });
    if (pid < 0) {
        ++restarts_[role].wanted;
        restarts_[role].not_before = monotonic_now() + soon;
        return;
    }
    if (role == Role::housekeeper) housekeeper_was_started_ = true;
    id.pid = static_cast<uint64_t>(pid);
    helper->pid = pid;
    helper->id = id;
    helpers_.push_back(std::move(helper));
    Helper& started = *helpers_.back();
    if (role == Role::authd) told_no_spare_ = false;
    if (role == Role::housekeeper) tell_housekeeper();
    if (role == Role::preauth) {
        if (Helper* authd = find(Role::authd); authd != nullptr && authd->ready) link(started, *authd);
    }
}

void Listener::link(Helper& preauth, Helper& authd) {
    auto pair = PacketSocket::make_pair();
    if (!pair) return log_error("{}", pair.error().message());
    const int ends[2] = {pair->first.fd(), pair->second.fd()};
    const auto to_authd = authd.control.send(PacketKind::preauth_link, {}, {&ends[0], 1});
    const auto to_preauth = preauth.control.send(PacketKind::authd_link, {}, {&ends[1], 1});
    if (!to_authd || !to_preauth) log_warning("preauth and authd cannot be connected");
}

void Listener::link_all() {
    Helper* authd = find(Role::authd);
    if (authd == nullptr) return;
    for (const auto& helper : helpers_) {
        if (helper->role == Role::preauth && helper->control.valid()) link(*helper, *authd);
    }
}

// Those who log on wait with preauth until authd can answer, and not in its socket.
void Listener::is_ready(Helper& helper, const Packet& said) {
    helper.ready = true;
    if (helper.role == Role::authd) link_all();
    if (helper.role == Role::housekeeper) follow_level(said);
}

// Those that are forked from now on have the level with the fork.
void Listener::follow_level(const Packet& said) {
    const idl::Level before = idl::written_level();
    take_format_level(said);
    if (idl::written_level() == before) return;
    for (const auto& helper : helpers_) {
        if (helper->role == Role::housekeeper || !helper->control.valid()) continue;
        if (const auto told = send_format_level(helper->control, PacketKind::format_level, idl::written_level()); !told)
            log_warning("{} is not told the format level: {}", name_of(helper->role), told.error().message());
    }
}

// In a cluster it may have to be started again: the node may lose its membership while the server starts.
Result<void> Listener::start_first(Role role) {
    const bool first = role == Role::housekeeper && !housekeeper_was_started_;
    const Monotonic deadline = monotonic_now() + limits::membership_patience;
    for (;;) {
        start_helper(role);
        auto ready = await_ready(role);
        if (ready || ready.error().code != Code::busy || monotonic_now() > deadline) return ready;
        log_notice("{} is started again: {}", name_of(role), ready.error().text);
        if (first) housekeeper_was_started_ = false;
    }
}

Result<void> Listener::await_ready(Role role) {
    Helper* helper = find(role);
    if (helper == nullptr) return fail(Code::io, "smbd", "cannot start a helper process");
    const Monotonic deadline = monotonic_now() + ready_patience;
    Packet packet;
    for (;;) {
        const auto received = helper->control.receive(packet);
        if (received == PacketSocket::Received::packet && packet.kind == PacketKind::ready) {
            is_ready(*helper, packet);
            return {};
        }
        if (received == PacketSocket::Received::ended) return ended_at_once(*helper);
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - monotonic_now()).count();
        if (left <= 0) return fail(Code::dead, "smbd", "a helper process does not start");
        pollfd fd{helper->control.fd(), POLLIN, 0};
        (void)poll(&fd, 1, static_cast<int>(left));
    }
}

// Code::busy: another one may be able to.
Failure<Error> Listener::ended_at_once(Helper& helper) {
    int status = 0;
    (void)waitpid(helper.pid, &status, 0);
    ended_.push_back(helper.id);
    std::erase_if(helpers_, [&helper](const auto& one) { return one.get() == &helper; });
    if (cluster_ && ended_with_service(status)) return fail(Code::busy, "smbd", "its node has lost its membership");
    return fail(Code::dead, "smbd", "a helper process could not start; the log says why");
}

void Listener::retire_preauth() {
    for (const auto& helper : helpers_) {
        if (helper->role != Role::preauth || helper->retired) continue;
        helper->retired = true;
        if (helper->control.send(PacketKind::retire, {})) continue;
        helper->control.close();
    }
}

void Listener::start_missing() {
    for (auto& [role, restarts] : restarts_) {
        if (restarts.wanted == 0 || restarts.not_before > monotonic_now()) continue;
        const unsigned wanted = std::exchange(restarts.wanted, 0);
        for (unsigned i = 0; i < wanted; ++i) start_helper(role);
    }
}

void Listener::reap() {
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        const auto found = std::find_if(helpers_.begin(), helpers_.end(), [&](const auto& helper) { return helper->pid == pid; });
        if (found == helpers_.end()) {
            client_ended(pid, status);
            continue;
        }
        Helper helper = std::move(**found);
        helpers_.erase(found);
        helper_ended(std::move(helper), status);
    }
}

void Listener::helper_ended(Helper helper, int status) {
    if (helper.role != Role::preauth) ended_.push_back(helper.id);
    if (status != 0) log_error("{} (process {}) ended: {}", name_of(helper.role), helper.pid, describe(status));
    if (helper.role != Role::committer) tell_committer();
    if (helper.role == Role::authd) release_spares();
    if (helper.role != Role::housekeeper) tell_housekeeper();
    if (helper.retired || stopping_ || (draining_ && helper.role != Role::housekeeper)) return;
    Restarts& restarts = restarts_[helper.role];
    const Monotonic now = monotonic_now();
    restarts.in_a_row = now - helper.started < soon ? restarts.in_a_row + 1 : 0;
    ++restarts.wanted;
    restarts.not_before = restarts.in_a_row > limits::restarts_in_a_row ? now + soon : now;
}

// A client process that ends in good order has left nothing to be cleaned up.
void Listener::client_ended(pid_t pid, int status) {
    const auto found = clients_.find(pid);
    if (found == clients_.end()) return;
    forget_spare(pid, status);
    std::erase_if(untold_, [pid](const Untold& one) { return one.to == pid; });
    if (status != 0) {
        log_error("smbd (process {}) ended: {}", pid, describe(status));
        ended_.push_back(found->second);
        tell_housekeeper();
        tell_committer();
    }
    clients_.erase(found);
}

void Listener::tell_housekeeper() {
    Helper* housekeeper = find(Role::housekeeper);
    if (housekeeper == nullptr) return;
    for (const messaging::ServerId& id : ended_) {
        if (!send_process(housekeeper->control, PacketKind::process_ended, id)) return;
    }
}

// It frees what a dead process held as a reader; if it misses one it finds it within the minute.
void Listener::tell_committer() {
    Helper* committer = find(Role::committer);
    if (committer != nullptr) (void)committer->control.send(PacketKind::process_ended, {}).ok();
}

// Clients end when the pipe ends, and clean up after themselves; helpers when their control connections do, the committer last, for they
// may have changes that are to survive.
void Listener::end_all() {
    stopping_ = true;
    life_write_.reset();
    sockets_.clear();
    if (predecessor_) (void)predecessor_->link().send(PacketKind::stop, {}).ok();
    const Monotonic deadline = monotonic_now() + end_patience;
    const auto wait_until = [&](auto done) {
        while (!done() && monotonic_now() < deadline) {
            pollfd fd{signals_.fd(), POLLIN, 0};
            (void)poll(&fd, 1, 20);
            while (signals_.read()) {
            }
            reap();
        }
    };
    for (const auto& helper : helpers_) {
        if (helper->role == Role::preauth) helper->control.close();
    }
    wait_until([this] { return clients_.empty(); });
    for (const auto& [pid, id] : clients_) kill(pid, SIGKILL);
    const auto is_committer = [](const auto& helper) { return helper->role == Role::committer; };
    for (const auto& helper : helpers_) {
        if (!is_committer(helper)) helper->control.close();
    }
    wait_until([&] { return std::all_of(helpers_.begin(), helpers_.end(), is_committer); });
    for (const auto& helper : helpers_) helper->control.close();
    wait_until([this] { return helpers_.empty(); });
    for (const auto& helper : helpers_) kill(helper->pid, SIGKILL);
    end_predecessor(deadline);
}

}  // namespace Atoll::server
