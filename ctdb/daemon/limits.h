#pragma once

#include <chrono>
#include <cstddef>

namespace Atoll::limits {

constexpr size_t max_urgent_queue = size_t{256} << 10;  // bytes to one node that its socket did not take; beyond: the message is dropped
constexpr size_t max_bulk_queue = size_t{32} << 20;     // the same; beyond: the connection is made anew
constexpr size_t max_node_connections = 1024;           // that others have made; beyond: refused
constexpr size_t max_node_read = size_t{256} << 10;     // bytes of one connection that are read before others have their turn
constexpr size_t max_daemon_clients = 12288;            // connections to the local socket, three of each process of smbd; beyond: refused
constexpr size_t other_descriptors = 4096;              // of the daemon's own: nodes, files, scripts
constexpr size_t max_mailbox = 1024;                    // messages that a process does not read; beyond: refused to who sends them
constexpr size_t max_client_replies = 2048;             // that a client does not read; beyond: its connection ends
constexpr size_t max_lock_requests = 256;               // that the supervisor has not taken
constexpr size_t max_forwarded = 4096;                  // requests of clients that other nodes have not answered
constexpr size_t max_operations = 65536;                // requests that wait for their record; beyond: refused
constexpr size_t max_tickles = 65536;                   // connections to public addresses that are known; more get no tickle
constexpr size_t max_listed_tickles = 1024;             // of one address, in one answer
constexpr size_t max_hot_keys = 64;                     // of a database that are counted
constexpr size_t max_statistics_history = 100;          // intervals of the statistics that are kept
constexpr uint32_t record_chains = 65521;               // of a volatile database's file: with a million records a look passes some fifteen
constexpr size_t max_register_file = size_t{1} << 20;

constexpr std::chrono::milliseconds connect_again{200};
constexpr std::chrono::milliseconds hello_time{2000};  // until the first packet of a connection has come
// For which the supervisor holds the cluster lock of a ctdbd that asks for nothing. More than the core's time between two looks, less than
// a cluster can wait for a daemon that stands still.
constexpr std::chrono::milliseconds lock_patience{1500};
constexpr std::chrono::milliseconds telling_time{500};  // that the supervisor has to tell the others of the end
constexpr std::chrono::milliseconds ending_time{500};   // for the processes of a node to be gone once they are killed
constexpr std::chrono::seconds votes_patience{10};      // for a former ctdbd and its supervisor to have left the node's vote
constexpr std::chrono::seconds votes_notice{3};         // after which the log says for whom a node waits that has no vote
constexpr std::chrono::seconds helper_time{5};          // for a lock helper to say what it got
constexpr std::chrono::seconds startup_again{5};        // after the event startup has failed
constexpr std::chrono::seconds leaving_time{8};         // for a node that shuts down to give its records to the others
constexpr std::chrono::seconds complaint_interval{10};  // between two lines of the log about the same address

}  // namespace Atoll::limits
