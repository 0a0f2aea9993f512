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
    Housekeeper(PacketSocket control, messaging::MessageSocket mailbox, std::shared_ptr<const conf::Configuration> configuration)
        : control_(std::move(control)),
          control_watch_(loop_, control_.fd(), [this] { control_spoke(); }),
          messaging_(messaging::make_local_messaging(loop_, std::move(mailbox))),
          configuration_(std::move(configuration)) {
        control_watch_.watch_read(true);
        receive_common_messages(*messaging_, [] {});
    }

    Result<void> open(bool wipe) {
        auto tables = xsrv::Tables::open(configuration_->global().lock_directory, loop_, *messaging_);
        if (!tables) return tables.failure();
        tables_ = std::move(tables).value();
        file_system_ = fsa::FileSystem::create({
            .locking = tables_->locking(),
            .self = holder_of(messaging_->self()),
            .holder_exists = [this](const fsa::Holder& holder) { return exists(holder); },
        });
        return wipe ? tables_->wipe_volatile() : Result<void>();
    }
    Result<void> tell_ready() { return control_.send(PacketKind::ready, {}); }
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
    auto mailbox = messaging::MessageSocket::open(start.configuration->global().lock_directory, start.self);
    if (!mailbox) return mailbox.failure();
    const conf::GlobalConf& conf = start.configuration->global();
    if (auto settled = settle_format_level(conf.state_directory, conf.lock_directory); !settled) return settled.failure();
    if (start.first) {
        for (const messaging::ServerId& id : mailbox->processes()) {
            if (!mailbox->exists(id)) mailbox->forget(id);
        }
    }
    auto housekeeper = std::make_unique<Housekeeper>(std::move(start.control), std::move(mailbox).value(), std::move(start.configuration));
    if (auto opened = housekeeper->open(start.first); !opened) return opened.failure();
    if (auto told = housekeeper->tell_ready(); !told) return told.failure();
    return housekeeper;
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
