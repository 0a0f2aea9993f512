// atoll.rpc: DCE/RPC over named pipes, and srvsvc's and wkssvc's answers.
#include "base/random.h"
#include "libcli/interfaces/wkssvc.idl.h"
#include "torture/rpc_client.h"

namespace Atoll::torture {
namespace {

using client::Pipe;
using client::RpcClient;
using rpc::Fault;

constexpr uint32_t success = 0, access_denied = 5, invalid_level = 124, more_data = 234, buffer_too_small = 2123, name_not_found = 2310;

std::optional<RpcClient> open_rpc(Test& t, Ipc& ipc, const char* name = "srvsvc") {
    auto pipe = Pipe::open(ipc.tree, name);
    if (pipe) return RpcClient(*pipe);
    t.fail(fmt::format("{}: {}", name, to_string(pipe.error())));
    return std::nullopt;
}

std::optional<RpcClient> srvsvc_rpc(Test& t, Ipc& ipc) {
    auto rpc = open_rpc(t, ipc);
    if (!rpc) return std::nullopt;
    const NtStatus status = rpc->bind(srvsvc_syntax());
    if (status == NtStatus::SUCCESS) return rpc;
    t.fail("bind: " + to_string(status));
    return std::nullopt;
}

Buffer validate_stub(idl::Syntax syntax = idl::Syntax::ndr) {
    srvsvc::NetprNameValidate::In in;
    in.Name = "share";
    in.NameType = 9;
    Buffer stub;
    encode(in, stub, syntax);
    return stub;
}
constexpr uint16_t validate = srvsvc::NetprNameValidate::opnum;

void bind_and_call(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    CHECK(t, rpc->connection().max_transmit() >= 1432, "fragments of {}", rpc->connection().max_transmit());
    srvsvc::NetrServerGetInfo::In in;
    in.Level = 101;
    REQUIRE(t, out, call<srvsvc::NetrServerGetInfo>(*rpc, in));
    CHECK(t, out->result == success && out->InfoStruct.is_ServerInfo101(), "NetrServerGetInfo gives {}", out->result);
    CHECK_STATUS(t, rpc->pipe().close(), NtStatus::SUCCESS);
}

void ndr64(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, open_rpc(t, *ipc));
    const NtStatus status = rpc->bind(srvsvc_syntax(), rpc::ndr64_syntax);
    if (status == NtStatus::RPC_NT_UNSUPPORTED_TRANS_SYN) return t.skip("the server has no NDR64, which MS-RPCE lets it");
    CHECK_STATUS(t, status, NtStatus::SUCCESS);
    srvsvc::NetrShareEnum::In in;
    in.InfoStruct.Level = 1;
    in.InfoStruct.ShareInfo.make_Level1().emplace();
    in.PreferedMaximumLength = UINT32_MAX;
    REQUIRE(t, wide, call<srvsvc::NetrShareEnum>(*rpc, in, idl::Syntax::ndr64));
    REQUIRE(t, other, srvsvc_rpc(t, *ipc));
    REQUIRE(t, narrow, call<srvsvc::NetrShareEnum>(*other, in));
    CHECK(t, *wide == *narrow, "NDR64 and NDR tell of different shares");
}

// As Windows binds: NDR, NDR64 and the features, one context each.
void alternatives(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, open_rpc(t, *ipc));
    rpc::SyntaxId unknown = srvsvc_syntax();
    unknown.major = 99;
    CHECK_STATUS(t,
                 rpc->bind({{0, srvsvc_syntax(), {rpc::ndr_syntax}},
                            {1, srvsvc_syntax(), {rpc::ndr64_syntax}},
                            {2, srvsvc_syntax(), {rpc::bind_time_feature_syntax(3)}},
                            {3, unknown, {rpc::ndr_syntax}}}),
                 NtStatus::SUCCESS);
    const auto& answers = rpc->connection().bind_answer().answers;
    CHECK(t, answers.size() == 4, "{} answers to 4 contexts", answers.size());
    const int accepted = (answers[0].result == rpc::ContextResult::acceptance) + (answers[1].result == rpc::ContextResult::acceptance);
    CHECK(t, accepted == 1, "{} transfer syntaxes of one interface are accepted", accepted);
    CHECK(t, answers[2].result == rpc::ContextResult::negotiate_ack, "features: {}", static_cast<unsigned>(answers[2].result));
    CHECK(t, answers[3].result == rpc::ContextResult::provider_rejection && answers[3].reason == 1, "unknown interface: {}, {}",
          static_cast<unsigned>(answers[3].result), answers[3].reason);
    REQUIRE(t, fault, rpc->call(validate, validate_stub(), 3));
    CHECK(t, *fault == Fault::unknown_interface, "fault {:#x}", static_cast<uint32_t>(*fault));
    REQUIRE(t, good, rpc->call(validate, validate_stub(), 0));
    CHECK(t, *good == Fault::none, "fault {:#x}", static_cast<uint32_t>(*good));
}

