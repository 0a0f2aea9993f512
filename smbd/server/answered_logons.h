// Grants that authd has just given for Kerberos tickets. A ticket's authenticator counts once, but preauth asks again when the process that
// was to take the client has died meanwhile, and then gets the same grant. In authd only. Main thread only.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <vector>

#include "base/time.h"
#include "smbd/server/server.idl.h"

namespace Atoll::server {

class AnsweredLogons {
 public:
    // What was granted for this very request: the same session, which preauth has named with random bits, and the same token.
    std::optional<logon_grant> find(const verify_request& request, Monotonic now = monotonic_now());
    void remember(const verify_request& request, const logon_grant& grant, Monotonic now = monotonic_now());

 private:
    void forget_oldest();
    struct Answered {
        uint64_t session_id;
        std::vector<uint8_t> token;
        logon_grant grant;
        Monotonic until;
    };
    std::list<Answered> answered_;  // the oldest first
};

}  // namespace Atoll::server
