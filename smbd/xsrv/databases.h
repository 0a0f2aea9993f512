// The databases of docs/design.md, "State", that a process of smbd opens: names, ranks and kinds in one place.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "tdb/database.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::xsrv {

struct Databases {
    std::unique_ptr<tdb::Database> client;   // smbXsrv_client_global.tdb
    std::unique_ptr<tdb::Database> session;  // smbXsrv_session_global.tdb
    std::unique_ptr<tdb::Database> tcon;     // smbXsrv_tcon_global.tdb
    std::unique_ptr<tdb::Database> open;     // smbXsrv_open_global.tdb
    std::unique_ptr<tdb::Database> locking;  // locking.tdb
    std::unique_ptr<tdb::Database> waiters;  // watches.tdb
    // Of client, session and locking: changes of their records wake who waits for them. The last member, for it ends before they do.
    std::unique_ptr<watch::Watches> watches;
};

// Opens them all in `directory`, creating those that are not there. `loop` and `messaging` are the process's and outlive them.
Result<Databases> open_databases(const std::string& directory, loop::Loop& loop, messaging::Messaging& messaging);

// The durable database (docs/durable.md) whose one record says at which format level records are written. A fresh one gets the lowest.
// Code::unsupported: a level that this program does not know; it may then open nothing.
constexpr const char* version_database = "smbXsrv_version_global";
Result<void> settle_format_level(tdb::Database& version);

}  // namespace Atoll::xsrv
