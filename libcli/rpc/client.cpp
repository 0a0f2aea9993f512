#include "libcli/rpc/client.h"

#include <algorithm>

#include "base/assert.h"
#include "base/limits.h"

namespace Atoll::rpc {
namespace {

constexpr size_t fragment_alignment = 8;  // of every fragment's stub but the last (C706 12.6.2)

PduHeader header_of(PduType type, uint32_t call_id, uint8_t flags = pdu_flags::first | pdu_flags::last) {
    PduHeader header;
    header.type = type;
    header.call_id = call_id;
    header.flags = flags;
    return header;
}

}  // namespace

void ClientConnection::encode_bind(const std::vector<ContextElement>& contexts, Buffer& out) {
    BindPdu bind;
    bind.max_xmit_fragment = limits::rpc_max_fragment;
    bind.max_receive_fragment = limits::rpc_max_fragment;
    bind.association_group = association_group_;
    bind.contexts = contexts;
    call_id_ = next_call_id_++;
    bind.encode(out, header_of(bound_ ? PduType::alter_context : PduType::bind, call_id_));
}

NtStatus ClientConnection::take_bind_answer(Bytes bytes) {
    const auto pdu = Pdu::decode(bytes);
    if (!pdu || pdu->header.call_id != call_id_) return NtStatus::RPC_NT_PROTOCOL_ERROR;
    if (pdu->header.type == PduType::bind_nak) {
        const auto nak = BindNakPdu::decode(*pdu);
        if (!nak) return NtStatus::RPC_NT_PROTOCOL_ERROR;
        refusal_ = nak->refusal;
        return NtStatus::RPC_NT_CALL_FAILED;
    }
    if (pdu->header.type != (bound_ ? PduType::alter_context_response : PduType::bind_ack)) return NtStatus::RPC_NT_PROTOCOL_ERROR;
    auto ack = BindAckPdu::decode(*pdu);
    if (!ack || ack->max_xmit_fragment < limits::rpc_min_fragment || ack->max_receive_fragment < limits::rpc_min_fragment)
        return NtStatus::RPC_NT_PROTOCOL_ERROR;
    if (!bound_) {
        max_transmit_ = std::min(ack->max_receive_fragment, limits::rpc_max_fragment);
        max_receive_ = limits::rpc_max_fragment;
        association_group_ = ack->association_group;
    }
    bound_ = true;
    answer_ = std::move(*ack);
    return NtStatus::SUCCESS;
}

uint32_t ClientConnection::encode_request(uint16_t context_id, uint16_t opnum, Bytes stub, Buffer& out, std::vector<size_t>& sizes,
                                          const std::optional<Guid>& object) {
    call_id_ = next_call_id_++;
    received_.clear();
    stub_.clear();
    fragments_ = 0;
    fault_ = Fault::none;
    const size_t fixed = RequestPdu::fixed_size + (object ? sizeof object->bytes : 0);
    const size_t room = (max_transmit_ - fixed) / fragment_alignment * fragment_alignment;
    RequestPdu request;
    request.context_id = context_id;
    request.opnum = opnum;
    request.object = object;
    uint8_t flags = pdu_flags::first;
    do {
        request.allocation_hint = static_cast<uint32_t>(stub.size());
        request.stub = stub.first(std::min(room, stub.size()));
        stub = stub.subspan(request.stub.size());
        if (stub.empty()) flags |= pdu_flags::last;
        const size_t before = out.size();
        request.encode(out, header_of(PduType::request, call_id_, flags));
        sizes.push_back(out.size() - before);
        flags = 0;
    } while (!stub.empty());
    return call_id_;
}

Result<bool, NtStatus> ClientConnection::take_response(Bytes bytes) {
    received_.append(bytes);
    for (;;) {
        const Bytes all = received_;
        const auto size = next_pdu_size(all);
        if (!size || *size > max_receive_) return NtStatus::RPC_NT_PROTOCOL_ERROR;
        if (*size == 0 || *size > all.size()) return false;
        const auto pdu = Pdu::decode(all.first(*size));
        if (!pdu) return NtStatus::RPC_NT_PROTOCOL_ERROR;
        auto complete = take_fragment(*pdu);
        const Bytes rest = all.subspan(*size);
        std::memmove(received_.data(), rest.data(), rest.size());
        received_.resize(rest.size());
        if (!complete || *complete) return complete;
    }
}

Result<bool, NtStatus> ClientConnection::take_fragment(const Pdu& pdu) {
    if (pdu.header.call_id != call_id_) return NtStatus::RPC_NT_PROTOCOL_ERROR;
    if (pdu.header.type == PduType::fault) {
        const auto answer = FaultPdu::decode(pdu);
        if (!answer || answer->status == Fault::none) return NtStatus::RPC_NT_PROTOCOL_ERROR;
        fault_ = answer->status;
        return true;
    }
    if (pdu.header.type != PduType::response) return NtStatus::RPC_NT_PROTOCOL_ERROR;
    const auto answer = ResponsePdu::decode(pdu);
    if (!answer || pdu.header.has(pdu_flags::first) != (fragments_ == 0)) return NtStatus::RPC_NT_PROTOCOL_ERROR;
    if (stub_.size() + answer->stub.size() > limits::rpc_max_response) return NtStatus::RPC_NT_PROTOCOL_ERROR;
    fragments_++;
    stub_.append(answer->stub);
    return pdu.header.has(pdu_flags::last);
}

}  // namespace Atoll::rpc
