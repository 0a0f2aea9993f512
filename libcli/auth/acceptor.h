// The server's half of a log-on that needs no secrets: reads the client's tokens, makes NTLM's challenge, and ends with a LogonProof for
// another process, which gives it to verify_logon() or to a KerberosAcceptor. Of a Kerberos token nothing but SPNEGO's wrapping is
// read. One object per SESSION_SETUP exchange. Not thread-safe; allocates a few hundred bytes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "libcli/auth/logon.h"
#include "libcli/auth/spnego.h"

namespace Atoll::auth {

// What the challenge tells the client of the server (MS-NLMP 3.2.1.1). Empty names are left out, except netbios_name.
struct ServerNames {
    std::string netbios_name;
    std::string netbios_domain;  // of a server that is in no domain: its own name
    std::string dns_name;
    std::string dns_domain;
};

class Acceptor {
 public:
    // `kerberos`: it is taken beside NTLM, where the client names it first.
    explicit Acceptor(ServerNames names, bool kerberos = false) : names_(std::move(names)), kerberos_(kerberos) {}

    // The security blob of a NEGOTIATE response (MS-SMB2 3.3.5.4): NegTokenInit2 with the mechanisms that are taken.
    static std::vector<uint8_t> negotiate_token(bool kerberos = false);

    // Exactly one of the two is filled.
    struct Step {
        std::vector<uint8_t> token;       // send it with MORE_PROCESSING_REQUIRED
        std::optional<LogonProof> proof;  // the client has said all; have it verified
    };
    // Takes the next token of the client: SPNEGO or bare NTLMSSP. INVALID_PARAMETER: no such token, or not its turn; the exchange is
    // over. At most three tokens are taken.
    Result<Step, NtStatus> step(Bytes token);
    // After a Kerberos proof: the verifier asks for more (LogonContinuation), so the client's next token is taken.
    void go_on(uint64_t exchange);

 private:
    enum class State : uint8_t { start, want_negotiate, want_authenticate, want_kerberos, verifying, done };

    Result<Step, NtStatus> take_init(Bytes token);
    Result<Step, NtStatus> take_response(Bytes token);
    Result<Step, NtStatus> take_ntlm(Bytes message);
    Result<Step, NtStatus> take_kerberos(Bytes token);
    [[nodiscard]] bool takes(Mechanism mechanism) const;
    Result<std::vector<uint8_t>, NtStatus> challenge(Bytes negotiate);
    Result<Step, NtStatus> authenticate(Bytes message);
    std::vector<uint8_t> wrap(Bytes message, NegState state);

    ServerNames names_;
    bool kerberos_;
    Mechanism chosen_ = Mechanism::ntlmssp;
    State state_ = State::start;
    bool named_mechanism_ = false;  // supportedMech has been sent
    LogonProof proof_;
    uint32_t challenge_flags_ = 0;
};

}  // namespace Atoll::auth
