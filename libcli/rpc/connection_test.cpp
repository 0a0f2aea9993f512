// Server and client against each other, and the server against what breaks the protocol.
#include <gtest/gtest.h>

#include "libcli/rpc/client.h"
#include "libcli/rpc/echo_interface_for_test.h"
#include "libcli/rpc/server.h"

namespace Atoll::rpc {
namespace {

class Connection : public ::testing::Test {
 protected:
    explicit Connection(bool ndr64 = false) : echo(ndr64) { restart(); }

    void restart() {
        sent.clear();
        client = ClientConnection();
        server = std::make_unique<ServerConnection>(std::vector<Interface*>{&echo}, associations, ServerOptions{"\\PIPE\\echo"},
                                                    [this](Bytes pdu) { sent.emplace_back(pdu.begin(), pdu.end()); });
    }
    static std::vector<ContextElement> ndr_context() { return {{0, echo_syntax(), {ndr_syntax}}}; }

    NtStatus bind(const std::vector<ContextElement>& contexts = ndr_context()) {
        Buffer out;
        client.encode_bind(contexts, out);
        sent.clear();
        server->receive(out);
        return sent.size() == 1 ? client.take_bind_answer(sent[0]) : NtStatus::RPC_NT_PROTOCOL_ERROR;
    }
    // The fault, or none with the answer in client.stub().
    Result<Fault, NtStatus> call(uint16_t opnum, Bytes stub, uint16_t context = 0) {
        Buffer out;
        std::vector<size_t> sizes;
        sent.clear();
        client.encode_request(context, opnum, stub, out, sizes);
        requests = sizes.size();
        server->receive(out);
        for (const auto& pdu : sent) {
            auto done = client.take_response(pdu);
            if (!done.ok()) return done.failure();
            if (*done) return client.fault();
        }
        return NtStatus::PENDING;
    }
    void receive(const PduHeader& header, const RequestPdu& request) {
        Buffer out;
        request.encode(out, header);
        server->receive(out);
    }
    // What the server says last: the status of a fault.
    Fault last_fault() {
        if (sent.empty()) return Fault::none;
        const auto pdu = Pdu::decode(sent.back());
        if (!pdu || pdu->header.type != PduType::fault) return Fault::none;
        return FaultPdu::decode(*pdu)->status;
    }

    EchoInterface echo;
    Associations associations;
    std::unique_ptr<ServerConnection> server;
    ClientConnection client;
    std::vector<std::vector<uint8_t>> sent;
    size_t requests = 0;
};

PduHeader header_of(PduType type, uint32_t call_id, uint8_t flags = pdu_flags::first | pdu_flags::last) {
    PduHeader header;
    header.type = type;
    header.call_id = call_id;
    header.flags = flags;
    return header;
}

std::vector<uint8_t> bytes_of(size_t size) {
    std::vector<uint8_t> out(size);
    for (size_t i = 0; i < size; i++) out[i] = static_cast<uint8_t>(i * 7 + i / 256);
    return out;
}

TEST_F(Connection, CallsOfEverySizeComeBackWhole) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    EXPECT_EQ(client.bind_answer().secondary_address, "\\PIPE\\echo");
    for (const size_t size : std::initializer_list<size_t>{0, 1, 8, 4255, 4256, 4257, 8512, 8513, 100000, 4 << 20}) {
        const auto stub = bytes_of(size);
        const auto answered = call(0, stub);
        ASSERT_TRUE(answered.ok()) << size;
        EXPECT_EQ(*answered, Fault::none);
        EXPECT_TRUE(std::equal(stub.begin(), stub.end(), client.stub().begin(), client.stub().end())) << size;
        EXPECT_EQ(requests, size == 0 ? 1 : (size + 4255) / 4256) << size;
        EXPECT_EQ(client.fragments(), requests) << size;
    }
    EXPECT_EQ(server->held_bytes(), 0u);
}

TEST_F(Connection, AStreamMayBeCutAnywhere) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    Buffer out;
    std::vector<size_t> sizes;
    const auto stub = bytes_of(9000);
    client.encode_request(0, 0, stub, out, sizes);
    sent.clear();
    for (size_t i = 0; i < out.size(); i++) server->receive(out.bytes().subspan(i, 1));
    std::vector<uint8_t> all;
    for (const auto& pdu : sent) all.insert(all.end(), pdu.begin(), pdu.end());
    bool complete = false;
    for (size_t i = 0; i < all.size(); i++) {
        const auto done = client.take_response(Bytes(all).subspan(i, 1));
        ASSERT_TRUE(done.ok());
        complete = *done;
        EXPECT_EQ(complete, i + 1 == all.size());
    }
    EXPECT_TRUE(std::equal(stub.begin(), stub.end(), client.stub().begin(), client.stub().end()));
}

