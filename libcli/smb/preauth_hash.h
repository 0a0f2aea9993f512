// The preauthentication integrity hash of SMB 3.1.1 (MS-SMB2 3.2.5.2, 3.3.5.4, 3.3.5.5): SHA-512 over the
// hash before and the next message, from 64 zero bytes on. A value: copy it where the connection's becomes a session's.
#pragma once

#include <span>

#include "base/buffer.h"
#include "libcli/smb/keys.h"

namespace Atoll::smb {

// value = SHA-512(value || message). `message` is a whole SMB2 message as sent or received, without the transport's length.
void extend_preauth_hash(PreauthHash& value, Bytes message);

}  // namespace Atoll::smb
