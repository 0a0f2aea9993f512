#include "ctdb/tool/address_commands.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <map>
#include <thread>

#include "base/time.h"
#include "ctdb/network/ip_address.h"
#include "ctdb/tool/output.h"

namespace Atoll::ctdb {
namespace {

using protocol::node_flags;
using protocol::operation;

std::string joined(const std::vector<std::string>& words, const char* separator) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
    return text;
}

// Its parts are shown with the format's separator, which is in front and behind too.
std::string row(const Format& format, const std::vector<std::string>& fields) {
    std::string line(1, format.separator);
    for (const std::string& field : fields) line += field + format.separator;
    return line + "\n";
}

Result<protocol::reply, int> ask(Call& call, uint32_t node, operation op, const std::vector<std::string>& words, uint32_t number = 0) {
    protocol::request request;
    request.node = node;
    request.op = op;
    request.seconds = number;
    const std::string data = joined(words, "\n");
    request.data.assign(data.begin(), data.end());
    return call.ask(request);
}

Result<protocol::public_state, int> addresses_of(Call& call, uint32_t node) {
    const auto reply = ask(call, node, operation::ADDRESSES, {});
    if (!reply) return reply.error();
    protocol::public_state state;
    if (!decode(Bytes(reply->data), state)) {
        complain("ctdbd says nothing of its addresses");
        return failure;
    }
    return state;
}

std::string holder_text(uint32_t holder) { return holder == protocol::NO_NODE ? "-1" : std::to_string(holder); }

std::string available_text(const protocol::public_state& state, const protocol::public_entry& entry) {
    std::vector<std::string> up;
    for (const std::string& name : entry.interfaces) {
        for (const auto& interface : state.interfaces) {
            if (interface.name == name && interface.up) up.push_back(name);
        }
    }
    return joined(up, ",");
}

struct Row {
    protocol::public_entry entry;
    std::string available;
};

void show(const Call& call, const std::vector<Row>& rows, const std::string& title) {
    const Format& format = call.options.format;
    const bool verbose = call.options.verbose;
    if (format.machine) {
        say(row(format,
                verbose ? std::vector<std::string>{"Public IP", "Node", "ActiveInterfaces", "AvailableInterfaces", "ConfiguredInterfaces"}
                        : std::vector<std::string>{"Public IP", "Node"}));
    } else {
        say(title + "\n");
    }
    for (const auto& [entry, available] : rows) {
        const std::string holder = holder_text(entry.holder), configured = joined(entry.interfaces, ",");
        if (format.machine) {
            say(row(format, verbose ? std::vector<std::string>{entry.address, holder, entry.active, available, configured}
                                    : std::vector<std::string>{entry.address, holder}));
        } else if (verbose) {
            say(fmt::format("{} node[{}] active[{}] available[{}] configured[{}]\n", entry.address, holder, entry.active, available,
                            configured));
        } else {
            say(entry.address + " " + holder + "\n");
        }
    }
}

bool active(const protocol::node_entry& node) {
    return node.connected && !any(node.flags & (node_flags::NODE_STOPPED | node_flags::NODE_BANNED));
}

// What the holder says of an address counts more than what others do.
int run_ip_all(Call& call) {
    std::map<IpAddress, Row> rows;
    for (const auto& node : call.here.nodes) {
        if (!active(node)) continue;
        const auto state = addresses_of(call, node.pnn);
        if (!state) return state.error();
        for (const auto& entry : state->addresses) {
            const auto ip = parse_ip(entry.address);
            if (!ip) continue;
            const bool first = rows.find(*ip) == rows.end();
            if (first || entry.holder == node.pnn) rows[*ip] = {entry, available_text(*state, entry)};
        }
    }
    std::vector<Row> sorted;
    for (auto& [ip, one] : rows) sorted.push_back(std::move(one));
    show(call, sorted, "Public IPs on ALL nodes");
    return 0;
}

int run_ip(Call& call) {
    if (!call.arguments.empty() && call.arguments[0] != "all") return usage_status;
    if (!call.arguments.empty()) return run_ip_all(call);
    const auto state = addresses_of(call, call.node);
    if (!state) return state.error();
    std::vector<Row> rows;
    for (const auto& entry : state->addresses) rows.push_back({entry, available_text(*state, entry)});
    show(call, rows, fmt::format("Public IPs on node {}", call.node));
    return 0;
}

bool valid_address(const std::string& text) {
    if (parse_ip(text)) return true;
    complain("Invalid IP address " + text);
    return false;
}

const protocol::public_entry* entry_of(const protocol::public_state& state, const std::string& address) {
    for (const auto& entry : state.addresses) {
        if (parse_ip(entry.address) == parse_ip(address)) return &entry;
    }
    return nullptr;
}

int run_ipinfo(Call& call) {
    if (!valid_address(call.arguments[0])) return failure;
    const auto state = addresses_of(call, call.node);
    if (!state) return state.error();
    const auto* entry = entry_of(*state, call.arguments[0]);
    if (entry == nullptr) {
        complain("Control GET_PUBLIC_IP_INFO failed, ret=-1");
        say(fmt::format("Node {} does not know about IP {}\n", call.node, call.arguments[0]));
        return failure;
    }
    say(fmt::format("Public IP[{}] info on node {}\nIP:{}\nCurrentNode:{}\nNumInterfaces:{}\n", entry->address, call.node, entry->address,
                    holder_text(entry->holder), entry->interfaces.size()));
    size_t number = 0;
    for (const std::string& name : entry->interfaces) {
        for (const auto& interface : state->interfaces) {
            if (interface.name != name) continue;
            say(fmt::format("Interface[{}]: Name:{} Link:{} References:{}{}\n", ++number, name, interface.up ? "up" : "down",
                            interface.references, name == entry->active ? " (active)" : ""));
        }
    }
    return 0;
}

int run_ifaces(Call& call) {
    const auto state = addresses_of(call, call.node);
    if (!state) return state.error();
    const Format& format = call.options.format;
    if (state->interfaces.empty()) {
        say(fmt::format("No interfaces configured on node {}\n", call.node));
        return 0;
    }
    say(format.machine ? row(format, {"Name", "LinkStatus", "References"}) : fmt::format("Interfaces on node {}\n", call.node));
    for (const auto& interface : state->interfaces) {
        const std::string references = std::to_string(interface.references);
        say(format.machine ? row(format, {interface.name, interface.up ? "1" : "0", references})
                           : fmt::format("name:{} link:{} references:{}\n", interface.name, interface.up ? "up" : "down", references));
    }
    return 0;
}

int run_setifacelink(Call& call) {
    const auto state = addresses_of(call, call.node);
    if (!state) return state.error();
    for (const auto& interface : state->interfaces) {
        if (interface.name != call.arguments[0]) continue;
        if (call.arguments[1] != "up" && call.arguments[1] != "down") return usage_status;
        const auto done = ask(call, call.node, operation::SET_LINK, {call.arguments[0]}, call.arguments[1] == "up" ? 1 : 0);
        return done ? 0 : done.error();
    }
    say(fmt::format("Interface {} not configured on node {}\n", call.arguments[0], call.node));
    return failure;
}

// Until every address has a holder that serves it, or none can have it.
bool settled(Call& call) {
    for (const auto& node : call.here.nodes) {
        if (!active(node)) continue;
        const auto state = addresses_of(call, node.pnn);
        if (!state) return false;
        for (const auto& entry : state->addresses) {
            if ((entry.holder == node.pnn) == entry.active.empty()) return false;
        }
    }
    return true;
}

int await_settled(Call& call) {
    const Monotonic deadline = monotonic_now() + std::chrono::seconds(call.options.time_limit);
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // for the leader to have heard what has changed
    while (!settled(call)) {
        if (monotonic_now() > deadline) {
            complain("Timed out");
            return failure;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return 0;
}

int run_ipreallocate(Call& call) {
    if (call.here.leader == protocol::NO_NODE) {
        complain("No leader is known");
        return failure;
    }
    const auto done = ask(call, call.here.leader, operation::BALANCE_ADDRESSES, {});
    return done ? await_settled(call) : done.error();
}

// "0,2", without anything that is no node's number. Why not is printed.
Result<std::vector<uint32_t>, int> nodes_of(const Call& call, const std::string& list) {
    std::vector<uint32_t> nodes;
    for (size_t at = 0; at < list.size();) {
        const size_t end = std::min(list.find(',', at), list.size());
        const std::string word = list.substr(at, end - at);
        uint32_t pnn = 0;
        const auto [stopped, error] = std::from_chars(word.data(), word.data() + word.size(), pnn);
        const bool is_number = error == std::errc() && stopped == word.data() + word.size();
        const auto is_it = [&](const auto& node) { return node.pnn == pnn; };
        if (!is_number || std::none_of(call.here.nodes.begin(), call.here.nodes.end(), is_it)) {
            complain(is_number ? "Node " + word + " does not exist" : "Invalid node " + word);
            return tl::unexpected(failure);
        }
        nodes.push_back(pnn);
        at = end + 1;
    }
    return nodes;
}

std::vector<uint32_t> connected_nodes(const Call& call) {
    std::vector<uint32_t> nodes;
    for (const auto& node : call.here.nodes) {
        if (node.connected) nodes.push_back(node.pnn);
    }
    return nodes;
}

int run_reloadips(Call& call) {
    const std::string wanted = call.arguments.empty() ? std::to_string(call.node) : call.arguments[0];
    const auto nodes = wanted == "all" ? Result<std::vector<uint32_t>, int>(connected_nodes(call)) : nodes_of(call, wanted);
    if (!nodes) return nodes.error();
    for (const uint32_t node : *nodes) {
        const auto done = ask(call, node, operation::RELOAD_ADDRESSES, {});
        if (!done) return done.error();
    }
    return await_settled(call);
}

// ADDRESS/BITS INTERFACE
int run_addip(Call& call) {
    const std::string& text = call.arguments[0];
    const size_t slash = text.find('/');
    const std::string address = text.substr(0, slash), bits = slash == text.npos ? "" : text.substr(slash + 1);
    uint32_t mask = 0;
    const auto [at, error] = std::from_chars(bits.data(), bits.data() + bits.size(), mask);
    const auto ip = parse_ip(address);
    if (!ip || bits.empty() || error != std::errc() || at != bits.data() + bits.size() || mask > ip->size() * 8) {
        complain("Invalid IP/Mask " + text);
        return failure;
    }
    const auto state = addresses_of(call, call.node);
    if (!state) return state.error();
    if (entry_of(*state, address) != nullptr) {
        complain("Node already knows about IP " + address);
        return 0;
    }
    const auto done = ask(call, call.node, operation::ADD_ADDRESS, {address, bits, call.arguments[1]});
    return done ? 0 : done.error();
}

int run_delip(Call& call) {
    if (!valid_address(call.arguments[0])) return failure;
    const auto state = addresses_of(call, call.node);
    if (!state) return state.error();
    if (entry_of(*state, call.arguments[0]) == nullptr) {
        complain("Node does not know about IP address " + call.arguments[0]);
        return 0;
    }
    const auto done = ask(call, call.node, operation::DELETE_ADDRESS, {call.arguments[0]});
    return done ? 0 : done.error();
}

// The leader puts it there in its own time: in two views, when its holder has let go.
int run_moveip(Call& call) {
    uint32_t pnn = 0;
    const std::string &address = call.arguments[0], &number = call.arguments[1];
    if (!valid_address(address)) return failure;
    const auto [at, error] = std::from_chars(number.data(), number.data() + number.size(), pnn);
    if (error != std::errc() || at != number.data() + number.size()) {
        complain("Invalid PNN " + number);
        return failure;
    }
    bool there = false;
    for (const auto& node : call.here.nodes) there = there || (node.pnn == pnn && active(node));
    const auto state = there ? addresses_of(call, pnn) : Result<protocol::public_state, int>(failure);
    if (!state || entry_of(*state, address) == nullptr || call.here.leader == protocol::NO_NODE) {
        if (state) complain(fmt::format("Node {} CANNOT host IP address {}", pnn, address));
        if (!there) complain(fmt::format("Failed to get Public IPs from node {}", pnn));
        complain(fmt::format("Failed to move IP {} to node {}", address, pnn));
        return failure;
    }
    const auto done = ask(call, call.here.leader, operation::MOVE_ADDRESS, {address}, pnn);
    if (!done) return done.error();
    const Monotonic deadline = monotonic_now() + std::chrono::seconds(call.options.time_limit);
    while (monotonic_now() < deadline) {
        const auto now = addresses_of(call, pnn);
        const auto* entry = now ? entry_of(*now, address) : nullptr;
        if (entry != nullptr && entry->holder == pnn && !entry->active.empty()) return 0;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    complain(fmt::format("Failed to move IP {} to node {}", address, pnn));
    return failure;
}

int run_gettickles(Call& call) {
    if (!valid_address(call.arguments[0])) return failure;
    uint16_t port = 0;
    if (call.arguments.size() > 1) {
        const std::string& text = call.arguments[1];
        const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), port);
        if (error != std::errc() || at != text.data() + text.size()) return usage_status;
    }
    const auto state = addresses_of(call, call.node);
    if (!state) return state.error();
    if (entry_of(*state, call.arguments[0]) == nullptr) {
        complain("Control GET_TCP_TICKLE_LIST failed, ret=1\nFailed to get list of connections");
        return failure;
    }
    const auto reply = ask(call, call.node, operation::LIST_TICKLES, {call.arguments[0]});
    if (!reply) return reply.error();
    protocol::connections list;
    if (!decode(Bytes(reply->data), list)) return failure;
    std::erase_if(list.list,
                  [&](const auto& entry) { return port != 0 && parse_endpoint(entry.server).value_or(Endpoint()).port != port; });
    const Format& format = call.options.format;
    say(format.machine ? row(format, {"Source IP", "Port", "Destiation IP", "Port"})
                       : fmt::format("Connections for IP: {}\nNum connections: {}\n", call.arguments[0], list.list.size()));
    for (const auto& entry : list.list) {
        const auto from = parse_endpoint(entry.client), to = parse_endpoint(entry.server);
        if (!from || !to) continue;
        say(format.machine
                ? row(format, {text_of(from->address), std::to_string(from->port), text_of(to->address), std::to_string(to->port)})
                : fmt::format("SRC: {}   DST: {}\n", entry.client, entry.server));
    }
    return 0;
}

bool valid_endpoint(const std::string& text) {
    if (parse_endpoint(text)) return true;
    complain("Invalid IP address " + text.substr(0, text.rfind(':')));
    return false;
}

// One connection of the arguments, or one a line of standard input.
int each_connection(Call& call, operation op) {
    std::vector<std::pair<std::string, std::string>> connections;
    if (call.arguments.size() == 2) connections.emplace_back(call.arguments[0], call.arguments[1]);
    if (call.arguments.size() == 1) return usage_status;
    std::string from, to;
    while (call.arguments.empty() && std::cin >> from >> to) connections.emplace_back(from, to);
    for (const auto& [client, server] : connections) {
        if (!valid_endpoint(client) || !valid_endpoint(server)) return failure;
        const auto done = ask(call, call.node, op, {client, server});
        if (!done) return done.error();
    }
    return 0;
}

int run_addtickle(Call& call) { return each_connection(call, operation::ADD_TICKLE); }
int run_deltickle(Call& call) { return each_connection(call, operation::DELETE_TICKLE); }
int run_tickle(Call& call) { return each_connection(call, operation::TICKLE); }

int run_gratarp(Call& call) {
    if (!valid_address(call.arguments[0])) return failure;
    const auto done = ask(call, call.node, operation::ANNOUNCE, {call.arguments[0], call.arguments[1]});
    return done ? 0 : done.error();
}

}  // namespace

std::vector<Command> address_commands() {
    return {
        {"ip", run_ip, "[all]", "show public ips", 0, 1},
        {"ipinfo", run_ipinfo, "<ip>", "show public ip details", 1, 1},
        {"ifaces", run_ifaces, "", "show interfaces"},
        {"setifacelink", run_setifacelink, "<iface> up|down", "set interface link status", 2, 2},
        {"tickle", run_tickle, "<srcip:port> <dstip:port>", "send a tcp tickle ack", 0, 2},
        {"gettickles", run_gettickles, "<ip> [<port>]", "get the list of tickles", 1, 2},
        {"addtickle", run_addtickle, "<ip>:<port> <ip>:<port>", "add a tickle", 0, 2},
        {"deltickle", run_deltickle, "<ip>:<port> <ip>:<port>", "delete a tickle", 0, 2},
        {"gratarp", run_gratarp, "<ip> <interface>", "send a gratuitous arp", 2, 2},
        {"moveip", run_moveip, "<ip> <node>", "move an ip address to another node", 2, 2},
        {"addip", run_addip, "<ip/mask> <iface>", "add an ip address to a node", 2, 2},
        {"delip", run_delip, "<ip>", "delete an ip address from a node", 1, 1},
        {"ipreallocate", run_ipreallocate, "", "run ip reallocation"},
        {"sync", run_ipreallocate, "", "run ip reallocation (deprecated)"},
        {"reloadips", run_reloadips, "[all|<pnn-list>]", "reload the public addresses file", 0, 1},
    };
}

}  // namespace Atoll::ctdb
