// What a client writes to a pipe, with both services behind it: the first byte chooses the pipe and whether a bind has gone before, the
// rest is one or more messages.
#include "libcli/interfaces/srvsvc.idl.h"
#include "libcli/interfaces/wkssvc.idl.h"
#include "libcli/rpc/client.h"
#include "smbd/services/context_for_test.h"

namespace {

using namespace Atoll;

void bind(xsrv::Pipe& pipe, const idl::InterfaceType& type, bool ndr64) {
    Buffer request;
    const rpc::SyntaxId interface { type.uuid, type.version_major, type.version_minor };
    rpc::ClientConnection().encode_bind({{0, interface, {ndr64 ? rpc::ndr64_syntax : rpc::ndr_syntax}}}, request);
    ATOLL_ASSERT(pipe.write(request) == NtStatus::SUCCESS);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static services::TestContext host("[global]\n netbios name = server\n[share]\n path = /srv/share\n");
    if (size == 0) return 0;
    services::Services services(host.context);
    const bool workstation = (data[0] & 1) != 0;
    const auto pipe = services.open(workstation ? "WKSSVC" : "srvsvc", services::TestContext::user("user", (data[0] & 2) != 0));
    if ((data[0] & 4) != 0) bind(*pipe, workstation ? wkssvc::wkssvc_interface() : srvsvc::srvsvc_interface(), (data[0] & 8) != 0);
    const NtStatus status = pipe->write(Bytes(data + 1, size - 1));
    ATOLL_ASSERT(status == NtStatus::SUCCESS);
    // Whatever it answers is whole PDUs.
    Buffer room;
    room.resize(65536);
    for (auto got = pipe->read(room.mutable_bytes()); got.ok(); got = pipe->read(room.mutable_bytes()))
        ATOLL_ASSERT(!got->more && rpc::Pdu::decode(room.bytes().first(got->bytes)));
    host.messages.sent.clear();
    pipe->close();
    return 0;
}
