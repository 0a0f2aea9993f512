// From an account to a security::Token: SIDs, and uid, gid and supplementary groups from the system's user database. Calls of it may
// block (NSS) and are not thread-safe: main thread of authd, the tools, and of client processes for `force user`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/nt_status.h"
#include "base/result.h"
#include "base/sid.h"
#include "libcli/security/security.idl.h"
#include "smbd/accounts/account.idl.h"

namespace Atoll::accounts {

struct UnixUser {
    std::string name;
    uint32_t uid = 0;
    uint32_t gid = 0;
    std::vector<uint32_t> gids;  // supplementary, gid among them
    std::string full_name;       // the first part of the GECOS field
    std::string home;
};
// The name as it is, then in lower case. nullopt: no such user.
std::optional<UnixUser> find_unix_user(std::string_view name);
std::optional<UnixUser> find_unix_user(uint32_t uid);
std::optional<uint32_t> find_unix_group(std::string_view name);
std::optional<std::string> find_unix_group_name(uint32_t gid);
bool unix_user_in_group(std::string_view user, std::string_view group);

// An unprivileged server serves only users who are the one that runs it. True for a privileged one.
bool may_serve(uint32_t uid);

class TokenBuilder {
 public:
    // `domain_sid` from machine_sid(); `domain_name` is the NetBIOS name of the server.
    TokenBuilder(Sid domain_sid, std::string domain_name) : domain_sid_(domain_sid), domain_name_(std::move(domain_name)) {}

    // User SID: the domain's with the account's rid; primary group: with its group rid; then S-1-22-2-gid of all groups,
    // Everyone, NETWORK, Authenticated Users, BUILTIN\Users, and Administrators with its privileges for uid 0.
    [[nodiscard]] security::Token account(const Account& account, const UnixUser& user) const;
    // A user without an account: S-1-22-1-uid, S-1-22-2-gid.
    [[nodiscard]] security::Token unix_user(const UnixUser& user) const;
    // Guest (S-1-5-21-domain-501) and ANONYMOUS LOGON (S-1-5-7), both as the UNIX user of `guest account`.
    [[nodiscard]] security::Token guest(const UnixUser& user) const;
    [[nodiscard]] security::Token anonymous(const UnixUser& user) const;

    // `force user` replaces the token by unix_user() of the forced one.
    // smb.conf `force group`: "group", or "+group" which counts only if the token's user is in it. False: no such group.
    static bool force_group(security::Token& token, std::string_view group);
    // smb.conf `admin users`: files are touched as root, and the token is an administrator's.
    static void make_administrator(security::Token& token);

 private:
    Sid domain_sid_;
    std::string domain_name_;
};

}  // namespace Atoll::accounts
