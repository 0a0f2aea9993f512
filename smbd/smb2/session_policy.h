// What smb.conf says about sessions.
#pragma once

#include "base/loop/identity.h"
#include "conf/configuration.h"
#include "libcli/auth/acceptor.h"
#include "libcli/security/security.idl.h"
#include "smbd/smb2/channel.h"

namespace Atoll::smb2 {

// What NTLM's challenge tells of this server.
auth::ServerNames server_names(const conf::Configuration& configuration);

// `server smb encrypt`: every session of a client that can seal is to be sealed (MS-SMB2: global EncryptData).
bool server_wants_sealing(const conf::Configuration& configuration);
// It is required (RejectUnencryptedAccess), and this channel cannot.
bool sealing_is_impossible(const conf::Configuration& configuration, const ChannelState& channel);

loop::Identity identity_of(const security::Token& token);

}  // namespace Atoll::smb2
