// A frame as a server receives it: split into messages, each decoded as the request that its command says.
#include "libcli/smb/create.h"
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

void contexts(const NegotiateContexts& c) {
    if (c.preauth) touch(c.preauth->salt), touch(c.preauth->hash_algorithms.raw());
    if (c.ciphers) touch(c.ciphers->raw());
    if (c.compression) touch(c.compression->algorithms.raw());
    if (c.netname) touch(*c.netname);
    if (c.rdma_transforms) touch(c.rdma_transforms->raw());
    if (c.signing) touch(c.signing->raw());
}

void create(Bytes message) {
    auto r = decode_as<CreateRequest>(message);
    if (!r) return;
    touch(r->name);
    auto c = CreateContexts::decode(r->contexts);
    if (!c) return;
    if (c->extended_attributes) touch(*c->extended_attributes);
    if (c->security_descriptor) touch(*c->security_descriptor);
    if (c->svhdx) touch(c->svhdx->initiator_host_name);
    Buffer buffer;
    ByteWriter out(buffer);
    c->encode(out);
    ATOLL_ASSERT(CreateContexts::decode(buffer).ok());
}

void tree_connect(Bytes message) {
    for (bool flags : {false, true}) {
        auto r = TreeConnectRequest::decode(message, flags);
        if (!r) continue;
        touch(r->path);
        again(*r, [&](Bytes m) { return TreeConnectRequest::decode(m, flags); });
        if (auto identity = RemotedIdentity::decode(r->remoted_identity); identity.ok())
            touch(identity->user), touch(identity->device_claims);
    }
}

void lock(Bytes message) {
    auto r = decode_as<LockRequest>(message);
    for (size_t i = 0; r && i < r->count(); ++i) fuzz_sink = static_cast<uint8_t>(r->element(i).flags);
}

void one(Command command, Bytes message) {
    switch (command) {
        case Command::negotiate:
            if (auto r = decode_as<NegotiateRequest>(message)) touch(r->dialects.raw()), contexts(r->contexts);
            break;
        case Command::session_setup:
            if (auto r = decode_as<SessionSetupRequest>(message)) touch(r->security_buffer);
            break;
        case Command::tree_connect: tree_connect(message); break;
        case Command::create: create(message); break;
        case Command::close: decode_as<CloseRequest>(message); break;
        case Command::flush: decode_as<FlushRequest>(message); break;
        case Command::read:
            if (auto r = decode_as<ReadRequest>(message)) touch(r->channel_info);
            break;
        case Command::write:
            if (auto where = WriteRequest::locate_payload(message, message.size()); where.ok())
                touch(message.subspan(where->offset, where->length));
            if (auto r = WriteRequest::decode(message); r.ok()) touch(r->data), touch(r->channel_info);
            break;
        case Command::lock: lock(message); break;
        case Command::ioctl:
            if (auto r = decode_as<IoctlRequest>(message)) touch(r->input);
            break;
        case Command::query_directory:
            if (auto r = decode_as<QueryDirectoryRequest>(message)) touch(r->pattern);
            break;
        case Command::change_notify: decode_as<ChangeNotifyRequest>(message); break;
        case Command::query_info:
            if (auto r = decode_as<QueryInfoRequest>(message)) {
                touch(r->input);
                if (auto q = QueryQuotaInfo::decode(r->input); q.ok()) touch(q->sid_list), touch(q->start_sid);
            }
            break;
        case Command::set_info:
            if (auto r = decode_as<SetInfoRequest>(message)) touch(r->buffer);
            break;
        case Command::oplock_break:
            fuzz_sink = static_cast<uint8_t>(oplock_break_form(message));
            decode_as<OplockBreak>(message);
            decode_as<LeaseBreakAck>(message);
            break;
        default: decode_as<EmptyMessage>(message); break;
    }
}

}  // namespace
}  // namespace Atoll::smb

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace Atoll::smb;
    Atoll::Bytes frame(data, size);
    if (auto smb1 = Smb1Negotiate::decode(frame); smb1.ok()) fuzz_sink = smb1->smb2_002;
    CompoundReader reader(frame);
    while (auto part = reader.next()) one(part->header.command, part->message);
    return 0;
}
