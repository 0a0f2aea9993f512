// What the server's databases say, read once: sessions with their channels, tree connects, opens, locks, leases and watches of all
// processes (docs/design.md, "State").
//
// Reading takes no lock for longer than it takes to copy a hash chain, and no record is held: a server at work does not notice.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "smbd/fsa/brlock.idl.h"
#include "smbd/fsa/leases.idl.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/fsa/notify.idl.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/database.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::smbstatus {

// An open of a file, as locking.tdb has it, with what its own record adds.
struct OpenFile {
    fsa::file_id id;
    std::string share_path;
    std::string name;  // below it; "file:stream" for a named stream
    bool delete_pending = false;
    fsa::share_mode mode;
    std::optional<xsrv::open_global> open;  // none: it has just been made, or is just being closed
};

struct ByteRangeLock {
    fsa::file_id id;
    std::string share_path;
    std::string name;
    tdb::server_id holder;
    uint64_t open_id = 0;
    uint64_t offset = 0;
    uint64_t length = 0;
    bool exclusive = false;
};

struct Watch {
    std::string path;
    fsa::directory_watch watch;
};

struct State {
    std::vector<xsrv::session_global> sessions;                 // the oldest first
    std::vector<xsrv::tcon_global> tcons;                       // likewise, without those of IPC$
    std::vector<OpenFile> files;                                // by path, then the oldest first
    std::vector<ByteRangeLock> locks;                           // by path, then by offset
    std::vector<Watch> watches;                                 // by path
    std::map<std::pair<Guid, Guid>, fsa::lease_record> leases;  // by client and lease key
    // Databases that could not be read and why, one line each; what they hold is missing above.
    std::vector<std::string> complaints;
    bool has_locking = false;  // locking.tdb could be read,
    bool any_open = false;     // and has a record
    size_t undecoded = 0;      // records that are not understood
};

bool is_disconnected(const tdb::server_id& holder);  // of a durable open whose client is away

struct Wanted {
    bool locks = true;            // files, locks, leases and watches too
    bool check_processes = true;  // leave out what belongs to processes that have ended
    std::optional<uint32_t> uid;  // only what is this user's
};

// Where the databases are, and who knows which processes live.
struct Source {
    std::function<Result<std::unique_ptr<tdb::Database>>(const std::string& name)> open;  // Code::not_found: it was never made
    std::function<bool(const messaging::ServerId& id)> exists;
    std::string place;  // before a database's name, for complaints
};
Source this_node(const std::string& lock_directory);
// What all nodes have, by way of this node's ctdbd.
Result<Source> cluster(const std::string& ctdbd_socket);

State read_state(const Source& source, const Wanted& wanted);
inline State read_state(const std::string& lock_directory, const Wanted& wanted) { return read_state(this_node(lock_directory), wanted); }

}  // namespace Atoll::smbstatus