void alter_context(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    CHECK_STATUS(t, rpc->bind({{7, srvsvc_syntax(), {rpc::ndr_syntax}}}), NtStatus::SUCCESS);
    for (uint16_t context : {uint16_t{7}, uint16_t{0}}) {
        REQUIRE(t, fault, rpc->call(validate, validate_stub(), context));
        CHECK(t, *fault == Fault::none, "context {}: fault {:#x}", context, static_cast<uint32_t>(*fault));
    }
}

void faults(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    REQUIRE(t, range, rpc->call(999, {}));
    CHECK(t, *range == Fault::op_range_error, "opnum 999: {:#x}", static_cast<uint32_t>(*range));
    REQUIRE(t, stub, rpc->call(validate, {}));
    CHECK(t, *stub == Fault::bad_stub_data, "no parameters: {:#x}", static_cast<uint32_t>(*stub));
    const Buffer whole = validate_stub();
    for (size_t size = 0; size < whole.size(); size += 4) {
        REQUIRE(t, cut, rpc->call(validate, whole.bytes().first(size)));
        CHECK(t, *cut == Fault::bad_stub_data, "{} bytes of {}: {:#x}", size, whole.size(), static_cast<uint32_t>(*cut));
    }
    REQUIRE(t, good, rpc->call(validate, whole));
    CHECK(t, *good == Fault::none, "fault {:#x}", static_cast<uint32_t>(*good));
}

rpc::PduHeader header_of(rpc::PduType type, uint32_t call_id, uint8_t flags = rpc::pdu_flags::first | rpc::pdu_flags::last) {
    rpc::PduHeader header;
    header.type = type;
    header.call_id = call_id;
    header.flags = flags;
    return header;
}

// A request in fragments of 8 bytes, and all of them in one WRITE.
void fragments(Test& t) {
    for (const bool together : {false, true}) {
        REQUIRE(t, ipc, connect_ipc(t));
        REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
        const Buffer stub = validate_stub();
        Buffer out;
        for (size_t at = 0; at < stub.size(); at += 8) {
            rpc::RequestPdu request;
            request.opnum = validate;
            request.stub = stub.bytes().subspan(at, std::min<size_t>(8, stub.size() - at));
            uint8_t flags = at == 0 ? rpc::pdu_flags::first : 0;
            if (at + 8 >= stub.size()) flags |= rpc::pdu_flags::last;
            if (!together) out.clear();
            request.encode(out, header_of(rpc::PduType::request, 50, flags));
            if (!together) CHECK_STATUS(t, rpc->pipe().write(out), NtStatus::SUCCESS);
        }
        if (together) CHECK_STATUS(t, rpc->pipe().write(out), NtStatus::SUCCESS);
        Buffer got;
        CHECK_STATUS(t, rpc->pipe().read(4280, got), NtStatus::SUCCESS);
        const auto pdu = rpc::Pdu::decode(got);
        CHECK(t, pdu && pdu->header.type == rpc::PduType::response && pdu->header.call_id == 50, "no response to fragments");
    }
}

// An answer of many fragments: a path in a buffer of 64000 bytes.
void large_answer(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    srvsvc::NetprPathCanonicalize::In in;
    in.PathName = "C:\\a\\..\\b";
    in.OutbufLen = 64000;
    REQUIRE(t, out, call<srvsvc::NetprPathCanonicalize>(*rpc, in));
    CHECK(t, out->result == success && out->Outbuf.size() == 64000, "result {}, {} bytes", out->result, out->Outbuf.size());
    CHECK(t, rpc->connection().fragments() == 64000 / 4256 + 1, "{} fragments", rpc->connection().fragments());
}

