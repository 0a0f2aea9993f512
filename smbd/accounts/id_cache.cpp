#include "smbd/accounts/id_cache.h"

#include <time.h>

#include "libcli/security/security_descriptor.h"

namespace Atoll::accounts {
namespace {

constexpr size_t max_remembered = 4096;  // SIDs; then all are forgotten
constexpr uint64_t seconds_of_nobody = 60;

uint64_t seconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<uint64_t>(now.tv_sec);
}

bool is_account(const Sid& sid) {  // S-1-5-21-domain-rid
    return sid.count == 5 && sid.sub_authorities[0] == 21 && sid.authority == std::array<uint8_t, 6>{0, 0, 0, 0, 0, 5};
}

}  // namespace

void IdCache::remember(uint32_t uid, const Sid& sid) {
    if (uids_.size() >= max_remembered) {
        uids_.clear();
        sids_.clear();
    }
    sids_.insert_or_assign(uid, sid);
    uids_.insert_or_assign(sid, uid);
}

void IdCache::learn(const security::Token& token) {
    if (token.is_guest || token.is_anonymous) return;
    if (is_account(token.user_sid)) remember(token.uid, token.user_sid);
    if (token.group_sids.empty() || !is_account(token.group_sids.front())) return;
    if (gids_.size() >= max_remembered) gids_.clear();
    gids_.insert_or_assign(token.group_sids.front(), token.gid);
}

std::optional<IdAnswer> IdCache::ask(const IdQuestion& question) {
    if (!ask_) return std::nullopt;
    const Sid key = question.sid ? *question.sid : security::unix_user_sid(question.uid);
    const uint64_t now = seconds_now();
    if (const auto found = nobody_.find(key); found != nobody_.end() && now < found->second.until) return std::nullopt;
    auto answer = ask_(question);
    if (answer) return answer;
    if (nobody_.size() >= max_remembered) nobody_.clear();
    nobody_.insert_or_assign(key, Nobody{now + seconds_of_nobody});
    return std::nullopt;
}

Sid IdCache::user_sid(uint32_t uid) {
    if (const auto found = sids_.find(uid); found != sids_.end()) return found->second;
    const auto answer = ask({std::nullopt, uid});
    if (!answer) return unix_.user_sid(uid);
    remember(uid, answer->sid);
    return answer->sid;
}

Sid IdCache::group_sid(uint32_t gid) { return unix_.group_sid(gid); }

std::optional<uint32_t> IdCache::uid_of(const Sid& sid) {
    if (const auto uid = unix_.uid_of(sid)) return uid;
    if (const auto found = uids_.find(sid); found != uids_.end()) return found->second;
    if (!is_account(sid) || gids_.contains(sid)) return std::nullopt;
    const auto answer = ask({sid, 0});
    if (!answer) return std::nullopt;
    remember(answer->uid, sid);
    return answer->uid;
}

std::optional<uint32_t> IdCache::gid_of(const Sid& sid) {
    if (const auto gid = unix_.gid_of(sid)) return gid;
    const auto found = gids_.find(sid);
    return found == gids_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace Atoll::accounts
