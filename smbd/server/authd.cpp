#include "smbd/server/authd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <list>
#include <optional>

#include "base/log.h"
#include "base/loop/loop.h"
#include "base/loop/socket_path.h"
#include "smbd/accounts/activity.h"
#include "smbd/accounts/authority.h"
#include "smbd/server/answered_logons.h"
#include "smbd/server/common_messages.h"
#include "smbd/server/handover.h"
#include "smbd/server/process_packets.h"
#include "smbd/server/takers.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::server {

namespace {

// A process that asks: preauth, or a client process.
struct Link {
    Link(uint64_t its_number, PacketSocket its_socket, bool preauth)
        : number(its_number), socket(std::move(its_socket)), is_preauth(preauth) {}
    uint64_t number;  // never given twice
    PacketSocket socket;
    bool is_preauth;
    std::optional<loop::FdWatch> watch;
};

logon_grant to_grant(const verify_request& request, accounts::LogonGrant granted) {
    logon_grant grant;
    grant.session_id = request.session_id;
    grant.session_key = std::move(granted.outcome.session_key);
    grant.account_name = granted.token.user_name;
    grant.domain_name = granted.token.domain_name;
    grant.is_guest = granted.token.is_guest;
    grant.is_anonymous = granted.token.is_anonymous;
    grant.expires = granted.expires;
    grant.spnego_token = std::move(granted.outcome.token);
    grant.token = std::move(granted.token);
    return grant;
}

class Authd {
 public:
    static Result<std::unique_ptr<Authd>> create(AuthdStart start) {
        const conf::GlobalConf& conf = start.configuration->global();
        auto door = loop::listen_on_path(authd_socket_path(conf));
        if (!door) return door.failure();
        auto mailbox = messaging::MessageSocket::open(conf.lock_directory, start.self);
        if (!mailbox) return mailbox.failure();
        auto membership = Membership::join(start.cluster, conf, start.control.fd(), start.databases);
        if (!membership) return membership.failure();
        auto authority = accounts::Authority::open(start.configuration);
        if (!authority) return authority.failure();
        return std::make_unique<Authd>(std::move(start), std::move(door).value(), std::move(mailbox).value(), std::move(*membership),
                                       std::move(authority).value());
    }

    Authd(AuthdStart start, UniqueFd door, messaging::MessageSocket mailbox, std::unique_ptr<Membership> membership,
          std::unique_ptr<accounts::Authority> authority)
        : load_options_(std::move(start.load_options)),
          control_(std::move(start.control)),
          control_watch_(loop_, control_.fd(), [this] { control_spoke(); }),
          door_(std::move(door)),
          door_watch_(loop_, door_.get(), [this] { accept(); }),
          membership_(std::move(membership)),
          messaging_(membership_->begin(loop_, std::move(mailbox))),
          databases_(std::move(start.databases)),
          authority_(std::move(authority)),
          durable_(start.configuration->global().state_directory, start.configuration->global().lock_directory, &loop_),
          activity_(durable_.commits()),
          takers_(loop_, *messaging_, control_, *databases_.client, *databases_.session) {
        xsrv::watch_changes(databases_, loop_, *messaging_);
        if (membership_->clustered()) takers_.watch_by(*databases_.watches);
        control_watch_.watch_read(true);
        door_watch_.watch_read(true);
        receive_common_messages(*messaging_, [this] { reload(); });
    }

    void tell_ready() {
        const auto told = control_.send(PacketKind::ready, {});
        if (!told) log_error("{}", told.error().message());
    }
    void run() { loop_.run(); }

 private:
    void control_spoke() {
        Packet packet;
        for (;;) {
            const auto received = control_.receive(packet);
            if (received == PacketSocket::Received::nothing) return;
            if (received == PacketSocket::Received::ended) return loop_.stop();
            take_control(packet);
        }
    }

    void take_control(Packet& packet) {
        UniqueFd socket = packet.descriptors.empty() ? UniqueFd() : std::move(packet.descriptors[0]);
        const auto process = process_of(packet);
        switch (packet.kind) {
            case PacketKind::preauth_link:
                if (socket) add_link(PacketSocket(std::move(socket)), true);
                return;
            case PacketKind::spare:
                if (socket && process) takers_.spare_came(*process, PacketSocket(std::move(socket)));
                return;
            case PacketKind::no_spare: return takers_.no_spare();
            case PacketKind::format_level:
                if (!membership_->clustered()) take_format_level(packet);  // otherwise ctdbd says it
                return;
            case PacketKind::reload: takers_.let_go_of_spares(); return reload();
            default: log_warning("unexpected packet {} from the listener", static_cast<uint32_t>(packet.kind));
        }
    }

    void reload() {
        auto loaded = conf::load(load_options_);
        if (!loaded) return log_error("{}: the former configuration stays", loaded.error().message());
        if (auto done = authority_->reload(*loaded); !done) log_error("{}: the former configuration stays", done.error().message());
    }

