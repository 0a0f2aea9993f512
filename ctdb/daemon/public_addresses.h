// The public addresses of this node: those of the file and of `ctdb addip`, the links that they may be on, and the way of each up and down.
//
// Up: the event takeip, then news to the link and tickles to the clients of whoever had it. Down: its connections are reset, the event
// releaseip, and it is taken from the interface whatever that has done. The core hears that it is released when no interface has it. One
// that could not be taken is not offered for a while, so another node gets it.
#pragma once

#include <functional>
#include <map>

#include "base/loop/loop.h"
#include "ctdb/core/events.h"
#include "ctdb/daemon/fence.h"
#include "ctdb/daemon/node_events.h"
#include "ctdb/daemon/settings.h"
#include "ctdb/daemon/tickles.h"
#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

class PublicAddresses {
 public:
    using Deliver = std::function<void(Event)>;

    PublicAddresses(loop::Loop& loop, const Settings& settings, Fence fence, NodeEvents& events, Tickles& tickles, Deliver deliver);

    // Takes down what a former daemon may have left, and offers the addresses.
    void start();
    // The core's actions.
    void take(AddressId id);
    void release(AddressId id);
    // Often. `serving`: the node has its lease.
    void tick(bool serving);

    // An administrator's; the texts say why not. After remove() the address goes when it is released.
    Result<void> add(const conf::PublicAddress& address);
    Result<void> remove(const IpAddress& address);
    // True: it was not so before.
    Result<bool> set_link(const std::string& interface, bool up);
    [[nodiscard]] bool uses(const std::string& interface) const { return links_.contains(interface); }
    // The file's addresses from now on. The number of lines that are new or gone.
    Result<size_t> reload(const std::vector<conf::PublicAddress>& addresses);

    // None is up, on its way up or on its way down.
    [[nodiscard]] bool all_down() const;
    // None is on its way.
    [[nodiscard]] bool steady() const;
    // `holder` is asked of the view. Empty for an address that the node does not know: Code::not_found.
    [[nodiscard]] protocol::public_state state(const protocol::view& view) const;

 private:
    enum class State { down, taking, up, releasing, changing };
    struct Address {
        conf::PublicAddress line;
        IpAddress ip;
        AddressId id = 0;
        State state = State::down;
        bool wanted = false;  // by the core
        bool removed = false;
        std::string interface;  // while it is not down
        Monotonic not_before{};
        uint32_t drops = 0;  // of the fence, when it was put up
        int announcements = 0;
    };

    void offer();
    void begin_take(Address& address);
    void took(AddressId id, const EventOutcome& outcome);
    void begin_change(Address& address, const std::string& to);
    void changed(AddressId id, const EventOutcome& outcome);
    void move_off_dead_links();
    void begin_release(Address& address);
    void released(AddressId id);
    void put_down(Address& address);
    void announce_all();
    [[nodiscard]] std::string best_interface(const Address& address) const;
    [[nodiscard]] size_t references(const std::string& interface) const;
    [[nodiscard]] bool usable(const Address& address) const;
    [[nodiscard]] EventRunner::Arguments arguments_of(const Address& address) const;
    Address* find(AddressId id);

    const Settings& settings_;
    Fence fence_;
    NodeEvents& events_;
    Tickles& tickles_;
    Deliver deliver_;
    std::map<AddressId, Address> addresses_;
    std::map<std::string, bool> links_;  // whether each is up
    std::vector<AddressId> offered_;
    bool ever_offered_ = false;
    loop::Timer announcer_;
};

AddressId id_of(const IpAddress& address);

}  // namespace Atoll::ctdb
