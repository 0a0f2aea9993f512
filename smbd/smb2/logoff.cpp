// LOGOFF (MS-SMB2 3.3.5.6).
#include "base/loop/identity.h"
#include "libcli/smb/session.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {

NtStatus handle_logoff(Request& request) {
    const auto logoff = smb::EmptyMessage::decode(request.message);
    if (!logoff.ok()) return logoff.error();
    request.end_session_after = true;  // its key still signs the response
    smb::EmptyMessage{}.encode(request.out());
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2
