#include "smbd/accounts/tokens.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/limits.h"
#include "libcli/security/security_descriptor.h"
#include "smbd/accounts/passdb.h"

namespace Atoll::accounts {
namespace {

constexpr size_t first_nss_buffer = 4096;
constexpr size_t largest_nss_buffer = 1u << 20;  // a group of tens of thousands of members needs this much

// Calls the getXXX_r function with a buffer that grows until what it returns fits.
template <class Entry, class Call, class Use>
bool look_up(Call call, Use use) {
    std::vector<char> buffer(first_nss_buffer);
    while (true) {
        Entry entry{};
        Entry* found = nullptr;
        const int error = call(&entry, buffer.data(), buffer.size(), &found);
        if (error == ERANGE && buffer.size() < largest_nss_buffer) {
            buffer.resize(buffer.size() * 2);
            continue;
        }
        if (found == nullptr) return false;
        use(*found);
        return true;
    }
}

std::vector<uint32_t> groups_of(const std::string& name, gid_t gid) {
    std::vector<gid_t> gids(64);
    int count = static_cast<int>(gids.size());
    while (::getgrouplist(name.c_str(), gid, gids.data(), &count) < 0) {
        // count now says how many there are; it may be wrong while groups change.
        const size_t wanted = std::max(static_cast<size_t>(count), gids.size() + 1);
        if (wanted > security::MAX_TOKEN_GIDS) break;
        gids.resize(wanted);
        count = static_cast<int>(gids.size());
    }
    gids.resize(std::min(gids.size(), static_cast<size_t>(count)));
    return {gids.begin(), gids.end()};
}

UnixUser from_passwd(const passwd& entry) {
    UnixUser user;
    user.name = entry.pw_name;
    user.uid = entry.pw_uid;
    user.gid = entry.pw_gid;
    const std::string gecos = entry.pw_gecos != nullptr ? entry.pw_gecos : "";
    user.full_name = gecos.substr(0, gecos.find(','));
    user.home = entry.pw_dir != nullptr ? entry.pw_dir : "";
    user.gids = groups_of(user.name, entry.pw_gid);
    return user;
}

std::optional<UnixUser> find_exactly(const std::string& name) {
    std::optional<UnixUser> user;
    look_up<passwd>(
        [&](passwd* entry, char* buffer, size_t size, passwd** found) { return ::getpwnam_r(name.c_str(), entry, buffer, size, found); },
        [&](const passwd& entry) { user = from_passwd(entry); });
    return user;
}

void add_sid(security::Token& token, const Sid& sid) {
    if (token.group_sids.size() < security::MAX_TOKEN_SIDS &&
        std::find(token.group_sids.begin(), token.group_sids.end(), sid) == token.group_sids.end()) {
        token.group_sids.push_back(sid);
    }
}

// What the kernel knows the user by, and nothing of Windows.
security::Token identity(const UnixUser& user, const std::string& domain) {
    security::Token token;
    token.uid = user.uid;
    token.gid = user.gid;
    token.gids = user.gids;
    token.user_name = user.name;
    token.domain_name = domain;
    return token;
}

void add_user_groups(security::Token& token) {
    add_sid(token, security::unix_group_sid(token.gid));
    for (const uint32_t gid : token.gids) add_sid(token, security::unix_group_sid(gid));
    add_sid(token, well_known::everyone);
    add_sid(token, well_known::network);
    add_sid(token, well_known::authenticated_users);
    add_sid(token, well_known::users);
    if (token.uid == 0) TokenBuilder::make_administrator(token);
}

// MS-LSAD 3.1.1.2.1: what MS-FSA asks an administrator's token for.
constexpr uint64_t administrator_privileges = uint64_t{1} << 8      // SeSecurityPrivilege
                                              | uint64_t{1} << 9    // SeTakeOwnershipPrivilege
                                              | uint64_t{1} << 17   // SeBackupPrivilege
                                              | uint64_t{1} << 18;  // SeRestorePrivilege

}  // namespace

std::optional<UnixUser> find_unix_user(std::string_view name) {
    if (name.empty()) return std::nullopt;
    if (auto user = find_exactly(std::string(name))) return user;
    std::string lower(name);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    return lower == name ? std::nullopt : find_exactly(lower);
}

std::optional<UnixUser> find_unix_user(uint32_t uid) {
    std::optional<UnixUser> user;
    look_up<passwd>([&](passwd* entry, char* buffer, size_t size, passwd** found) { return ::getpwuid_r(uid, entry, buffer, size, found); },
                    [&](const passwd& entry) { user = from_passwd(entry); });
    return user;
}

std::optional<uint32_t> find_unix_group(std::string_view name) {
    const std::string wanted(name);
    std::optional<uint32_t> gid;
    look_up<group>(
        [&](group* entry, char* buffer, size_t size, group** found) { return ::getgrnam_r(wanted.c_str(), entry, buffer, size, found); },
        [&](const group& entry) { gid = entry.gr_gid; });
    return gid;
}

std::optional<std::string> find_unix_group_name(uint32_t gid) {
    std::optional<std::string> name;
    look_up<group>([&](group* entry, char* buffer, size_t size, group** found) { return ::getgrgid_r(gid, entry, buffer, size, found); },
                   [&](const group& entry) { name = entry.gr_name; });
    return name;
}

bool unix_user_in_group(std::string_view user, std::string_view group_name) {
    const auto gid = find_unix_group(group_name);
    if (!gid) return false;
    const auto found = find_unix_user(user);
    return found && std::find(found->gids.begin(), found->gids.end(), *gid) != found->gids.end();
}

bool may_serve(uint32_t uid) { return ::geteuid() == 0 || ::geteuid() == uid; }

security::Token TokenBuilder::account(const Account& account, const UnixUser& user) const {
    security::Token token = identity(user, domain_name_);
    token.user_name = account.user;
    token.user_sid = domain_sid_.with_rid(account.rid);
    add_sid(token, domain_sid_.with_rid(account.group_rid));
    add_user_groups(token);
    return token;
}

security::Token TokenBuilder::unix_user(const UnixUser& user) const {
    security::Token token = identity(user, domain_name_);
    token.user_sid = security::unix_user_sid(user.uid);
    add_user_groups(token);
    return token;
}

security::Token TokenBuilder::guest(const UnixUser& user) const {
    security::Token token = identity(user, domain_name_);
    token.is_guest = true;
    token.user_sid = domain_sid_.with_rid(guest_rid);
    add_sid(token, domain_sid_.with_rid(domain_guests_rid));
    for (const uint32_t gid : token.gids) add_sid(token, security::unix_group_sid(gid));
    add_sid(token, well_known::everyone);
    add_sid(token, well_known::network);
    add_sid(token, well_known::guests);
    return token;
}

security::Token TokenBuilder::anonymous(const UnixUser& user) const {
    security::Token token = identity(user, domain_name_);
    token.is_anonymous = true;
    token.user_name.clear();
    token.user_sid = well_known::anonymous;
    add_sid(token, well_known::everyone);
    add_sid(token, well_known::network);
    return token;
}

bool TokenBuilder::force_group(security::Token& token, std::string_view group_name) {
    const bool members_only = group_name.starts_with('+');
    if (members_only) group_name.remove_prefix(1);
    const auto gid = find_unix_group(group_name);
    if (!gid) return false;
    const bool member = std::find(token.gids.begin(), token.gids.end(), *gid) != token.gids.end();
    if (members_only && !member) return true;
    token.gid = *gid;
    if (!member) token.gids.push_back(*gid);
    // The primary group stands first.
    const Sid sid = security::unix_group_sid(*gid);
    std::erase(token.group_sids, sid);
    token.group_sids.insert(token.group_sids.begin(), sid);
    return true;
}

void TokenBuilder::make_administrator(security::Token& token) {
    token.uid = 0;
    add_sid(token, well_known::administrators);
    token.privileges |= administrator_privileges;
}

}  // namespace Atoll::accounts
