// ECHO (MS-SMB2 3.3.5.17).
#include "libcli/smb/session.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {

NtStatus handle_echo(Request& request) {
    const auto echo = smb::EmptyMessage::decode(request.message);
    if (!echo.ok()) return echo.error();
    smb::EmptyMessage{}.encode(request.out());
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2