    void accept() {
        UniqueFd socket(accept4(door_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) return;
        ucred peer{};
        socklen_t length = sizeof peer;
        const bool known = getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
        if (!known || peer.uid != geteuid()) return log_warning("a stranger (uid {}) came to authd's socket", peer.uid);
        add_link(PacketSocket::fresh(std::move(socket)), false);
    }

    void add_link(PacketSocket socket, bool is_preauth) {
        const auto it = links_.emplace(links_.end(), ++last_link_, std::move(socket), is_preauth);
        it->watch.emplace(loop_, it->socket.fd(), [this, it] { link_spoke(it); });
        it->watch->watch_read(true);
    }

    void link_spoke(std::list<Link>::iterator link) {
        Packet packet;
        for (;;) {
            const auto received = link->socket.receive(packet);
            if (received == PacketSocket::Received::nothing) return;
            if (received == PacketSocket::Received::ended) {
                links_.erase(link);
                return;
            }
            if (packet.kind == PacketKind::verify) verify(*link, packet);
            if (packet.kind == PacketKind::bind && link->is_preauth) reach_holder(*link, packet);
            if (packet.kind == PacketKind::map_id && !link->is_preauth) map_id(*link, packet);
        }
    }

    void verify(Link& link, const Packet& packet) {
        verify_request request;
        if (const auto decoded = decode(packet.payload, request); !decoded)
            return log_error("a request cannot be read: {}", decoded.error().message());
        if (request.proof.mechanism == auth::logon_mechanism::MECHANISM_KERBEROS) return verify_kerberos(link, request);
        auto granted = authority_->log_on(request.proof);
        if (!granted) return answer_status(link, request, granted.error());
        give(link, request, granted_to(request, std::move(*granted)));
    }

    void verify_kerberos(Link& link, const verify_request& request) {
        if (auto again = answered_.find(request)) return give(link, request, std::move(*again));
        auto answer = authority_->log_on_kerberos(request.proof, request.peer_address);
        if (!answer) return answer_status(link, request, answer.error());
        if (auto* more = std::get_if<auth::LogonContinuation>(&*answer)) {
            verify_answer asks;
            asks.request_id = request.request_id;
            asks.status = to_u32(NtStatus::MORE_PROCESSING_REQUIRED);
            asks.continuation = std::move(*more);
            return send_answer(link, asks, {});
        }
        logon_grant grant = granted_to(request, std::move(std::get<accounts::LogonGrant>(*answer)));
        answered_.remember(request, grant);
        give(link, request, std::move(grant));
    }

    logon_grant granted_to(const verify_request& request, accounts::LogonGrant granted) {
        note(granted.token, request.peer_address);
        return to_grant(request, std::move(granted));
    }

    // To the asker, if it is a client process; where preauth has asked, to the process that takes the client.
    void give(Link& link, const verify_request& request, logon_grant grant) {
        verify_answer answer;
        answer.request_id = request.request_id;
        if (!link.is_preauth) {
            answer.grant = std::move(grant);
            return send_answer(link, answer, {});
        }
        takers_.give(request, std::move(grant), [this, number = link.number, answer](NtStatus status, PacketSocket giver) mutable {
            answer.status = to_u32(status);
            const auto asker = std::find_if(links_.begin(), links_.end(), [&](const Link& one) { return one.number == number; });
            if (asker != links_.end()) send_answer(*asker, answer, giver);
        });
    }

    static void answer_status(Link& link, const verify_request& request, NtStatus status) {
        verify_answer answer;
        answer.request_id = request.request_id;
        answer.status = to_u32(status);
        send_answer(link, answer, {});
    }

    void reach_holder(Link& link, const Packet& packet) {
        bind_request request;
        if (!decode(packet.payload, request)) return log_error("a request to bind cannot be read");
        verify_answer answer;
        answer.request_id = request.request_id;
        auto giver = takers_.reach_holder(request.session_id);
        answer.status = to_u32(giver.ok() ? NtStatus::SUCCESS : giver.error());
        send_answer(link, answer, giver.ok() ? std::move(*giver) : PacketSocket());
    }

    void map_id(Link& link, const Packet& packet) {
        id_question question;
        if (!decode(packet.payload, question)) return log_error("a question who somebody is cannot be read");
        id_answer answer;
        if (const auto found = authority_->identify({question.sid, question.uid})) {
            answer.sid = found->sid;
            answer.uid = found->uid;
        }
        if (const auto sent = link.socket.send(PacketKind::id_mapped, encode_record(answer)); !sent)
            log_warning("cannot answer: {}", sent.error().text);
    }

    static void send_answer(Link& link, verify_answer& answer, const PacketSocket& giver) {
        answer.next_slot = xsrv::own_slot();
        const int fd = giver.fd();
        const auto sent = link.socket.send(PacketKind::verified, encode_record(answer), {&fd, giver.valid() ? size_t{1} : size_t{0}});
        if (!sent) log_warning("cannot answer: {}", sent.error().text);
    }

    void note(const security::Token& token, const std::string& peer_address) {
        if (!token.is_guest && !token.is_anonymous) activity_.logged_on(token.user_sid, token.user_name, peer_address);
    }

    loop::Loop loop_;
    conf::LoadOptions load_options_;
    PacketSocket control_;
    loop::FdWatch control_watch_;
    UniqueFd door_;
    loop::FdWatch door_watch_;
    std::unique_ptr<Membership> membership_;
    std::unique_ptr<messaging::Messaging> messaging_;
    xsrv::Databases databases_;
    std::unique_ptr<accounts::Authority> authority_;
    committer::DurableStore durable_;
    accounts::ActivityNotes activity_;
    Takers takers_;
    AnsweredLogons answered_;
    std::list<Link> links_;
    uint64_t last_link_ = 0;
};

}  // namespace

std::string authd_socket_path(const conf::GlobalConf& conf) { return conf.lock_directory + "/authd.sock"; }

void run_authd(AuthdStart start) {
    log_set_process("authd");
    {
        auto authd = Authd::create(std::move(start));
        if (!authd) {
            log_error("{}", authd.error().message());
            _exit(exit_status_after(authd.error()));
        }
        (*authd)->tell_ready();
        (*authd)->run();
    }
    _exit(0);
}

}  // namespace Atoll::server