TEST_F(Connection, AnOperationThatIsNotThereIsAFaultAndNoMore) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    EXPECT_EQ(*call(2, {}), Fault::op_range_error);
    EXPECT_TRUE(Pdu::decode(sent.at(0))->header.has(pdu_flags::did_not_execute));
    EXPECT_EQ(*call(1, {}), Fault::bad_stub_data);
    EXPECT_EQ(*call(0, {}, 9), Fault::unknown_interface);
    EXPECT_EQ(*call(0, {}), Fault::none);
    EXPECT_FALSE(server->ended());
}

TEST_F(Connection, MoreThanFourMegabytesAreRefusedAtOnce) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    const auto stub = bytes_of((4 << 20) + 10000);
    EXPECT_EQ(*call(0, stub), Fault::access_denied);
    EXPECT_EQ(sent.size(), 1u);  // the fragments that still came are passed over
    EXPECT_FALSE(server->ended());
    EXPECT_EQ(*call(0, bytes_of(10)), Fault::none);
}

TEST_F(Connection, AnAnswerBeyondTheLimitIsAFault) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    std::array<uint8_t, 4> size{};
    store_le<uint32_t>(size.data(), limits::rpc_max_response + 1);
    EXPECT_EQ(*call(1, size), Fault::no_memory);
    store_le<uint32_t>(size.data(), limits::rpc_max_response);
    EXPECT_EQ(*call(1, size), Fault::none);
    EXPECT_EQ(client.stub().size(), limits::rpc_max_response);
}

TEST_F(Connection, ContextsAreAnsweredOneByOne) {
    SyntaxId unknown = echo_syntax();
    unknown.major = 4;
    SyntaxId newer = echo_syntax();
    newer.minor = 2;
    SyntaxId older = echo_syntax();
    older.minor = 0;
    ASSERT_EQ(bind({{0, echo_syntax(), {ndr_syntax}},
                    {1, echo_syntax(), {ndr64_syntax}},
                    {2, unknown, {ndr_syntax}},
                    {3, newer, {ndr_syntax}},
                    {4, older, {ndr64_syntax, ndr_syntax}},
                    {5, echo_syntax(), {bind_time_feature_syntax(3)}}}),
              NtStatus::SUCCESS);
    const auto rejected = [](ContextReason reason) {
        return ContextAnswer{ContextResult::provider_rejection, static_cast<uint16_t>(reason), {}};
    };
    const std::vector<ContextAnswer> expected = {{ContextResult::acceptance, 0, ndr_syntax},
                                                 rejected(ContextReason::transfer_syntaxes_not_supported),
                                                 rejected(ContextReason::abstract_syntax_not_supported),
                                                 rejected(ContextReason::abstract_syntax_not_supported),
                                                 {ContextResult::acceptance, 0, ndr_syntax},
                                                 {ContextResult::negotiate_ack, bind_feature::keep_connection_on_orphan, {}}};
    EXPECT_EQ(client.bind_answer().answers, expected);
    EXPECT_EQ(*call(0, bytes_of(3), 4), Fault::none);
    EXPECT_EQ(*call(0, bytes_of(3), 1), Fault::unknown_interface);
}

class Ndr64Connection : public Connection {
 protected:
    Ndr64Connection() : Connection(true) {}
};

