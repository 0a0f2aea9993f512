// ctdbd: the core of a node, and the world around it. One thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>

#include "base/loop/loop.h"
#include "ctdb/core/core.h"
#include "ctdb/daemon/client_socket.h"
#include "ctdb/daemon/lock_channel.h"
#include "ctdb/daemon/mailboxes.h"
#include "ctdb/daemon/node_links.h"
#include "ctdb/daemon/persistent_requests.h"
#include "ctdb/daemon/public_addresses.h"
#include "ctdb/daemon/record_clients.h"
#include "ctdb/daemon/record_databases.h"
#include "ctdb/daemon/settings.h"
#include "ctdb/network/link_notices.h"
#include "ctdb/protocol/client.idl.h"

namespace Atoll::ctdb {

class Daemon final : private NodeObserver, private ClientObserver {
 public:
    // `settings`: its nodes may change in service. `supervisor`: the other end of its socket.
    Daemon(loop::Loop& loop, Settings& settings, Fence fence, UniqueFd supervisor, std::unique_ptr<RecordDatabases> databases,
           std::unique_ptr<PersistentDatabases> persistent, SharedMemory memory);

    Result<void> start();
    // Leaves the cluster, giving the others what it holds, and stops the loop.
    void shut_down();
    // Whether the loop was stopped because the node could not go on.
    [[nodiscard]] bool failed() const { return failed_; }

 private:
    using Answer = std::function<void(protocol::reply)>;  // its number is the asker's, set already
    // A request that waits for its record.
    struct Operation {
        protocol::request request;
        RecordKey key;
        Answer answer;
        ClientId owner = 0;   // of the local socket; 0: another node's
        bool stored = false;  // and waits for the mirror
        Time since = 0;       // of node_now(): it waits
    };
    // A local client's request that another node does.
    struct Forwarded {
        ClientId client = 0;
        uint64_t number = 0;
        Pnn node = 0;
        Answer answer;  // instead, where this daemon asked itself
    };

    // The core.
    void deliver(Event event);
    void perform(const Action& action);
    void note_level();
    void granted(const GrantRecord& grant);
    void readable(const RecordReadable& readable);
    void mirrored(const RecordMirrored& mirrored);
    void session_ended();
    void release_record(const RecordKey& key, Copy& copy);
    void read_record(const Operation& operation, const Copy& copy);
    void answer_operation(const Operation& operation, protocol::reply reply);
    void tick();
    void note_state();
    void note_lock_check(Time lasted);
    void note_lending();
    void note_votes();
    void first_recovery();
    void started();
    void note_placement();
    void watch_links();
    void note_links();
    [[nodiscard]] bool may_leave() const;
    void leave();
    [[nodiscard]] bool serving() const;
    [[nodiscard]] bool may_serve() const;
    [[nodiscard]] bool recovering() const;

    // Nodes.
    bool received(protocol::message message) override;
    bool received(Pnn from, const protocol::catalogue& catalogue) override;
    bool received(Pnn from, const protocol::ask& ask) override;
    bool received(Pnn from, const protocol::answer& answer) override;
    bool received(Pnn from, const protocol::ended& ended) override;
    void outdated(uint32_t level) override;
    void disagrees(Pnn pnn, uint64_t incarnation) override;
    bool received(Pnn from, const protocol::connections& list) override { return tickles_.received(from, list); }
    protocol::catalogue catalogue() override;
    void disconnected(Pnn pnn) override;
    void tell_catalogue(Pnn except);

    // Requests.
    void requested(ClientId client, const protocol::request& request) override;
    void client_left(ClientId client) override;
    void forward(Pnn node, const protocol::request& request, Forwarded forwarded);
    void execute(const protocol::request& request, ClientId owner, const Answer& answer);
    void set_flag(node_flags flag, bool on, const Answer& answer);
    void unban(const Answer& answer);
    void attach(const std::string& name, std::optional<protocol::database_flags> flags, const Answer& answer);
    void execute_address(const protocol::request& request, const Answer& answer);
    void execute_tickle(const protocol::request& request, const Answer& answer);
    void execute_event(const protocol::request& request, const Answer& answer);
    void execute_administration(const protocol::request& request, const Answer& answer);
    void list_tunables(const std::string& name, const Answer& answer) const;
    void change_tunable(const std::string& name, uint32_t value, const Answer& answer);
    void set_policy();
    void show_statistics(uint32_t index, const Answer& answer) const;
    void show_database(const std::string& name, const Answer& answer) const;
    void find_client(const protocol::request& request, const Answer& answer) const;
    void detach(const std::string& name, const Answer& answer);
    void set_database_flag(const protocol::request& request, const Answer& answer);
    void set_role(const protocol::request& request, const Answer& answer);
    [[nodiscard]] std::string memory_text() const;
    void reload_nodes(const Answer& answer);
    [[nodiscard]] Result<void> may_become(const conf::ClusterNodes& nodes) const;
    void count_frame(const protocol::slot_message& message);
    void attach_persistent(const std::string& name, Lifetime lifetime, const Answer& answer);
    Result<bool> attach_persistent(const std::string& name, Lifetime lifetime);
    void list_records(const protocol::request& request, const Answer& answer);
    void start_operation(const protocol::request& request, ClientId owner, const Answer& answer);
    [[nodiscard]] protocol::node_state state() const;
    void put_nodes(protocol::node_state& state) const;

    void fail_now(const std::string& why);

    loop::Loop& loop_;
    Settings& settings_;
    Tunables tunables_;
    Statistics statistics_;
    std::unique_ptr<RecordDatabases> databases_;
    std::unique_ptr<PersistentDatabases> persistent_databases_;
    SharedMemory memory_;
    SharedState shared_;
    Core core_;
    PersistentRequests persistent_;
    NodeLinks links_;
    ClientSocket clients_;
    RecordClients record_clients_;
    Mailboxes mailboxes_;
    LockChannel lock_;
    Fence fence_;
    NodeEvents node_events_;
    Tickles tickles_;
    PublicAddresses addresses_;
    std::optional<LinkNotices> link_notices_;
    std::unique_ptr<loop::FdWatch> link_watch_;
    loop::Timer ticker_;
    loop::Timer once_more_;  // the core has more to do, once the sockets have had their turn
    loop::Timer startup_again_;

    std::deque<Event> events_;
    bool handling_ = false;
    std::map<Client, Operation> operations_;
    Client last_operation_ = 0;
    std::map<uint64_t, Forwarded> forwarded_;
    uint64_t last_forwarded_ = 0;

    protocol::run_state runs_ = protocol::run_state::INIT;
    Time started_ = 0;
    Time recovery_started_ = 0;
    Time recovery_finished_ = 0;
    bool was_recovering_ = false;
    bool relist_ = false;  // Settings::nodes has changed
    Pnn noted_leader_ = no_node;
    Session noted_session_ = 0;
    std::set<Pnn> noted_unlearned_;
    std::vector<uint32_t> noted_voters_;
    uint64_t noted_delegations_ = 0;
    uint64_t noted_revokes_ = 0;
    protocol::view noted_view_;  // for whose placement the event ipreallocated has run
    std::vector<Pnn> noted_heard_;
    bool leaving_event_ = false;
    Time leave_until_ = 0;  // of node_now(); not 0: shuts down
    std::vector<Answer> at_the_end_;
    bool failed_ = false;
};

}  // namespace Atoll::ctdb
