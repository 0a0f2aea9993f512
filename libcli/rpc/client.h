// The client's side of an RPC connection: PDUs out, bytes in, no I/O (C706 11.1.1, MS-RPCE 3.3.2).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/buffer.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "libcli/rpc/pdu.h"

namespace Atoll::rpc {

class ClientConnection {
 public:
    // Appends a bind, or once bound an alter_context, that offers these contexts.
    void encode_bind(const std::vector<ContextElement>& contexts, Buffer& out);
    // The answer to it, one PDU. What it holds is the answers to the contexts in their order. RPC_NT_PROTOCOL_ERROR: no such answer;
    // RPC_NT_CALL_FAILED: a bind_nak, of which bind_refusal() says more.
    NtStatus take_bind_answer(Bytes pdu);
    [[nodiscard]] const BindAckPdu& bind_answer() const { return answer_; }
    [[nodiscard]] std::optional<BindRefusal> bind_refusal() const { return refusal_; }
    [[nodiscard]] bool bound() const { return bound_; }
    [[nodiscard]] uint16_t max_transmit() const { return max_transmit_; }

    // Appends the fragments of a request, one PDU behind the other; `sizes` gets the length of each.
    uint32_t encode_request(uint16_t context_id, uint16_t opnum, Bytes stub, Buffer& out, std::vector<size_t>& sizes,
                            const std::optional<Guid>& object = std::nullopt);

    // Takes bytes of the answer, in pieces of any size. True: it is complete.
    Result<bool, NtStatus> take_response(Bytes bytes);
    // Of the complete answer: the fault, or none and the stub.
    [[nodiscard]] Fault fault() const { return fault_; }
    [[nodiscard]] Bytes stub() const { return stub_; }
    // Fragments that the answer had.
    [[nodiscard]] size_t fragments() const { return fragments_; }

 private:
    Result<bool, NtStatus> take_fragment(const Pdu& pdu);

    bool bound_ = false;
    uint32_t next_call_id_ = 1;
    uint32_t call_id_ = 0;
    uint16_t max_transmit_ = 4280;
    uint16_t max_receive_ = 4280;
    uint32_t association_group_ = 0;
    BindAckPdu answer_;
    std::optional<BindRefusal> refusal_;
    Buffer received_;
    Buffer stub_;
    size_t fragments_ = 0;
    Fault fault_ = Fault::none;
};

}  // namespace Atoll::rpc
