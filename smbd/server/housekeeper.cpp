#include "smbd/server/housekeeper.h"

#include <unistd.h>

#include "base/log.h"
#include "base/loop/identity.h"
#include "base/loop/loop.h"
#include "smbd/fsa/fsa.h"
#include "smbd/server/common_messages.h"
#include "smbd/xsrv/databases.h"
#include "smbd/xsrv/tables.h"
#include "tdb/committer/durable_store.h"

namespace Atoll::server {

namespace {

fsa::Holder holder_of(const messaging::ServerId& id) { return {id.node, id.pid, id.unique_id}; }

class Housekeeper {
 public:
    Housekeeper(PacketSocket control, messaging::MessageSocket mailbox, std::unique_ptr<xsrv::Tables> tables,
                std::shared_ptr<const conf::Configuration> configuration)
        : control_(std::move(control)),
          control_watch_(loop_, control_.fd(), [this] { control_spoke(); }),
          messaging_(messaging::make_local_messaging(loop_, std::move(mailbox))),
          tables_(std::move(tables)),
          configuration_(std::move(configuration)),
          file_system_(fsa::FileSystem::create({
              .locking = tables_->locking(),
              .self = holder_of(messaging_->self()),
              .holder_exists = [this](const fsa::Holder& holder) { return exists(holder); },
          })) {
        control_watch_.watch_read(true);
        receive_common_messages(*messaging_, [] {});
    }

    void run() { loop_.run(); }

 private:
    void control_spoke() {
        Packet packet;
        for (;;) {
            const auto received = control_.receive(packet);
            if (received == PacketSocket::Received::nothing) return;
            if (received == PacketSocket::Received::ended) return loop_.stop();
            if (packet.kind == PacketKind::process_ended) process_ended(packet.payload);
        }
    }

    void process_ended(Bytes payload) {
        const auto id = messaging::parse_server_id({reinterpret_cast<const char*>(payload.data()), payload.size()});
        if (!id) return;
        ending_ = holder_of(*id);
        file_system_->end_holder(ending_, [this](const std::string& path) { return share_at(path); });
        share_.reset();
        loop::take_root();
        tables_->end_holder(*id);
        messaging_->forget(*id);
        // Until it hears this the listener keeps the id, for the next housekeeper if this one ends.
        const auto told = control_.send(PacketKind::process_ended, payload);
        if (!told) log_warning("{}", told.error().message());
    }

    [[nodiscard]] bool exists(const fsa::Holder& holder) const {
        return holder != ending_ && messaging_->exists({holder.node, holder.pid, holder.unique_id});
    }

    // What smb.conf says of the share whose path that is; of one whose path has macros, or that is gone, nothing is said.
    [[nodiscard]] std::shared_ptr<const conf::ShareConf> conf_at(const std::string& path) const {
        for (const auto& share : configuration_->shares()) {
            if (share->path == path) return share;
        }
        return std::make_shared<conf::ShareConf>();
    }

    fsa::Share* share_at(const std::string& path) {
        const auto conf = conf_at(path);
        auto connected = file_system_->connect({conf, path, false, conf->veto_files, conf->hide_files});
        if (!connected) log_notice("what an ended client left in {} stays: {}", path, connected.error().message());
        share_ = connected ? std::move(*connected) : nullptr;
        return share_.get();
    }

    loop::Loop loop_;
    PacketSocket control_;
    loop::FdWatch control_watch_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::unique_ptr<xsrv::Tables> tables_;
    std::shared_ptr<const conf::Configuration> configuration_;
    std::unique_ptr<fsa::FileSystem> file_system_;
    std::unique_ptr<fsa::Share> share_;  // in which is deleted
    fsa::Holder ending_;
};

Result<void> settle_format_level(const std::string& state_directory, const std::string& lock_directory) {
    committer::DurableStore durable(state_directory, lock_directory);
    return xsrv::settle_format_level(*durable.database(xsrv::version_database, tdb::Rank::version));
}

Result<std::unique_ptr<Housekeeper>> make_housekeeper(HousekeeperStart& start) {
    const std::string& directory = start.configuration->global().lock_directory;
    auto mailbox = messaging::MessageSocket::open(directory, start.self);
    if (!mailbox) return mailbox.failure();
    const std::string& state_directory = start.configuration->global().state_directory;
    if (auto settled = settle_format_level(state_directory, directory); !settled) return settled.failure();
    auto tables = xsrv::Tables::open(directory, mailbox->self());
    if (!tables) return tables.failure();
    if (start.first) {
        if (auto wiped = (*tables)->wipe_volatile(); !wiped) return wiped.failure();
        for (const messaging::ServerId& id : mailbox->processes()) {
            if (!mailbox->exists(id)) mailbox->forget(id);
        }
    }
    const auto told = start.control.send(PacketKind::ready, {});
    if (!told) return told.failure();
    return std::make_unique<Housekeeper>(std::move(start.control), std::move(mailbox).value(), std::move(tables).value(),
                                         std::move(start.configuration));
}

}  // namespace

void run_housekeeper(HousekeeperStart start) {
    log_set_process("housekeeper");
    {
        auto housekeeper = make_housekeeper(start);
        if (!housekeeper) {
            log_error("{}", housekeeper.error().message());
            _exit(1);
        }
        (*housekeeper)->run();
    }
    _exit(0);
}

}  // namespace Atoll::server
