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
#include "smbd/smb2/session_binding.h"
#include "smbd/smb2/session_policy.h"
#include "smbd/xsrv/slot.h"

namespace Atoll::smb2 {
namespace {

bool is_311(const Connection& connection) { return connection.channel().dialect == 0x0311; }

void derive_keys(xsrv::Session& session, const ChannelState& channel, const LogonGrant& grant, const PreauthHash& preauth_hash) {
    const auto cipher = static_cast<smb::Cipher>(session.cipher);
    const smb::SessionKeys keys =
        smb::derive_session_keys(static_cast<smb::Dialect>(session.dialect), cipher, grant.session_key, preauth_hash);
    session.signing_key = xsrv::make_ref<xsrv::SigningKey>(signing_algorithm(channel), keys.signing);
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

// The session is answered once the one that the client had before has ended.
NtStatus respond_after_previous(Request& request, Bytes token) {
    const auto setup = smb::SessionSetupRequest::decode(request.message);
    if (!setup.ok()) return setup.error();
    respond(request, *request.session, token);
    request.keep_body = true;
    return end_previous_session(request, setup->previous_session_id);
}

void set_user(Client& client, xsrv::Session& session, const LogonGrant& grant) {
    session.token = grant.token;
    client.ids().learn(grant.token);
    session.identity = identity_of(grant.token);
    session.account_name = grant.account_name;
    session.domain_name = grant.domain_name;
    session.is_guest = grant.is_guest;
    session.is_anonymous = grant.is_anonymous;
}

// Makes the request's session, with its keys, of a grant: enters it into the tables and adds it to the connection. False: its record could
// not be written.
bool establish_session(Request& request, const LogonGrant& grant, const PreauthHash& preauth_hash, uint8_t security_mode) {
    Connection& connection = request.connection();
    const ChannelState& channel = connection.channel();
    auto session = xsrv::make_ref<xsrv::Session>(grant.session_id);
    set_user(connection.client(), *session, grant);
    session->expires = grant.expires;
    session->dialect = channel.dialect;
    session->cipher = channel.cipher;
    session->signing_algorithm = channel.signing_algorithm;
    session->client_guid = channel.client_guid;
    const bool has_keys = !grant.is_guest && !grant.is_anonymous;
    if (has_keys) derive_keys(*session, channel, grant, preauth_hash);
    const bool wants_signing = (security_mode & smb::security_mode::signing_required) != 0 ||
                               (channel.server_security_mode & smb::security_mode::signing_required) != 0;
    session->signing_required = has_keys && wants_signing;
    session->encrypt_data = session->sealer && server_wants_sealing(connection.client().configuration());
    session->channels.push_back(describe_channel(connection));
    if (!connection.client().tables().put_session(*session)) return false;
    request.header.session_id = session->id;
    request.session = session;
    request.key = session->signing_key;
    connection.sessions.emplace(session->id, BoundSession{session, session->signing_key});
    log_info("{} logged on from {}", session->account_name, channel.peer_address);
    return true;
}

// MS-SMB2 3.3.5.5.2 and 3.3.5.5.3: as long as the session has not expired nothing of it changes, whoever has proved himself. The one
// that has expired is the new user's; what another one had been given access to he has to ask for.
NtStatus reauthenticate(Request& request, xsrv::Session& session, const LogonGrant& grant) {
    Client& client = request.connection().client();
    if (session_has_expired(session)) {
        const bool same_user = grant.token.user_sid == session.token.user_sid && grant.is_anonymous == session.is_anonymous;
        if (!same_user) client.end_tcons(session);
        set_user(client, session, grant);
    }
    session.expires = grant.expires;
    if (const auto renewed = client.tables().renew_session(session); !renewed) log_error("{}", renewed.error().message());
    const bool signs = !grant.is_guest && !grant.is_anonymous;
    if (!signs && !request.header.is_signed()) request.key = nullptr;
    return respond_after_previous(request, grant.spnego_token);
}

// What authd granted becomes a session, renews one, or binds the channel to one (MS-SMB2 3.3.5.5.3).
NtStatus finish_logon(Request& request, Logon& logon, const LogonGrant& grant) {
    if (logon.reauthenticates) {
        if (logon.reauthenticates->ended) return NtStatus::USER_SESSION_DELETED;
        return reauthenticate(request, *logon.reauthenticates, grant);
    }
    if (logon.binds) {
        const NtStatus status = finish_binding(request, logon, grant);
        return status == NtStatus::SUCCESS ? respond(request, *logon.binds, grant.spnego_token) : status;
    }
    const auto setup = smb::SessionSetupRequest::decode(request.message);
    if (!setup.ok()) return setup.error();
    if (!establish_session(request, grant, logon.preauth_hash, setup->security_mode)) return NtStatus::INSUFFICIENT_RESOURCES;
    return respond_after_previous(request, grant.spnego_token);
}

// MS-SMB2 3.3.5.5.3: a session whose user cannot prove himself anew ends. One that a channel could not bind to goes on.
NtStatus fail_logon(Request& request, Logon& logon, NtStatus status) {
    const xsrv::Ref<xsrv::Session> session = logon.reauthenticates;
    if (session && !session->ended) request.connection().client().end_session(*session);
    return status;
}

void abandon_logon(Request& request) {
    auto& logons = request.connection().logons;
    if (const auto found = logons.find(request.header.session_id); found != logons.end()) {
        found->second->pending.reset();
        found->second->waiting = nullptr;
    }
    request.abandon = nullptr;
    request.complete(NtStatus::CANCELLED);
}

// The exchange goes on with the client's next SESSION_SETUP.
NtStatus ask_client(Request& request, Bytes token) {
    smb::SessionSetupResponse response;
    response.security_buffer = token;
    response.encode(request.out());
    request.keep_body = true;
    return NtStatus::MORE_PROCESSING_REQUIRED;
}

NtStatus ask_authd(Request& request, Logon& logon, const auth::LogonProof& proof) {
    Connection& connection = request.connection();
    request.abandon = abandon_logon;
    logon.waiting = &request;
    logon.pending =
        connection.client().verifier().verify(proof, connection.channel(), [&request, &logon](Result<LogonAnswer, NtStatus> answer) {
            loop::take_root();
            request.abandon = nullptr;
            logon.waiting = nullptr;
            if (!answer.ok()) return request.complete(fail_logon(request, logon, answer.error()));
            if (const auto* more = std::get_if<auth::LogonContinuation>(&*answer)) {
                logon.acceptor.go_on(more->exchange);
                logon.pending.reset();
                return request.complete(ask_client(request, more->token));
            }
            auto& grant = std::get<LogonGrant>(*answer);
            grant.session_id = logon.session_id;
            const NtStatus status = finish_logon(request, logon, grant);
            if (status == NtStatus::PENDING) return;
            request.keep_body = status == NtStatus::SUCCESS;
            request.complete(status);
        });
    return NtStatus::PENDING;
}

NtStatus take_token(Request& request, Logon& logon, Bytes token) {
    if (is_311(request.connection()) && !logon.reauthenticates) smb::extend_preauth_hash(logon.preauth_hash, request.message);
    auto step = logon.acceptor.step(token);
    if (!step.ok()) return fail_logon(request, logon, step.error());
    if (step->proof) return ask_authd(request, logon, *step->proof);
    return ask_client(request, step->token);
}

Logon& begin_logon(Request& request, uint64_t session_id) {
    Connection& connection = request.connection();
    auto logon = std::make_unique<Logon>(session_id, acceptor_for(connection.client().configuration()));
    logon->preauth_hash = connection.channel().preauth_hash;
    request.header.session_id = session_id;
    return *connection.logons.emplace(session_id, std::move(logon)).first->second;
}

// A request that binds is admitted by its signature, each of an exchange anew (MS-SMB2 3.3.5.5).
Result<Logon*, NtStatus> find_binding(Request& request, Logon* begun) {
    Connection& connection = request.connection();
    const uint64_t id = request.header.session_id;
    if (!connection.client().configuration().global().server_multi_channel_support) return NtStatus::REQUEST_NOT_ACCEPTED;
    if (request.session || (begun && !begun->binds)) return NtStatus::REQUEST_NOT_ACCEPTED;
    const auto session = connection.client().find_session(id);
    if (const NtStatus status = verify_binding(session.get(), request.header, request.message); status != NtStatus::SUCCESS) return status;
    request.session = session;
    request.key = session->signing_key;
    if (const NtStatus status = check_binding(*session, connection.channel()); status != NtStatus::SUCCESS) return status;
    if (begun) return begun;
    Logon& logon = begin_logon(request, id);
    logon.binds = session;
    return &logon;
}

// The exchange that the request goes on with, or begins.
Result<Logon*, NtStatus> find_logon(Request& request, bool binds) {
    Connection& connection = request.connection();
    const uint64_t id = request.header.session_id;
    const auto found = connection.logons.find(id);
    Logon* begun = found == connection.logons.end() ? nullptr : found->second.get();
    if (begun && begun->waiting) return NtStatus::REQUEST_NOT_ACCEPTED;
    if (!begun && connection.logons.size() + connection.sessions.size() >= limits::max_sessions) return NtStatus::INSUFFICIENT_RESOURCES;
    if (binds && id != 0) return find_binding(request, begun);
    if (begun && begun->binds) return NtStatus::REQUEST_NOT_ACCEPTED;
    if (begun) return begun;
    if (id != 0 && !request.session) return NtStatus::USER_SESSION_DELETED;
    Logon& logon = begin_logon(request, id != 0 ? id : xsrv::new_session_id(random_u64()));
    logon.reauthenticates = request.session;
    return &logon;
}

}  // namespace

xsrv::SessionChannel describe_channel(const Connection& connection) {
    const ChannelState& channel = connection.channel();
    return {connection.id(),           NtTime::now(),      channel.local_address, channel.peer_address,
            channel.signing_algorithm, channel.local_port, channel.peer_port};
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
        if (!establish_session(request, handed_over->grant, handed_over->preauth_hash, setup->security_mode))
            return NtStatus::INSUFFICIENT_RESOURCES;
        return respond_after_previous(request, handed_over->grant.spnego_token);
    }
    if (sealing_is_impossible(connection.client().configuration(), connection.channel())) return NtStatus::ACCESS_DENIED;
    const auto logon = find_logon(request, (setup->flags & smb::session_setup_flags::binding) != 0);
    if (!logon.ok()) return logon.error();
    return take_token(request, **logon, setup->security_buffer);
}

}  // namespace Atoll::smb2
