#include "smbd/server/housekeeper.h"

#include <unistd.h>

#include "base/log.h"
#include "base/loop/loop.h"
#include "smbd/server/common_messages.h"
#include "smbd/xsrv/tables.h"

namespace Atoll::server {

namespace {

class Housekeeper {
 public:
    Housekeeper(PacketSocket control, messaging::MessageSocket mailbox, std::unique_ptr<xsrv::Tables> tables)
        : control_(std::move(control)),
          control_watch_(loop_, control_.fd(), [this] { control_spoke(); }),
          messaging_(messaging::make_local_messaging(loop_, std::move(mailbox))),
          tables_(std::move(tables)) {
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
        tables_->end_holder(*id);
        messaging_->forget(*id);
        // Until it hears this the listener keeps the id, for the next housekeeper if this one ends.
        const auto told = control_.send(PacketKind::process_ended, payload);
        if (!told) log_warning("{}", told.error().message());
    }

    loop::Loop loop_;
    PacketSocket control_;
    loop::FdWatch control_watch_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::unique_ptr<xsrv::Tables> tables_;
};

Result<std::unique_ptr<Housekeeper>> make_housekeeper(HousekeeperStart& start) {
    const std::string& directory = start.configuration->global().lock_directory;
    auto mailbox = messaging::MessageSocket::open(directory, start.self);
    if (!mailbox) return mailbox.failure();
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
    return std::make_unique<Housekeeper>(std::move(start.control), std::move(mailbox).value(), std::move(tables).value());
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
