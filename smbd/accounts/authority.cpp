#include "smbd/accounts/authority.h"

#include <unistd.h>

#include <ctime>

#include "base/log.h"
#include "base/utf.h"
#include "libcli/auth/verifier.h"

namespace Atoll::accounts {
namespace {

auth::NtlmPolicy policy_of(conf::NtlmAuth setting) {
    switch (setting) {
        case conf::NtlmAuth::disabled: return auth::NtlmPolicy::disabled;
        case conf::NtlmAuth::ntlmv1_permitted: return auth::NtlmPolicy::ntlmv1_permitted;
        case conf::NtlmAuth::ntlmv2_only:
        case conf::NtlmAuth::mschapv2_and_ntlmv2_only: return auth::NtlmPolicy::ntlmv2_only;
    }
    return auth::NtlmPolicy::disabled;
}

uint32_t seconds_now() { return static_cast<uint32_t>(::time(nullptr)); }

// Is `name` one of those between the commas?
bool names_workstation(std::string_view list, std::string_view name) {
    while (!list.empty()) {
        const size_t comma = list.find(',');
        if (equal_ignoring_case(list.substr(0, comma), name)) return true;
        list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    }
    return false;
}

// Bits of the week from Sunday 00:00 UTC, the lowest first in each byte (MS-SAMR 2.2.6.5).
bool within_logon_hours(const Account& account, uint32_t now) {
    constexpr uint32_t hours_a_week = 168, bytes_a_week = 21;
    if (account.logon_divisions != hours_a_week || account.logon_hours_used != bytes_a_week || account.logon_hours.size() < bytes_a_week)
        return true;
    const uint32_t hour = (now / 3600 + 4 * 24) % hours_a_week;  // 1970 began on a Thursday
    return (account.logon_hours[hour / 8] >> (hour % 8) & 1) != 0;
}

Result<UsernameMap> load_map(const conf::GlobalConf& global) {
    if (global.username_map.empty()) return UsernameMap();
    return UsernameMap::load(global.username_map);
}

bool is_past(uint32_t time, uint32_t now) {
    return time != 0 && time != UINT32_MAX && time != never && time != never_by_flag && time <= now;
}

}  // namespace

NtStatus check_account(const Account& account, std::string_view workstation, uint32_t now, Proved how) {
    if (account.flags & account_flags::disabled) return NtStatus::ACCOUNT_DISABLED;
    if (account.flags & account_flags::auto_locked) return NtStatus::ACCOUNT_LOCKED_OUT;
    if (account.flags & account_flags::workstation_trust) return NtStatus::NOLOGON_WORKSTATION_TRUST_ACCOUNT;
    if (account.flags & account_flags::server_trust) return NtStatus::NOLOGON_SERVER_TRUST_ACCOUNT;
    if (account.flags & account_flags::domain_trust) return NtStatus::NOLOGON_INTERDOMAIN_TRUST_ACCOUNT;
    if (is_past(account.kickoff_time, now)) return NtStatus::ACCOUNT_EXPIRED;
    const bool ages = !(account.flags & (account_flags::password_never_expires | account_flags::password_not_required));
    if (how == Proved::by_password && ages) {
        if (account.password_last_set == 0) return NtStatus::PASSWORD_MUST_CHANGE;
        if (is_past(account.password_must_change, now)) return NtStatus::PASSWORD_EXPIRED;
    }
    if (!within_logon_hours(account, now)) return NtStatus::INVALID_LOGON_HOURS;
    if (!account.workstations.empty() && !names_workstation(account.workstations, workstation)) return NtStatus::INVALID_WORKSTATION;
    return NtStatus::SUCCESS;
}

std::optional<IdAnswer> Authority::identify(const IdQuestion& question) {
    if (!question.sid) {
        const auto user = find_unix_user(question.uid);
        if (!user) return std::nullopt;
        const auto account = passdb_->find(user->name);
        if (!account || !*account) return std::nullopt;
        return IdAnswer{domain_sid_.with_rid((*account)->rid), user->uid};
    }
    if (!question.sid->is_in_domain(domain_sid_)) return std::nullopt;
    const auto account = passdb_->find_rid(question.sid->rid());
    if (!account || !*account) return std::nullopt;
    const auto user = find_unix_user((*account)->user);
    if (!user) return std::nullopt;
    return IdAnswer{*question.sid, user->uid};
}

Authority::Authority(std::shared_ptr<const conf::Configuration> configuration, std::unique_ptr<Passdb> passdb, Sid domain_sid,
                     UsernameMap map)
    : configuration_(std::move(configuration)),
      passdb_(std::move(passdb)),
      domain_sid_(domain_sid),
      tokens_(domain_sid, configuration_->global().netbios_name),
      map_(std::move(map)) {}

Result<std::unique_ptr<Authority>> Authority::open(std::shared_ptr<const conf::Configuration> configuration) {
    const conf::GlobalConf& global = configuration->global();
    auto passdb = open_passdb(global);
    if (!passdb) return passdb.failure();
    const auto sid = machine_sid(global);
    if (!sid) return sid.failure();
    auto map = load_map(global);
    if (!map) return map.failure();
    auto kerberos = open_kerberos(*configuration);
    if (!kerberos) return kerberos.failure();
    auto authority = std::make_unique<Authority>(std::move(configuration), std::move(*passdb), *sid, std::move(*map));
    authority->kerberos_ = std::move(*kerberos);
    return authority;
}

Result<void> Authority::reload(std::shared_ptr<const conf::Configuration> configuration) {
    const conf::GlobalConf& global = configuration->global();
    auto passdb = open_passdb(global);
    // Busy: it is the file that is open here.
    if (!passdb && passdb.error().code != Code::busy) return passdb.failure();
    const auto sid = machine_sid(global);
    if (!sid) return sid.failure();
    auto map = load_map(global);
    if (!map) return map.failure();
    auto kerberos = open_kerberos(*configuration);
    if (!kerberos) return kerberos.failure();
    if (passdb) passdb_ = std::move(*passdb);
    kerberos_ = std::move(*kerberos);
    map_ = std::move(*map);
    users_.clear();
    domain_sid_ = *sid;
    tokens_ = TokenBuilder(domain_sid_, global.netbios_name);
    configuration_ = std::move(configuration);
    return {};
}

Result<LogonGrant, NtStatus> Authority::log_on(const auth::LogonProof& proof) {
    if (proof.is_anonymous) return log_on_anonymous(proof);
    const conf::GlobalConf& global = configuration_->global();
    const std::string name = map_.map(proof.user, unix_user_in_group);
    auto found = passdb_->find(name);
    if (!found) {
        log_error("log-on of {}: {}", proof.user, found.error().message());
        return NtStatus::INTERNAL_DB_ERROR;
    }
    const auto hash = *found ? nt_hash_of(**found) : std::nullopt;
    // For a user who is not there, or has no hash, the same is computed.
    auto outcome = auth::verify_logon(proof, hash ? &*hash : nullptr, policy_of(global.ntlm_auth));
    if (outcome) return admit(**found, proof.workstation, Proved::by_password, std::move(*outcome));

    if (outcome.error() == NtStatus::LOGON_FAILURE) {
        log_info("log-on of {} refused: {}", proof.user, *found ? "wrong password" : "no such account");
        const bool to_guest =
            global.map_to_guest == conf::MapToGuest::bad_password || (!*found && global.map_to_guest == conf::MapToGuest::bad_user);
        if (to_guest) return log_on_guest(proof);
    }
    return outcome.failure();
}

Result<LogonGrant, NtStatus> Authority::admit(const Account& account, std::string_view workstation, Proved how,
                                              auth::LogonOutcome outcome) {
    if (const NtStatus why = check_account(account, workstation, seconds_now(), how); why != NtStatus::SUCCESS) {
        log_info("log-on of {} refused: {}", account.user, to_string(why));
        return why;
    }
    const UnixUser* user = users_.find(account.user);
    if (!user) {
        log_warning("log-on of {} refused: there is no UNIX user of that name", account.user);
        return NtStatus::LOGON_FAILURE;
    }
    if (!may_serve(user->uid)) {
        log_warning("log-on of {} refused: this server runs as another user and may serve only him", account.user);
        return NtStatus::LOGON_FAILURE;
    }
    return LogonGrant{std::move(outcome), tokens_.account(account, *user)};
}

Result<LogonGrant, NtStatus> Authority::log_on_anonymous(const auth::LogonProof& proof) {
    const conf::GlobalConf& global = configuration_->global();
    if (global.restrict_anonymous >= 2) return NtStatus::ACCESS_DENIED;
    const UnixUser* user = users_.find(global.guest_account);
    // An unprivileged server has only itself to be: an anonymous session of it may list shares and open no file of its own accord.
    const auto self = user && may_serve(user->uid) ? std::optional(*user) : find_unix_user(::geteuid());
    if (!self) {
        log_error("anonymous log-on refused: there is no guest account '{}'", global.guest_account);
        return NtStatus::LOGON_FAILURE;
    }
    return LogonGrant{auth::accept_anonymous(proof), tokens_.anonymous(*self)};
}

Result<LogonGrant, NtStatus> Authority::log_on_guest(const auth::LogonProof& proof) {
    const UnixUser* user = users_.find(configuration_->global().guest_account);
    if (!user || !may_serve(user->uid)) {
        log_warning("{} is not let in as guest: there is no guest account '{}' that this server may serve", proof.user,
                    configuration_->global().guest_account);
        return NtStatus::LOGON_FAILURE;
    }
    return LogonGrant{auth::accept_guest(proof), tokens_.guest(*user)};
}

}  // namespace Atoll::accounts
