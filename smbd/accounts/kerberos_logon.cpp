// Log-on with a Kerberos ticket: where the keys are, and which account a principal is.
#include <unistd.h>

#include <ctime>

#include "base/assert.h"
#include "base/log.h"
#include "smbd/accounts/authority.h"

namespace Atoll::accounts {

Result<std::unique_ptr<auth::KerberosAcceptor>> open_kerberos(const conf::Configuration& configuration) {
    const conf::GlobalConf& global = configuration.global();
    const std::string file = configuration.files().empty() ? "smb.conf" : configuration.files().front();
    const auto wrong = [&](const char* why) { return fail(Code::invalid, file, why); };
    const bool chosen = global.section.is_set(conf::find_parameter("kerberos method")->id) && !global.realm.empty();
    const bool needs_secrets = global.kerberos_method == conf::KerberosMethod::secrets_and_keytab ||
                               (chosen && global.kerberos_method == conf::KerberosMethod::secrets_only);
    if (needs_secrets) {
        return wrong(
            "kerberos method: this server cannot join a domain yet, so its secrets hold no key; "
            "say 'dedicated keytab' or 'system keytab', or leave the line out to have no Kerberos");
    }
    if (!global.takes_kerberos()) return std::unique_ptr<auth::KerberosAcceptor>();
    if (global.realm.empty()) return wrong("kerberos method needs 'realm', which says whose users have accounts here");
    const bool dedicated = global.kerberos_method == conf::KerberosMethod::dedicated_keytab;
    if (dedicated && global.dedicated_keytab_file.empty()) return wrong("kerberos method = dedicated keytab needs 'dedicated keytab file'");
    return auth::KerberosAcceptor::open(
        {dedicated ? global.dedicated_keytab_file : std::string(), global.private_dir + "/krb5_replay_cache"});
}

// The names by which smb.conf(5)'s `username map` may call the principal: of this realm the login name, as for a local log-on, then with
// its realm as for one that another server has verified.
std::optional<std::string> Authority::account_name_of(const auth::KerberosGrant& proved) const {
    const bool is_ours = proved.realm == configuration_->global().realm;
    std::vector<std::string> names = {proved.user + "@" + proved.realm, proved.realm + "\\" + proved.user};
    if (is_ours) names.insert(names.begin(), proved.user);
    for (const std::string& name : names) {
        if (std::string mapped = map_.map(name, unix_user_in_group); mapped != name) return mapped;
    }
    if (is_ours) return proved.user;
    return std::nullopt;
}

Result<KerberosAnswer, NtStatus> Authority::log_on_kerberos(const auth::LogonProof& proof, const std::string& peer) {
    if (!kerberos_) return NtStatus::INVALID_PARAMETER;  // it was offered under a former configuration
    auto answer = kerberos_->accept(proof);
    if (!answer) {
        // What is no ticket at all anybody can send; the rest is worth an administrator's look: keys, clocks, names.
        const bool noise = answer.error().status == NtStatus::INVALID_PARAMETER;
        log_at(noise ? LogLevel::info : LogLevel::warning, "Kerberos log-on from {} refused: {}", peer, answer.error().why);
        return answer.error().status;
    }
    if (auto* more = std::get_if<auth::LogonContinuation>(&*answer)) return KerberosAnswer(std::move(*more));
    auto& proved = std::get<auth::KerberosGrant>(*answer);
    const auto refused = [&](const char* why) {
        log_warning("Kerberos log-on of {}@{} from {} refused: {}", proved.user, proved.realm, peer, why);
        return NtStatus::LOGON_FAILURE;
    };
    const auto name = account_name_of(proved);
    if (!name) return refused("its realm is not that of smb.conf's 'realm', and 'username map' has no entry for it");
    auto found = passdb_->find(*name);
    if (!found) {
        log_error("log-on of {}: {}", *name, found.error().message());
        return NtStatus::INTERNAL_DB_ERROR;
    }
    if (!*found) return refused("there is no such account");
    auto grant = admit(**found, {}, Proved::by_ticket, std::move(proved.outcome));
    if (!grant) return grant.failure();
    grant->expires = proved.expires;
    return KerberosAnswer(std::move(*grant));
}

}  // namespace Atoll::accounts
