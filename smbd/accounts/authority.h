// Who may log on, and as whom: what authd does with a LogonProof. Main thread of authd only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/nt_status.h"
#include "base/result.h"
#include "conf/configuration.h"
#include "libcli/auth/kerberos_acceptor.h"
#include "libcli/auth/logon.h"
#include "libcli/security/security.idl.h"
#include "smbd/accounts/id_cache.h"
#include "smbd/accounts/passdb.h"
#include "smbd/accounts/tokens.h"
#include "smbd/accounts/user_cache.h"
#include "smbd/accounts/username_map.h"

namespace Atoll::accounts {

struct LogonGrant {
    auth::LogonOutcome outcome;
    security::Token token;  // is_guest and is_anonymous say what kind of session it is
    NtTime expires = {};    // when the session does: the end of a Kerberos ticket; 0: never
};

using KerberosAnswer = std::variant<LogonGrant, auth::LogonContinuation>;

enum class Proved : uint8_t { by_password, by_ticket };

class Authority {
 public:
    // Opens passdb, secrets, `username map` and the keytab as the configuration says. An Error when one of them cannot be read.
    static Result<std::unique_ptr<Authority>> open(std::shared_ptr<const conf::Configuration> configuration);
    // With a database of the caller's, for tests.
    Authority(std::shared_ptr<const conf::Configuration> configuration, std::unique_ptr<Passdb> passdb, Sid domain_sid, UsernameMap map);

    // Goes over to another configuration; on an Error everything stays as it was. A database that both name stays open.
    Result<void> reload(std::shared_ptr<const conf::Configuration> configuration);

    // The errors are what the client is told. LOGON_FAILURE: unknown user, wrong password, no UNIX user, or one whom an unprivileged server
    // may not serve; which of them is only logged. After the right password: ACCOUNT_DISABLED, ACCOUNT_LOCKED_OUT, ACCOUNT_EXPIRED,
    // PASSWORD_EXPIRED, PASSWORD_MUST_CHANGE, INVALID_WORKSTATION, INVALID_LOGON_HOURS, and NOLOGON_*_TRUST_ACCOUNT. ACCESS_DENIED:
    // anonymous against `restrict anonymous = 2`. NTLM_BLOCKED: `ntlm auth = disabled`. `map to guest` turns bad user and bad password into
    // guest.
    Result<LogonGrant, NtStatus> log_on(const auth::LogonProof& proof);

    // The same for a proof by Kerberos. The ticket's user is the local account of the same name, if his realm is `realm`, or the one that
    // `username map` says; there is no guest. `expires` is the end of the ticket. Errors: those of KerberosAcceptor::accept();
    // LOGON_FAILURE: no such account; what check_account() says. `peer` is for the log.
    Result<KerberosAnswer, NtStatus> log_on_kerberos(const auth::LogonProof& proof, const std::string& peer);

    // Who has this SID, or uid: a UNIX user with an account. nullopt: nobody.
    std::optional<IdAnswer> identify(const IdQuestion& question);

    [[nodiscard]] const TokenBuilder& tokens() const { return tokens_; }
    [[nodiscard]] const Sid& domain_sid() const { return domain_sid_; }

 private:
    Result<LogonGrant, NtStatus> log_on_anonymous(const auth::LogonProof& proof);
    Result<LogonGrant, NtStatus> log_on_guest(const auth::LogonProof& proof);
    Result<LogonGrant, NtStatus> admit(const Account& account, std::string_view workstation, Proved how, auth::LogonOutcome outcome);
    [[nodiscard]] std::optional<std::string> account_name_of(const auth::KerberosGrant& proved) const;

    std::shared_ptr<const conf::Configuration> configuration_;
    std::unique_ptr<Passdb> passdb_;
    Sid domain_sid_;
    TokenBuilder tokens_;
    UsernameMap map_;
    std::unique_ptr<auth::KerberosAcceptor> kerberos_;  // null: `kerberos method` says that there is none
    UserCache users_{[](std::string_view name) { return find_unix_user(name); }};
};

// Why this account may not log on now although its proof is right; SUCCESS if it may. A password's age counts only where it is the proof.
NtStatus check_account(const Account& account, std::string_view workstation, uint32_t now, Proved how = Proved::by_password);

// As `kerberos method` says; null where there is to be none. An Error names smb.conf or the keytab.
Result<std::unique_ptr<auth::KerberosAcceptor>> open_kerberos(const conf::Configuration& configuration);

}  // namespace Atoll::accounts
