// Which SID a uid or gid is, and the other way round. Main thread only.
#pragma once

#include <cstdint>
#include <optional>

#include "base/sid.h"

namespace Atoll::security {

class IdMap {
 public:
    virtual ~IdMap() = default;
    // S-1-22-1-uid and S-1-22-2-gid for those without an account.
    virtual Sid user_sid(uint32_t uid) = 0;
    virtual Sid group_sid(uint32_t gid) = 0;
    // nullopt: the SID is no user's, or no group's, of this machine.
    virtual std::optional<uint32_t> uid_of(const Sid& sid) = 0;
    virtual std::optional<uint32_t> gid_of(const Sid& sid) = 0;
};

// Knows S-1-22-1-uid and S-1-22-2-gid only.
class UnixIdMap final : public IdMap {
 public:
    Sid user_sid(uint32_t uid) override;
    Sid group_sid(uint32_t gid) override;
    std::optional<uint32_t> uid_of(const Sid& sid) override;
    std::optional<uint32_t> gid_of(const Sid& sid) override;
};

}  // namespace Atoll::security
