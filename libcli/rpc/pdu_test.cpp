#include "libcli/rpc/pdu.h"

#include <gtest/gtest.h>

namespace Atoll::rpc {
namespace {

PduHeader header_of(PduType type, uint32_t call_id = 7) {
    PduHeader header;
    header.type = type;
    header.call_id = call_id;
    return header;
}

BindPdu sample_bind() {
    BindPdu bind;
    bind.max_xmit_fragment = 4280;
    bind.max_receive_fragment = 5840;
    bind.association_group = 0x1234;
    bind.contexts.push_back({1, {*parse_guid("4b324fc8-1670-01d3-1278-5a47bf6ee188"), 3, 0}, {ndr_syntax, ndr64_syntax}});
    return bind;
}

TEST(Pdu, BindIsReadBack) {
    Buffer bytes;
    sample_bind().encode(bytes, header_of(PduType::bind));
    const auto pdu = Pdu::decode(bytes);
    ASSERT_TRUE(pdu);
    EXPECT_EQ(pdu->header.type, PduType::bind);
    EXPECT_EQ(pdu->header.call_id, 7u);
    EXPECT_EQ(pdu->header.frag_length, bytes.size());
    const auto bind = BindPdu::decode(*pdu);
    ASSERT_TRUE(bind);
    EXPECT_EQ(bind->max_receive_fragment, 5840);
    EXPECT_EQ(bind->association_group, 0x1234u);
    ASSERT_EQ(bind->contexts.size(), 1u);
    EXPECT_EQ(bind->contexts[0].abstract_syntax.major, 3);
    ASSERT_EQ(bind->contexts[0].transfer_syntaxes.size(), 2u);
    EXPECT_EQ(bind->contexts[0].transfer_syntaxes[0], ndr_syntax);
    EXPECT_EQ(bind->contexts[0].transfer_syntaxes[1], ndr64_syntax);
}

TEST(Pdu, NdrIsTheSyntaxOfTheSpecification) {
    EXPECT_EQ(to_string(ndr_syntax.uuid), "8a885d04-1ceb-11c9-9fe8-08002b104860");
    EXPECT_EQ(to_string(ndr64_syntax.uuid), "71710533-beba-4937-8319-b5dbef9ccc36");
    EXPECT_EQ(ndr_syntax.major, 2);
    EXPECT_EQ(ndr64_syntax.major, 1);
}

TEST(Pdu, ABigEndianBindMeansTheSame) {
    // C706 14.1: integers are big-endian where the first octet of the data representation is below 0x10.
    Buffer bytes;
    ByteWriter out(bytes);
    out.bytes(std::array<uint8_t, 8>{5, 0, 11, 3, 0x00, 0, 0, 0});
    out.u16_be(72);
    out.u16_be(0);
    out.u32_be(9);
    out.u16_be(4280);
    out.u16_be(2000);
    out.u32_be(0);
    out.bytes(std::array<uint8_t, 4>{1, 0, 0, 0});
    out.u16_be(5);
    out.bytes(std::array<uint8_t, 2>{1, 0});
    out.bytes(std::array<uint8_t, 16>{0x4b, 0x32, 0x4f, 0xc8, 0x16, 0x70, 0x01, 0xd3, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88});
    out.u32_be(3);
    out.bytes(std::array<uint8_t, 16>{0x8a, 0x88, 0x5d, 0x04, 0x1c, 0xeb, 0x11, 0xc9, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60});
    out.u32_be(2);
    const auto pdu = Pdu::decode(bytes);
    ASSERT_TRUE(pdu);
    EXPECT_TRUE(pdu->header.big_endian);
    EXPECT_EQ(pdu->header.call_id, 9u);
    const auto bind = BindPdu::decode(*pdu);
    ASSERT_TRUE(bind);
    EXPECT_EQ(bind->max_receive_fragment, 2000);
    ASSERT_EQ(bind->contexts.size(), 1u);
    EXPECT_EQ(bind->contexts[0].id, 5);
    EXPECT_EQ(to_string(bind->contexts[0].abstract_syntax.uuid), "4b324fc8-1670-01d3-1278-5a47bf6ee188");
    EXPECT_EQ(bind->contexts[0].transfer_syntaxes.at(0), ndr_syntax);
}

TEST(Pdu, BindAckIsReadBackWithAnySecondaryAddress) {
    for (const char* address : {"", "\\PIPE\\srvsvc", "a", "ab", "abc", "abcd"}) {
        BindAckPdu ack;
        ack.max_xmit_fragment = 4280;
        ack.max_receive_fragment = 4280;
        ack.association_group = 0x53f0;
        ack.secondary_address = address;
        ack.answers = {{ContextResult::acceptance, 0, ndr_syntax}, {ContextResult::negotiate_ack, 3, {}}};
        Buffer bytes;
        ack.encode(bytes, header_of(PduType::bind_ack));
        const auto pdu = Pdu::decode(bytes);
        ASSERT_TRUE(pdu) << address;
        const auto back = BindAckPdu::decode(*pdu);
        ASSERT_TRUE(back) << address;
        EXPECT_EQ(back->secondary_address, address);
        EXPECT_EQ(back->answers, ack.answers);
    }
}

TEST(Pdu, WhatIsCutShortIsRefused) {
    Buffer bytes;
    sample_bind().encode(bytes, header_of(PduType::bind));
    for (size_t size = 0; size < bytes.size(); size++) {
        Buffer cut;
        cut.assign(bytes.bytes().first(size));
        if (size >= 10) store_le<uint16_t>(cut.data() + 8, static_cast<uint16_t>(size));
        const auto pdu = Pdu::decode(cut);
        EXPECT_TRUE(!pdu || !BindPdu::decode(*pdu)) << size;
    }
}

TEST(Pdu, TheSecurityTrailerIsSplitOff) {
    Buffer bytes;
    RequestPdu request;
    const std::array<uint8_t, 16> stub{1, 2, 3, 4, 5};
    request.stub = stub;
    request.encode(bytes, header_of(PduType::request));
    ByteWriter out(bytes);
    out.bytes(std::array<uint8_t, 8>{10, 6, 11, 0, 0x78, 0x56, 0x34, 0x12});  // 11 octets of the stub are padding
    out.bytes(std::array<uint8_t, 3>{0xAA, 0xBB, 0xCC});
    store_le<uint16_t>(bytes.data() + 8, static_cast<uint16_t>(bytes.size()));
    store_le<uint16_t>(bytes.data() + 10, 3);
    const auto pdu = Pdu::decode(bytes);
    ASSERT_TRUE(pdu && pdu->auth);
    EXPECT_EQ(pdu->auth->type, 10);
    EXPECT_EQ(pdu->auth->level, 6);
    EXPECT_EQ(pdu->auth->context_id, 0x12345678u);
    EXPECT_EQ(pdu->auth->token.size(), 3u);
    const auto back = RequestPdu::decode(*pdu);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->stub.size(), 5u);

