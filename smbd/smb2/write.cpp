// WRITE (MS-SMB2 3.3.5.13): small writes go to the page cache at once, large and write-through ones by the pool.
#include "libcli/smb/file_io.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {
namespace {

constexpr size_t inline_bytes = 128 * 1024;  // more keep the main thread too long

void run_write(PoolWork& work) {
    const auto written = work.file->run_write(work.data, work.offset, work.flag);
    work.status = written.ok() ? NtStatus::SUCCESS : written.error();
    work.bytes = written.ok() ? *written : 0;
}

void finish_write(Request& request, PoolWork& work) {
    fsa::Open& file = *work.file;
    const Result<size_t, NtStatus> outcome =
        work.status == NtStatus::SUCCESS ? Result<size_t, NtStatus>(work.bytes) : Result<size_t, NtStatus>(work.status);
    const auto written = file.finish_write(outcome, work.offset);
    file.end_job();
    if (!written.ok()) return request.complete(written.error());
    smb::WriteResponse{static_cast<uint32_t>(*written)}.encode(request.out());
    request.complete(NtStatus::SUCCESS);
}

// WRITE_THROUGH and WRITE_UNBUFFERED exist from 2.1 and 3.0.2 on (MS-SMB2 2.2.21).
bool is_write_through(const Request& request, const smb::WriteRequest& write) {
    const uint16_t dialect = request.connection().channel().dialect;
    if (dialect >= 0x0210 && (write.flags & smb::write_flags::write_through) != 0) return true;
    return (request.open->file->options() & fsa::option::write_through) != 0;
}

}  // namespace

NtStatus handle_write(Request& request) {
    const auto write = smb::WriteRequest::decode(request.message);
    if (!write.ok()) return write.error();
    if (const NtStatus status = check_credit_charge(request, write->data.size()); status != NtStatus::SUCCESS) return status;
    if (write->data.size() > request.connection().channel().max_write) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = request.look_up_open(write->file_id, Request::OpenKind::file_or_pipe); status != NtStatus::SUCCESS)
        return status;
    if (request.connection().is_smb3() && write->channel != smb::Channel::none) return NtStatus::INVALID_PARAMETER;
    if (request.open->pipe) return write_pipe(request, *write);
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;

    fsa::Open& file = *request.open->file;
    const bool through = is_write_through(request, *write);
    if (!through && write->data.size() <= inline_bytes) {
        if (const NtStatus status = settle_signature(request); status != NtStatus::SUCCESS) return status;
        const auto written = file.write_now(write->data, write->offset, false);
        if (!written.ok()) return written.error();
        smb::WriteResponse{static_cast<uint32_t>(*written)}.encode(request.out());
        return NtStatus::SUCCESS;
    }
    const auto allowed = file.check_write(write->offset, write->data.size());
    if (!allowed.ok()) return allowed.error();
    request.work.data = write->data;
    request.work.offset = write->offset;
    request.work.flag = through;
    return request.run_on_pool(run_write, finish_write);
}

}  // namespace Atoll::smb2
