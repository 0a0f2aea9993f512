#include "smbd/server/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <thread>

#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/process_packets.h"
#include "smbd/server/service_manager.h"
#include "smbd/server/warm_image.h"
#include "tdb/messaging/message_types.h"

namespace Atoll::server {

namespace {

constexpr int accepts_per_turn = 64;
constexpr auto pause_without_descriptors = std::chrono::milliseconds(100);
constexpr int retry_ms = 10;

}  // namespace

Result<std::unique_ptr<Listener>> Listener::start(ListenerStart start) {
    auto signals = loop::SignalFd::open({SIGCHLD, SIGTERM, SIGINT, SIGHUP});
    if (!signals) return signals.failure();
    ::signal(SIGPIPE, SIG_IGN);
    warm_image();
    const std::string lock_directory = start.configuration->global().lock_directory;
    auto mailbox = messaging::MessageSocket::open(lock_directory, make_server_id(start.cluster, messaging::ProcessClass::listener));
    if (!mailbox) return mailbox.failure();
    auto leftover = std::make_shared<xsrv::Leftover>();
    xsrv::Databases databases;
    if (!start.cluster) {
        if (!start.predecessor) *leftover = xsrv::Leftover::read(lock_directory);
        auto opened = xsrv::open_databases(lock_directory);
        if (!opened) return opened.failure();
        databases = std::move(*opened);
        if (auto noted = xsrv::Leftover::note_boot(lock_directory); !noted) return noted.failure();
    }
    int life[2];
    if (pipe2(life, O_CLOEXEC) != 0) return fail_errno(errno, "smbd", "cannot make a pipe");
    std::unique_ptr<Listener> listener(new Listener(std::move(start), std::move(databases), std::move(signals).value(),
                                                    std::move(mailbox).value(), UniqueFd(life[0]), UniqueFd(life[1])));
    listener->leftover_ = std::move(leftover);
    if (listener->predecessor_) {
        if (auto settled = listener->predecessor_->settle(PacketKind::prepared, PacketKind::go_on); !settled) return settled.failure();
    }
    for (const Role role : {Role::committer, Role::housekeeper, Role::authd}) {
        if (auto ready = listener->start_first(role); !ready) return ready.failure();
    }
    listener->leftover_.reset();
    for (unsigned i = 0; i < limits::preauth_processes; ++i) listener->start_helper(Role::preauth);
    listener->start_spares();
    return listener;
}

Listener::Listener(ListenerStart start, xsrv::Databases databases, loop::SignalFd signals, messaging::MessageSocket mailbox,
                   UniqueFd life_read, UniqueFd life_write)
    : configuration_(std::move(start.configuration)),
      load_options_(std::move(start.load_options)),
      sockets_(std::move(start.sockets)),
      cluster_(start.cluster),
      server_guid_(start.server_guid),
      pid_file_(std::move(start.pid_file)),
      databases_(std::move(databases)),
      signals_(std::move(signals)),
      mailbox_(std::move(mailbox)),
      life_read_(std::move(life_read)),
      life_write_(std::move(life_write)),
      pool_threads_(std::clamp(std::thread::hardware_concurrency() * 2, 2U, limits::max_pool_threads)),
      program_(std::move(start.program)),
      predecessor_(std::move(start.predecessor)),
      housekeeper_was_started_(predecessor_.has_value()) {}

Listener::~Listener() {
    if (mailbox_) end_all();
}

void Listener::run() {
    for (const ListeningSocket& socket : sockets_) log_notice("listening on {}", socket.name);
    tell_service_manager("READY=1");
    while (!stopping_) poll_once();
    log_notice("ending");
    if (!draining_) tell_service_manager("STOPPING=1");
}

int Listener::poll_timeout() const {
    if (!untold_.empty()) return retry_ms;
    Monotonic next = Monotonic::max();
    for (const auto& [role, restarts] : restarts_) {
        if (restarts.wanted > 0) next = std::min(next, restarts.not_before);
    }
    const Monotonic now = monotonic_now();
    if (successor_ && !draining_) next = std::min(next, successor_->deadline);
    if (accept_again_ > now) next = std::min(next, accept_again_);
    if (spare_again_ > now) next = std::min(next, spare_again_);
    if (next == Monotonic::max()) return -1;
    return static_cast<int>(std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(next - now).count()));
}

