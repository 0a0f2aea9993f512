// The daemon and its node's events and public addresses: the way from the start to RUNNING and out, and what administrators ask.
#include <algorithm>

#include "base/log.h"
#include "ctdb/daemon/daemon.h"
#include "ctdb/daemon/limits.h"
#include "ctdb/daemon/replies.h"
#include "ctdb/network/packets.h"
#include "ctdb/shared/node_clock.h"

namespace Atoll::ctdb {
namespace {

using protocol::operation;
using protocol::outcome;

std::vector<std::string> words_of(const std::vector<uint8_t>& data) {
    std::vector<std::string> words;
    const std::string text(data.begin(), data.end());
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        words.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return words;
}

protocol::reply refused(const std::string& text) { return outcome_reply(outcome::INVALID, text); }

template <class Value>
protocol::reply reply_to(const Result<Value>& done) {
    return done ? protocol::reply{} : refused(done.error().message());
}

protocol::event_status status_of(const EventOutcome& outcome) {
    protocol::event_status status;
    status.result = static_cast<protocol::event_result>(outcome.result);
    status.status = outcome.status;
    for (const ScriptOutcome& script : outcome.scripts) {
        protocol::script_entry entry;
        entry.name = script.name.substr(0, 256);
        entry.state = static_cast<protocol::script_state>(script.state);
        entry.status = script.status;
        entry.started = script.started;
        entry.took = script.took;
        // The end of what all scripts wrote fits into one answer.
        const size_t kept = std::min<size_t>(script.output.size(), 2048);
        entry.output.assign(script.output.end() - static_cast<std::ptrdiff_t>(kept), script.output.end());
        status.scripts.push_back(std::move(entry));
    }
    return status;
}

}  // namespace

void Daemon::first_recovery() {
    runs_ = protocol::run_state::FIRST_RECOVERY;
    tick();
}

// Again after a while: an administrator may mend what the scripts miss.
void Daemon::started() {
    runs_ = protocol::run_state::STARTUP;
    node_events_.notify("startup");
    node_events_.run("startup", {}, [this](const EventOutcome& startup) {
        if (runs_ != protocol::run_state::STARTUP) return;
        if (!startup.ok()) {
            log_error("the event startup has failed, and is tried again");
            startup_again_.set_in(limits::startup_again);
            return;
        }
        runs_ = protocol::run_state::RUNNING;
        log_notice("node {} runs", settings_.me);
        node_events_.monitor();
    });
}

// ipreallocated: once addresses, members, their health or who of them is heard have changed, and this node has done its part. Scripts look
// at all of it, and it does not change at one moment.
void Daemon::note_placement() {
    const protocol::view& view = core_.view();
    if (core_.session() == 0 || !addresses_.steady()) return;
    std::vector<Pnn> heard;
    for (const protocol::member& member : view.members) {
        if (core_.hears(member.pnn)) heard.push_back(member.pnn);
    }
    if (view.id == noted_view_.id && heard == noted_heard_) return;
    const bool same = view.members == noted_view_.members && view.addresses == noted_view_.addresses && heard == noted_heard_;
    noted_view_ = view;
    noted_heard_ = std::move(heard);
    if (same) return;
    tickles_.placed(settings_.me, [&](const IpAddress& ip) {
        const protocol::address* address = find_address(view, id_of(ip));
        return address != nullptr ? address->holder : no_node;
    });
    node_events_.run("ipreallocated");
}

// Without notices a link is looked at when the node is monitored.
void Daemon::watch_links() {
    auto notices = LinkNotices::open();
    if (!notices) return log_warning("{}", notices.error().message());
    link_notices_.emplace(std::move(*notices));
    link_watch_ = std::make_unique<loop::FdWatch>(loop_, link_notices_->fd(), [this] { note_links(); });
    link_watch_->watch_read(true);
}

// The node's scripts say what it means for its health.
void Daemon::note_links() {
    bool changed = false;
    for (const LinkNotice& notice : link_notices_->take()) {
        if (!addresses_.uses(notice.interface)) continue;
        const auto set = addresses_.set_link(notice.interface, notice.up);
        changed = changed || (set && *set);
    }
    if (changed && runs_ == protocol::run_state::RUNNING) node_events_.monitor();
}

void Daemon::leave() {
    if (std::exchange(leaving_event_, true)) return;
    node_events_.run("shutdown", {}, [this](const EventOutcome&) {
        for (const Answer& answer : at_the_end_) answer({});
        at_the_end_.clear();
        log_notice("ctdbd of node {} has left the cluster", settings_.me);
        loop_.stop();
    });
}

void Daemon::execute_address(const protocol::request& request, const Answer& answer) {
    const std::vector<std::string> words = words_of(request.data);
    const auto ip = words.empty() ? std::nullopt : parse_ip(words[0]);
    if (request.op == operation::ADDRESSES) return answer(data_reply(addresses_.state(core_.view())));
    if (request.op == operation::BALANCE_ADDRESSES) {
        deliver(AddressesBalanced{});
        return answer({});
    }
    if (request.op == operation::RELOAD_ADDRESSES) {
        const auto files = conf::load_ctdb_files(settings_.paths);
        if (!files) return answer(refused(files.error().message()));
        const auto changed = addresses_.reload(files->public_addresses);
        return answer(changed ? protocol::reply{} : refused(changed.error().message()));
    }
    if (request.op == operation::SET_LINK) {
        return answer(words.empty() ? refused("which interface?") : reply_to(addresses_.set_link(words[0], request.seconds != 0)));
    }
    if (!ip) return answer(refused("no address"));
    if (request.op == operation::MOVE_ADDRESS) {
        deliver(AddressAssigned{id_of(*ip), request.seconds});
        return answer({});
    }
    if (request.op == operation::DELETE_ADDRESS) return answer(reply_to(addresses_.remove(*ip)));
    if (request.op == operation::ANNOUNCE && words.size() == 2) return answer(reply_to(announce(*ip, words[1])));
    if (request.op != operation::ADD_ADDRESS || words.size() != 3) return answer(refused("words are missing"));
    const auto lines = conf::parse_public_addresses(words[0] + "/" + words[1] + " " + words[2], "addip");
    if (!lines || lines->size() != 1) return answer(refused("is no public address"));
    answer(reply_to(addresses_.add(lines->front())));
}

void Daemon::execute_tickle(const protocol::request& request, const Answer& answer) {
    const std::vector<std::string> words = words_of(request.data);
    if (request.op == operation::LIST_TICKLES) {
        const auto ip = words.empty() ? std::nullopt : parse_ip(words[0]);
        if (!ip) return answer(refused("no address"));
        protocol::connections list;
        list.address = text_of(*ip);
        list.first = true;
        for (const Connection& connection : tickles_.at(*ip)) {
            if (list.list.size() < limits::max_listed_tickles)
                list.list.push_back({text_of(connection.server), text_of(connection.client)});
        }
        return answer(data_reply(list));
    }
    const auto client = words.size() == 2 ? parse_endpoint(words[0]) : std::nullopt;
    const auto server = words.size() == 2 ? parse_endpoint(words[1]) : std::nullopt;
    if (!client || !server || client->address.family != server->address.family) return answer(refused("no connection"));
    const Connection connection{*server, *client};
    if (request.op == operation::TICKLE) return answer(reply_to(tickle(connection)));
    if (request.op == operation::ADD_TICKLE) tickles_.add(connection);
    if (request.op == operation::DELETE_TICKLE) tickles_.remove(connection);
    answer({});
}

void Daemon::execute_event(const protocol::request& request, const Answer& answer) {
    std::vector<std::string> words = words_of(request.data);
    if (words.empty()) return answer(refused("which event?"));
    const std::string event = words[0];
    if (request.op == operation::EVENT_STATUS) {
        const EventOutcome* last = node_events_.runner().last(event);
        protocol::event_status never;
        never.result = protocol::event_result::EVENT_NEVER;
        return answer(data_reply(last != nullptr ? status_of(*last) : never));
    }
    words.erase(words.begin());
    node_events_.run(event, std::move(words), std::chrono::seconds(request.seconds),
                     [answer](const EventOutcome& outcome) { answer(data_reply(status_of(outcome))); });
}

}  // namespace Atoll::ctdb