TEST_F(Ndr64Connection, Ndr64IsTakenWhereItIsAllThereIs) {
    ASSERT_EQ(bind({{0, echo_syntax(), {ndr_syntax}}, {1, echo_syntax(), {ndr64_syntax}}}), NtStatus::SUCCESS);
    EXPECT_EQ(client.bind_answer().answers[0].result, ContextResult::acceptance);
    EXPECT_EQ(client.bind_answer().answers[1].result, ContextResult::provider_rejection);
    restart();
    ASSERT_EQ(bind({{1, echo_syntax(), {ndr64_syntax}}}), NtStatus::SUCCESS);
    EXPECT_EQ(client.bind_answer().answers[0].transfer_syntax, ndr64_syntax);
    EXPECT_EQ(*call(0, bytes_of(3), 1), Fault::none);
    EXPECT_EQ(echo.last.syntax, TransferSyntax::ndr64);
}

TEST_F(Connection, AlterContextAddsContexts) {
    ASSERT_EQ(bind({{0, echo_syntax(), {ndr64_syntax}}}), NtStatus::SUCCESS);
    EXPECT_EQ(*call(0, {}), Fault::unknown_interface);
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    EXPECT_EQ(*call(0, {}), Fault::none);
    SyntaxId other = echo_syntax();
    other.major = 9;
    EXPECT_EQ(bind({{0, other, {ndr_syntax}}}), NtStatus::RPC_NT_PROTOCOL_ERROR);  // context 0 is in use
    EXPECT_EQ(last_fault(), Fault::protocol_error);
}

TEST_F(Connection, PresentationContextsHaveALimit) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    uint16_t id = 1;
    for (size_t have = 1; have + 100 <= limits::rpc_max_contexts; have += 100) {
        std::vector<ContextElement> more;
        for (int i = 0; i < 100; i++) more.push_back({id++, echo_syntax(), {ndr_syntax}});
        ASSERT_EQ(bind(more), NtStatus::SUCCESS) << have;
    }
    std::vector<ContextElement> more;
    for (int i = 0; i < 100; i++) more.push_back({id++, echo_syntax(), {ndr_syntax}});
    EXPECT_EQ(bind(more), NtStatus::RPC_NT_CALL_FAILED);
    EXPECT_EQ(client.bind_refusal(), BindRefusal::local_limit_exceeded);
}

TEST_F(Connection, ABindOfAnotherVersionOrWithoutContextsIsRefused) {
    Buffer out;
    client.encode_bind(ndr_context(), out);
    for (const auto& [major, minor] : {std::pair<uint8_t, uint8_t>{4, 0}, {5, 2}, {6, 0}}) {
        restart();
        out[0] = major;
        out[1] = minor;
        server->receive(out);
        ASSERT_EQ(sent.size(), 1u);
        const auto nak = BindNakPdu::decode(*Pdu::decode(sent[0]));
        ASSERT_TRUE(nak);
        EXPECT_EQ(nak->refusal, BindRefusal::protocol_version_not_supported);
        EXPECT_EQ(nak->versions.size(), 1u);
    }
    restart();
    EXPECT_EQ(bind({}), NtStatus::RPC_NT_CALL_FAILED);
    EXPECT_EQ(bind(), NtStatus::SUCCESS);  // another try is free to it
}

TEST_F(Connection, AssociationGroupsAreOfOneTable) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    const uint32_t group = client.bind_answer().association_group;
    EXPECT_NE(group, 0u);
    std::vector<uint8_t> answer;
    ServerConnection second({&echo}, associations, {}, [&](Bytes pdu) { answer.assign(pdu.begin(), pdu.end()); });
    const auto bind_to = [&](uint32_t wanted) {
        BindPdu pdu;
        pdu.max_xmit_fragment = pdu.max_receive_fragment = 4280;
        pdu.association_group = wanted;
        pdu.contexts = ndr_context();
        Buffer out;
        pdu.encode(out, header_of(PduType::bind, 1));
        second.receive(out);
        return Pdu::decode(answer)->header.type;
    };
    EXPECT_EQ(bind_to(group + 1), PduType::bind_nak);
    EXPECT_EQ(bind_to(group), PduType::bind_ack);
    EXPECT_EQ(BindAckPdu::decode(*Pdu::decode(answer))->association_group, group);
}

