#include "smbd/accounts/user_cache.h"

#include <chrono>

#include "base/limits.h"

namespace Atoll::accounts {

const UnixUser* UserCache::find(std::string_view name, Monotonic now) {
    const auto known = known_.find(name);
    if (known != known_.end() && known->second.until > now) return &known->second.user;
    if (known != known_.end()) known_.erase(known);
    auto user = lookup_(name);
    if (!user) return nullptr;
    if (known_.size() >= limits::max_cached_users) known_.clear();
    const Monotonic until = now + std::chrono::seconds(limits::user_cache_seconds);
    return &known_.emplace(std::string(name), Known{std::move(*user), until}).first->second.user;
}

}  // namespace Atoll::accounts
