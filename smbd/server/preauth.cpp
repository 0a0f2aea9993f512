#include "smbd/server/preauth.h"

#include <unistd.h>

#include <list>
#include <map>

#include "base/limits.h"
#include "base/log.h"
#include "smbd/server/addresses.h"
#include "smbd/server/handover.h"
#include "smbd/server/preauth_connection.h"
#include "smbd/server/privileges.h"
#include "smbd/server/process_packets.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::server {

namespace {

class Preauth final : public PreauthHost {
 public:
    Preauth(PacketSocket control, PreauthPolicy policy)
        : policy_(std::move(policy)), control_(std::move(control)), control_watch_(loop_, control_.fd(), [this] { control_spoke(); }) {
        control_watch_.watch_read(true);
    }

    void run() { loop_.run(); }

    loop::Loop& loop() override { return loop_; }
    const PreauthPolicy& policy() override { return policy_; }

    bool ask(PreauthConnection& connection, verify_request request) override {
        if (!authd_.valid()) return false;
        request.request_id = ++last_request_;
        return send_question(connection, PacketKind::verify, request);
    }

    bool ask_for_holder(PreauthConnection& connection, uint64_t session_id) override {
        if (!authd_.valid()) return false;
        bind_request request;
        request.request_id = ++last_request_;
        request.session_id = session_id;
        return send_question(connection, PacketKind::bind, request);
    }

    void end(PreauthConnection& connection, const char* reason) override {
        log_debug("{}: {}", connection.peer(), reason);
        std::erase_if(waiting_, [&](const auto& entry) { return entry.second == &connection; });
        // Its own handlers are still on the stack.
        for (auto it = connections_.begin(); it != connections_.end(); ++it) {
            if (it->get() != &connection) continue;
            ended_.splice(ended_.end(), connections_, it);
            break;
        }
        loop_.defer(sweeper_);
    }

 private:
    template <class Question>
    bool send_question(PreauthConnection& connection, PacketKind kind, const Question& question) {
        const auto sent = authd_.send(kind, encode_record(question));
        if (!sent) {
            log_warning("{}: cannot ask authd: {}", connection.peer(), sent.error().text);
            return false;
        }
        waiting_[question.request_id] = &connection;
        return true;
    }

    struct Sweeper final : loop::Deferred {
        explicit Sweeper(Preauth& of) : owner(of) {}
        void run_deferred() override {
            owner.ended_.clear();
            if (owner.retired_ && owner.connections_.empty()) owner.loop_.stop();
        }
        Preauth& owner;
    };

    void control_spoke() {
        Packet packet;
        for (;;) {
            const auto received = control_.receive(packet);
            if (received == PacketSocket::Received::nothing) return;
            if (received == PacketSocket::Received::ended) return loop_.stop();
            take(packet);
        }
    }

    void take(Packet& packet) {
        switch (packet.kind) {
            case PacketKind::accepted:
                if (packet.descriptors.size() == 1 && packet.payload.size() == 1)
                    accept(std::move(packet.descriptors[0]), packet.payload[0] != 0);
                return;
            case PacketKind::authd_link:
                if (packet.descriptors.size() == 1) link_authd(std::move(packet.descriptors[0]));
                return;
            case PacketKind::log_level:
                if (packet.payload.size() == 1) log_set_level(packet.payload[0]);
                return;
            case PacketKind::format_level: return take_format_level(packet);
            case PacketKind::retire:
                retired_ = true;
                loop_.defer(sweeper_);
                return;
            default: log_warning("unexpected packet {} from the listener", static_cast<uint32_t>(packet.kind));
        }
    }

    void accept(UniqueFd socket, bool netbios) {
        if (connections_.size() >= limits::max_preauth_connections) {
            log_notice("too many clients are logging on: the oldest is dropped");
            end(*connections_.front(), "too many clients are logging on");
        }
        smb2::ChannelState channel;
        channel.netbios = netbios;
        if (!read_addresses(socket.get(), channel)) return;
        connections_.push_back(std::make_unique<PreauthConnection>(*this, std::move(socket), std::move(channel)));
        connections_.back()->start();
    }

    void link_authd(UniqueFd socket) {
        authd_watch_.reset();
        authd_ = PacketSocket(std::move(socket));
        authd_watch_.emplace(loop_, authd_.fd(), [this] { authd_spoke(); });
        authd_watch_->watch_read(true);
        const auto lost = std::exchange(waiting_, {});
        for (const auto& [id, connection] : lost) connection->ask_again();
    }

    void authd_spoke() {
        Packet packet;
        for (;;) {
            const auto received = authd_.receive(packet);
            if (received == PacketSocket::Received::nothing) return;
            if (received == PacketSocket::Received::ended) {
                authd_watch_.reset();
                authd_.close();
                return;
            }
            if (packet.kind == PacketKind::verified) answer(packet);
        }
    }

    void answer(Packet& packet) {
        verify_answer record;
        if (!decode(packet.payload, record)) return log_error("authd's answer cannot be read");
        xsrv::set_own_slots([slot = record.next_slot] { return slot; });
        const auto found = waiting_.find(record.request_id);
        if (found == waiting_.end()) return;  // the client has gone; a taker sees that from the end of its socket
        PreauthConnection& connection = *found->second;
        waiting_.erase(found);
        UniqueFd taker = packet.descriptors.empty() ? UniqueFd() : std::move(packet.descriptors[0]);
        connection.verified(nt_status(record.status), std::move(taker), record.continuation ? &*record.continuation : nullptr);
    }

    loop::Loop loop_;
    PreauthPolicy policy_;
    PacketSocket control_;
    loop::FdWatch control_watch_;
    PacketSocket authd_;
    std::optional<loop::FdWatch> authd_watch_;
    std::list<std::unique_ptr<PreauthConnection>> connections_;  // the oldest first
    std::list<std::unique_ptr<PreauthConnection>> ended_;
    std::map<uint64_t, PreauthConnection*> waiting_;  // for authd, by request
    uint64_t last_request_ = 0;
    bool retired_ = false;
    Sweeper sweeper_{*this};
};

}  // namespace

void run_preauth(PacketSocket control, PreauthPolicy policy) {
    log_set_process("preauth");
    if (const auto dropped = give_up_privileges(); !dropped) {
        log_error("{}", dropped.error().message());
        _exit(1);
    }
    {
        Preauth preauth(std::move(control), std::move(policy));
        preauth.run();
    }
    _exit(0);
}

}  // namespace Atoll::server
