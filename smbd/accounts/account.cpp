#include <algorithm>
#include <array>
#include <utility>

#include "smbd/accounts/passdb.h"

namespace Atoll::accounts {
namespace {

// In the order in which pdbedit writes them.
constexpr std::array<std::pair<char, uint32_t>, 11> flag_letters = {{{'N', account_flags::password_not_required},
                                                                     {'D', account_flags::disabled},
                                                                     {'H', account_flags::home_required},
                                                                     {'T', account_flags::temporary_duplicate},
                                                                     {'U', account_flags::normal},
                                                                     {'M', account_flags::mns_logon},
                                                                     {'W', account_flags::workstation_trust},
                                                                     {'S', account_flags::server_trust},
                                                                     {'L', account_flags::auto_locked},
                                                                     {'X', account_flags::password_never_expires},
                                                                     {'I', account_flags::domain_trust}}};
constexpr size_t history_entry = 32, history_salt = 16;
constexpr uint32_t optional_texts = 0xF0;  // home directory and drive, script and profile: absent until set

}  // namespace

Account new_account(std::string user, std::string full_name, std::string domain) {
    Account account;
    account.user = std::move(user);
    account.full_name = std::move(full_name);
    account.domain = std::move(domain);
    account.absent = optional_texts;
    account.group_rid = domain_users_rid;
    account.flags = account_flags::normal;
    account.logoff_time = account.kickoff_time = never;
    account.logon_divisions = 168;
    account.logon_hours_used = 21;
    account.logon_hours.assign(32, 0);
    std::fill_n(account.logon_hours.begin(), account.logon_hours_used, uint8_t{0xFF});
    account.unknown_6 = 0x4EC;
    return account;
}

void set_password(Account& account, const auth::NtHash& hash, uint32_t now) {
    account.nt_hash.assign(hash.begin(), hash.end());
    account.lm_hash.clear();
    const uint32_t before = account.password_last_set;
    account.password_last_set = now;
    settle_password_expiry(account, before);
    account.flags &= ~account_flags::password_not_required;
    if (account.history.size() < history_entry) return;
    // The newest first; a salt of zeros means that the hash stands there as it is.
    std::array<uint8_t, history_entry> entry{};
    std::copy(hash.begin(), hash.end(), entry.begin() + history_salt);
    std::move_backward(account.history.begin(), account.history.end() - history_entry, account.history.end());
    std::copy(entry.begin(), entry.end(), account.history.begin());
}

void settle_password_expiry(Account& account, uint32_t last_set_before) {
    uint32_t& when = account.password_must_change;
    const bool limited = when != 0 && when != never && when != never_by_flag && when > last_set_before;
    if (account.password_last_set == 0) {
        when = 0;
    } else if (account.flags & account_flags::password_never_expires) {
        when = never_by_flag;
    } else if (limited) {
        when = account.password_last_set + (when - last_set_before);
    } else {
        when = never;
    }
}

std::optional<auth::NtHash> nt_hash_of(const Account& account) {
    auth::NtHash hash;
    if (account.nt_hash.size() != hash.size()) return std::nullopt;
    std::copy(account.nt_hash.begin(), account.nt_hash.end(), hash.begin());
    return hash;
}

std::string flags_text(uint32_t flags) {
    std::string out = "[";
    for (const auto& [letter, flag] : flag_letters) {
        if (flags & flag) out += letter;
    }
    out.resize(1 + flag_letters.size(), ' ');
    return out + "]";
}

std::optional<uint32_t> parse_flags(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    uint32_t flags = 0;
    for (const char c : text) {
        if (c == ' ') continue;
        const auto at = std::find_if(flag_letters.begin(), flag_letters.end(), [c](const auto& entry) { return entry.first == c; });
        if (at == flag_letters.end()) return std::nullopt;
        flags |= at->second;
    }
    return flags;
}

}  // namespace Atoll::accounts
