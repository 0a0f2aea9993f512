#include "smbd/smb2/session_binding.h"

#include "base/log.h"
#include "libcli/smb/keys.h"
#include "libcli/smb/signing.h"
#include "smbd/smb2/channel.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/logon.h"
#include "smbd/smb2/session_policy.h"

namespace Atoll::smb2 {
NtStatus verify_binding(const xsrv::Session* session, const smb::Header& header, Bytes message) {
    if (session == nullptr) return NtStatus::USER_SESSION_DELETED;
    if (!header.is_signed()) return NtStatus::INVALID_PARAMETER;
    if (!session->signing_key) return NtStatus::NOT_SUPPORTED;  // Session.IsAnonymous, Session.IsGuest
    return session->signing_key->signer.verify(message) ? NtStatus::SUCCESS : NtStatus::ACCESS_DENIED;
}

// MS-SMB2 3.3.5.5, but for AES-GMAC, which is not mixed with other algorithms under one key: refused as Debian's smbd does, before the
// dialect is looked at.
NtStatus check_binding(const xsrv::Session& session, const ChannelState& channel) {
    constexpr uint16_t gmac = static_cast<uint16_t>(smb::SigningAlgorithm::aes_gmac);
    const bool session_gmac = session.signing_algorithm == gmac, channel_gmac = channel.signing_algorithm == gmac;
    if (session_gmac && !channel_gmac) return NtStatus::REQUEST_OUT_OF_SEQUENCE;
    if (channel_gmac && !session_gmac) return NtStatus::NOT_SUPPORTED;
    if (channel.dialect < 0x0300) return NtStatus::REQUEST_NOT_ACCEPTED;
    if (channel.dialect != session.dialect || channel.cipher != session.cipher) return NtStatus::INVALID_PARAMETER;
    if (session_has_expired(session)) return NtStatus::NETWORK_SESSION_EXPIRED;
    return NtStatus::SUCCESS;
}

NtStatus finish_binding(Request& request, const Logon& logon, const LogonGrant& grant) {
    Connection& connection = request.connection();
    xsrv::Session& session = *logon.binds;
    if (session.ended) return NtStatus::USER_SESSION_DELETED;
    const bool same_user = grant.token.user_sid == session.token.user_sid && !grant.is_guest && !grant.is_anonymous;
    if (!same_user) return NtStatus::ACCESS_DENIED;  // as Debian's smbd; MS-SMB2 3.3.5.5 has NOT_SUPPORTED
    if (session.channels.size() >= xsrv::MAX_CHANNELS) return NtStatus::INSUFFICIENT_RESOURCES;
    const ChannelState& channel = connection.channel();
    const smb::Key key = smb::derive_channel_signing_key(static_cast<smb::Dialect>(channel.dialect), grant.session_key, logon.preauth_hash);
    const auto signing = xsrv::make_ref<xsrv::SigningKey>(signing_algorithm(channel), key);
    session.channels.push_back(describe_channel(connection));
    if (!connection.client().tables().renew_session(session)) {
        session.channels.pop_back();
        return NtStatus::INSUFFICIENT_RESOURCES;
    }
    connection.sessions.emplace(session.id, BoundSession{logon.binds, signing});
    request.key = signing;
    log_info("{} has a further channel from {}", session.account_name, channel.peer_address);
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2
