// FLUSH (MS-SMB2 3.3.5.11): the pool waits for the disk.
#include "libcli/smb/file_io.h"
#include "libcli/smb/session.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {
namespace {

void run_flush(PoolWork& work) {
    const auto flushed = work.file->run_flush();
    work.status = flushed.ok() ? NtStatus::SUCCESS : flushed.error();
}

void finish_flush(Request& request, PoolWork& work) {
    work.file->end_job();
    if (work.status == NtStatus::SUCCESS) smb::EmptyMessage{}.encode(request.out());
    request.complete(work.status);
}

}  // namespace

NtStatus handle_flush(Request& request) {
    const auto flush = smb::FlushRequest::decode(request.message);
    if (!flush.ok()) return flush.error();
    if (const NtStatus status = request.look_up_open(flush->file_id, Request::OpenKind::file_or_pipe); status != NtStatus::SUCCESS)
        return status;
    if (request.open->pipe) {  // what is written to one is consumed at once
        smb::EmptyMessage{}.encode(request.out());
        return NtStatus::SUCCESS;
    }
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto allowed = request.open->file->check_flush();
    if (!allowed.ok()) return allowed.error();
    return request.run_on_pool(run_flush, finish_flush);
}

}  // namespace Atoll::smb2
