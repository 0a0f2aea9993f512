#include "libcli/security/id_map.h"

#include "libcli/security/security_descriptor.h"

namespace Atoll::security {

namespace {

std::optional<uint32_t> rid_in(const Sid& domain, const Sid& sid) {
    if (!sid.is_in_domain(domain)) return std::nullopt;
    return sid.rid();
}

}  // namespace

Sid UnixIdMap::user_sid(uint32_t uid) { return unix_user_sid(uid); }
Sid UnixIdMap::group_sid(uint32_t gid) { return unix_group_sid(gid); }
std::optional<uint32_t> UnixIdMap::uid_of(const Sid& sid) { return rid_in(well_known::unix_users, sid); }
std::optional<uint32_t> UnixIdMap::gid_of(const Sid& sid) { return rid_in(well_known::unix_groups, sid); }

}  // namespace Atoll::security
