// The client's side of a log-on with Kerberos, in SPNEGO, by MIT's GSS-API. Tickets come from a credential cache, and one for the server
// from the KDC when it is not there yet: start() blocks then. krb5.conf (KRB5_CONFIG) says where the KDC is. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "libcli/auth/spnego.h"

namespace Atoll::auth {

struct KerberosTarget {
    std::string host;              // of the service principal cifs/HOST
    std::string credential_cache;  // as krb5 names one; empty: the default (KRB5CCNAME)
    // What is offered, in this order; Kerberos must be there, and is what is used. Where something else comes first, both sides have to
    // agree on this list before the log-on succeeds (mechListMIC).
    std::vector<Mechanism> mechanisms = {Mechanism::ms_kerberos, Mechanism::kerberos};
};

// With the same functions as Initiator. The server proves who it is: a log-on without its KRB_AP_REP fails.
class KerberosInitiator {
 public:
    explicit KerberosInitiator(KerberosTarget target);
    KerberosInitiator(KerberosInitiator&&) noexcept;
    ~KerberosInitiator();

    // The first token. NO_SUCH_LOGON_SESSION: the cache has no ticket that is still good; NO_LOGON_SERVERS: the KDC gives none for this
    // server, or cannot be reached. The log says more.
    Result<std::vector<uint8_t>, NtStatus> start();
    // The blob that comes with MORE_PROCESSING_REQUIRED. TIME_DIFFERENCE_AT_DC: the clocks differ; LOGON_FAILURE: the server rejects, or
    // wants another mechanism; ACCESS_DENIED: it is not who it should be; INVALID_PARAMETER: malformed.
    Result<std::vector<uint8_t>, NtStatus> answer(Bytes token);
    // The blob that comes with success. ACCESS_DENIED if the server has not proved who it is.
    Result<void, NtStatus> finish(Bytes token, bool trusted);

    // After finish(): as long as the encryption type makes it.
    [[nodiscard]] Bytes session_key() const;

 private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace Atoll::auth
