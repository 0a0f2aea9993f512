// TREE_DISCONNECT (MS-SMB2 3.3.5.8).
#include "libcli/smb/session.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {

NtStatus handle_tree_disconnect(Request& request) {
    const auto disconnect = smb::EmptyMessage::decode(request.message);
    if (!disconnect.ok()) return disconnect.error();
    request.connection().client().end_tcon(*request.session, *request.tcon);
    smb::EmptyMessage{}.encode(request.out());
    return NtStatus::SUCCESS;
}

}  // namespace Atoll::smb2
