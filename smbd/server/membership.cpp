#include "smbd/server/membership.h"

#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/log.h"
#include "ctdb/client/cluster_database.h"
#include "ctdb/client/cluster_messaging.h"
#include "ctdb/client/node.h"
#include "ctdb/client/persistent_value.h"
#include "ctdb/durable/durable_keys.h"
#include "ctdb/durable/persistent_reader.h"
#include "ctdb/shared/node_clock.h"
#include "idl/level.h"
#include "smbd/server/limits.h"
#include "smbd/xsrv/shared_database.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::server {

namespace {

constexpr const char* server_database = "server_global.tdb";  // persistent: what the nodes' servers have in common
constexpr auto look_again = std::chrono::milliseconds(100);

// nullopt: it runs, and is no member yet.
Result<std::optional<uint32_t>> ask_for_number(const std::string& socket) {
    auto connection = ctdb::DaemonConnection::connect(socket);
    if (!connection) return connection.failure();
    protocol::request request;
    request.node = ctdb::no_node;
    request.op = protocol::operation::STATE;
    const auto reply = connection->call(request, limits::membership_patience);
    if (!reply) return reply.failure();
    if (!reply->state) return fail(Code::denied, socket, "ctdbd refuses this process: smbd has to be root, or ctdbd's user");
    if (reply->state->level > idl::newest_known_level())
        return fail(Code::unsupported, socket,
                    fmt::format("the cluster writes at format level {}, and this smbd reads up to {}: start a newer one",
                                reply->state->level, idl::newest_known_level()));
    if (!reply->state->is_member) return std::optional<uint32_t>();
    return std::optional<uint32_t>(reply->state->pnn);
}

Result<std::string> agreed_guid(const std::string& socket) {
    auto daemon = ctdb::DaemonConnection::connect(socket);
    if (!daemon) return daemon.failure();
    return ctdb::agree_on_value(*daemon, server_database, "server_guid", to_string(Guid::random()));
}

// The members have just changed, or ctdbd is being started again.
bool may_change(const Error& error) { return error.code == Code::busy || error.code == Code::dead; }

Result<std::unique_ptr<tdb::Database>> open_shared(const std::shared_ptr<ctdb::Node>& node, const std::string& name, tdb::Rank rank) {
    const xsrv::SharedKind kind = xsrv::shared_kind(name);
    ctdb::ClusterOptions options;
    options.slot_in_key = kind.slot_in_key;
    options.mirrored = kind.outlives_node != nullptr;
    options.mirrors = kind.outlives_node;
    auto opened = ctdb::ClusterDatabase::open(node, name, rank, options);
    if (!opened) return opened.failure();
    return std::unique_ptr<tdb::Database>(std::move(*opened));
}

}  // namespace

Result<std::optional<ClusterNode>> find_cluster_node(const conf::GlobalConf& conf) {
    std::optional<ClusterNode> found;
    if (!conf.clustering) return found;
    ClusterNode node;
    node.socket = conf.ctdbd_socket.empty() ? ctdb::default_socket : conf.ctdbd_socket;
    const Monotonic deadline = monotonic_now() + limits::membership_patience;
    for (bool told = false;; told = true) {
        const auto number = ask_for_number(node.socket);
        if (number && *number) {
            node.number = **number;
            found = std::move(node);
            return found;
        }
        if (!number && (number.error().code == Code::denied || number.error().code == Code::unsupported)) return number.failure();
        if (monotonic_now() > deadline)
            return fail(Code::dead, "clustering = yes",
                        fmt::format("{}: {}", node.socket,
                                    number ? "this node is no member of the cluster: `ctdb status` says why"
                                           : "no ctdbd listens there: start it first, or name its socket by `ctdbd socket`"));
        if (!told) log_notice("{}: waits until this node is a member of the cluster", node.socket);
        std::this_thread::sleep_for(look_again);
    }
}

Result<Guid> cluster_server_guid(const ClusterNode& node) {
    const Monotonic deadline = monotonic_now() + limits::membership_patience;
    for (;;) {
        const auto text = agreed_guid(node.socket);
        if (!text && (!may_change(text.error()) || monotonic_now() > deadline)) return text.failure();
        if (const auto guid = text ? parse_guid(*text) : std::nullopt) return *guid;
        if (text) return fail(Code::corrupt, server_database, "server_guid is no GUID");
        std::this_thread::sleep_for(look_again);
    }
}

int exit_status_after(const Error& error) { return may_change(error) ? exit_service_ended : 1; }

messaging::ServerId make_server_id(const std::optional<ClusterNode>& node, messaging::ProcessClass process_class) {
    messaging::ServerId id = messaging::ServerId::make(process_class);
    if (node) id.node = node->number;
    return id;
}

Membership::~Membership() {
    if (node_) idl::set_written_level(idl::written_level());
}

