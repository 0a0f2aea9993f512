// CLOSE (MS-SMB2 3.3.5.10).
#include "libcli/smb/create.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"
#include "smbd/smb2/persistence.h"
#include "smbd/smb2/wire.h"

namespace Atoll::smb2 {

NtStatus handle_close(Request& request) {
    const auto close = smb::CloseRequest::decode(request.message);
    if (!close.ok()) return close.error();
    if (const NtStatus status = request.look_up_open(close->file_id, Request::OpenKind::any); status != NtStatus::SUCCESS) return status;
    if (request.open->file) {
        if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    }

    const bool wants_info = (close->flags & smb::close_flags::postquery_attrib) != 0;
    fsa::FileInfo info;
    Client& client = request.connection().client();
    const committer::Batch removal = client.persistence().take_removal(*request.open);
    const auto closed = client.close_open(*request.open, wants_info ? &info : nullptr);
    if (!closed.ok()) {
        client.persistence().submit(removal);
        return closed.error();
    }
    smb::CloseResponse response;
    if (wants_info) {
        response.flags = smb::close_flags::postquery_attrib;
        response.info = times_and_sizes(info);
    }
    response.encode(request.out());
    return answer_when_committed(request, removal);
}

}  // namespace Atoll::smb2
