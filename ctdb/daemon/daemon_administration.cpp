// What administrators ask of a daemon: tunables, roles, statistics, the list of nodes.
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/file.h"
#include "base/log.h"
#include "ctdb/daemon/daemon.h"
#include "ctdb/daemon/database_names.h"
#include "ctdb/daemon/replies.h"
#include "ctdb/shared/node_clock.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

std::string text_of(const std::vector<uint8_t>& data) { return {data.begin(), data.end()}; }

protocol::reply text_reply(const std::string& text) {
    protocol::reply reply;
    const size_t size = std::min<size_t>(text.size(), protocol::MAX_DATA);
    reply.data.assign(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    return reply;
}

uint64_t memory_used() { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; }

}  // namespace

void Daemon::execute_administration(const protocol::request& request, const Answer& answer) {
    switch (request.op) {
        case operation::LIST_TUNABLES: return list_tunables(text_of(request.data), answer);
        case operation::SET_TUNABLE: return change_tunable(text_of(request.data), request.seconds, answer);
        case operation::STATISTICS: return show_statistics(request.seconds, answer);
        case operation::RESET_STATISTICS: statistics_.reset(wall_now()); return answer({});
        case operation::DATABASE_STATISTICS: return show_database(request.database, answer);
        case operation::CLIENT_EXISTS: return find_client(request, answer);
        case operation::DETACH: return detach(request.database, answer);
        case operation::SET_LENDING:
        case operation::SET_STICKING: return set_database_flag(request, answer);
        case operation::SET_ROLE: return set_role(request, answer);
        case operation::RECOVER: deliver(RecoveryForced{}); return answer({});
        case operation::MEMORY: return answer(text_reply(memory_text()));
        case operation::RELOAD_NODES: return reload_nodes(answer);
        default: break;
    }
    const auto text = read_file(settings_.paths.base + "/nodes", protocol::MAX_DATA);
    answer(text ? text_reply(*text) : outcome_reply(outcome::INVALID, text.error().message()));
}

// All, or that of the name.
void Daemon::list_tunables(const std::string& name, const Answer& answer) const {
    protocol::tunable_list list;
    if (!name.empty()) {
        const auto found = find_tunable(name);
        if (!found && found.error().code == Code::not_found) return answer(outcome_reply(outcome::NO_RECORD));
        if (!found) return answer(outcome_reply(outcome::INVALID, found.error().message()));
        list.tunables.push_back({found->name, tunables_.*found->value});
        return answer(data_reply(list));
    }
    for (const Tunable& tunable : known_tunables()) list.tunables.push_back({tunable.name, tunables_.*tunable.value});
    answer(data_reply(list));
}

void Daemon::change_tunable(const std::string& name, uint32_t value, const Answer& answer) {
    if (const auto set = set_tunable(tunables_, name, value); !set) return answer(outcome_reply(outcome::INVALID, set.error().message()));
    log_notice("an administrator sets {} to {}", name, value);
    set_policy();
    answer({});
}

void Daemon::set_policy() {
    deliver(PolicySet{{tunables_.enable_bans != 0, tunables_.recovery_ban_period * second, tunables_.no_ip_failback == 0,
                       tunables_.no_ip_takeover == 0, tunables_.hopcount_make_sticky, tunables_.sticky_duration * second,
                       tunables_.sticky_pindown * millisecond}});
}

void Daemon::show_statistics(uint32_t index, const Answer& answer) const {
    auto found = statistics_.of(index, wall_now());
    if (!found) return answer(outcome_reply(outcome::NO_RECORD));
    if (index == 0) {
        found->num_clients = clients_.clients();
        found->recovering = recovering() ? 1 : 0;
        found->pending_calls = operations_.size() + record_clients_.waiting();
        found->memory_used = memory_used();
    }
    answer(data_reply(*found));
}

void Daemon::show_database(const std::string& name, const Answer& answer) const {
    const uint32_t volatile_id = databases_->find(name);
    if (volatile_id == 0 && !persistent_databases_->knows(id_of_database(name))) return answer(outcome_reply(outcome::NO_DATABASE));
    answer(data_reply(statistics_.of_database(volatile_id)));
}

void Daemon::find_client(const protocol::request& request, const Answer& answer) const {
    const bool there = request.data.empty() ? clients_.has_process(static_cast<pid_t>(request.seconds))
                                            : mailboxes_.has(request.seconds, std::strtoull(text_of(request.data).c_str(), nullptr, 16));
    answer(outcome_reply(there ? outcome::DONE : outcome::NO_PROCESS));
}

