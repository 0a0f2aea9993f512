// SESSION_SETUP (MS-SMB2 3.3.5.5), as far as it happens in the process that serves the client: further users of a connection,
// re-authentication, and the last step of the log-on that preauth began. authd decides.
#include "base/log.h"
#include "base/loop/identity.h"
#include "base/random.h"
#include "libcli/smb/negotiate.h"
#include "libcli/smb/preauth_hash.h"
#include "libcli/smb/session.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/previous_session.h"
#include "smbd/smb2/session_policy.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::smb2 {
namespace {

bool is_311(const Connection& connection) { return connection.channel().dialect == 0x0311; }

void derive_keys(xsrv::Session& session, const ChannelState& channel, const LogonGrant& grant, const PreauthHash& preauth_hash) {
    const auto dialect = static_cast<smb::Dialect>(channel.dialect);
    const auto cipher = static_cast<smb::Cipher>(channel.cipher);
    const smb::SessionKeys keys = smb::derive_session_keys(dialect, cipher, grant.session_key, preauth_hash);
    session.signer.emplace(smb::signing_algorithm(dialect, static_cast<smb::SigningAlgorithm>(channel.signing_algorithm)), keys.signing);
    session.application_key = keys.application;
    if (cipher != smb::Cipher::none) {
        session.sealer.emplace(cipher, keys.server_to_client, session.id);
        session.opener.emplace(cipher, keys.client_to_server);
    }
}

NtStatus respond(Request& request, const xsrv::Session& session, Bytes token) {
    smb::SessionSetupResponse response;
    if (session.is_guest) response.session_flags |= smb::session_flags::is_guest;
    if (session.is_anonymous) response.session_flags |= smb::session_flags::is_null;
    if (session.encrypt_data) response.session_flags |= smb::session_flags::encrypt_data;
    response.security_buffer = token;
    response.encode(request.out());
    return NtStatus::SUCCESS;
}

// The new session is answered once the one that the client had before has ended.
NtStatus respond_after_previous(Request& request, Bytes token, uint64_t previous_id) {
    respond(request, *request.session, token);
    return end_previous_session(request, previous_id);
}

// What authd granted becomes a session, or renews one (MS-SMB2 3.3.5.5.2).
NtStatus finish_logon(Request& request, Logon& logon, const LogonGrant& grant) {
    Connection& connection = request.connection();
    if (logon.reauthenticates) {
        xsrv::Session& session = *logon.reauthenticates;
        const bool same_user = grant.token.user_sid == session.token.user_sid && grant.is_guest == session.is_guest &&
                               grant.is_anonymous == session.is_anonymous;
        if (!same_user) {
            connection.client().end_session(session);
            return NtStatus::ACCESS_DENIED;
        }
        session.state = xsrv::SessionState::valid;
        request.session = logon.reauthenticates;
        return respond(request, session, grant.spnego_token);
    }
    const auto setup = smb::SessionSetupRequest::decode(request.message);
    if (!setup.ok()) return setup.error();
    const auto session = establish_session(connection, grant, logon.preauth_hash, setup->security_mode);
    if (!session) return NtStatus::INSUFFICIENT_RESOURCES;
    request.session = session;
    return respond_after_previous(request, grant.spnego_token, setup->previous_session_id);
}

void abandon_logon(Request& request) {
    auto& logons = request.connection().logons;
    if (const auto found = logons.find(request.header.session_id); found != logons.end()) found->second->pending.reset();
    request.complete(NtStatus::CANCELLED);
}

NtStatus ask_authd(Request& request, Logon& logon, const auth::LogonProof& proof) {
    Connection& connection = request.connection();
    request.abandon = abandon_logon;
    logon.pending =
        connection.client().verifier().verify(proof, connection.channel(), [&request, &logon](Result<LogonGrant, NtStatus> answer) {
            loop::take_root();
            request.abandon = nullptr;
            if (!answer.ok()) return request.complete(answer.error());
            answer->session_id = logon.session_id;
            request.keep_body = true;
            const NtStatus status = finish_logon(request, logon, *answer);
            if (status != NtStatus::PENDING) request.complete(status);
        });
    return NtStatus::PENDING;
}

NtStatus take_token(Request& request, Logon& logon, Bytes token) {
    if (is_311(request.connection()) && !logon.reauthenticates) smb::extend_preauth_hash(logon.preauth_hash, request.message);
    auto step = logon.acceptor.step(token);
    if (!step.ok()) return step.error();
    if (step->proof) return ask_authd(request, logon, *step->proof);
    smb::SessionSetupResponse response;
    response.security_buffer = step->token;
    response.encode(request.out());
    request.keep_body = true;
    return NtStatus::MORE_PROCESSING_REQUIRED;
}

// The exchange that the request goes on with, or begins. Null with a status: none.
Result<Logon*, NtStatus> find_logon(Request& request) {
    Connection& connection = request.connection();
    const uint64_t id = request.header.session_id;
    if (const auto found = connection.logons.find(id); found != connection.logons.end()) {
        return found->second->pending ? Result<Logon*, NtStatus>(NtStatus::REQUEST_NOT_ACCEPTED)
                                      : Result<Logon*, NtStatus>(found->second.get());
    }
    if (id != 0 && !request.session) return NtStatus::USER_SESSION_DELETED;
    if (connection.logons.size() + connection.sessions.size() >= limits::max_sessions) return NtStatus::INSUFFICIENT_RESOURCES;
    const uint64_t session_id = id != 0 ? id : xsrv::local_session_id(random_u64());
    auto logon = std::make_unique<Logon>(session_id, server_names(connection.client().configuration()));
    logon->preauth_hash = connection.channel().preauth_hash;
    logon->reauthenticates = request.session;
    request.header.session_id = session_id;
    return connection.logons.emplace(session_id, std::move(logon)).first->second.get();
}

}  // namespace

