// How the listener keeps a few client processes that wait for a client.
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/client.h"
#include "smbd/server/listener.h"
#include "smbd/server/process_packets.h"

namespace Atoll::server {

namespace {

constexpr auto pause_without_spare = std::chrono::seconds(1);

}  // namespace

void Listener::start_spares() {
    Helper* authd = find(Role::authd);
    if (authd == nullptr || monotonic_now() < spare_again_) return;
    const uint32_t wanted = configuration_->global().max_smbd_processes;
    const size_t most = wanted != 0 ? wanted : limits::max_client_processes;
    while (!draining_ && spares_.size() < limits::spare_processes && clients_.size() < most) {
        if (start_spare(*authd)) continue;
        spare_again_ = monotonic_now() + pause_without_spare;
        break;
    }
    if (!spares_.empty()) {
        told_no_spare_ = false;
    } else if (!told_no_spare_ && released_.empty()) {  // what is released makes room soon
        log_warning("no more than {} client processes", clients_.size());
        told_no_spare_ = authd->control.send(PacketKind::no_spare, {}).ok();
    }
}

bool Listener::start_spare(Helper& authd) {
    auto pair = PacketSocket::make_pair();
    if (!pair) {
        log_error("{}", pair.error().message());
        return false;
    }
    PacketSocket giver = std::move(pair->first);
    PacketSocket taker = std::move(pair->second);
    messaging::ServerId id = make_server_id(cluster_, messaging::ProcessClass::client);
    const pid_t pid = fork_process("smbd", [&, this] {
        giver.close();
        become_child();
        id.pid = static_cast<uint64_t>(getpid());
        run_client({std::move(taker), std::move(databases_), cluster_, id, std::move(life_read_), configuration_, load_options_, pool_threads_});
    });
    if (pid < 0) return false;
    id.pid = static_cast<uint64_t>(pid);
    clients_.emplace(pid, id);
    const int fd = giver.fd();
    const auto told = send_process(authd.control, PacketKind::spare, id, {&fd, 1});
    if (!told) log_warning("authd: {}", told.error().message());
    (told ? spares_ : released_).insert(pid);
    return told.ok();
}

void Listener::spare_taken(const messaging::ServerId& id) {
    const auto pid = static_cast<pid_t>(id.pid);
    spares_.erase(pid);
    released_.erase(pid);
}

void Listener::release_spares() {
    released_.merge(spares_);
    spares_.clear();
}

// authd sees the end of a spare by itself.
void Listener::forget_spare(pid_t pid, int status) {
    released_.erase(pid);
    if (spares_.erase(pid) != 0 && status != 0) spare_again_ = monotonic_now() + pause_without_spare;
}

}  // namespace Atoll::server
