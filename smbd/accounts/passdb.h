// The account database (smb.conf `passdb backend`): tdbsam, which is Samba's own file, read and written in place while Debian's tools may
// use it; and lmdb, ours. For the main thread of authd and of the tools: nobody else may read it.
//
// Errors: those of tdb::Database, with the file in `where`; Code::corrupt for a record that is none.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sid.h"
#include "conf/configuration.h"
#include "libcli/auth/ntlm.h"
#include "smbd/accounts/account.idl.h"
#include "tdb/database.h"

namespace Atoll::accounts {

constexpr uint32_t never = 0x7C54A97F;          // a time that is never reached, as tdbsam has it (2036-02-06)
constexpr uint32_t never_by_flag = 0x7FFFFFFF;  // the same for password_must_change of an account with password_never_expires
constexpr uint32_t domain_users_rid = 513;      // MS-DTYP 2.4.2.4
constexpr uint32_t guest_rid = 501, domain_guests_rid = 514;

namespace account_flags {  // MS-SAMR 2.2.1.12, USER_ACCOUNT codes
constexpr uint32_t disabled = 0x001, home_required = 0x002, password_not_required = 0x004, temporary_duplicate = 0x008, normal = 0x010,
                   mns_logon = 0x020, domain_trust = 0x040, workstation_trust = 0x080, server_trust = 0x100, password_never_expires = 0x200,
                   auto_locked = 0x400;
}

class Passdb {
 public:
    virtual ~Passdb() = default;

    // Case does not count. nullopt: there is none.
    virtual Result<std::optional<Account>> find(std::string_view user) = 0;
    virtual Result<std::optional<Account>> find_rid(uint32_t rid) = 0;
    // rid 0: the next free one is given. Code::exists if there is the user or the rid.
    virtual Result<void> add(Account& account) = 0;
    // By user; rid must be what it was. Code::not_found.
    virtual Result<void> update(const Account& account) = 0;
    // False: there was none.
    virtual Result<bool> remove(std::string_view user) = 0;
    // All, in no order.
    virtual Result<std::vector<Account>> all() = 0;
};

// The backend that `backend` names ("tdbsam", "tdbsam:/path", "lmdb", "lmdb:/path"; empty: smb.conf's `passdb backend`). Without a path:
// passdb.tdb or accounts.mdb in `private dir`. `create`: make it if there is none, else Code::not_found. Code::unsupported: another
// backend, with a text that names those there are.
Result<std::unique_ptr<Passdb>> open_passdb(const conf::GlobalConf& global, std::string_view backend = {}, bool create = true);

// The same on a Database that the caller opened, which must outlive it. For tests.
std::unique_ptr<Passdb> tdbsam_on(tdb::Database& database, uint32_t first_rid = 1000);
std::unique_ptr<Passdb> records_on(tdb::Database& database, uint32_t first_rid = 1000);

// A new account as `smbpasswd -a` makes it: normal, enabled, without a password yet.
Account new_account(std::string user, std::string full_name, std::string domain);
// Sets hash, time of change and when it must change, puts the new hash first into the history if one is kept, and clears "no password
// required".
void set_password(Account& account, const auth::NtHash& hash, uint32_t now);
// Sets password_must_change by what is known of the password: never set, exempt by its flag, of a limited age (which is kept, counted
// from `last_set_before`), or never expiring.
void settle_password_expiry(Account& account, uint32_t last_set_before);
std::optional<auth::NtHash> nt_hash_of(const Account& account);

// "[DU         ]": the flags in tdbsam's letters; parse takes the text with or without brackets, nullopt for another letter.
std::string flags_text(uint32_t flags);
std::optional<uint32_t> parse_flags(std::string_view text);

// The SID of this machine's own domain, under SECRETS/SID/<NETBIOS NAME> of secrets.tdb in `private dir`: the one that is there, else a new
// one is stored. `create` false: Code::not_found instead.
Result<Sid> machine_sid(const conf::GlobalConf& global, bool create = true);
Result<Sid> machine_sid_in(tdb::Database& secrets, std::string_view netbios_name, bool create = true);

}  // namespace Atoll::accounts
