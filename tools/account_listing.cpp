#include "tools/account_listing.h"

#include <fmt/core.h>

#include <array>
#include <ctime>

#include "conf/macros.h"
#include "smbd/accounts/tokens.h"

namespace Atoll::tools {
namespace {

constexpr std::string_view no_hash = "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX";
constexpr std::string_view no_password = "NO PASSWORDXXXXXXXXXXXXXXXXXXXXX";

std::string hex(const std::vector<uint8_t>& bytes, size_t count) {
    std::string out;
    for (size_t i = 0; i < count && i < bytes.size(); i++) out += fmt::format("{:02X}", bytes[i]);
    return out;
}

std::string hash_text(const accounts::Account& account, const std::vector<uint8_t>& hash) {
    if (!hash.empty()) return hex(hash, hash.size());
    return std::string(account.flags & accounts::account_flags::password_not_required ? no_password : no_hash);
}

uint32_t uid_of(const accounts::Account& account) {
    const auto user = accounts::find_unix_user(account.user);
    return user ? user->uid : UINT32_MAX;
}

std::string time_text(uint32_t seconds) {
    if (seconds == 0) return "0";
    const time_t value = seconds;
    tm local{};
    std::array<char, 64> text{};
    ::localtime_r(&value, &local);
    const size_t n = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S %Z", &local);
    return {text.data(), n};
}

// A text that the account does not have is made from smb.conf.
std::string or_default(const accounts::Account& account, const std::string& own, uint32_t bit, const conf::GlobalConf& global,
                       const char* parameter) {
    if (!own.empty() || !(account.absent & bit)) return own;
    conf::MacroValues values;
    values.server_name = global.netbios_name;
    values.session_user = values.service_user = account.user;
    return conf::expand_macros(global.section.text(parameter).value_or(""), values);
}

}  // namespace

std::string brief_line(const accounts::Account& account) {
    return fmt::format("{}:{}:{}\n", account.user, uid_of(account), account.full_name);
}

std::string smbpasswd_line(const accounts::Account& account) {
    return fmt::format("{}:{}:{}:{}:{}:LCT-{:08X}:\n", account.user, uid_of(account), hash_text(account, account.lm_hash),
                       hash_text(account, account.nt_hash), accounts::flags_text(account.flags), account.password_last_set);
}

std::string verbose_block(const accounts::Account& account, const conf::GlobalConf& global, const Sid& domain_sid, bool hashes) {
    std::string out;
    const auto line = [&out](std::string_view label, std::string_view value) { out += fmt::format("{:<20}: {}\n", label, value); };
    const auto field = [&out](std::string_view label, std::string_view value) { out += fmt::format("{:<22}{}\n", label, value); };
    field("Unix username:", account.user);
    field("NT username:", account.nt_name);
    field("Account Flags:", accounts::flags_text(account.flags));
    field("User SID:", to_string(domain_sid.with_rid(account.rid)));
    field("Primary Group SID:", to_string(domain_sid.with_rid(account.group_rid)));
    field("Full Name:", account.full_name);
    field("Home Directory:", or_default(account, account.home_directory, 0x10, global, "logon home"));
    field("HomeDir Drive:", or_default(account, account.home_drive, 0x20, global, "logon drive"));
    field("Logon Script:", or_default(account, account.logon_script, 0x40, global, "logon script"));
    field("Profile Path:", or_default(account, account.profile_path, 0x80, global, "logon path"));
    field("Domain:", account.domain);
    field("Account desc:", account.description);
    field("Workstations:", account.workstations);
    field("Munged dial:", account.munged_dial);
    field("Logon time:", time_text(account.logon_time));
    field("Logoff time:", time_text(account.logoff_time));
    field("Kickoff time:", time_text(account.kickoff_time));
    field("Password last set:", time_text(account.password_last_set));
    const uint32_t can_change = account.password_can_change != 0 ? account.password_can_change : account.password_last_set;
    field("Password can change:", time_text(can_change));
    field("Password must change:", account.password_must_change == accounts::never ? "never" : time_text(account.password_must_change));
    line("Last bad password", time_text(account.bad_password_time));
    line("Bad password count", std::to_string(account.bad_password_count));
    line("Logon hours", hex(account.logon_hours, account.logon_hours_used));
    if (hashes) {
        line("LM hash", hash_text(account, account.lm_hash));
        line("NT hash", hash_text(account, account.nt_hash));
    }
    return out;
}

}  // namespace Atoll::tools