// Another node that still has it names it again when it says anything of it: so a detaching that stops half way is undone.
void Daemon::detach(const std::string& name, const Answer& answer) {
    if (persistent_databases_->knows(id_of_database(name)))
        return answer(outcome_reply(outcome::INVALID, "Only volatile databases can be detached"));
    if (tunables_.allow_client_db_attach != 0) return answer(outcome_reply(outcome::BUSY, "AllowClientDBAttach is not 0"));
    const uint32_t id = databases_->find(name);
    const auto detached = databases_->detach(id);
    if (!detached) {
        const bool busy = detached.error().code == Code::busy;
        return answer(outcome_reply(busy ? outcome::BUSY : outcome::NO_DATABASE, detached.error().message()));
    }
    statistics_.forget(id);
    log_notice("detached from the database {}", name);
    answer({});
}

// While this daemon runs. That of each node counts for what it lends, and for the records that it locates.
void Daemon::set_database_flag(const protocol::request& request, const Answer& answer) {
    const uint32_t id = databases_->find(request.database);
    if (id == 0) return answer(outcome_reply(outcome::NO_DATABASE));
    const bool lends = request.op == operation::SET_LENDING;
    if (lends) {
        databases_->set_lending(id);
    } else {
        databases_->set_sticking(id);
    }
    log_notice("an administrator sets {} of the database {}", lends ? "READONLY" : "STICKY", databases_->name_of(id));
    answer({});
}

void Daemon::set_role(const protocol::request& request, const Answer& answer) {
    const std::string role = text_of(request.data);
    const bool on = request.seconds != 0;
    if (role != "lmaster" && role != "leader") return answer(outcome_reply(outcome::INVALID, "no such role"));
    log_notice("an administrator {} the role {} of this node", on ? "sets" : "clears", role);
    deliver(AdministratorSet{role == "lmaster" ? node_flags::NODE_NO_SLOTS : node_flags::NODE_NO_LEAD, !on});
    answer({});
}

std::string Daemon::memory_text() const {
    const auto heap = ::mallinfo2();
    std::string text = fmt::format("ctdbd of node {}, pid {}: {} bytes in use of {} that the heap has\n", settings_.me, ::getpid(),
                                   memory_used(), heap.arena + heap.hblkhd);
    text += fmt::format("    clients: {}\n    requests that wait for a record: {}\n    requests at other nodes: {}\n", clients_.clients(),
                        operations_.size() + record_clients_.waiting(), forwarded_.size());
    for (const auto& entry : databases_->entries())
        text += fmt::format("    keys of {}, whose records are in {}: {}\n", entry.name, entry.path, databases_->count(entry.id));
    return text;
}

// Who has gone from the list must have left the cluster, and who stays keeps address and number.
Result<void> Daemon::may_become(const conf::ClusterNodes& nodes) const {
    const auto refuse = [&](std::string text) { return fail(Code::invalid, settings_.paths.base + "/nodes", std::move(text)); };
    if (nodes.live.size() > protocol::MAX_NODES) return refuse("names too many nodes");
    for (const auto& before : settings_.nodes) {
        const auto same = std::find_if(nodes.live.begin(), nodes.live.end(), [&](const auto& node) { return node.pnn == before.pnn; });
        const std::string who = "node " + std::to_string(before.pnn);
        if (same != nodes.live.end() && same->address != before.address) return refuse(who + " has another address");
        if (same != nodes.live.end()) continue;
        if (before.pnn == settings_.me) return refuse("this node is not in it any more");
        if (core_.hears(before.pnn) || find_member(core_.view(), before.pnn) != nullptr) return refuse(who + " is still connected");
    }
    return {};
}

void Daemon::reload_nodes(const Answer& answer) {
    auto nodes = conf::load_nodes(settings_.paths);
    if (!nodes) return answer(outcome_reply(outcome::INVALID, nodes.error().message()));
    if (const auto may = may_become(*nodes); !may) return answer(outcome_reply(outcome::INVALID, may.error().message()));
    settings_.set_nodes(std::move(*nodes));
    log_notice("`nodes` is read again: {} nodes", settings_.nodes.size());
    NodesListed listed;
    for (const auto& node : settings_.nodes) listed.nodes.push_back(node.pnn);
    deliver(std::move(listed));
    lock_.relist();
    relist_ = true;
    answer({});
}

}  // namespace Atoll::ctdb
