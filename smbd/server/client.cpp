#include "smbd/server/client.h"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <list>
#include <optional>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/loop/signals.h"
#include "smbd/server/authd.h"
#include "smbd/server/authd_client.h"
#include "smbd/server/common_messages.h"
#include "smbd/server/handover.h"
#include "smbd/server/id_map_client.h"
#include "smbd/server/limits.h"
#include "smbd/smb2/client_process.h"
#include "smbd/xsrv/message_types.h"
#include "smbd/xsrv/persistent.h"
#include "tdb/messaging/control_messages.h"

namespace Atoll::server {

namespace {

// A channel on its way here: the grant, or that it binds, has to come first, and then, in time, the channel.
struct Incoming {
    Incoming(loop::Loop& loop, PacketSocket from, std::function<void()> too_late)
        : socket(std::move(from)), timeout(loop, std::move(too_late)) {}
    PacketSocket socket;
    std::optional<loop::FdWatch> watch;
    loop::Timer timeout;
    std::optional<smb2::LogonGrant> grant;
    bool binds = false;
};

class Client {
 public:
    Client(ClientStart start, messaging::MessageSocket mailbox, std::unique_ptr<Membership> membership)
        : load_options_(std::move(start.load_options)),
          pool_(loop_, start.pool_threads),
          membership_(std::move(membership)),
          messaging_(membership_->begin(loop_, std::move(mailbox))),
          grants_(membership_->take_grants()),
          tables_(xsrv::Tables::on(std::move(start.databases), loop_, *messaging_)),
          verifier_(loop_, authd_socket_path(start.configuration->global())),
          id_map_(authd_socket_path(start.configuration->global())),
          durable_(membership_->durable_store(start.configuration->global(), loop_)),
          life_(std::move(start.listener_life)),
          life_watch_(loop_, life_.get(), [this] { end("the listener has gone"); }),
          signals_(loop_, {SIGTERM}, [this](int) { end("told to end"); }),
          process_(smb2::ClientProcess::create({loop_, pool_, *messaging_, *tables_, verifier_, std::move(start.configuration),
                                                [this] { idle(); },
                                                [this](const accounts::IdQuestion& question) { return id_map_.ask(question); }, &durable_,
                                                service(), node_grants(), grants_ ? &grants_->directories() : nullptr})) {
        life_watch_.watch_read(true);
        receive_common_messages(*messaging_, [this] { reload(); });
        messaging_->receive(messaging::message_shutdown, [this](messaging::Message&) { end("told to end"); });
        messaging_->receive(xsrv::message_client_moves, [this](messaging::Message&) { end("its client is at another node now"); });
        receive_closing();
        messaging_->receive(messaging::message_take_channel, [this](messaging::Message& message) {
            // Whoever wants to give one too many finds its socket closed.
            const bool expected = message.descriptors.size() == 1 && incoming_.size() < limits::max_incoming_channels;
            if (expected) expect(PacketSocket(std::move(message.descriptors[0])));
        });
        const auto told = start.taker.send(PacketKind::ready, {});
        if (!told) log_debug("{}", told.error().message());  // authd has ended or has let go of it; so does this process, at once
        expect(std::move(start.taker));
    }

    std::function<void()> service() {
        if (!membership_->clustered()) return {};
        return [this] { membership_->need_service(); };
    }

    grants::NodeGrants* node_grants() {
        if (!grants_) return nullptr;
        grants_->join(*messaging_, tables_->watches());
        return &grants_->node_grants();
    }

    void expect(PacketSocket socket) {
        auto place = std::make_shared<std::list<Incoming>::iterator>();
        const auto it = incoming_.emplace(incoming_.end(), loop_, std::move(socket), [this, place] { drop(*place); });
        *place = it;
        it->watch.emplace(loop_, it->socket.fd(), [this, it] { incoming_spoke(it); });
        it->watch->watch_read(true);
    }

    void run() { loop_.run(); }

    // Instead of the destructor, which would give back page by page what the end of the process gives back at once. False: something that
    // others see may be left.
    bool leave() {
        commit_last_changes();
        if (!client_guid_.is_zero()) tables_->remove_client(client_guid_);
        const bool told = messaging_->flush(limits::last_messages_patience);
        messaging_->forget(messaging_->self());
        return tables_->removed_all() && told;
    }

 private:
    void incoming_spoke(std::list<Incoming>::iterator it) {
        Packet packet;
        const auto received = it->socket.receive(packet);
        if (received == PacketSocket::Received::nothing) return;
        const bool first = !it->grant && !it->binds;
        if (received == PacketSocket::Received::packet && packet.kind == PacketKind::binding && first) {
            it->binds = true;
            return it->timeout.set_in(std::chrono::seconds(limits::handover_timeout_seconds));
        }
        if (received == PacketSocket::Received::packet && packet.kind == PacketKind::grant && first) {
            logon_grant record;
            if (decode(packet.payload, record)) {
                it->grant = from_record(record);
                it->timeout.set_in(std::chrono::seconds(limits::handover_timeout_seconds));
                client_guid_ = record.client_guid;
                return;
            }
        } else if (received == PacketSocket::Received::packet && packet.kind == PacketKind::handover && !first) {
            take(*it, packet);
        }
        // Taken; or whoever was to give the channel has given up, and asks another process.
        drop(it);
    }