void large_request(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    Buffer stub = validate_stub();
    stub.append_zeros((4u << 20) - stub.size());  // padding behind the parameters (MS-RPCE 2.2.2.13)
    REQUIRE(t, fits, rpc->call(validate, stub));
    CHECK(t, *fits == Fault::none, "4 MiB: fault {:#x}", static_cast<uint32_t>(*fits));
    stub.append_zeros(1u << 16);
    REQUIRE(t, more, rpc->call(validate, stub));
    CHECK(t, *more == Fault::access_denied, "more than 4 MiB: fault {:#x}", static_cast<uint32_t>(*more));
    REQUIRE(t, good, rpc->call(validate, validate_stub()));
    CHECK(t, *good == Fault::none, "fault {:#x}", static_cast<uint32_t>(*good));
}

void big_endian(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    // NetrServerGetInfo of level 100: a null pointer and a number, all of the PDU big-endian (C706 14.1).
    Buffer out, got;
    ByteWriter writer(out);
    writer.bytes(std::array<uint8_t, 8>{5, 0, 0, 3, 0x00, 0, 0, 0});
    writer.u16_be(32);
    writer.u16_be(0);
    writer.u32_be(9);
    writer.u32_be(8);
    writer.u16_be(0);
    writer.u16_be(srvsvc::NetrServerGetInfo::opnum);
    writer.u32_be(0);
    writer.u32_be(100);
    CHECK_STATUS(t, rpc->pipe().transceive(out, 4280, got), NtStatus::SUCCESS);
    const auto pdu = rpc::Pdu::decode(got);
    CHECK(t, pdu && pdu->header.type == rpc::PduType::response && pdu->header.call_id == 9, "no response");
}

// MS-RPCE 3.3.3.5.7: what breaks the protocol is answered with one fault, and the connection is over.
void wrong_state(Test& t) {
    using rpc::PduType;
    struct Step {
        const char* what;
        bool bind;
        PduType type;
        uint8_t flags;
    };
    constexpr uint8_t whole = rpc::pdu_flags::first | rpc::pdu_flags::last;
    const Step steps[] = {
        {"a request before bind", false, PduType::request, whole},
        {"an alter_context before bind", false, PduType::alter_context, whole},
        {"a second bind", true, PduType::bind, whole},
        {"a response", true, PduType::response, whole},
        {"a fault", true, PduType::fault, whole},
        {"a bind_ack", true, PduType::bind_ack, whole},
        {"an unknown type", true, static_cast<PduType>(200), whole},
        {"the end of no call", true, PduType::request, rpc::pdu_flags::last},
    };
    REQUIRE(t, ipc, connect_ipc(t));
    for (const Step& step : steps) {
        REQUIRE(t, rpc, step.bind ? srvsvc_rpc(t, *ipc) : open_rpc(t, *ipc));
        Buffer out, got;
        rpc::RequestPdu request;
        request.opnum = validate;
        request.encode(out, header_of(step.type, 1000, step.flags));
        CHECK_STATUS(t, rpc->pipe().transceive(out, 4280, got), NtStatus::SUCCESS);
        const auto pdu = rpc::Pdu::decode(got);
        const auto fault = pdu && pdu->header.type == PduType::fault ? rpc::FaultPdu::decode(*pdu) : std::nullopt;
        CHECK(t, fault && fault->status == Fault::protocol_error, "{}: {}", step.what,
              fault ? fmt::format("fault {:#x}", static_cast<uint32_t>(fault->status)) : "no fault");
        CHECK(t, is_error(rpc->pipe().write(out)), "{}: the pipe goes on", step.what);
    }
}

void bind_refused(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, open_rpc(t, *ipc));
    CHECK_STATUS(t, rpc->bind(std::vector<rpc::ContextElement>{}), NtStatus::RPC_NT_CALL_FAILED);
    REQUIRE(t, second, open_rpc(t, *ipc));
    Buffer out, got;
    rpc::BindPdu bind;
    bind.max_xmit_fragment = bind.max_receive_fragment = 4280;
    bind.contexts = {{0, srvsvc_syntax(), {rpc::ndr_syntax}}};
    auto header = header_of(rpc::PduType::bind, 1);
    header.version = 4;
    bind.encode(out, header);
    CHECK_STATUS(t, second->pipe().transceive(out, 4280, got), NtStatus::SUCCESS);
    const auto pdu = rpc::Pdu::decode(got);
    const auto nak = pdu && pdu->header.type == rpc::PduType::bind_nak ? rpc::BindNakPdu::decode(*pdu) : std::nullopt;
    CHECK(t, nak && nak->refusal == rpc::BindRefusal::protocol_version_not_supported, "version 4 is not refused");
}

