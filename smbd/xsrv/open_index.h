// smbXsrv_open_index.tdb: persistent opens by their create GUID, for who has no other name of one (MS-SMB2 3.3.5.9, 3.3.5.9.12). An entry
// is there before the open's record in smbXsrv_open_global.tdb, and goes before it, so that whoever is killed between leaves an entry too
// many, which tells its reader nothing: the record decides. Main thread only; a record of smbXsrv_open_global.tdb may be held meanwhile.
#pragma once

#include <functional>
#include <vector>

#include "base/guid.h"
#include "base/result.h"
#include "smbd/xsrv/xsrv.idl.h"
#include "tdb/database.h"
#include "tdb/messaging/server_id.h"

namespace Atoll::xsrv {

// The GUID by which the index has this open; null: it does not.
const Guid* index_key_of(const open_global& record);

class OpenIndex {
 public:
    OpenIndex(tdb::Database& database, const tdb::server_id& self) : database_(database), self_(self) {}

    // Code::no_space: MAX_SAME_CREATE_GUID opens have it already.
    Result<void> add(const Guid& create_guid, uint64_t persistent_id);
    // Without effect if it is not there.
    Result<void> remove(const Guid& create_guid, uint64_t persistent_id);
    // Persistent ids.
    Result<std::vector<uint64_t>> find(const Guid& create_guid);
    // Processes have ended: what they entered and has no record goes. Looks at every entry.
    void end_holders(const messaging::ServerIds& holders, const std::function<bool(uint64_t persistent_id)>& is_there);

 private:
    tdb::Database& database_;
    tdb::server_id self_;
    open_index record_;
    Buffer encoded_;
};

}  // namespace Atoll::xsrv