    void drop(std::list<Incoming>::iterator it) {
        incoming_.erase(it);
        if (nothing_left()) loop_.stop();
    }

    void take(Incoming& incoming, Packet& packet) {
        channel_handover record;
        const auto decoded = decode(packet.payload, record);
        if (!decoded || packet.descriptors.size() != 1)
            return log_error("a channel cannot be taken: {}", decoded ? "no socket" : decoded.error().message());
        if (incoming.binds) return bind(incoming, std::move(packet.descriptors[0]), record);
        const auto taken = process_->take_channel(std::move(packet.descriptors[0]), from_record(record.channel),
                                                  record.session_preauth_hash, std::move(*incoming.grant), record.frame, record.unread);
        if (!taken) return log_notice("{}: not taken: {}", record.channel.peer_address, to_string(taken.error()));
        busy_ = true;
        tell(incoming, PacketKind::taken, {});
    }

    void bind(Incoming& incoming, UniqueFd socket, const channel_handover& record) {
        const auto bound = process_->bind_channel(socket, from_record(record.channel), record.frame, record.unread);
        if (bound.ok()) {
            busy_ = true;
            return tell(incoming, PacketKind::taken, {});
        }
        bind_refusal refusal;
        refusal.status = to_u32(bound.error());
        tell(incoming, PacketKind::refused, encode_record(refusal));
    }

    static void tell(Incoming& incoming, PacketKind kind, Bytes payload) {
        const auto told = incoming.socket.send(kind, payload);
        if (!told) log_debug("{}", told.error().message());
    }

    // smbcontrol(1)
    void receive_closing() {
        messaging_->receive(messaging::message_close_share,
                            [this](messaging::Message& message) { process_->close_share(as_text(message.payload)); });
        messaging_->receive(messaging::message_close_denied_share,
                            [this](messaging::Message& message) { process_->close_denied_share(as_text(message.payload)); });
        messaging_->receive(messaging::message_kill_client_ip,
                            [this](messaging::Message& message) { process_->close_channels_from(as_text(message.payload)); });
    }

    void reload() {
        auto loaded = conf::load(load_options_);
        if (!loaded) return log_error("{}: the former configuration stays", loaded.error().message());
        log_set_level((*loaded)->global().log_level_number);
        process_->reload(std::move(loaded).value());
    }

    // What has ended of persistent handles is on the disk, too. The answer to a batch comes after those to all before it.
    void commit_last_changes() {
        if (durable_.commits().waiting() == 0) return;
        committer::Batch last;
        last.expect_absent(xsrv::persistent_open_database, as_bytes("-"));
        if (const auto done = durable_.commits().commit(last); !done) log_error("{}", done.error().message());
    }

    void idle() {
        busy_ = false;
        if (nothing_left()) loop_.stop();
    }
    [[nodiscard]] bool nothing_left() const { return !busy_ && incoming_.empty(); }

    void end(const char* reason) {
        log_info("{}", reason);
        life_watch_.watch_read(false);
        incoming_.clear();
        if (!busy_) return loop_.stop();
        process_->shutdown();
    }

    loop::Loop loop_;
    conf::LoadOptions load_options_;
    loop::WorkerPool pool_;
    std::unique_ptr<Membership> membership_;
    std::unique_ptr<messaging::Messaging> messaging_;
    std::unique_ptr<DirectoryGrants> grants_;
    std::unique_ptr<xsrv::Tables> tables_;
    AuthdClient verifier_;
    IdMapClient id_map_;
    committer::DurableStore durable_;
    UniqueFd life_;
    loop::FdWatch life_watch_;
    loop::Signals signals_;
    std::unique_ptr<smb2::ClientProcess> process_;
    std::list<Incoming> incoming_;
    Guid client_guid_;   // whose record names this process; zero: none does
    bool busy_ = false;  // it has a channel
};

Result<std::unique_ptr<Client>> make_client(ClientStart& start) {
    auto mailbox = messaging::MessageSocket::open(start.configuration->global().lock_directory, start.self);
    if (!mailbox) return mailbox.failure();
    auto membership = Membership::join(start.cluster, start.configuration->global(), start.listener_life.get(), start.databases);
    if (!membership) return membership.failure();
    return std::make_unique<Client>(std::move(start), std::move(mailbox).value(), std::move(*membership));
}

}  // namespace

void run_client(ClientStart start) {
    log_set_process("smbd");
    auto client = make_client(start);
    if (!client) {
        log_error("{}", client.error().message());
        _exit(1);
    }
    (*client)->run();
    _exit((*client)->leave() ? 0 : 1);
}

}  // namespace Atoll::server
