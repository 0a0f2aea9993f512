// The smbXsrv databases: what every other process may need of this one's sessions, tree connects and opens (docs/design.md, "State").
// Values are the structs of xsrv.idl. Main thread only; locks are taken and released within each call.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/guid.h"
#include "base/result.h"
#include "base/sid.h"
#include "smbd/xsrv/databases.h"
#include "smbd/xsrv/open.h"
#include "smbd/xsrv/session.h"
#include "smbd/xsrv/tcon.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/database.h"
#include "tdb/messaging/messaging.h"
#include "tdb/watch/watches.h"

namespace Atoll::xsrv {

struct SessionHolder {
    messaging::ServerId process;
    Sid user;
    bool operator==(const SessionHolder&) const = default;
};
// Whose session it is, by smbXsrv_session_global.tdb; nullopt: there is none.
std::optional<SessionHolder> find_session_holder(tdb::Database& sessions, uint64_t session_id);

// For who only looks.
class TableViews {
 public:
    virtual ~TableViews() = default;
    // Calls `visit` for each record of all processes, in no order; no lock is held meanwhile. A record that does not decode is left out.
    virtual Result<void> for_each_session(const std::function<void(const session_global&)>& visit) = 0;
    virtual Result<void> for_each_tcon(const std::function<void(const tcon_global&)>& visit) = 0;
    virtual Result<void> for_each_open(const std::function<void(const open_global&)>& visit) = 0;
};

class Tables : public TableViews {
 public:
    // Changes that it makes wake who waits for them. The process that `messaging` names stands in every record that is written.
    static std::unique_ptr<Tables> on(Databases databases, loop::Loop& loop, messaging::Messaging& messaging);

    // Takes out the record that names this process as the client's; authd made it. Another process's stays.
    virtual void remove_client(const Guid& client_guid) = 0;

    virtual Result<void> put_session(const Session& session) = 0;
    // Writes the record of one of this process's sessions again: its channels or its expiry have changed.
    virtual Result<void> renew_session(const Session& session) = 0;
    virtual void remove_session(uint64_t session_id) = 0;
    virtual std::optional<SessionHolder> find_session(uint64_t session_id) = 0;
    // Arms `watch` for the next change of the session's record. False: there is no such session, and nothing to wait for.
    virtual Result<bool> watch_session(uint64_t session_id, watch::Watch& watch, Monotonic deadline) = 0;
    virtual Result<void> put_tcon(const Tcon& tcon) = 0;
    virtual void remove_tcon(uint64_t session_id, uint32_t tree_id) = 0;
    // False: another open has this persistent id. A persistent one is found by its create GUID from then on.
    virtual Result<bool> insert_open(Open& open) = 0;
    virtual void remove_open(const Open& open) = 0;

    // --- Opens that outlive their connection (MS-SMB2 3.3.7.1).
    virtual std::optional<open_global> find_open(uint64_t persistent_id) = 0;
    // The persistent open of that create GUID; of several, which only clients that do not choose theirs at random have, any.
    virtual std::optional<open_global> find_persistent_open(const Guid& create_guid) = 0;
    // Writes what the record of one of this process's opens says of its outliving: `durable`, with the lock sequences that `open` has.
    virtual Result<void> renew_open(const Open& open) = 0;
    // The record is nobody's from now on; `state.disconnected` says since when. False: it is not `owner`'s, and stays as it is.
    virtual Result<bool> disconnect_open(uint64_t persistent_id, const messaging::ServerId& owner, const std::string& name,
                                         const durable_open& state) = 0;
    // The record becomes that of this process's `open`, before the file's entries do. False: it is not as `found` any more, for somebody
    // else was first.
    virtual Result<bool> take_over_open(Open& open, const open_global& found) = 0;
    // The record of one of this process's opens as it would be written now, but for what only its file system knows.
    virtual void describe_open(const Open& open, open_global& record) = 0;
    // Enters one that the tables have lost, as nobody's. False: it is there, or another one of its id.
    virtual Result<bool> restore_open(const open_global& record) = 0;
    // Takes the record out if it is nobody's.
    virtual void remove_disconnected_open(uint64_t persistent_id) = 0;

    // Tree connects of a share in all processes, for `max connections`.
    virtual Result<uint32_t> count_tcons(const std::string& share_name) = 0;

    // Whether every removal so far was made; if not, end_holders has something to do for this process.
    [[nodiscard]] virtual bool removed_all() const = 0;

    // locking.tdb, brlock.tdb and leases.tdb, for fsa.
    virtual tdb::Database& locking() = 0;
    virtual tdb::Database& brlock() = 0;
    virtual tdb::Database& leases() = 0;
    virtual tdb::Database& notify_index() = 0;

    virtual watch::Watches& watches() = 0;

    // Every process that stands in a record as its holder, or waits for one. Reads all tables.
    virtual Result<messaging::ServerIds> holders() = 0;
    // Removes every record of processes that have ended, and wakes whom they were to wake. Idempotent; any process may do it. Reads each
    // table once, however many they are, and holds no others' records.
    virtual void end_holders(const messaging::ServerIds& holders) = 0;
    // Removes every record: the first process of a server whose predecessor has ended does it.
    virtual Result<void> wipe_volatile() = 0;
};

}  // namespace Atoll::xsrv
