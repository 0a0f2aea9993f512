// The payload of a control code, request or response.
#include "libcli/smb/fuzz_touch.h"
#include "libcli/smb/ioctl.h"

namespace Atoll::smb {
namespace {

template <class T>
std::optional<T> payload(Bytes bytes) {
    auto r = T::decode(bytes);
    if (!r) return std::nullopt;
    again_alone(*r);
    return *r;
}

void all(Bytes bytes) {
    if (auto r = payload<ValidateNegotiateInfoRequest>(bytes)) touch(r->dialects.raw());
    payload<ValidateNegotiateInfoResponse>(bytes);
    if (auto r = payload<CopyChunkRequest>(bytes)) {
        for (size_t i = 0; i < r->count(); ++i) fuzz_sink = static_cast<uint8_t>(r->chunk(i).length);
    }
    payload<CopyChunkResponse>(bytes);
    payload<ResumeKeyResponse>(bytes);
    payload<ResiliencyRequest>(bytes);
    if (auto r = SnapshotArray::decode(bytes); r.ok()) touch(r->snapshots);
    payload<ReadHashRequest>(bytes);
    for (bool file_based : {false, true}) {
        if (auto r = ReadHashResponse::decode(bytes, file_based); r.ok()) touch(r->buffer);
        if (auto r = DuplicateExtents::decode(bytes, file_based); r.ok()) fuzz_sink = static_cast<uint8_t>(r->flags);
    }
    if (auto r = payload<PipeWaitRequest>(bytes)) touch(r->name);
    if (auto r = payload<PipePeekResponse>(bytes)) touch(r->data);
    payload<SetZeroData>(bytes);
    payload<AllocatedRange>(bytes);
    if (auto r = payload<FileLevelTrim>(bytes)) {
        for (size_t i = 0; i < r->count(); ++i) fuzz_sink = static_cast<uint8_t>(r->range(i).length);
    }
    (void)IntegrityInformation::decode_get(bytes);
    (void)IntegrityInformation::decode_set(bytes);
    payload<FileRegionsRequest>(bytes);
    payload<OffloadReadRequest>(bytes);
    if (auto r = payload<OffloadReadResponse>(bytes)) touch(r->token);
    if (auto r = payload<OffloadWriteRequest>(bytes)) touch(r->token);
    payload<OffloadWriteResponse>(bytes);
    NetworkInterfaceReader interfaces(bytes);
    while (auto i = interfaces.next()) touch(i->address);
}

}  // namespace
}  // namespace Atoll::smb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Atoll::smb::all(Atoll::Bytes(data, size));
    return 0;
}