Result<std::unique_ptr<Membership>> Membership::join(const std::optional<ClusterNode>& node, const conf::GlobalConf& conf, int life,
                                                     xsrv::Databases& databases) {
    std::unique_ptr<Membership> made(new Membership);
    if (!node) {
        if (auto reopened = xsrv::reopen_after_fork(databases); !reopened) return reopened.failure();
        return made;
    }
    auto attending = attend(*node, life);
    if (!attending) return attending.failure();
    made = std::move(*attending);
    idl::follow_written_level(made->node_->level());
    if (made->node_->pnn() != node->number)
        return fail(Code::invalid, node->socket, "ctdbd is another node's than when the server started: start the server again");
    auto opened = xsrv::open_databases(conf.lock_directory,
                                       [&](const std::string& name, tdb::Rank rank) { return open_shared(made->node_, name, rank); });
    if (!opened) return opened.failure();
    databases = std::move(*opened);
    xsrv::set_own_slots([node = made->node_] { return node->own_slot(); });
    auto grants = DirectoryGrants::open(made->node_, conf.lock_directory);
    if (!grants) return grants.failure();
    made->grants_ = std::move(*grants);
    return made;
}

Result<std::unique_ptr<Membership>> Membership::attend(const ClusterNode& node, int life) {
    std::unique_ptr<Membership> made(new Membership);
    made->socket_ = node.socket;
    if (auto member = made->wait_until_member(life); !member) return member.failure();
    return made;
}

// The registration stays as long as its connection does: a new one would take another place in ctdbd's memory.
Result<void> Membership::wait_until_member(int life) {
    for (bool told = false;; told = true) {
        if (!node_) node_ = std::make_shared<ctdb::Node>(socket_);
        const auto connected = node_->connect();
        if (connected && node_->serves()) break;
        if (!connected && connected.error().code == Code::unsupported) return connected;
        if (!told) log_notice("waits until this node is a member of the cluster");
        pollfd fds[] = {{life, 0, 0}, {node_->fd(), POLLIN, 0}};
        (void)::poll(fds, std::size(fds), static_cast<int>(look_again.count()));
        if ((fds[0].revents & (POLLHUP | POLLERR)) != 0) ::_exit(0);
        if (fds[1].revents != 0 || !connected) node_.reset();
    }
    node_->on_end = [] { end("ctdbd has ended, or does not answer"); };
    return {};
}

std::unique_ptr<messaging::Messaging> Membership::begin(loop::Loop& loop, messaging::MessageSocket mailbox, MembershipEvents told) {
    auto local = messaging::make_local_messaging(loop, std::move(mailbox));
    if (!node_) return local;
    ctdb::MessagingEvents events;
    events.node_lost = std::move(told.node_lost);
    events.level_rose = std::move(told.level_rose);
    events.cut_off = [] { end("ctdbd has ended"); };
    auto made = ctdb::make_cluster_messaging(loop, std::move(local), socket_, std::move(events));
    if (!made) end(made.error().message());
    end_with_service(loop);
    return std::move(*made);
}

void Membership::end_with_service(loop::Loop& loop) {
    // Outside a request nothing comes there but the end.
    watch_ = std::make_unique<loop::FdWatch>(loop, node_->fd(), [] { end("its session has ended"); });
    watch_->watch_read(true);
    timer_ = std::make_unique<loop::Timer>(loop, [this] { lease_is_over(); });
    lease_is_over();
}

uint64_t Membership::session() const { return node_->session(); }

Result<void> Membership::attach_durable_state() const {
    ctdb::PersistentReader reader(socket_, ctdb::durable_database);
    const Monotonic deadline = monotonic_now() + limits::membership_patience;
    for (;;) {
        need_service();
        auto attached = reader.attach();
        if (attached || attached.error().code != Code::busy || monotonic_now() > deadline) return attached;
        std::this_thread::sleep_for(look_again);
    }
}

committer::DurableStore Membership::durable_store(const conf::GlobalConf& conf, loop::Loop& loop) const {
    if (!node_) return {conf.state_directory, conf.lock_directory, &loop};
    return {std::make_unique<ctdb::PersistentReader>(socket_, ctdb::durable_database),
            ctdb::durable_socket_path(conf.lock_directory, node_->session()), &loop};
}

void Membership::need_service() const {
    if (node_ && !node_->serves()) end("its lease is over, or its session has ended");
}

// That of the last look; it is renewed several times meanwhile.
void Membership::lease_is_over() {
    need_service();
    const ctdb::Time now = ctdb::node_now(), deadline = node_->lease().deadline.value();
    timer_->set_in(std::chrono::microseconds(deadline > now ? deadline - now : 0) + std::chrono::milliseconds(1));
}

// Whoever serves the files now may contradict what clients would still be told, and what the process would still write.
void Membership::end(const std::string& why) {
    log_error("this node serves no longer: {}", why);
    ::_exit(exit_service_ended);
}

}  // namespace Atoll::server
