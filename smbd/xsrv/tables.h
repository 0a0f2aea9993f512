// The smbXsrv databases: what every other process may need of this one's sessions, tree connects and opens (docs/design.md, "State").
// Values are the structs of xsrv.idl. Main thread only; locks are taken and released within each call.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/guid.h"
#include "base/result.h"
#include "smbd/xsrv/open.h"
#include "smbd/xsrv/session.h"
#include "smbd/xsrv/tcon.h"
#include "tdb/database.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::xsrv {

class Tables {
 public:
    // Opens the databases in `directory`, creating those that are not there. `self` stands in every record that is written. An Error names
    // the database that cannot be opened.
    static Result<std::unique_ptr<Tables>> open(const std::string& directory, const messaging::ServerId& self);
    virtual ~Tables() = default;

    virtual Result<void> put_session(const Session& session, const Guid& client_guid, uint16_t dialect,
                                     const std::string& peer_address) = 0;
    virtual void remove_session(uint64_t session_id) = 0;
    virtual Result<void> put_tcon(const Tcon& tcon) = 0;
    virtual void remove_tcon(uint64_t session_id, uint32_t tree_id) = 0;
    // False: another open has this persistent id.
    virtual Result<bool> insert_open(const Open& open) = 0;
    virtual void remove_open(uint64_t persistent_id) = 0;

    // Tree connects of a share in all processes, for `max connections`.
    virtual Result<uint32_t> count_tcons(const std::string& share_name) = 0;

    // locking.tdb, for fsa.
    virtual tdb::Database& locking() = 0;

    // Removes every record of a process that has ended. Idempotent; any process may do it.
    virtual void end_holder(const messaging::ServerId& holder) = 0;
    // Removes every record: the first process of a server whose predecessor has ended does it.
    virtual Result<void> wipe_volatile() = 0;
};

}  // namespace Atoll::xsrv
