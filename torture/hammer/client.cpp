#include "torture/hammer/client.h"

#include <signal.h>

#include "torture/hammer/peer_process.h"

namespace Atoll::hammer {

NtStatus HammerClient::connect() {
    auto opened = client::Connection::open(world.loop, world.options.host, world.options.port);
    if (!opened) return NtStatus::CONNECTION_REFUSED;
    connection = std::move(*opened);
    session = std::make_unique<client::Session>(*connection);
    tree = std::make_unique<client::Tree>(*session);
    NtStatus status = connection->negotiate();
    if (!is_error(status)) status = session->log_on(world.options.credentials);
    if (!is_error(status)) status = tree->connect("\\\\" + world.options.host + "\\" + world.options.share);
    if (is_error(status)) return status;
    connection->on_break = [this](Bytes message) {
        world.tick();
        for (auto& work : works_) work->broken(message);
    };
    make_works();
    for (auto& work : works_) {
        if (status = work->connected(); is_error(status)) return status;
    }
    return NtStatus::SUCCESS;
}

void HammerClient::make_works() {
    for (const std::string& kind : world.options.works) {
        if (kind == "sharing") works_.push_back(sharing_work(*this));
        if (kind == "locking") works_.push_back(locking_work(*this));
        if (kind == "leases") works_.push_back(lease_work(*this));
        if (kind == "notify") works_.push_back(notify_work(*this));
    }
}

void HammerClient::step() {
    for (auto& work : works_) work->step();
}

bool HammerClient::finish() {
    bool finished = true;
    for (auto& work : works_) finished = work->finish() && finished;
    return finished;
}

std::optional<pid_t> HammerClient::cut_off(int signal) {
    const auto process = peer_process(world.options.port, connection->local_port());
    if (!process) return process;
    world.tick();
    for (auto& work : works_) work->lost();
    world.count("processes killed");
    ::kill(*process, signal);
    forget_connection();
    return process;
}

// The works go after the exchanges whose handlers know them.
void HammerClient::forget_connection() {
    if (connection) connection->close();
    works_.clear();
    tree.reset();
    session.reset();
    connection.reset();
    world.reads_lost(number);
}

}  // namespace Atoll::hammer
