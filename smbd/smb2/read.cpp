// READ (MS-SMB2 3.3.5.12): what the page cache has is answered at once, the rest by the pool.
#include "libcli/smb/file_io.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/admission.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/dispatch.h"

namespace Atoll::smb2 {
namespace {

// Up to this many bytes are read into the response itself; more into a payload of its own, which is sent behind it uncopied.
constexpr size_t inline_bytes = 64 * 1024;

// Room for the data: in the response behind its fixed part, or in the payload of the chain's last response.
MutableBytes make_room(Request& request, size_t length) {
    smb::ReadResponse::encode_fixed(request.out(), 0);
    Buffer& out = request.out().buffer();
    if (length > inline_bytes && request.chain->is_last()) return request.reply().make_payload(request.connection().chunks(), length);
    return out.extend(length);
}

// Cuts the room to what was read and writes the fixed part over the first one.
NtStatus finish(Request& request, size_t room, size_t bytes, uint32_t minimum) {
    if (bytes < minimum || bytes == 0) return NtStatus::END_OF_FILE;
    Buffer& out = request.out().buffer();
    if (request.reply().payload().empty()) {
        out.resize(out.size() - (room - bytes));
    } else {
        request.reply().set_payload_size(bytes);
    }
    constexpr size_t length_offset = smb::header_size + 4;  // DataLength (MS-SMB2 2.2.20)
    request.out().patch_u32(length_offset, static_cast<uint32_t>(bytes));
    return NtStatus::SUCCESS;
}

void run_read(PoolWork& work) {
    const auto read = work.file->run_read(work.buffer, work.offset);
    work.status = read.ok() ? NtStatus::SUCCESS : read.error();
    work.bytes = read.ok() ? *read : 0;
}

void finish_read(Request& request, PoolWork& work) {
    fsa::Open& file = *work.file;
    const Result<size_t, NtStatus> outcome =
        work.status == NtStatus::SUCCESS ? Result<size_t, NtStatus>(work.bytes) : Result<size_t, NtStatus>(work.status);
    const auto read = file.finish_read(outcome, work.offset);
    file.end_job();
    if (!read.ok()) return request.complete(read.error());
    request.complete(finish(request, work.buffer.size(), *read, work.minimum));
}

}  // namespace

NtStatus handle_read(Request& request) {
    const auto read = smb::ReadRequest::decode(request.message);
    if (!read.ok()) return read.error();
    if (const NtStatus status = check_credit_charge(request, read->length); status != NtStatus::SUCCESS) return status;
    if (read->length > request.connection().channel().max_read) return NtStatus::INVALID_PARAMETER;
    if (const NtStatus status = request.look_up_open(read->file_id, Request::OpenKind::file_or_pipe); status != NtStatus::SUCCESS)
        return status;
    if (request.connection().is_smb3() && read->channel != smb::Channel::none) return NtStatus::INVALID_PARAMETER;
    if (request.open->pipe) return read_pipe(request, *read);
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;

    fsa::Open& file = *request.open->file;
    const MutableBytes room = make_room(request, read->length);
    const auto now = file.read_now(room, read->offset);
    if (!now.ok()) return now.error();
    if (now->done)
        return read->length == 0 && read->minimum_count == 0 ? NtStatus::SUCCESS
                                                             : finish(request, room.size(), now->bytes, read->minimum_count);
    request.work.buffer = room;
    request.work.offset = read->offset;
    request.work.minimum = read->minimum_count;
    return request.run_on_pool(run_read, finish_read);
}

}  // namespace Atoll::smb2