TEST_F(Connection, SmallFragmentsAreKeptTo) {
    BindPdu small;
    small.max_xmit_fragment = 1432;
    small.max_receive_fragment = 10;  // less than C706 lets a client have
    small.contexts = ndr_context();
    Buffer out;
    small.encode(out, header_of(PduType::bind, 1));
    server->receive(out);
    const auto ack = BindAckPdu::decode(*Pdu::decode(sent.at(0)));
    ASSERT_TRUE(ack);
    EXPECT_EQ(ack->max_xmit_fragment, 1432);
    EXPECT_EQ(ack->max_receive_fragment, 1432);
    sent.clear();
    const auto stub = bytes_of(1400);
    RequestPdu request;
    request.stub = stub;
    receive(header_of(PduType::request, 2, pdu_flags::first), request);
    receive(header_of(PduType::request, 2, pdu_flags::last), request);
    ASSERT_EQ(sent.size(), 2u);
    for (const auto& pdu : sent) EXPECT_LE(pdu.size(), 1432u);
    const auto large = bytes_of(1409);  // a PDU of 1433
    request.stub = large;
    receive(header_of(PduType::request, 3), request);
    EXPECT_EQ(last_fault(), Fault::protocol_error);
    EXPECT_TRUE(server->ended());
}

TEST_F(Connection, WhatComesInTheWrongStateEndsTheConnection) {
    const RequestPdu request;
    const uint8_t whole = pdu_flags::first | pdu_flags::last;
    const auto broken = [&](const char* what) {
        EXPECT_EQ(last_fault(), Fault::protocol_error) << what;
        EXPECT_TRUE(server->ended()) << what;
        const size_t before = sent.size();
        receive(header_of(PduType::request, 100), request);
        EXPECT_EQ(sent.size(), before) << what;
        restart();
    };
    receive(header_of(PduType::request, 1), request);
    broken("a request before the bind");
    for (PduType type : {PduType::response, PduType::fault, PduType::bind_ack, PduType::bind_nak, PduType::alter_context_response,
                         PduType::shutdown, PduType::auth3, static_cast<PduType>(99)}) {
        ASSERT_EQ(bind(), NtStatus::SUCCESS);
        receive(header_of(type, 5), request);
        broken("a PDU of the server's, or of nobody's");
    }
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    Buffer out;
    ClientConnection().encode_bind(ndr_context(), out);
    server->receive(out);
    broken("a second bind");
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    receive(header_of(PduType::request, 2, pdu_flags::first), request);
    receive(header_of(PduType::request, 3, whole), request);
    broken("a call within a call");
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    receive(header_of(PduType::request, 2, pdu_flags::first), request);
    receive(header_of(PduType::request, 3, pdu_flags::last), request);
    broken("the end of another call");
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    receive(header_of(PduType::request, 50), request);
    receive(header_of(PduType::request, 49), request);
    broken("a call id that goes back");
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    receive(header_of(PduType::request, 50, pdu_flags::last), request);
    broken("the end of no call");
}

TEST_F(Connection, LateFragmentsOfAFailedCallArePassedOver) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    RequestPdu request;
    request.context_id = 77;
    receive(header_of(PduType::request, 200, pdu_flags::first), request);
    EXPECT_EQ(last_fault(), Fault::unknown_interface);  // at once: MS-RPCE 3.3.3.5.8
    sent.clear();
    receive(header_of(PduType::request, 200, 0), request);
    receive(header_of(PduType::request, 51, pdu_flags::last), request);
    EXPECT_TRUE(sent.empty());
    receive(header_of(PduType::request, 50, 0), request);
    EXPECT_EQ(last_fault(), Fault::protocol_error);
}

