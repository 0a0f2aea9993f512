// A frame as a client receives it, and the transform headers of either side.
#include "libcli/smb/create.h"
#include "libcli/smb/error.h"
#include "libcli/smb/file_io.h"
#include "libcli/smb/fuzz_touch.h"
#include "libcli/smb/ioctl.h"
#include "libcli/smb/negotiate.h"
#include "libcli/smb/query.h"
#include "libcli/smb/session.h"
#include "libcli/smb/tree.h"

namespace Atoll::smb {
namespace {

template <class T>
std::optional<T> decode_as(Bytes message) {
    auto r = T::decode(message);
    if (!r) return std::nullopt;
    again(*r, [](Bytes m) { return T::decode(m); });
    return *r;
}

void error(Bytes message) {
    auto r = decode_as<ErrorResponse>(message);
    if (!r) return;
    for (ErrorId id : {ErrorId::default_id, ErrorId::share_redirect}) {
        auto data = r->data(id);
        if (!data) continue;
        touch(*data);
        if (auto s = SymlinkError::decode(*data); s.ok()) touch(s->substitute_name), touch(s->print_name);
        if (auto s = ShareRedirectError::decode(*data); s.ok()) touch(s->addresses), touch(s->resource_name);
    }
}

void one(Command command, Bytes message) {
    error(message);
    switch (command) {
        case Command::negotiate:
            if (auto r = decode_as<NegotiateResponse>(message)) touch(r->security_buffer);
            break;
        case Command::session_setup:
            if (auto r = decode_as<SessionSetupResponse>(message)) touch(r->security_buffer);
            break;
        case Command::tree_connect: decode_as<TreeConnectResponse>(message); break;
        case Command::create:
            if (auto r = decode_as<CreateResponse>(message)) {
                touch(r->contexts);
                (void)CreateResponseContexts::decode(r->contexts);
            }
            break;
        case Command::close: decode_as<CloseResponse>(message); break;
        case Command::read:
            // A response may place its data where our encoder would not, so only the view is checked.
            if (auto r = ReadResponse::decode(message); r.ok()) touch(r->data);
            break;
        case Command::write: decode_as<WriteResponse>(message); break;
        case Command::ioctl:
            if (auto r = decode_as<IoctlResponse>(message)) touch(r->input), touch(r->output);
            break;
        case Command::set_info: decode_as<SetInfoResponse>(message); break;
        case Command::oplock_break:
            decode_as<OplockBreak>(message);
            decode_as<LeaseBreakAck>(message);
            decode_as<LeaseBreakNotification>(message);
            break;
        case Command::server_to_client_notification: decode_as<ServerToClientNotification>(message); break;
        default:
            if (auto r = decode_as<OutputBufferResponse>(message)) touch(r->output);
            break;
    }
}

}  // namespace
}  // namespace Atoll::smb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll::smb;
    Atoll::Bytes frame(data, size);
    if (auto t = TransformHeader::decode(frame); t.ok()) fuzz_sink = t->nonce[0];
    if (auto c = CompressionTransformHeader::decode(frame); c.ok()) {
        Atoll::ByteReader in(
            frame.subspan(c->chained ? CompressionTransformHeader::chained_size : CompressionTransformHeader::unchained_size));
        while (in.remaining() > 0) {
            auto payload = CompressionPayload::decode(in);
            if (!payload) break;
            touch(payload->data);
        }
    }
    CompoundReader reader(frame);
    while (auto part = reader.next()) one(part->header.command, part->message);
    return 0;
}