xsrv::Ref<xsrv::Session> establish_session(Connection& connection, const LogonGrant& grant, const PreauthHash& preauth_hash,
                                           uint8_t security_mode) {
    const ChannelState& channel = connection.channel();
    auto session = xsrv::make_ref<xsrv::Session>(grant.session_id);
    session->token = grant.token;
    connection.client().ids().learn(grant.token);
    session->identity = identity_of(grant.token);
    session->account_name = grant.account_name;
    session->domain_name = grant.domain_name;
    session->is_guest = grant.is_guest;
    session->is_anonymous = grant.is_anonymous;
    const bool has_keys = !grant.is_guest && !grant.is_anonymous;
    if (has_keys) derive_keys(*session, channel, grant, preauth_hash);
    const bool wants_signing = (security_mode & smb::security_mode::signing_required) != 0 ||
                               (channel.server_security_mode & smb::security_mode::signing_required) != 0;
    session->signing_required = has_keys && wants_signing;
    session->encrypt_data = session->sealer && server_wants_sealing(connection.client().configuration());
    session->state = xsrv::SessionState::valid;
    if (!connection.client().tables().put_session(*session, channel.client_guid, channel.dialect, channel.peer_address).ok())
        return nullptr;
    connection.sessions.emplace(session->id, session);
    log_info("{} logged on from {}", session->account_name, channel.peer_address);
    return session;
}

void logon_answered(Request& request, Bytes response, NtStatus status) {
    auto& logons = request.connection().logons;
    const auto found = logons.find(request.header.session_id);
    if (found == logons.end()) return;
    if (status != NtStatus::MORE_PROCESSING_REQUIRED) {
        logons.erase(found);
    } else if (is_311(request.connection())) {
        smb::extend_preauth_hash(found->second->preauth_hash, response);
    }
}

NtStatus handle_session_setup(Request& request) {
    Connection& connection = request.connection();
    loop::take_root();
    const auto setup = smb::SessionSetupRequest::decode(request.message);
    if (!setup.ok()) return setup.error();
    if (const auto handed_over = connection.take_handed_over_logon()) {
        request.session = establish_session(connection, handed_over->grant, handed_over->preauth_hash, setup->security_mode);
        if (!request.session) return NtStatus::INSUFFICIENT_RESOURCES;
        request.header.session_id = request.session->id;
        return respond_after_previous(request, handed_over->grant.spnego_token, setup->previous_session_id);
    }
    if ((setup->flags & smb::session_setup_flags::binding) != 0) return NtStatus::REQUEST_NOT_ACCEPTED;
    if (sealing_is_impossible(connection.client().configuration(), connection.channel())) return NtStatus::ACCESS_DENIED;
    const auto logon = find_logon(request);
    if (!logon.ok()) return logon.error();
    return take_token(request, **logon, setup->security_buffer);
}

}  // namespace Atoll::smb2
