// What the system's user database said of users who logged on lately: asking it (NSS) takes longer than everything else of a log-on. Only
// users who were found are kept, and not for long, so that a change of groups soon counts for new sessions.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "smbd/accounts/tokens.h"

namespace Atoll::accounts {

class UserCache {
 public:
    using Lookup = std::function<std::optional<UnixUser>(std::string_view name)>;

    explicit UserCache(Lookup lookup) : lookup_(std::move(lookup)) {}

    // As the lookup says, or said at most limits::user_cache_seconds before `now`. nullptr: no such user. Valid until the next call.
    const UnixUser* find(std::string_view name, Monotonic now = monotonic_now());
    void clear() { known_.clear(); }

 private:
    struct Known {
        UnixUser user;
        Monotonic until;
    };
    Lookup lookup_;
    std::map<std::string, Known, std::less<>> known_;
};

}  // namespace Atoll::accounts
