// What smb.conf says about sessions.
#pragma once

#include "base/loop/identity.h"
#include "conf/configuration.h"
#include "libcli/auth/acceptor.h"
#include "libcli/security/security.idl.h"
#include "libcli/smb/signing.h"
#include "smbd/smb2/channel.h"
#include "smbd/xsrv/session.h"

namespace Atoll::smb2 {

// The server's side of a log-on: what NTLM's challenge tells of this server, and whether Kerberos is taken.
auth::Acceptor acceptor_for(const conf::Configuration& configuration);
// The hint of the NEGOTIATE response.
std::vector<uint8_t> negotiate_token(const conf::Configuration& configuration);

// `server smb encrypt`: every session of a client that can seal is to be sealed (MS-SMB2: global EncryptData).
bool server_wants_sealing(const conf::Configuration& configuration);
// It is required (RejectUnencryptedAccess), and this channel cannot.
bool sealing_is_impossible(const conf::Configuration& configuration, const ChannelState& channel);

// What a channel's messages are signed with.
smb::SigningAlgorithm signing_algorithm(const ChannelState& channel);

// Its proof has run out: the session is there for the user to prove himself anew (MS-SMB2 3.3.6.3). Looked at when it matters, so that no
// timer runs for sessions at rest.
bool session_has_expired(const xsrv::Session& session);

loop::Identity identity_of(const security::Token& token);

}  // namespace Atoll::smb2
