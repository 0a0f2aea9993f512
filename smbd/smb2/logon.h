// A SESSION_SETUP exchange in progress on a connection that this process serves, and the session that comes of it (MS-SMB2 3.3.5.5).
#pragma once

#include <memory>
#include <optional>

#include "libcli/auth/acceptor.h"
#include "smbd/smb2/client_process.h"
#include "smbd/xsrv/ref.h"
#include "smbd/xsrv/session.h"

namespace Atoll::smb2 {

class Connection;
struct Request;

struct Logon {
    Logon(uint64_t id, auth::Acceptor its_acceptor) : session_id(id), acceptor(std::move(its_acceptor)) {}

    uint64_t session_id;
    auth::Acceptor acceptor;
    PreauthHash preauth_hash{};                       // Session.PreauthIntegrityHashValue, 3.1.1
    xsrv::Ref<xsrv::Session> reauthenticates;         // the session whose user proves himself anew
    xsrv::Ref<xsrv::Session> binds;                   // the session that the connection is to become a channel of
    Request* waiting = nullptr;                       // for authd
    std::unique_ptr<LogonVerifier::Pending> pending;  // authd has been asked
};

// A log-on that preauth began and authd granted: what the first request of a taken channel finishes.
struct HandedOverLogon {
    LogonGrant grant;
    PreauthHash preauth_hash{};
};

xsrv::SessionChannel describe_channel(const Connection& connection);

// The response of a SESSION_SETUP is final: it counts into the pre-authentication hash, or ends the exchange.
void logon_answered(Request& request, Bytes response, NtStatus status);

}  // namespace Atoll::smb2
