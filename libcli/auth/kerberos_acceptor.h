// The half of a server's Kerberos log-on that holds the keys: decides about a LogonProof of MECHANISM_KERBEROS with MIT's GSS-API. Asks
// nobody over the network. Remembers the authenticators that it has seen in a file, so that none counts twice (RFC 4120 3.2.3), and
// contexts whose mechListMIC is still to come. Not thread-safe; blocks for a file's lock at most.
#pragma once

#include <memory>
#include <string>
#include <variant>

#include "base/nt_status.h"
#include "base/result.h"
#include "base/time.h"
#include "libcli/auth/logon.h"

namespace Atoll::auth {

struct KerberosSettings {
    std::string keytab;        // "FILE:/path" or "/path"; empty: the system's
    std::string replay_cache;  // a file's path; it is made
};

// Who has proved himself, by a ticket of this server's.
struct KerberosGrant {
    LogonOutcome outcome;
    std::string user;   // the principal without its realm: "alice", "alice/admin"
    std::string realm;  // not necessarily this server's
    NtTime expires;     // the end of the ticket
};

class KerberosAcceptor {
 public:
    // An Error when the keytab cannot be read or has no key that would do.
    static Result<std::unique_ptr<KerberosAcceptor>> open(KerberosSettings settings);
    virtual ~KerberosAcceptor() = default;

    struct Refusal {
        NtStatus status = NtStatus::LOGON_FAILURE;
        std::string why;  // for the log
    };
    using Answer = std::variant<KerberosGrant, LogonContinuation>;
    // A continuation carries KRB_AP_ERR_SKEW with this server's time (MS-KILE 3.4.5), or asks for the client's mechListMIC.
    // Refusals: INVALID_PARAMETER: no KRB_AP_REQ; TIME_DIFFERENCE_AT_DC: the clocks differ, and telling the client has not helped;
    // LOGON_FAILURE: everything else. Only keys of AES are taken, for tickets and for sessions.
    virtual Result<Answer, Refusal> accept(const LogonProof& proof) = 0;
};

}  // namespace Atoll::auth