    bytes[24 + 16 + 2] = 200;  // more padding than there is stub
    EXPECT_FALSE(Pdu::decode(bytes));
    bytes[24 + 16 + 2] = 11;
    store_le<uint16_t>(bytes.data() + 10, 60);  // a token longer than the PDU
    EXPECT_FALSE(Pdu::decode(bytes));
}

TEST(Pdu, BindTimeFeaturesAreToldFromTransferSyntaxes) {
    EXPECT_EQ(bind_time_features(bind_time_feature_syntax(3)), 3);
    EXPECT_EQ(to_string(bind_time_feature_syntax(3).uuid).substr(0, 18), "6cb71c2c-9812-4540");
    EXPECT_FALSE(bind_time_features(ndr_syntax));
    EXPECT_FALSE(bind_time_features(ndr64_syntax));
}

TEST(Pdu, TheNextPduOfAStreamIsMeasured) {
    Buffer bytes;
    encode_bare(bytes, header_of(PduType::co_cancel));
    EXPECT_EQ(next_pdu_size(bytes), 16u);
    EXPECT_EQ(next_pdu_size(bytes.bytes().first(15)), 0u);
    store_le<uint16_t>(bytes.data() + 8, 15);
    EXPECT_EQ(next_pdu_size(bytes), std::nullopt);
    store_le<uint16_t>(bytes.data() + 8, 16);
    bytes[4] = 0x20;  // integers of no known order
    EXPECT_EQ(next_pdu_size(bytes), std::nullopt);
}

}  // namespace
}  // namespace Atoll::rpc