void Listener::poll_once() {
    std::vector<pollfd> fds;
    fds.push_back({signals_.fd(), POLLIN, 0});
    fds.push_back({mailbox_->fd(), POLLIN, 0});
    fds.push_back({successor_ ? successor_->link.fd() : -1, POLLIN, 0});
    fds.push_back({predecessor_ ? predecessor_->link().fd() : -1, POLLIN, 0});
    const size_t first_helper = fds.size();
    for (const auto& helper : helpers_) fds.push_back({helper->control.fd(), POLLIN, 0});
    const size_t first_socket = fds.size();
    if (accept_again_ <= monotonic_now()) {
        for (const ListeningSocket& socket : sockets_) fds.push_back({socket.fd.get(), POLLIN, 0});
    }
    if (poll(fds.data(), fds.size(), poll_timeout()) < 0 && errno != EINTR) log_error("poll: {}", strerror(errno));
    for (size_t i = first_socket; i < fds.size(); ++i) {
        if (fds[i].revents != 0) accept_clients(sockets_[i - first_socket]);
    }
    std::vector<Helper*> spoken;
    for (size_t i = first_helper; i < first_socket; ++i) {
        if (fds[i].revents != 0) spoken.push_back(helpers_[i - first_helper].get());
    }
    for (Helper* helper : spoken) take_control(*helper);
    if (fds[3].revents != 0) predecessor_spoke();
    if (fds[2].revents != 0) successor_spoke();
    if (fds[1].revents != 0) take_messages();
    if (fds[0].revents != 0) take_signals();
    advance_successor();
    drain();
    tell_waiting();
    if (stopping_) return;
    start_missing();
    start_spares();
}

void Listener::take_signals() {
    while (const auto signal = signals_.read()) {
        switch (*signal) {
            case SIGCHLD: reap(); break;
            case SIGHUP: reload(); break;
            default: stopping_ = true;
        }
    }
}

void Listener::take_control(Helper& helper) {
    Packet packet;
    for (;;) {
        const auto received = helper.control.receive(packet);
        if (received == PacketSocket::Received::nothing) return;
        if (received == PacketSocket::Received::ended) return helper.control.close();  // it is reaped soon
        if (packet.kind == PacketKind::ready) is_ready(helper, packet);
        const auto process = process_of(packet);
        if (!process) continue;
        if (helper.role == Role::authd && packet.kind == PacketKind::spare_taken) spare_taken(*process);
        if (helper.role == Role::housekeeper && packet.kind == PacketKind::process_ended) std::erase(ended_, *process);
    }
}

// While this node is no member of the cluster nobody can log on: who finds the connection closed goes to another node.
bool Listener::takes_clients() {
    if (!cluster_) return true;
    const Helper* authd = find(Role::authd);
    return authd != nullptr && authd->ready;
}

void Listener::accept_clients(const ListeningSocket& socket) {
    for (int i = 0; i < accepts_per_turn; ++i) {
        UniqueFd client(accept4(socket.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (client && !takes_clients()) continue;
        if (client) {
            const int yes = 1;
            (void)setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            (void)setsockopt(client.get(), SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
            give_to_preauth(std::move(client), socket.netbios);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR) continue;
        if (errno != EAGAIN) {
            log_error("{}: accept: {}", socket.name, strerror(errno));
            accept_again_ = monotonic_now() + pause_without_descriptors;
        }
        return;
    }
}

void Listener::give_to_preauth(UniqueFd socket, bool netbios) {
    const uint8_t payload = netbios ? 1 : 0;
    const int fd = socket.get();
    for (size_t tried = 0; tried < helpers_.size(); ++tried) {
        Helper& helper = *helpers_[next_preauth_++ % helpers_.size()];
        if (helper.role != Role::preauth || helper.retired || !helper.control.valid()) continue;
        if (helper.control.send(PacketKind::accepted, {&payload, 1}, {&fd, 1})) return;
    }
    log_warning("no preauth process can take a connection");
}

// A configuration that cannot be used leaves the former one in force.
void Listener::reload() {
    auto loaded = conf::load(load_options_);
    if (!loaded) return log_error("{}: the former configuration stays", loaded.error().message());
    configuration_ = std::move(loaded).value();
    log_set_level(configuration_->global().log_level_number);
    log_notice("{} read again", load_options_.file);
    report_durability(*configuration_);
    pass_on(messaging::message_reload_config, {});
    tell_all_clients(messaging::message_reload_config, {});
    if (draining_) return;
    if (Helper* authd = find(Role::authd)) {
        const auto told = authd->control.send(PacketKind::reload, {});
        if (!told) log_warning("authd: {}", told.error().message());
    }
    release_spares();  // authd lets go of them: they have the former configuration
    // preauth cannot read files: new ones take new connections, the former ones end with their last.
    retire_preauth();
    for (unsigned i = 0; i < limits::preauth_processes; ++i) start_helper(Role::preauth);
}

}  // namespace Atoll::server
