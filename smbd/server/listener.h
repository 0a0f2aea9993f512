// The listener (docs/design.md, "Processes"): accepts, forks, reaps and restarts the other processes. Parses not a byte from a client. Its
// loop is poll and a signalfd: it owns no thread, no event loop, no LMDB environment and no record lock, so that every child starts clean.
// The smbXsrv databases are open in it, and it never uses them: its children have them with the fork. Those of a cluster its children open
// themselves (membership.h); it is no part of it, and lives on when its node is lost.
//
// A few client processes are always forked before there is a client for them. authd has the other ends of their sockets and tells the
// listener when it has given one to a client.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/loop/signals.h"
#include "base/result.h"
#include "conf/configuration.h"
#include "smbd/server/addresses.h"
#include "smbd/server/membership.h"
#include "smbd/server/packet_socket.h"
#include "smbd/server/start.h"
#include "smbd/server/upgrade.h"
#include "smbd/xsrv/databases.h"
#include "smbd/xsrv/leftover.h"
#include "tdb/messaging/message_socket.h"

namespace Atoll::server {

struct ListenerStart {
    std::shared_ptr<const conf::Configuration> configuration;
    conf::LoadOptions load_options;
    std::vector<ListeningSocket> sockets;
    std::optional<ClusterNode> cluster;
    Guid server_guid;
    std::optional<PidFile> pid_file;  // kept as long as the listener runs
    Program program;                  // for `smbcontrol smbd upgrade`
    std::optional<Predecessor> predecessor;
};

class Listener {
 public:
    // Opens the mailbox, starts the helper processes and waits until they can serve. The error is a line for the administrator.
    static Result<std::unique_ptr<Listener>> start(ListenerStart start);
    ~Listener();  // ends all processes that it started, and waits for them

    // Of a listener that has a predecessor: takes the pid file and what clients come from now on.
    Result<void> take_over();

    // Until SIGTERM, SIGINT, or a message that says so; of one that has a successor, until its last client has left.
    void run();

 private:
    enum class Role : uint8_t { preauth, authd, housekeeper, committer };

    struct Helper {
        Role role;
        pid_t pid = -1;
        messaging::ServerId id;
        PacketSocket control;
        Monotonic started;
        bool retired = false;
        bool ready = false;  // it has said so
    };
    // When a role's process ended; so that one that cannot live is not restarted without end.
    struct Restarts {
        unsigned in_a_row = 0;
        unsigned wanted = 0;
        Monotonic not_before{};
    };

    Listener(ListenerStart start, xsrv::Databases databases, loop::SignalFd signals, messaging::MessageSocket mailbox, UniqueFd life_read,
             UniqueFd life_write);

    // listener.cpp: what it hears
    void poll_once();
    [[nodiscard]] int poll_timeout() const;
    void take_signals();
    void take_control(Helper& helper);
    void accept_clients(const ListeningSocket& socket);
    [[nodiscard]] bool takes_clients();
    void give_to_preauth(UniqueFd socket, bool netbios);
    void reload();

    // control.cpp: what administrators' tools tell it
    void take_messages();
    void take_message(messaging::Message& message);
    void answer(const messaging::Message& message, uint32_t type, Bytes payload);
    void take_log_level(const messaging::Message& message);
    void tell_all_clients(uint32_t type, Bytes payload);
    void tell_waiting();

    // successor.cpp: how it hands over
    static bool is_single(const Helper& helper);  // of which a node has one
    void upgrade(const messaging::Message& message);
    void successor_spoke();
    void end_single_helpers();
    void advance_successor();
    void successor_ended();
    void tell_asker(std::string_view text);
    void hand_over();
    void upgraded();
    void drain();
    void predecessor_spoke();
    void pass_on(uint32_t type, Bytes payload);
    void end_predecessor(Monotonic deadline);

    // processes.cpp: what it starts and ends
    static pid_t fork_process(const char* name, const std::function<void()>& body);
    void become_child();
    void start_helper(Role role);
    void start_missing();
    void retire_preauth();
    Result<void> start_first(Role role);
    Result<void> await_ready(Role role);
    Failure<Error> ended_at_once(Helper& helper);
    void is_ready(Helper& helper, const Packet& said);
    void follow_level(const Packet& said);
    void link(Helper& preauth, Helper& authd);
    void link_all();
    static const char* name_of(Role role);
    static messaging::ProcessClass class_of(Role role);
    Helper* find(Role role);
    void reap();
    void helper_ended(Helper helper, int status);
    void client_ended(pid_t pid, int status);
    void tell_housekeeper();
    void tell_committer();
    void end_all();

    // spares.cpp
    void start_spares();
    bool start_spare(Helper& authd);
    void spare_taken(const messaging::ServerId& id);
    void release_spares();
    void forget_spare(pid_t pid, int status);

    std::shared_ptr<const conf::Configuration> configuration_;
    conf::LoadOptions load_options_;
    std::vector<ListeningSocket> sockets_;
    std::optional<ClusterNode> cluster_;
    Guid server_guid_;
    std::optional<PidFile> pid_file_;
    xsrv::Databases databases_;
    loop::SignalFd signals_;
    std::optional<messaging::MessageSocket> mailbox_;
    UniqueFd life_read_;  // given to clients: its end tells them that the listener has gone
    UniqueFd life_write_;
    std::vector<std::unique_ptr<Helper>> helpers_;
    std::map<Role, Restarts> restarts_;
    std::map<pid_t, messaging::ServerId> clients_;
    std::set<pid_t> spares_;      // of clients_: authd has them to give away
    std::set<pid_t> released_;    // of clients_: authd has let go of them, so that they end, unless it gave one away at that very moment
    Monotonic spare_again_{};     // one could not be had: not before this
    bool told_no_spare_ = false;  // to the authd that runs
    unsigned pool_threads_;
    // A message for a client process that could not take it yet: its mailbox is not open, or full.
    struct Untold {
        pid_t to = -1;
        uint32_t type = 0;
        std::shared_ptr<const Buffer> payload;
    };
    std::vector<Untold> untold_;
    std::vector<messaging::ServerId> ended_;  // processes that the housekeeper has not cleaned up after
    size_t next_preauth_ = 0;
    Monotonic accept_again_{};                        // no descriptors were left: not before this
    std::shared_ptr<const xsrv::Leftover> leftover_;  // until the first housekeeper has it
    Program program_;
    std::optional<Successor> successor_;
    std::optional<Predecessor> predecessor_;
    bool draining_ = false;  // the successor serves
    bool housekeeper_was_started_ = false;
    bool stopping_ = false;
};

}  // namespace Atoll::server
