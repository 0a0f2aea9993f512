#include "smbd/smb2/session_policy.h"

#include <unistd.h>

#include <array>

namespace Atoll::smb2 {

namespace {

auth::ServerNames server_names(const conf::Configuration& configuration) {
    auth::ServerNames names;
    names.netbios_name = configuration.global().netbios_name;
    names.netbios_domain = configuration.global().netbios_name;
    std::array<char, 256> host{};
    if (::gethostname(host.data(), host.size() - 1) == 0) names.dns_name = host.data();
    return names;
}

}  // namespace

auth::Acceptor acceptor_for(const conf::Configuration& configuration) {
    return auth::Acceptor(server_names(configuration), configuration.global().takes_kerberos());
}

std::vector<uint8_t> negotiate_token(const conf::Configuration& configuration) {
    return auth::Acceptor::negotiate_token(configuration.global().takes_kerberos());
}

bool server_wants_sealing(const conf::Configuration& configuration) {
    const conf::Demand demand = configuration.global().server_smb_encrypt;
    return demand == conf::Demand::required || demand == conf::Demand::desired;
}

bool sealing_is_impossible(const conf::Configuration& configuration, const ChannelState& channel) {
    return configuration.global().server_smb_encrypt == conf::Demand::required && channel.cipher == 0;
}

smb::SigningAlgorithm signing_algorithm(const ChannelState& channel) {
    return smb::signing_algorithm(static_cast<smb::Dialect>(channel.dialect),
                                  static_cast<smb::SigningAlgorithm>(channel.signing_algorithm));
}

bool session_has_expired(const xsrv::Session& session) { return session.expires != NtTime{} && session.expires <= NtTime::now(); }

loop::Identity identity_of(const security::Token& token) {
    loop::Identity identity;
    identity.uid = token.uid;
    identity.gid = token.gid;
    identity.groups.assign(token.gids.begin(), token.gids.end());
    return identity;
}

}  // namespace Atoll::smb2
