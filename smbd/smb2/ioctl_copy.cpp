// Copies within the server: FSCTL_SRV_REQUEST_RESUME_KEY, FSCTL_SRV_COPYCHUNK, FSCTL_SRV_COPYCHUNK_WRITE (MS-SMB2 3.3.5.15.5, .6),
// FSCTL_DUPLICATE_EXTENTS_TO_FILE and its EX form (MS-FSA 2.1.5.10.4, .5). The pool moves the bytes.
#include "libcli/smb/ioctl.h"
#include "smbd/smb2/acting.h"
#include "smbd/smb2/client.h"
#include "smbd/smb2/connection.h"
#include "smbd/smb2/ioctl.h"
#include "smbd/smb2/limits.h"
#include "smbd/smb2/request.h"

namespace Atoll::smb2 {
namespace {

using smb::CopyChunk;
using smb::CopyChunkRequest;
using smb::CopyChunkResponse;
using smb::IoctlRequest;

constexpr uint64_t at_end = UINT64_MAX;

// Open.ResumeKey: the open's two ids.
smb::ResumeKey resume_key(const xsrv::Open& open) {
    smb::ResumeKey key{};
    store_le(key.data(), open.persistent_id);
    store_le(key.data() + 8, open.volatile_id);
    return key;
}

// The open of the same session that has these ids; null: there is none.
xsrv::Ref<xsrv::Open> find_source(const Request& request, uint64_t persistent_id, uint64_t volatile_id) {
    auto open = request.connection().client().opens().find(persistent_id, volatile_id);
    if (!open || !open->file || !(open->session == request.session)) return nullptr;
    return open;
}

template <class T>
NtStatus answer_with(Request& request, const IoctlRequest& ioctl, const T& output, NtStatus status) {
    smb::IoctlResponse::begin(request.out(), ioctl.ctl_code, {request.open->persistent_id, request.open->volatile_id});
    output.encode(request.out());
    smb::IoctlResponse::finish(request.out());
    request.keep_body = true;
    return status;
}

// 3.3.5.15.6.2
NtStatus tell_limits(Request& request, const IoctlRequest& ioctl) {
    return answer_with(request, ioctl, CopyChunkResponse{limits::max_copy_chunks, limits::max_copy_chunk, limits::max_copy_bytes},
                       NtStatus::INVALID_PARAMETER);
}

bool within_limits(const CopyChunkRequest& copy) {
    if (copy.count() > limits::max_copy_chunks) return false;
    uint64_t total = 0;
    for (size_t i = 0; i < copy.count(); i++) {
        const CopyChunk chunk = copy.chunk(i);
        if (chunk.length == 0 || chunk.length > limits::max_copy_chunk) return false;
        if (chunk.target_offset > INT64_MAX && chunk.target_offset != at_end) return false;
        total += chunk.length;
    }
    return total <= limits::max_copy_bytes;
}

// Rights and byte-range locks, of all chunks before the first is copied.
NtStatus check_copy(Request& request, const IoctlRequest& ioctl, fsa::Open& source, const CopyChunkRequest& copy) {
    fsa::Open& target = *request.open->file;
    // FILE_EXECUTE lets read, as it does in READ (3.3.5.12).
    constexpr uint32_t reads = fsa::access::read_data | fsa::access::execute;
    if ((source.granted_access() & reads) == 0) return NtStatus::ACCESS_DENIED;
    if ((target.granted_access() & (fsa::access::write_data | fsa::access::append_data)) == 0) return NtStatus::ACCESS_DENIED;
    const bool reads_target = ioctl.ctl_code == smb::ControlCode::srv_copychunk;
    if (reads_target && (target.granted_access() & fsa::access::read_data) == 0) return NtStatus::ACCESS_DENIED;
    for (size_t i = 0; i < copy.count(); i++) {
        const CopyChunk chunk = copy.chunk(i);
        const auto allowed = target.check_copy(source, chunk.source_offset, chunk.target_offset, chunk.length);
        if (!allowed.ok()) return allowed.error();
    }
    return NtStatus::SUCCESS;
}

// Leaves in `bytes` what was written in all, in `minimum` how many chunks were, and in `offset` the bytes of one that was not whole.
void run_copy(PoolWork& work) {
    CopyChunkRequest copy;
    copy.chunks = work.data;
    work.status = NtStatus::SUCCESS;
    work.bytes = 0;
    work.minimum = 0;
    work.offset = 0;
    for (size_t i = 0; i < copy.count() && work.status == NtStatus::SUCCESS; i++) {
        const CopyChunk chunk = copy.chunk(i);
        const auto copied = work.file->run_copy(*work.source, chunk.source_offset, chunk.target_offset, chunk.length);
        work.bytes += copied.ok() ? *copied : 0;
        if (!copied.ok()) {
            work.status = copied.error();
        } else if (*copied < chunk.length) {
            work.status = NtStatus::DISK_FULL;
            work.offset = *copied;
        } else {
            work.minimum++;
        }
    }
}

// The jobs on both files end; what follows of a write is seen to.
NtStatus end_jobs(PoolWork& work, uint64_t position) {
    fsa::Open& target = *work.file;
    fsa::Open& source = *std::exchange(work.source, nullptr);
    NtStatus status = work.status;
    if (work.bytes > 0) {
        const auto noted = target.finish_write(work.bytes, position);
        if (!noted.ok() && status == NtStatus::SUCCESS) status = noted.error();
    }
    source.end_job();
    target.end_job();
    return status;
}

// 3.3.5.15.6.1 for an error
void finish_copy(Request& request, PoolWork& work) {
    const auto total = static_cast<uint32_t>(work.bytes);
    const CopyChunkResponse response{work.minimum, static_cast<uint32_t>(work.offset), total};
    const NtStatus status = end_jobs(work, 0);
    const auto ioctl = IoctlRequest::decode(request.message);
    request.complete(answer_with(request, *ioctl, response, status));
}

void run_duplicate(PoolWork& work) {
    const auto duplicate = smb::DuplicateExtents::decode(work.data, work.flag);
    const auto done = work.file->run_duplicate(*work.source, duplicate->source_offset, duplicate->target_offset, duplicate->byte_count);
    work.status = done.ok() ? NtStatus::SUCCESS : done.error();
    work.bytes = done.ok() ? duplicate->byte_count : 0;
}

void finish_duplicate(Request& request, PoolWork& work) {
    const NtStatus status = end_jobs(work, work.offset);
    const auto ioctl = IoctlRequest::decode(request.message);
    request.complete(status == NtStatus::SUCCESS ? answer_ioctl(request, *ioctl, {}) : status);
}

}  // namespace

NtStatus request_resume_key(Request& request, const IoctlRequest& ioctl) {
    if (ioctl.max_output_response < smb::ResumeKeyResponse::size) return NtStatus::INVALID_PARAMETER;
    return answer_with(request, ioctl, smb::ResumeKeyResponse{resume_key(*request.open)}, NtStatus::SUCCESS);
}

NtStatus copy_chunks(Request& request, const IoctlRequest& ioctl) {
    if (ioctl.max_output_response < CopyChunkResponse::size) return NtStatus::INVALID_PARAMETER;
    const auto copy = CopyChunkRequest::decode(ioctl.input);
    if (!copy.ok()) return tell_limits(request, ioctl);
    const auto source = find_source(request, load_le<uint64_t>(copy->source_key.data()), load_le<uint64_t>(copy->source_key.data() + 8));
    if (!source || resume_key(*source) != copy->source_key) return NtStatus::OBJECT_NAME_NOT_FOUND;
    if (!within_limits(*copy)) return tell_limits(request, ioctl);
    if (const NtStatus acting = act_as_user(request); acting != NtStatus::SUCCESS) return acting;
    const NtStatus status = check_copy(request, ioctl, *source->file, *copy);
    if (status == NtStatus::FILE_LOCK_CONFLICT) return answer_with(request, ioctl, CopyChunkResponse{}, status);  // 3.3.5.15.6.1
    if (status != NtStatus::SUCCESS) return status;
    request.work.data = copy->chunks;
    request.work.source = source->file;
    source->file->begin_job();
    return request.run_on_pool(run_copy, finish_copy);
}

NtStatus duplicate_extents(Request& request, const IoctlRequest& ioctl) {
    const bool ex = ioctl.ctl_code == smb::ControlCode::duplicate_extents_to_file_ex;
    const auto duplicate = smb::DuplicateExtents::decode(ioctl.input, ex);
    if (!duplicate.ok()) return NtStatus::BUFFER_TOO_SMALL;
    if (const NtStatus status = act_as_user(request); status != NtStatus::SUCCESS) return status;
    const auto size = request.tcon->share->size();
    if (!size.ok()) return size.error();
    const uint64_t cluster = uint64_t{size->sectors_per_unit} * size->bytes_per_sector;
    if ((duplicate->source_offset | duplicate->target_offset | duplicate->byte_count) % cluster != 0) return NtStatus::INVALID_PARAMETER;
    const auto source = find_source(request, duplicate->source.persistent_id, duplicate->source.volatile_id);
    if (!source) return NtStatus::INVALID_HANDLE;
    if (duplicate->byte_count == 0) return answer_ioctl(request, ioctl, {});
    const auto allowed =
        request.open->file->check_duplicate(*source->file, duplicate->source_offset, duplicate->target_offset, duplicate->byte_count);
    if (!allowed.ok()) return allowed.error();
    request.work.data = ioctl.input;
    request.work.offset = duplicate->target_offset;
    request.work.flag = ex;
    request.work.bytes = 0;
    request.work.source = source->file;
    source->file->begin_job();
    return request.run_on_pool(run_duplicate, finish_duplicate);
}

}  // namespace Atoll::smb2
