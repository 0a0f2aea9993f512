// What other nodes say to the daemon.
#include <algorithm>

#include "base/log.h"
#include "ctdb/daemon/daemon.h"

namespace Atoll::ctdb {
namespace {

bool all_known(const RecordDatabases& databases, const std::vector<RecordKey>& keys) {
    return std::all_of(keys.begin(), keys.end(), [&](const RecordKey& key) { return databases.knows(key.database); });
}

// Every database that a frame speaks of has been named before, on the same connection or by the lmaster's.
bool all_known(const RecordDatabases& databases, const PersistentDatabases& persistent, const protocol::slot_message& message) {
    const auto& body = message.body;
    if (body.is_submitted()) return persistent.knows(body.submitted().database);
    if (body.is_preparing()) return persistent.knows(body.preparing().database);
    if (body.is_catching_up()) return persistent.knows(body.catching_up().target.database);
    if (body.is_wanted()) return databases.knows(body.wanted().key.database);
    if (body.is_refused()) return databases.knows(body.refused().key.database);
    if (body.is_recalled()) return databases.knows(body.recalled().key.database);
    if (body.is_yielded()) return databases.knows(body.yielded().key.database);
    if (body.is_wanted_to_read()) return databases.knows(body.wanted_to_read().key.database);
    if (body.is_delegating()) return databases.knows(body.delegating().key.database);
    if (body.is_was_delegated()) return databases.knows(body.was_delegated().key.database);
    if (body.is_revoking()) return databases.knows(body.revoking().key.database);
    if (body.is_was_revoked()) return databases.knows(body.was_revoked().key.database);
    if (body.is_mirroring()) return databases.knows(body.mirroring().key.database);
    if (body.is_was_mirrored()) return databases.knows(body.was_mirrored().key.database);
    if (body.is_forgetting()) {
        for (const protocol::removed_record& record : body.forgetting().records) {
            if (!databases.knows(record.key.database)) return false;
        }
    }
    if (body.is_was_forgotten()) return all_known(databases, body.was_forgotten().kept);
    if (body.is_given()) return databases.knows(body.given().key.database);
    if (body.is_offered()) {
        for (const protocol::copy& copy : body.offered().copies) {
            if (!databases.knows(copy.key.database)) return false;
        }
    }
    if (body.is_finished()) return all_known(databases, body.finished().lost);
    return true;
}

}  // namespace

bool Daemon::received(protocol::message message) {
    if (message.body.is_framed() && !all_known(*databases_, *persistent_databases_, message.body.framed().message)) return false;
    if (message.body.is_alive()) statistics_.count(&protocol::statistics::keepalive_packets_recv);
    if (message.body.is_framed()) count_frame(message.body.framed().message);
    deliver(Received{std::move(message)});
    return true;
}

void Daemon::count_frame(const protocol::slot_message& message) {
    const auto& body = message.body;
    if (body.is_wanted()) statistics_.count(&protocol::statistics::node_req_call);
    if (body.is_refused()) statistics_.count(&protocol::statistics::node_reply_error);
    if (body.is_yielded()) {
        statistics_.count(&protocol::statistics::node_req_dmaster);
        statistics_.arrived(body.yielded().key);
    }
    if (body.is_given()) {
        statistics_.count(&protocol::statistics::node_reply_dmaster);
        statistics_.arrived(body.given().key);
    }
}

// News goes on to all: so whoever is sent a record was told of its database before.
bool Daemon::received(Pnn from, const protocol::catalogue& catalogue) {
    bool news = false;
    const auto good = [&](const Result<bool>& attached) {
        news = news || (attached && *attached);
        if (attached) return true;
        const Error& error = attached.error();
        log_error("a database that node {} named: {}", from, error.message());
        if (error.code != Code::invalid && error.code != Code::no_space) fail_now("a database of the cluster cannot be opened");
        return false;
    };
    const auto all_good = [&](const std::vector<std::string>& names, Lifetime lifetime) {
        return std::all_of(names.begin(), names.end(), [&](const auto& name) { return good(attach_persistent(name, lifetime)); });
    };
    for (const auto& database : catalogue.databases) {
        if (!good(databases_->attach(database.name, database.flags))) return false;
    }
    if (!all_good(catalogue.persistent, Lifetime::persistent) || !all_good(catalogue.replicated, Lifetime::replicated)) return false;
    if (news) tell_catalogue(from);
    return true;
}

protocol::catalogue Daemon::catalogue() {
    protocol::catalogue names = databases_->catalogue();
    for (const auto& entry : persistent_databases_->entries())
        (entry.replicated ? names.replicated : names.persistent).push_back(entry.name);
    return names;
}

void Daemon::tell_catalogue(Pnn except) {
    const protocol::catalogue names = catalogue();
    for (const auto& node : settings_.nodes) {
        if (node.pnn != settings_.me && node.pnn != except) links_.send_bulk(node.pnn, PacketKind::catalogue, names);
    }
}

bool Daemon::received(Pnn from, const protocol::ask& ask) {
    protocol::request request;
    if (!decode(Bytes(ask.request), request) || request.node != settings_.me) return false;
    const bool is_message = request.op == protocol::operation::SEND_MESSAGE;
    statistics_.count(is_message ? &protocol::statistics::node_req_message : &protocol::statistics::node_req_control);
    execute(request, 0, [this, from, number = ask.number, asked = request.number](protocol::reply reply) {
        reply.number = asked;
        Buffer bytes;
        encode(reply, bytes, idl::written_level());
        links_.send_bulk(from, PacketKind::answer,
                         protocol::answer{number, std::vector<uint8_t>(bytes.data(), bytes.data() + bytes.size())});
    });
    return true;
}

bool Daemon::received(Pnn from, const protocol::answer& answer) {
    protocol::reply reply;
    if (!decode(Bytes(answer.reply), reply)) return false;
    statistics_.count(&protocol::statistics::node_reply_control);
    const auto found = forwarded_.find(answer.number);
    if (found == forwarded_.end() || found->second.node != from) return true;
    const Forwarded asked = std::move(found->second);
    forwarded_.erase(found);
    if (asked.answer) {
        asked.answer(std::move(reply));
    } else {
        reply.number = asked.number;
        clients_.reply(asked.client, reply);
    }
    return true;
}

bool Daemon::received(Pnn from, const protocol::ended& ended) {
    if (ended.pnn != from) return false;
    log_notice("the supervisor of node {} says that its ctdbd has ended", from);
    deliver(PeerEnded{ended.pnn, ended.incarnation});
    return true;
}

void Daemon::outdated(uint32_t level) {
    fail_now("the cluster writes at format level " + std::to_string(level) + ", and this ctdbd reads up to " +
             std::to_string(idl::newest_known_level()) + ": start a newer one");
}

// Nodes under a lock and nodes that vote could both serve. Of two of different kinds the one goes that was started later.
void Daemon::disagrees(Pnn pnn, uint64_t incarnation) {
    if (incarnation > settings_.incarnation) return;
    const std::string node = "node " + std::to_string(pnn);
    fail_now((settings_.by_majority() ? node + " has a cluster lock, and this one has none"
                                      : node + " has no cluster lock, and this one has one") +
             ": `cluster lock` must be the same on all nodes");
}

void Daemon::disconnected(Pnn pnn) {
    for (auto at = forwarded_.begin(); at != forwarded_.end();) {
        if (at->second.node != pnn) {
            ++at;
            continue;
        }
        const Forwarded lost = std::move(at->second);
        at = forwarded_.erase(at);
        protocol::reply reply;
        reply.number = lost.number;
        reply.result = protocol::outcome::NO_NODE_THERE;
        if (lost.answer) {
            lost.answer(reply);
        } else {
            clients_.reply(lost.client, reply);
        }
    }
}

}  // namespace Atoll::ctdb