void association_groups(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, first, srvsvc_rpc(t, *ipc));
    const uint32_t group = first->connection().bind_answer().association_group;
    CHECK(t, group != 0, "association group 0");
    const auto join = [&](uint32_t wanted) -> std::optional<rpc::PduType> {
        auto pipe = Pipe::open(ipc->tree, "srvsvc");
        if (!pipe) return std::nullopt;
        Buffer out, got;
        rpc::BindPdu bind;
        bind.max_xmit_fragment = bind.max_receive_fragment = 4280;
        bind.association_group = wanted;
        bind.contexts = {{0, srvsvc_syntax(), {rpc::ndr_syntax}}};
        bind.encode(out, header_of(rpc::PduType::bind, 1));
        if (is_error(pipe->transceive(out, 4280, got))) return std::nullopt;
        const auto pdu = rpc::Pdu::decode(got);
        return pdu ? std::optional(pdu->header.type) : std::nullopt;
    };
    CHECK(t, join(group) == rpc::PduType::bind_ack, "the group cannot be joined");
    CHECK(t, join(group ^ 0x5A5A0000) == rpc::PduType::bind_nak, "a group that is none can be joined");
}

// Every level that srvsvc enumerates: an answer that decodes, and no other than success, access denied or invalid level.
void every_level(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    const auto fits = [](uint32_t result) { return result == success || result == access_denied || result == invalid_level; };
    for (uint32_t level : {0U, 1U, 2U, 501U, 502U, 503U, 9U}) {
        srvsvc::NetrShareEnum::In shares;
        shares.InfoStruct.Level = level;
        shares.PreferedMaximumLength = UINT32_MAX;
        REQUIRE(t, out, call<srvsvc::NetrShareEnum>(*rpc, shares));
        CHECK(t, fits(out->result) && (level < 10 || level > 502 || out->result == success), "NetrShareEnum {}: {}", level, out->result);
        srvsvc::NetrShareGetInfo::In share;
        share.NetName = t.target.share;
        share.Level = level;
        REQUIRE(t, info, call<srvsvc::NetrShareGetInfo>(*rpc, share));
        CHECK(t, info->result == out->result, "NetrShareGetInfo {}: {}", level, info->result);
    }
    for (uint32_t level : {100U, 101U, 102U, 103U, 502U, 503U, 599U, 1005U, 7U}) {
        srvsvc::NetrServerGetInfo::In in;
        in.Level = level;
        REQUIRE(t, out, call<srvsvc::NetrServerGetInfo>(*rpc, in));
        CHECK(t, fits(out->result) && (level > 101 || level < 100 || out->result == success), "NetrServerGetInfo {}: {}", level,
              out->result);
    }
    for (uint32_t level : {0U, 1U, 2U, 10U, 502U}) {
        srvsvc::NetrSessionEnum::In in;
        in.InfoStruct.Level = level;
        in.PreferedMaximumLength = UINT32_MAX;
        REQUIRE(t, out, call<srvsvc::NetrSessionEnum>(*rpc, in));
        CHECK(t, fits(out->result), "NetrSessionEnum {}: {}", level, out->result);
    }
}

void workstation(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, open_rpc(t, *ipc, "wkssvc"));
    const idl::InterfaceType& type = wkssvc::wkssvc_interface();
    CHECK_STATUS(t, rpc->bind(rpc::SyntaxId{type.uuid, type.version_major, type.version_minor}), NtStatus::SUCCESS);
    for (uint32_t level : {100U, 101U}) {
        wkssvc::NetrWkstaGetInfo::In in;
        in.Level = level;
        REQUIRE(t, out, call<wkssvc::NetrWkstaGetInfo>(*rpc, in));
        CHECK(t, out->result == success, "level {}: {}", level, out->result);
    }
    wkssvc::NetrWkstaGetInfo::In in;
    in.Level = 99;
    REQUIRE(t, out, call<wkssvc::NetrWkstaGetInfo>(*rpc, in));
    CHECK(t, out->result == invalid_level, "level 99: {}", out->result);
}

