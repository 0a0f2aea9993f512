// What numbers of the records are called, in the words of Debian's smbstatus 4.17.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "smbd/fsa/locking.idl.h"
#include "smbd/xsrv/xsrv.idl.h"

namespace Atoll::smbstatus {

std::string version_name();
std::string user_name(uint32_t uid);                          // its number where it has none
std::string group_name(uint32_t gid);                         // likewise
std::string process_name(const tdb::server_id& holder);       // "4711", "2:4711" on node 2, "disconnected"
std::string protocol_name(uint16_t dialect);                  // "SMB3_11"
std::string host_name(const xsrv::session_channel& channel);  // "ipv4:192.0.2.1:49152"
std::string local_time(NtTime time);                          // "Sun Nov 22 11:49:40 2026"
std::string local_time_with_zone(NtTime time);                // "Sun Nov 22 11:49:40 2026 UTC"
std::string iso_time(NtTime time);                            // "2026-11-22T11:49:40.171373+00:00"
std::string iso_time_without_colon(NtTime time);              // "...+0000"

// How much of a session's or tree connect's traffic is signed or sealed.
enum class Degree : uint8_t { none, partial, full };
struct Protection {
    Degree degree = Degree::none;
    std::string algorithm = "-";  // "-": nothing is
};
Protection signing_of(const xsrv::session_global& session);
Protection encryption_of(const xsrv::session_global& session);
Protection signing_of(const xsrv::tcon_global& tcon, const xsrv::session_global* session);
Protection encryption_of(const xsrv::tcon_global& tcon, const xsrv::session_global* session);
std::string degree_name(Degree degree);
std::string with_degree(const Protection& protection);  // "partial(AES-128-GMAC)", "AES-128-GMAC", "-"

std::string caching_letters(uint32_t caching);         // "RWH"
std::string oplock_name(const fsa::share_mode& mode);  // "NONE", "BATCH", "LEASE(RWH)"
std::string deny_mode_name(uint32_t share_access);     // "DENY_NONE"
std::string read_write_name(uint32_t access_mask);     // "RDWR"

}  // namespace Atoll::smbstatus