TEST_F(Connection, CancelsAreCountedAndOrphansForgotten) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    sent.clear();
    const auto stub = bytes_of(20);
    RequestPdu request;
    request.stub = stub;
    const auto bare = [&](PduType type, uint32_t call_id) {
        Buffer out;
        encode_bare(out, header_of(type, call_id));
        server->receive(out);
    };
    receive(header_of(PduType::request, 5, pdu_flags::first), request);
    bare(PduType::co_cancel, 5);
    bare(PduType::co_cancel, 4);  // of another call
    receive(header_of(PduType::request, 5, pdu_flags::last), request);
    ASSERT_EQ(sent.size(), 1u);
    EXPECT_EQ(ResponsePdu::decode(*Pdu::decode(sent[0]))->cancel_count, 1);

    sent.clear();
    receive(header_of(PduType::request, 6, pdu_flags::first), request);
    bare(PduType::orphaned, 6);
    bare(PduType::co_cancel, 6);
    EXPECT_TRUE(sent.empty());
    EXPECT_EQ(echo.calls, 1);
    receive(header_of(PduType::request, 7), request);
    EXPECT_EQ(sent.size(), 1u);
    EXPECT_EQ(echo.calls, 2);
}

TEST_F(Connection, ObjectsAndFlagsReachWhoNeedsThem) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    RequestPdu request;
    request.object = *parse_guid("6b29fc40-ca47-1067-b31d-00dd010662da");
    receive(header_of(PduType::request, 5), request);
    EXPECT_EQ(echo.last.object, request.object);
    EXPECT_FALSE(echo.last.big_endian);

    restart();
    BindPdu bind_pdu;
    bind_pdu.max_xmit_fragment = bind_pdu.max_receive_fragment = 4280;
    bind_pdu.contexts = ndr_context();
    Buffer out;
    bind_pdu.encode(out, header_of(PduType::bind, 1, pdu_flags::first | pdu_flags::last | pdu_flags::concurrent_multiplexing));
    server->receive(out);
    EXPECT_TRUE(Pdu::decode(sent.at(0))->header.has(pdu_flags::concurrent_multiplexing));
}

TEST_F(Connection, SecurityTrailersAreRefused) {
    Buffer out;
    client.encode_bind(ndr_context(), out);
    out.append_zeros(AuthTrailer::size + 4);
    store_le<uint16_t>(out.data() + 8, static_cast<uint16_t>(out.size()));
    store_le<uint16_t>(out.data() + 10, 4);
    server->receive(out);
    const auto nak = BindNakPdu::decode(*Pdu::decode(sent.at(0)));
    ASSERT_TRUE(nak);
    EXPECT_EQ(nak->refusal, BindRefusal::authentication_type_not_recognized);
}

TEST_F(Connection, TheClientTakesNoAnswerThatIsNotItsOwn) {
    ASSERT_EQ(bind(), NtStatus::SUCCESS);
    const auto refuses = [&](PduHeader header, Bytes stub) {
        Buffer out;
        std::vector<size_t> sizes;
        const uint32_t id = client.encode_request(0, 0, {}, out, sizes);
        header.call_id += id;
        Buffer answer;
        ResponsePdu response;
        response.stub = stub;
        response.encode(answer, header);
        const auto taken = client.take_response(answer);
        return !taken.ok() && taken.error() == NtStatus::RPC_NT_PROTOCOL_ERROR;
    };
    EXPECT_TRUE(refuses(header_of(PduType::response, 1), {}));                   // of another call
    EXPECT_TRUE(refuses(header_of(PduType::request, 0), {}));                    // no answer at all
    EXPECT_TRUE(refuses(header_of(PduType::response, 0, pdu_flags::last), {}));  // its beginning is missing
    EXPECT_TRUE(refuses(header_of(PduType::response, 0), bytes_of(5000)));       // larger than agreed on
    EXPECT_FALSE(refuses(header_of(PduType::response, 0), bytes_of(50)));
}

}  // namespace
}  // namespace Atoll::rpc
