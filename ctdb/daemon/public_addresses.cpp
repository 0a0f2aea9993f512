#include "ctdb/daemon/public_addresses.h"

#include <algorithm>

#include "base/log.h"
#include "ctdb/network/kernel_addresses.h"
#include "ctdb/network/kernel_connections.h"
#include "ctdb/network/packets.h"

namespace Atoll::ctdb {
namespace {

constexpr std::chrono::seconds after_failure{10};
constexpr std::chrono::seconds down_again{1};  // an address that stays up although it was taken down
constexpr std::chrono::milliseconds announce_interval{700};
constexpr int announcements = 4;

void reset_connections(const IpAddress& ip) {
    if (auto reset = reset_connections_at(ip); !reset) log_notice("{}", reset.error().message());
}

}  // namespace

// FNV-1a of what names it.
AddressId id_of(const IpAddress& address) {
    uint64_t hash = 0xCBF29CE484222325;
    const auto add = [&](uint8_t byte) { hash = (hash ^ byte) * 0x100000001B3; };
    add(address.family);
    for (size_t index = 0; index < address.size(); index++) add(address.bytes[index]);
    return hash != 0 ? hash : 1;
}

PublicAddresses::PublicAddresses(loop::Loop& loop, const Settings& settings, Fence fence, NodeEvents& events, Tickles& tickles,
                                 Deliver deliver)
    : settings_(settings), fence_(fence), events_(events), tickles_(tickles), deliver_(std::move(deliver)), announcer_(loop, [this] {
          announce_all();
      }) {}

void PublicAddresses::start() {
    for (const auto& line : settings_.public_addresses) {
        if (auto added = add(line); !added) log_error("{}", added.error().message());
    }
    std::vector<IpAddress> all;
    for (const auto& [id, address] : addresses_) all.push_back(address.ip);
    if (auto removed = remove_addresses(all); !removed) log_error("{}", removed.error().message());
    offer();
}

Result<void> PublicAddresses::add(const conf::PublicAddress& line) {
    const auto ip = parse_ip(line.address);
    if (!ip) return fail(Code::invalid, line.address, "is no address");
    const AddressId id = id_of(*ip);
    const auto found = addresses_.find(id);
    if (found != addresses_.end() && !found->second.removed) return fail(Code::exists, line.address, "is known");
    if (found == addresses_.end() && addresses_.size() >= protocol::MAX_ADDRESSES)
        return fail(Code::no_space, line.address, "there are too many public addresses");
    Address& address = addresses_[id];
    address.line = line;
    address.ip = *ip;
    address.id = id;
    address.removed = false;
    for (const std::string& interface : line.interfaces) links_.try_emplace(interface, true);
    return {};
}

Result<void> PublicAddresses::remove(const IpAddress& ip) {
    Address* address = find(id_of(ip));
    if (address == nullptr || address->removed) return fail(Code::not_found, text_of(ip), "is not known");
    address->removed = true;
    return {};
}

Result<bool> PublicAddresses::set_link(const std::string& interface, bool up) {
    const auto found = links_.find(interface);
    if (found == links_.end()) return fail(Code::not_found, interface, "is not configured");
    const bool changed = std::exchange(found->second, up) != up;
    if (changed) log_notice("the link of {} is {}", interface, up ? "up" : "down");
    offer();
    move_off_dead_links();
    return changed;
}

Result<size_t> PublicAddresses::reload(const std::vector<conf::PublicAddress>& lines) {
    size_t changed = 0;
    for (auto& entry : addresses_) {
        Address& address = entry.second;
        const bool listed = std::any_of(lines.begin(), lines.end(), [&](const auto& line) { return line.address == address.line.address; });
        if (listed || address.removed) continue;
        address.removed = true;
        changed++;
    }
    for (const auto& line : lines) {
        if (auto added = add(line)) {
            changed++;
        } else if (added.error().code != Code::exists) {
            return added.failure();
        }
    }
    offer();
    return changed;
}

PublicAddresses::Address* PublicAddresses::find(AddressId id) {
    const auto found = addresses_.find(id);
    return found != addresses_.end() ? &found->second : nullptr;
}

size_t PublicAddresses::references(const std::string& interface) const {
    size_t count = 0;
    for (const auto& [id, address] : addresses_) count += address.state != State::down && address.interface == interface ? 1 : 0;
    return count;
}

std::string PublicAddresses::best_interface(const Address& address) const {
    std::string best;
    for (const std::string& interface : address.line.interfaces) {
        const auto link = links_.find(interface);
        if (link == links_.end() || !link->second) continue;
        if (best.empty() || references(interface) < references(best)) best = interface;
    }
    return best;
}

bool PublicAddresses::usable(const Address& address) const {
    return !address.removed && !settings_.conf.failover_disabled && monotonic_now() >= address.not_before &&
           !best_interface(address).empty();
}

void PublicAddresses::offer() {
    AddressesOffered offered;
    for (const auto& [id, address] : addresses_) {
        if (usable(address)) offered.addresses.push_back(id);
    }
    if (ever_offered_ && offered.addresses == offered_) return;
    ever_offered_ = true;
    offered_ = offered.addresses;
    deliver_(std::move(offered));
}

void PublicAddresses::tick(bool serving) {
    offer();
    for (auto at = addresses_.begin(); at != addresses_.end();) {
        Address& address = at->second;
        if (address.removed && !address.wanted && address.state == State::down) {
            at = addresses_.erase(at);
            continue;
        }
        const bool lost = address.state == State::up && address.drops != fence_.drops();
        if (serving && address.wanted && (lost || (address.state == State::down && usable(address)))) begin_take(address);
        if (!address.wanted && address.state == State::releasing && address.not_before != Monotonic{} &&
            monotonic_now() >= address.not_before)
            put_down(address);
        ++at;
    }
}

EventRunner::Arguments PublicAddresses::arguments_of(const Address& address) const {
    return {address.interface, address.line.address, std::to_string(address.line.mask)};
}

// One that it knows nothing of, or that has just been removed, comes down again at the next view.
void PublicAddresses::take(AddressId id) {
    Address* address = find(id);
    if (address == nullptr) return;
    address->wanted = true;
    if (address->state == State::down && usable(*address)) begin_take(*address);
}

void PublicAddresses::begin_take(Address& address) {
    address.interface = best_interface(address);
    address.drops = fence_.drops();
    if (auto noted = fence_.may_be_up(address.ip); !noted || address.interface.empty()) {
        address.state = State::down;
        address.not_before = monotonic_now() + after_failure;
        return offer();
    }
    address.state = State::taking;
    log_notice("takes {}/{} on {}", address.line.address, address.line.mask, address.interface);
    events_.run("takeip", arguments_of(address), [this, id = address.id](const EventOutcome& outcome) { took(id, outcome); });
}

void PublicAddresses::took(AddressId id, const EventOutcome& outcome) {
    Address* address = find(id);
    if (address == nullptr || address->state != State::taking) return;
    if (!address->wanted) return begin_release(*address);
    if (!outcome.ok()) {
        log_error("{} cannot be taken on {}", address->line.address, address->interface);
        if (auto removed = remove_addresses(std::span(&address->ip, 1)); !removed) log_error("{}", removed.error().message());
        address->state = State::down;
        address->not_before = monotonic_now() + (fence_.drops() != address->drops ? std::chrono::seconds(0) : after_failure);
        const auto up = addresses_up(std::span(&address->ip, 1));
        if (up && up->empty()) fence_.is_down(address->ip);
        return offer();
    }
    address->state = State::up;
    address->announcements = announcements;
    tickles_.serve(address->ip, true);
    announce_all();
    tickles_.taken(address->ip);
}

// Switches and neighbours that miss one hear the next.
void PublicAddresses::announce_all() {
    bool more = false;
    for (auto& [id, address] : addresses_) {
        if (address.state != State::up || address.announcements == 0) continue;
        address.announcements--;
        if (auto sent = announce(address.ip, address.interface); !sent) log_warning("{}", sent.error().message());
        more = more || address.announcements > 0;
    }
    if (more) announcer_.set_in(announce_interval);
}

// One whose interface has lost its link goes to another of its interfaces that has one; if there is none, the leader gives it to another
// node.
void PublicAddresses::move_off_dead_links() {
    for (auto& [id, address] : addresses_) {
        if (address.state != State::up || !address.wanted || links_[address.interface]) continue;
        const std::string to = best_interface(address);
        if (!to.empty() && to != address.interface) begin_change(address, to);
    }
}

void PublicAddresses::begin_change(Address& address, const std::string& to) {
    address.state = State::changing;
    log_notice("{}/{} goes from {} to {}", address.line.address, address.line.mask, address.interface, to);
    EventRunner::Arguments arguments{address.interface, to, address.line.address, std::to_string(address.line.mask)};
    address.interface = to;
    events_.run("updateip", std::move(arguments), [this, id = address.id](const EventOutcome& outcome) { changed(id, outcome); });
}

// It was up before: where the event fails it is taken down, and taken anew if it is to stay here.
void PublicAddresses::changed(AddressId id, const EventOutcome& outcome) {
    Address* address = find(id);
    if (address == nullptr || address->state != State::changing) return;
    address->state = State::up;
    if (!address->wanted) return begin_release(*address);
    if (!outcome.ok() || address->drops != fence_.drops()) {
        log_error("{} cannot be moved to {}", address->line.address, address->interface);
        address->state = State::taking;
        return took(id, outcome);
    }
    address->announcements = announcements;
    announce_all();
    move_off_dead_links();
}

void PublicAddresses::release(AddressId id) {
    Address* address = find(id);
    if (address == nullptr) return deliver_(AddressReleased{id});
    address->wanted = false;
    if (address->state == State::up) return begin_release(*address);
    if (address->state == State::down) put_down(*address);
}

void PublicAddresses::begin_release(Address& address) {
    address.state = State::releasing;
    address.not_before = Monotonic{};
    log_notice("releases {}/{} on {}", address.line.address, address.line.mask, address.interface);
    tickles_.serve(address.ip, false);
    reset_connections(address.ip);
    events_.run("releaseip", arguments_of(address), [this, id = address.id](const EventOutcome&) {
        if (Address* at = find(id); at != nullptr) put_down(*at);
    });
}

// Whatever the scripts have done.
void PublicAddresses::put_down(Address& address) {
    const auto removed = remove_addresses(std::span(&address.ip, 1));
    const auto up = addresses_up(std::span(&address.ip, 1));
    if (!removed || !up || !up->empty()) {
        log_error("{} stays up: {}", address.line.address, removed ? "an interface has it again" : removed.error().message());
        address.state = State::releasing;
        address.not_before = monotonic_now() + down_again;
        return;
    }
    if (address.state == State::releasing) {
        reset_connections(address.ip);
        address.not_before = Monotonic{};
    }
    fence_.is_down(address.ip);
    address.state = State::down;
    address.interface.clear();
    deliver_(AddressReleased{address.id});
}

bool PublicAddresses::all_down() const {
    return std::all_of(addresses_.begin(), addresses_.end(), [](const auto& entry) { return entry.second.state == State::down; });
}

bool PublicAddresses::steady() const {
    return std::all_of(addresses_.begin(), addresses_.end(),
                       [](const auto& entry) { return entry.second.state == State::down || entry.second.state == State::up; });
}

protocol::public_state PublicAddresses::state(const protocol::view& view) const {
    protocol::public_state state;
    for (const auto& [id, address] : addresses_) {
        if (address.removed && address.state == State::down) continue;
        const protocol::address* placed = find_address(view, id);
        protocol::public_entry entry;
        entry.address = address.line.address;
        entry.mask = address.line.mask;
        entry.holder = placed != nullptr ? placed->holder : no_node;
        if (address.state == State::up) entry.active = address.interface;
        for (const std::string& interface : address.line.interfaces) {
            if (entry.interfaces.size() < protocol::MAX_INTERFACES) entry.interfaces.push_back(interface);
        }
        state.addresses.push_back(std::move(entry));
    }
    std::sort(state.addresses.begin(), state.addresses.end(),
              [](const auto& a, const auto& b) { return parse_ip(a.address) < parse_ip(b.address); });
    for (const auto& [name, up] : links_) {
        if (state.interfaces.size() < protocol::MAX_INTERFACES)
            state.interfaces.push_back({name, up, static_cast<uint32_t>(references(name))});
    }
    return state;
}

}  // namespace Atoll::ctdb
