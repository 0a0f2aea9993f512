// What one operation takes from others' caching, and what an open may be granted: MS-FSA 2.1.4.12 and 2.1.5.18 as functions of the entries
// of a file's record. Nothing here has state.
//
// An oplock is caching too: level II is R, exclusive RW, batch RWH (MS-FSA 2.1.1.10).
#pragma once

#include <optional>

#include "smbd/fsa/caching.h"
#include "smbd/fsa/locking.idl.h"

namespace Atoll::fsa {

// Who acts. Nobody's own caching is in his way, nor is that of his lease (MS-FSA 2.1.4.12.2).
struct Actor {
    tdb::server_id process;
    uint64_t open_id = 0;
    const lease_id* lease = nullptr;
    [[nodiscard]] bool owns(const share_mode& entry) const;
    [[nodiscard]] bool shares_key(const share_mode& entry) const;
};

enum class CachingOperation : uint8_t {
    open,       // of what is there, to read or write it
    overwrite,  // by an open
    share,      // an open whose sharing the entry forbids
    data,       // WRITE, a change of size, a byte-range lock, FSCTL_SET_ZERO_DATA
    name,       // a new name or link
    remove,     // FileDispositionInformation, a new security descriptor
    child,      // a change of the directory's children
};

// What `entry` may keep of its caching beside the operation; `desired`: an open's access.
uint8_t kept_beside(CachingOperation operation, uint32_t desired, const share_mode& entry);
// Whether the holder has to acknowledge the loss.
bool needs_acknowledgment(const share_mode& entry);
// Whether the operation waits until `entry` has come down to `kept`.
bool waits_for(CachingOperation operation, const share_mode& entry, uint8_t kept);

// An open that neither reads nor writes stands beside every oplock: it is not told from nobody (MS-FSA 2.1.4.12, OPEN).
bool is_stat_open(uint32_t access);

// The most of `wanted` that can be granted beside the others' entries (MS-FSA 2.1.5.18.1, 2.1.5.18.2).
uint8_t grantable_lease(const locking_record& record, const Actor& actor, uint32_t wanted);
OplockLevel grantable_oplock(const locking_record& record, const Actor& actor, OplockLevel wanted);

uint8_t caching_of(OplockLevel level);
bool is_valid_lease_state(uint32_t state);

}  // namespace Atoll::fsa
