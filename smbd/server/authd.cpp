#include "smbd/server/authd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <list>
#include <optional>

#include "base/log.h"
#include "base/loop/loop.h"
#include "smbd/accounts/activity.h"
#include "smbd/accounts/authority.h"
#include "smbd/server/common_messages.h"
#include "smbd/server/handover.h"
#include "base/loop/socket_path.h"
#include "smbd/server/takers.h"
#include "smbd/xsrv/databases.h"

namespace Atoll::server {

namespace {

// A process that asks: preauth, or a client process.
struct Link {
    Link(PacketSocket its_socket, bool preauth) : socket(std::move(its_socket)), is_preauth(preauth) {}
    PacketSocket socket;
    bool is_preauth;
    std::optional<loop::FdWatch> watch;
};

logon_grant to_grant(const verify_request& request, accounts::LogonGrant granted) {
    logon_grant grant;
    grant.session_id = request.session_id;
    grant.session_key = granted.outcome.session_key;
    grant.account_name = granted.token.user_name;
    grant.domain_name = granted.token.domain_name;
    grant.is_guest = granted.token.is_guest;
    grant.is_anonymous = granted.token.is_anonymous;
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
        auto authority = accounts::Authority::open(start.configuration);
        if (!authority) return authority.failure();
        const std::string directory = conf.lock_directory;
        auto authd =
            std::make_unique<Authd>(std::move(start), std::move(door).value(), std::move(mailbox).value(), std::move(authority).value());
        if (auto opened = authd->open(directory); !opened) return opened.failure();
        return authd;
    }

    Authd(AuthdStart start, UniqueFd door, messaging::MessageSocket mailbox, std::unique_ptr<accounts::Authority> authority)
        : load_options_(std::move(start.load_options)),
          control_(std::move(start.control)),
          control_watch_(loop_, control_.fd(), [this] { control_spoke(); }),
          door_(std::move(door)),
          door_watch_(loop_, door_.get(), [this] { accept(); }),
          messaging_(messaging::make_local_messaging(loop_, std::move(mailbox))),
          authority_(std::move(authority)),
          durable_(start.configuration->global().state_directory, start.configuration->global().lock_directory, &loop_),
          activity_(durable_.commits()) {
        control_watch_.watch_read(true);
        door_watch_.watch_read(true);
        receive_common_messages(*messaging_, [this] { reload(); });
        messaging_->receive(messaging::message_client_ready, [this](messaging::Message& message) {
            client_ready ready;
            if (decode(message.payload, ready)) takers_->forked_client_ready(message.from, ready.client_guid);
        });
    }

    Result<void> open(const std::string& directory) {
        auto databases = xsrv::open_databases(directory, loop_, *messaging_);
        if (!databases) return databases.failure();
        databases_ = std::move(databases).value();
        takers_.emplace(loop_, *messaging_, control_, *databases_.client);
        return {};
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
        if (packet.kind == PacketKind::preauth_link && packet.descriptors.size() == 1) {
            add_link(PacketSocket(std::move(packet.descriptors[0])), true);
        } else if (packet.kind == PacketKind::reload) {
            reload();
        } else if (packet.kind == PacketKind::fork_failed) {
            fork_client request;
            if (decode(packet.payload, request)) takers_->fork_failed(request.client_guid);
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
        add_link(PacketSocket(std::move(socket)), false);
    }

    void add_link(PacketSocket socket, bool is_preauth) {
        const auto it = links_.emplace(links_.end(), std::move(socket), is_preauth);
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
        }
    }

    void verify(Link& link, const Packet& packet) {
        verify_request request;
        if (const auto decoded = decode(packet.payload, request); !decoded)
            return log_error("a request cannot be read: {}", decoded.error().message());
        verify_answer answer;
        answer.request_id = request.request_id;
        PacketSocket giver;
        auto granted = authority_->log_on(request.proof);
        if (!granted) {
            answer.status = to_u32(granted.error());
            return send_answer(link, answer, {});
        }
        note(granted->token, request.peer_address);
        if (link.is_preauth) {
            giver = hand_out(request, to_grant(request, std::move(*granted)));
            answer.status = to_u32(giver.valid() ? NtStatus::SUCCESS : NtStatus::INSUFFICIENT_RESOURCES);
        } else {
            answer.grant = to_grant(request, std::move(*granted));
        }
        send_answer(link, answer, giver);
    }

    static void send_answer(Link& link, const verify_answer& answer, const PacketSocket& giver) {
        const int fd = giver.fd();
        const auto sent = link.socket.send(PacketKind::verified, encode_record(answer), {&fd, giver.valid() ? size_t{1} : size_t{0}});
        if (!sent) log_warning("cannot answer: {}", sent.error().text);
    }

    void note(const security::Token& token, const std::string& peer_address) {
        if (!token.is_guest && !token.is_anonymous) activity_.logged_on(token.user_sid, token.user_name, peer_address);
    }

    // Puts the grant where only the taker can read it, and gives the taker its end. What is returned is preauth's end, through which the
    // channel follows the grant.
    PacketSocket hand_out(const verify_request& request, const logon_grant& grant) {
        auto pair = PacketSocket::make_pair();
        if (!pair) {
            log_error("{}", pair.error().message());
            return {};
        }
        auto& [giver, taker] = *pair;
        if (const auto sent = giver.send(PacketKind::grant, encode_record(grant)); !sent) {
            log_error("{}", sent.error().message());
            return {};
        }
        takers_->give(request, taker.take());
        return std::move(giver);
    }

    loop::Loop loop_;
    conf::LoadOptions load_options_;
    PacketSocket control_;
    loop::FdWatch control_watch_;
    UniqueFd door_;
    loop::FdWatch door_watch_;
    std::unique_ptr<messaging::Messaging> messaging_;
    xsrv::Databases databases_;
    std::unique_ptr<accounts::Authority> authority_;
    committer::DurableStore durable_;
    accounts::ActivityNotes activity_;
    std::optional<Takers> takers_;  // from open() on
    std::list<Link> links_;
};

}  // namespace

std::string authd_socket_path(const conf::GlobalConf& conf) { return conf.lock_directory + "/authd.sock"; }

void run_authd(AuthdStart start) {
    log_set_process("authd");
    {
        auto authd = Authd::create(std::move(start));
        if (!authd) {
            log_error("{}", authd.error().message());
            _exit(1);
        }
        (*authd)->tell_ready();
        (*authd)->run();
    }
    _exit(0);
}

}  // namespace Atoll::server
