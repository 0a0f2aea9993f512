#include "smbd/server/answered_logons.h"

#include <chrono>
#include <cstring>

#include "base/limits.h"
#include "smbd/server/limits.h"

namespace Atoll::server {

std::optional<logon_grant> AnsweredLogons::find(const verify_request& request, Monotonic now) {
    while (!answered_.empty() && answered_.front().until <= now) forget_oldest();
    for (const Answered& one : answered_) {
        if (one.session_id == request.session_id && one.token == request.proof.gss_token) return one.grant;
    }
    return std::nullopt;
}

void AnsweredLogons::remember(const verify_request& request, const logon_grant& grant, Monotonic now) {
    while (answered_.size() >= limits::max_answered_logons) forget_oldest();
    const auto until = now + std::chrono::seconds(limits::handover_timeout_seconds * limits::max_handover_attempts);
    answered_.push_back({request.session_id, request.proof.gss_token, grant, until});
}

void AnsweredLogons::forget_oldest() {
    auto& key = answered_.front().grant.session_key;
    explicit_bzero(key.data(), key.size());
    answered_.pop_front();
}

}  // namespace Atoll::server
