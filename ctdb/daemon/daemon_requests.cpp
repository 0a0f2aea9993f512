// What clients of the local socket, and those of other nodes through their daemons, ask for.
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "ctdb/daemon/daemon.h"
#include "ctdb/daemon/database_names.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/replies.h"
#include "ctdb/protocol/version.h"
#include "ctdb/shared/node_clock.h"
#include "idl/level.h"

namespace Atoll::ctdb {
namespace {

constexpr uint32_t replicated_since = 2;  // the format level

using protocol::operation;
using protocol::outcome;

Statistics::Counter counter_of(operation op) {
    switch (op) {
        case operation::READ_KEY:
        case operation::WRITE_KEY:
        case operation::WANT:
        case operation::WANT_READ: return &protocol::statistics::client_req_call;
        case operation::SEND_MESSAGE: return &protocol::statistics::client_req_message;
        default: return &protocol::statistics::client_req_control;
    }
}

}  // namespace

void Daemon::requested(ClientId client, const protocol::request& request) {
    statistics_.count(counter_of(request.op));
    if (request.op == operation::PROCESS_EXISTS && core_.session() != 0 && find_member(core_.view(), request.node) == nullptr) {
        protocol::reply reply = outcome_reply(outcome::NO_PROCESS);
        reply.number = request.number;
        return clients_.reply(client, reply);
    }
    if (request.node != no_node && request.node != settings_.me) {
        Forwarded forwarded;
        forwarded.client = client;
        forwarded.number = request.number;
        return forward(request.node, request, std::move(forwarded));
    }
    if (request.op == operation::REGISTER || request.op == operation::WANT || request.op == operation::WANT_READ ||
        request.op == operation::RELEASED || request.op == operation::STORED)
        return record_clients_.requested(client, request, may_serve());
    if (request.op == operation::OPEN_MAILBOX) return mailboxes_.open(client, request);
    execute(request, client, [this, client, number = request.number](protocol::reply reply) {
        reply.number = number;
        clients_.reply(client, reply);
    });
}

void Daemon::forward(Pnn node, const protocol::request& request, Forwarded forwarded) {
    Buffer bytes;
    encode(request, bytes, idl::written_level());
    const uint64_t number = ++last_forwarded_;
    const protocol::ask ask{number, std::vector<uint8_t>(bytes.data(), bytes.data() + bytes.size())};
    if (forwarded_.size() < limits::max_forwarded && links_.send_bulk(node, PacketKind::ask, ask)) {
        forwarded.node = node;
        forwarded_[number] = std::move(forwarded);
        return;
    }
    protocol::reply reply = outcome_reply(outcome::NO_NODE_THERE);
    reply.number = forwarded.number;
    if (forwarded.answer) {
        forwarded.answer(std::move(reply));
    } else {
        clients_.reply(forwarded.client, reply);
    }
}

void Daemon::client_left(ClientId client) {
    persistent_.client_left(client);
    record_clients_.left(client);
    mailboxes_.left(client);
    std::erase_if(forwarded_, [&](const auto& entry) { return entry.second.client == client && !entry.second.answer; });
    std::vector<Client> gone;
    for (const auto& [id, waiting] : operations_) {
        if (waiting.owner == client) gone.push_back(id);
    }
    for (const Client id : gone) {
        const auto leaves = operations_.extract(id);
        Copy copy;
        if (leaves.mapped().stored && databases_->read(leaves.mapped().key, copy) && copy.holder == id)
            release_record(leaves.mapped().key, copy);
        deliver(ClientGone{id});
    }
}

void Daemon::execute(const protocol::request& request, ClientId owner, const Answer& answer) {
    switch (request.op) {
        case operation::STATE: {
            protocol::reply reply;
            reply.state = state();
            if (request.seconds != 0) reply.data = data_reply(core_.view()).data;  // and the view
            return answer(std::move(reply));
        }
        case operation::PING: {
            protocol::reply reply;
            reply.state = state();
            return answer(std::move(reply));
        }
        case operation::DISABLE: return set_flag(node_flags::NODE_DISABLED, true, answer);
        case operation::ENABLE: return set_flag(node_flags::NODE_DISABLED, false, answer);
        case operation::STOP: return set_flag(node_flags::NODE_STOPPED, true, answer);
        case operation::CONTINUE: return set_flag(node_flags::NODE_STOPPED, false, answer);
        case operation::BAN:
            log_notice("an administrator bans this node for {} seconds", request.seconds);
            deliver(AdministratorBanned{request.seconds * second});
            return answer({});
        case operation::UNBAN: return unban(answer);
        case operation::PARDON: deliver(BanPardoned{request.seconds}); return answer({});
        case operation::SHUTDOWN: at_the_end_.push_back(answer); return shut_down();
        case operation::ATTACH: return attach(request.database, std::nullopt, answer);
        case operation::OPEN_DATABASE: return attach(request.database, static_cast<protocol::database_flags>(request.seconds), answer);
        case operation::ATTACH_PERSISTENT:
            return attach_persistent(request.database, request.seconds == 0 ? Lifetime::persistent : Lifetime::replicated, answer);
        case operation::FETCH:
        case operation::STAGE:
        case operation::COMMIT:
        case operation::LIST_PERSISTENT: return persistent_.execute(request, owner, answer);
        case operation::LIST_RECORDS: return list_records(request, answer);
        case operation::SEND_MESSAGE: return answer(outcome_reply(mailboxes_.deliver(request)));
        case operation::PROCESS_EXISTS: return answer(outcome_reply(mailboxes_.find(request)));
        case operation::REGISTER:
        case operation::OPEN_MAILBOX:
        case operation::WANT:
        case operation::WANT_READ:
        case operation::STORED:
        case operation::RELEASED: return answer(outcome_reply(outcome::INVALID, "not from another node"));
        case operation::ADDRESSES:
        case operation::ADD_ADDRESS:
        case operation::DELETE_ADDRESS:
        case operation::RELOAD_ADDRESSES:
        case operation::MOVE_ADDRESS:
        case operation::BALANCE_ADDRESSES:
        case operation::SET_LINK:
        case operation::ANNOUNCE: return execute_address(request, answer);
        case operation::ADD_TICKLE:
        case operation::DELETE_TICKLE:
        case operation::TICKLE:
        case operation::LIST_TICKLES: return execute_tickle(request, answer);
        case operation::RUN_EVENT:
        case operation::EVENT_STATUS: return execute_event(request, answer);
        case operation::LIST_TUNABLES:
        case operation::SET_TUNABLE:
        case operation::STATISTICS:
        case operation::RESET_STATISTICS:
        case operation::DATABASE_STATISTICS:
        case operation::CLIENT_EXISTS:
        case operation::DETACH:
        case operation::SET_LENDING:
        case operation::SET_STICKING:
        case operation::SET_ROLE:
        case operation::RECOVER:
        case operation::MEMORY:
        case operation::NODES_FILE:
        case operation::RELOAD_NODES: return execute_administration(request, answer);
        case operation::READ_KEY:
        case operation::WRITE_KEY: return start_operation(request, owner, answer);
        case operation::SET_DEBUG: log_set_level(static_cast<int>(std::min<uint32_t>(request.seconds, 10))); return answer({});
    }
    answer(outcome_reply(outcome::INVALID, "no such operation"));
}

void Daemon::set_flag(node_flags flag, bool on, const Answer& answer) {
    log_notice("an administrator {} this node",
               flag == node_flags::NODE_DISABLED ? (on ? "disables" : "enables") : (on ? "stops" : "continues"));
    deliver(AdministratorSet{flag, on});
    answer({});
}

// A leader that banned the node would ban it again: it has to forget first.
void Daemon::unban(const Answer& answer) {
    log_notice("an administrator lifts the ban of this node");
    const Pnn leader = core_.leader();
    deliver(BanPardoned{settings_.me});
    const auto lift = [this, answer](const protocol::reply&) {
        deliver(AdministratorBanned{0});
        answer({});
    };
    if (leader == no_node || leader == settings_.me) return lift({});
    protocol::request pardon;
    pardon.node = leader;
    pardon.op = operation::PARDON;
    pardon.seconds = settings_.me;
    Forwarded forwarded;
    forwarded.answer = lift;
    forward(leader, pardon, std::move(forwarded));
}

// `flags`: none are asked for of a database that is there.
void Daemon::attach(const std::string& name, std::optional<protocol::database_flags> flags, const Answer& answer) {
    if (tunables_.allow_client_db_attach == 0 && databases_->find(name) == 0)
        return answer(outcome_reply(outcome::INVALID, "AllowClientDBAttach is 0"));
    if (persistent_databases_->knows(id_of_database(name)))
        return answer(flags ? outcome_reply(outcome::INVALID, name + " is no volatile database") : protocol::reply{});
    using protocol::database_flags;
    if (flags && (*flags & (database_flags::DATABASE_MIRRORED | database_flags::DATABASE_SLOT_IN_KEY)) != *flags)
        return answer(outcome_reply(outcome::INVALID, "no such kind of database"));
    const bool there = !flags && databases_->find(name) != 0;
    const auto attached = there ? Result<bool>(false) : databases_->attach(name, flags.value_or(protocol::database_flags::none));
    if (!attached) return answer(outcome_reply(outcome::INVALID, attached.error().message()));
    if (*attached) {
        log_notice("attached to the database {}", name);
        tell_catalogue(settings_.me);
    }
    const uint32_t id = databases_->find(name);
    answer(data_reply(protocol::opened_database{id, databases_->path_of(id)}));
}

void Daemon::attach_persistent(const std::string& name, Lifetime lifetime, const Answer& answer) {
    if (tunables_.allow_client_db_attach == 0 && !persistent_databases_->knows(id_of_database(name)))
        return answer(outcome_reply(outcome::INVALID, "AllowClientDBAttach is 0"));
    if (lifetime == Lifetime::replicated && idl::written_level() < replicated_since)
        return answer(outcome_reply(outcome::INVALID, "a program of the cluster is too old for replicated databases"));
    const auto attached = attach_persistent(name, lifetime);
    if (!attached) return answer(outcome_reply(outcome::INVALID, attached.error().message()));
    if (*attached) {
        log_notice("attached to the {} database {}", lifetime == Lifetime::replicated ? "replicated" : "persistent", name);
        tell_catalogue(settings_.me);
    }
    answer({});
}

// A name is a volatile database's or another's.
Result<bool> Daemon::attach_persistent(const std::string& name, Lifetime lifetime) {
    if (databases_->find(name) != 0) return fail(Code::invalid, name, "is a volatile database");
    return persistent_databases_->attach(name, lifetime);
}

void Daemon::list_records(const protocol::request& request, const Answer& answer) {
    const uint32_t database = databases_->find(request.database);
    if (database == 0) return answer(outcome_reply(outcome::NO_DATABASE));
    answer(data_reply(ctdb::list_records(*databases_, database, request.seconds, request.key.empty() ? nullptr : &request.key)));
}

// Whether the node is a member, or will become one without an administrator's doing.
bool Daemon::may_serve() const {
    return core_.session() != 0 || !any(core_.flags() & (node_flags::NODE_STOPPED | node_flags::NODE_BANNED));
}

void Daemon::start_operation(const protocol::request& request, ClientId owner, const Answer& answer) {
    const uint32_t database = databases_->find(request.database);
    if (database == 0) return answer(outcome_reply(outcome::NO_DATABASE));
    if (!may_serve()) return answer(outcome_reply(outcome::NOT_SERVING, "the node is stopped or banned"));
    if (operations_.size() >= limits::max_operations) return answer(outcome_reply(outcome::NOT_SERVING, "too many wait for records"));
    const Client id = ++last_operation_;
    const RecordKey key{database, request.key};
    operations_[id] = Operation{request, key, answer, owner, false, node_now()};
    const bool reads = request.op == operation::READ_KEY && request.seconds != 0 && databases_->lends(key);
    if (reads) return deliver(ClientReads{id, key});
    deliver(ClientWants{id, key});
}

protocol::node_state Daemon::state() const {
    protocol::node_state state;
    state.pnn = settings_.me;
    state.pid = static_cast<uint32_t>(::getpid());
    state.version = version;
    state.runs = runs_;
    state.is_member = core_.session() != 0;
    state.recovering = recovering();
    state.leader = core_.leader();
    state.clients = static_cast<uint32_t>(clients_.clients());
    state.debug_level = static_cast<uint32_t>(std::max(log_level(), 0));
    state.deleted_nodes = settings_.deleted_nodes;
    state.now = wall_now();
    state.started = started_;
    state.recovery_started = recovery_started_;
    state.recovery_finished = recovery_finished_;
    state.cluster_lock = settings_.conf.cluster_lock;
    ViewId newest = 0;
    for (const ViewId since : core_.view().located_since) newest = std::max(newest, since);
    state.generation = static_cast<uint32_t>((term_of(newest) << 16) ^ (newest & 0xFFFFFFFF));
    state.locators = core_.view().locators;
    std::sort(state.locators.begin(), state.locators.end());
    state.locators.erase(std::unique(state.locators.begin(), state.locators.end()), state.locators.end());
    if (state.locators.size() > protocol::MAX_NODES) state.locators.clear();
    state.level = idl::written_level();
    state.newest_level = core_.peer(settings_.me).last.newest_level;
    put_nodes(state);
    for (const auto& entry : databases_->entries())
        state.databases.push_back({entry.id, entry.name, entry.path, false, entry.sticks, entry.lends, false});
    for (const auto& entry : persistent_databases_->entries()) {
        if (state.databases.size() < protocol::MAX_DATABASES)
            state.databases.push_back({entry.id, entry.name, entry.path, !entry.replicated, false, false, entry.replicated});
    }
    return state;
}

void Daemon::put_nodes(protocol::node_state& state) const {
    for (const auto& node : settings_.nodes) {
        const bool here = node.pnn == settings_.me;
        state.nodes.push_back({node.pnn, node.address, here ? core_.flags() : core_.peer(node.pnn).last.flags, core_.hears(node.pnn)});
    }
}

}  // namespace Atoll::ctdb
