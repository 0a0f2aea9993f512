// The databases of docs/design.md, "State", that a process of smbd opens: names, ranks and kinds in one place.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "idl/level.h"
#include "tdb/database.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::xsrv {

struct Databases {
    std::unique_ptr<tdb::Database> client;        // smbXsrv_client_global.tdb
    std::unique_ptr<tdb::Database> session;       // smbXsrv_session_global.tdb
    std::unique_ptr<tdb::Database> tcon;          // smbXsrv_tcon_global.tdb
    std::unique_ptr<tdb::Database> open;          // smbXsrv_open_global.tdb
    std::unique_ptr<tdb::Database> open_index;    // smbXsrv_open_index.tdb
    std::unique_ptr<tdb::Database> locking;       // locking.tdb
    std::unique_ptr<tdb::Database> brlock;        // brlock.tdb, which counts its changes
    std::unique_ptr<tdb::Database> leases;        // leases.tdb
    std::unique_ptr<tdb::Database> waiters;       // watches.tdb
    std::unique_ptr<tdb::Database> notify_index;  // notify_index.tdb, which counts its changes
    // Of client, session, locking and brlock, from watch_changes() on: changes of their records wake who waits for them. The last member,
    // for it ends before they do.
    std::unique_ptr<watch::Watches> watches;
};

// Opens a database of the cluster (ctdb/client), which this room does not know. Empty: there is no cluster.
using OpenShared = std::function<Result<std::unique_ptr<tdb::Database>>(const std::string& name, tdb::Rank rank)>;

// Opens them all, creating those that are not there: in `directory`, or those that all nodes share by `shared`. Nobody is woken by their
// changes before watch_changes().
Result<Databases> open_databases(const std::string& directory, const OpenShared& shared = {});

// object_ids.tdb, which outlives the server, in `state directory` (smbd/fsa/object_ids.h).
Result<std::unique_ptr<tdb::Database>> open_object_ids(const std::string& state_directory);

// The durable database (docs/durable.md) whose one record says at which format level records are written, of all databases. It is raised to
// `level` if it is lower, and what it is then is given. Code::unsupported: a level that this program does not read; it may then use none of
// the others.
constexpr const char* version_database = "smbXsrv_version_global";
Result<idl::Level> settle_format_level(tdb::Database& version, idl::Level level);

// In the child of a process that had them open at the fork, before their first use there.
Result<void> reopen_after_fork(const Databases& databases);

// In each process that changes them, before it does. `loop` and `messaging` are the process's own and outlive the databases.
void watch_changes(Databases& databases, loop::Loop& loop, messaging::Messaging& messaging);

}  // namespace Atoll::xsrv
