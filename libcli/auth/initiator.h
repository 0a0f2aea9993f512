// The client's side of a log-on with NTLMv2, in SPNEGO or bare. Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "libcli/auth/kerberos_initiator.h"
#include "libcli/auth/ntlm.h"

namespace Atoll::auth {

struct Credentials {
    std::string user;  // UTF-8; empty: anonymous
    std::string domain;
    NtHash hash{};  // nt_hash(password)
    std::string workstation;
    // Where a KerberosInitiator is to be used in place of an Initiator: the host whose cifs/HOST the server is.
    std::optional<KerberosTarget> kerberos = std::nullopt;
    [[nodiscard]] bool is_anonymous() const { return user.empty(); }
};

struct InitiatorOptions {
    bool spnego = true;
    std::string target_name;  // "cifs/host", told to the server in the response; may be empty
};

class Initiator {
 public:
    explicit Initiator(Credentials credentials, InitiatorOptions options = {});

    // The first token.
    std::vector<uint8_t> start();
    // The answer to the server's challenge (the blob that comes with MORE_PROCESSING_REQUIRED). LOGON_FAILURE: the server rejects or wants
    // another mechanism; INVALID_PARAMETER: malformed.
    Result<std::vector<uint8_t>, NtStatus> answer(Bytes token);
    // Checks the blob that comes with success: ACCESS_DENIED if the server's mechListMIC is wrong. It may be missing: with the one
    // mechanism that is offered there is nothing to protect (RFC 4178 5).
    // `trusted` false (guest, anonymous): there is no shared key, so none is checked.
    Result<void, NtStatus> finish(Bytes token, bool trusted);

    // Valid after answer().
    [[nodiscard]] const SessionKey& session_key() const { return session_key_; }
    // Flags that were agreed on, for NtlmSecurity.
    [[nodiscard]] uint32_t flags() const { return flags_; }

 private:
    Result<std::vector<uint8_t>, NtStatus> authenticate(Bytes challenge_message);

    Credentials credentials_;
    InitiatorOptions options_;
    std::vector<uint8_t> negotiate_message_;
    std::vector<uint8_t> mech_types_;
    uint32_t flags_ = 0;
    SessionKey session_key_{};
};

}  // namespace Atoll::auth
