// A stream of PDUs to a server with two interfaces' worth of answers, and the same bytes as an answer to a client.
#include "base/assert.h"
#include "libcli/rpc/client.h"
#include "libcli/rpc/echo_interface_for_test.h"
#include "libcli/rpc/server.h"

namespace {

using namespace Atoll;

void serve(Bytes input, bool bound) {
    static rpc::EchoInterface echo(true);
    rpc::Associations associations;
    size_t sent = 0;
    rpc::ServerConnection server({&echo}, associations, {"\\PIPE\\echo"}, [&](Bytes pdu) {
        const auto answer = rpc::Pdu::decode(pdu);
        ATOLL_ASSERT(answer && pdu.size() <= 65535);
        sent += pdu.size();
    });
    if (bound) {
        Buffer bind;
        rpc::ClientConnection().encode_bind({{0, rpc::echo_syntax(), {rpc::ndr_syntax}}}, bind);
        server.receive(bind);
    }
    // In pieces whose length the input decides.
    while (!input.empty() && !server.ended() && sent < (1u << 20)) {
        const size_t piece = std::min<size_t>(input.size(), size_t{input[0]} * 8 + 1);
        server.receive(input.first(piece));
        input = input.subspan(piece);
    }
    ATOLL_ASSERT(server.held_bytes() <= limits::rpc_max_request + 65536);
}

void consume(Bytes input) {
    rpc::ClientConnection client;
    Buffer out;
    client.encode_bind({{0, rpc::echo_syntax(), {rpc::ndr_syntax}}}, out);
    (void)client.take_bind_answer(input);
    std::vector<size_t> sizes;
    client.encode_request(0, 0, input, out, sizes);
    const auto done = client.take_response(input);
    ATOLL_ASSERT(!done.ok() || !*done || client.fault() != rpc::Fault::none || client.stub().size() <= input.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const Bytes input(data + 1, size - 1);
    serve(input, (data[0] & 1) != 0);
    consume(input);
    return 0;
}