// MS-SRVS 3.1.4.8: the list in parts is the list.
void pages(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    srvsvc::NetrShareEnum::In in;
    in.InfoStruct.Level = 1;
    in.PreferedMaximumLength = UINT32_MAX;
    REQUIRE(t, all, call<srvsvc::NetrShareEnum>(*rpc, in));
    const auto& whole = all->InfoStruct.ShareInfo.Level1()->Buffer;
    CHECK(t, whole && whole->size() >= 2 && all->TotalEntries == whole->size(), "{} shares", all->TotalEntries);

    in.PreferedMaximumLength = 1;
    in.ResumeHandle = 0;
    REQUIRE(t, none, call<srvsvc::NetrShareEnum>(*rpc, in));
    CHECK(t, none->result == buffer_too_small || none->result == more_data, "room for one byte: {}", none->result);
    std::vector<srvsvc::SHARE_INFO_1> gathered;
    constexpr size_t max_calls = 100;
    uint32_t result = more_data;
    for (size_t calls = 0; calls < max_calls && (result == more_data || result == buffer_too_small); calls++) {
        REQUIRE(t, part, call<srvsvc::NetrShareEnum>(*rpc, in));
        result = part->result;
        if (result == buffer_too_small) {  // how long an entry is in the server's eyes is its own affair
            in.PreferedMaximumLength *= 2;
            continue;
        }
        CHECK(t, part->TotalEntries == whole->size() - gathered.size(), "total {}", part->TotalEntries);
        const auto& buffer = part->InfoStruct.ShareInfo.Level1()->Buffer;
        if (buffer) gathered.insert(gathered.end(), buffer->begin(), buffer->end());
        CHECK(t, result == success || part->ResumeHandle, "more data and no resume handle");
        in.ResumeHandle = part->ResumeHandle;
    }
    CHECK(t, result == success, "result {}", result);
    CHECK(t, gathered == *whole, "{} of {} shares in parts", gathered.size(), whole->size());
}

void no_such_share(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    REQUIRE(t, rpc, srvsvc_rpc(t, *ipc));
    srvsvc::NetrShareGetInfo::In in;
    in.NetName = "no such share";
    in.Level = 1;
    REQUIRE(t, out, call<srvsvc::NetrShareGetInfo>(*rpc, in));
    CHECK(t, out->result == name_not_found, "result {}", out->result);
}

// Bytes without sense, and PDUs with some of them changed: whatever comes back, the server lives.
void hostile(Test& t) {
    REQUIRE(t, ipc, connect_ipc(t));
    for (int round = 0; round < 200; round++) {
        REQUIRE(t, rpc, round % 4 == 0 ? open_rpc(t, *ipc) : srvsvc_rpc(t, *ipc));
        Buffer out, got;
        rpc::RequestPdu request;
        const Buffer stub = validate_stub();
        request.opnum = static_cast<uint16_t>(random_u64() % 60);
        request.stub = stub;
        request.encode(out, header_of(rpc::PduType::request, 5));
        for (uint64_t changes = 1 + random_u64() % 6; changes > 0; changes--)
            out[random_u64() % out.size()] = static_cast<uint8_t>(random_u64());
        CHECK(t, rpc->pipe().write(out) != NtStatus::CONNECTION_DISCONNECTED, "the connection is gone after {} bytes", out.size());
        CHECK(t, rpc->pipe().close() == NtStatus::SUCCESS, "the pipe cannot be closed");
    }
    CHECK(t, t.server_alive(), "the server is gone");
}

constexpr TestCase tests[] = {
    {"bind_and_call", "MS-RPCE 3.3.1.5.6, MS-SRVS 3.1.4.17", bind_and_call},
    {"ndr64", "MS-RPCE 2.2.5", ndr64},
    {"alternatives", "MS-RPCE 3.3.1.5.3, 3.3.1.5.6", alternatives},
    {"alter_context", "C706 12.6.4.1", alter_context},
    {"faults", "MS-RPCE 3.1.3.5.2, C706 appendix E", faults},
    {"fragments", "C706 12.6.2", fragments},
    {"large_answer", "C706 12.6.2", large_answer},
    {"large_request", "MS-RPCE 3.3.3.5.4", large_request},
    {"big_endian", "C706 14.1", big_endian},
    {"wrong_state", "MS-RPCE 3.3.3.5.7", wrong_state},
    {"bind_refused", "MS-RPCE 2.2.2.5", bind_refused},
    {"association_groups", "MS-RPCE 3.3.1.5.7", association_groups},
    {"every_level", "MS-SRVS 3.1.4", every_level},
    {"workstation", "MS-WKST 3.2.4.1", workstation},
    {"pages", "MS-SRVS 3.1.4.8", pages},
    {"no_such_share", "MS-SRVS 3.1.4.10", no_such_share},
    {"hostile", "MS-RPCE 3.3.3.5.7", hostile},
};

}  // namespace

const Suite rpc_suite{"atoll.rpc", tests};

}  // namespace Atoll::torture
