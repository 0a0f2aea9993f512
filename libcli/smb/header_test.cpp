#include "libcli/smb/header.h"

#include <gtest/gtest.h>

namespace Atoll::smb {
namespace {

TEST(Header, SyncRoundTrip) {
    Header h;
    h.credit_charge = 3;
    h.status = NtStatus::ACCESS_DENIED;
    h.command = Command::read;
    h.credits = 17;
    h.flags = header_flags::server_to_redir | header_flags::is_signed;
    h.next_command = 128;
    h.message_id = 0x1122334455667788;
    h.process_id = 0xFEFF;
    h.tree_id = 9;
    h.session_id = 0xAABBCCDD00112233;
    h.signature[15] = 7;
    Buffer buffer;
    ByteWriter out(buffer);
    h.encode(out);
    ASSERT_EQ(buffer.size(), header_size);
    EXPECT_EQ(frame_kind(buffer), FrameKind::smb2);
    auto d = Header::decode(buffer);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->credit_charge, 3);
    EXPECT_EQ(d->status, NtStatus::ACCESS_DENIED);
    EXPECT_EQ(d->command, Command::read);
    EXPECT_EQ(d->credits, 17);
    EXPECT_EQ(d->next_command, 128u);
    EXPECT_EQ(d->message_id, 0x1122334455667788u);
    EXPECT_EQ(d->process_id, 0xFEFFu);
    EXPECT_EQ(d->tree_id, 9u);
    EXPECT_EQ(d->session_id, 0xAABBCCDD00112233u);
    EXPECT_EQ(d->signature, h.signature);
    EXPECT_TRUE(d->is_response() && d->is_signed() && !d->is_async());
}

TEST(Header, AsyncKeepsTheWholeId) {
    Header h;
    h.flags = header_flags::async_command;
    h.async_id = 0x0102030405060708;
    Buffer buffer;
    ByteWriter out(buffer);
    h.encode(out);
    auto d = Header::decode(buffer);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->async_id, 0x0102030405060708u);
    EXPECT_EQ(d->tree_id, 0u);
}

TEST(Header, RefusesWhatIsNoHeader) {
    Buffer buffer;
    ByteWriter out(buffer);
    Header{}.encode(out);
    EXPECT_FALSE(Header::decode(buffer.bytes().first(63)).ok());
    buffer[4] = 65;
    EXPECT_EQ(Header::decode(buffer).error(), NtStatus::INVALID_PARAMETER);
    buffer[4] = 64;
    buffer[0] = 0xFF;
    EXPECT_FALSE(Header::decode(buffer).ok());
    EXPECT_EQ(frame_kind(buffer), FrameKind::smb1);
}

Buffer compound(std::initializer_list<uint32_t> next_commands) {
    Buffer buffer;
    for (uint32_t next : next_commands) {
        ByteWriter out(buffer);
        Header h;
        h.next_command = next;
        h.encode(out);
        out.zeros(8);
    }
    return buffer;
}

TEST(CompoundReader, SplitsAtNextCommand) {
    Buffer frame = compound({72, 72, 0});
    CompoundReader reader(frame);
    for (size_t offset : {0u, 72u, 144u}) {
        auto part = reader.next();
        ASSERT_TRUE(part.has_value());
        EXPECT_EQ(part->offset, offset);
        EXPECT_EQ(part->message.size(), 72u);
    }
    EXPECT_FALSE(reader.next().has_value());
    EXPECT_FALSE(reader.malformed());
}

TEST(CompoundReader, TellsMalformedFromEnded) {
    for (uint32_t bad : {63u, 68u, 8u, 80u, 0xFFFFFFF8u}) {
        Buffer frame = compound({bad});
        CompoundReader reader(frame);
        EXPECT_FALSE(reader.next().has_value()) << bad;
        EXPECT_TRUE(reader.malformed()) << bad;
    }
    Buffer frame = compound({72});  // names a second message that is not there
    CompoundReader reader(frame);
    EXPECT_TRUE(reader.next().has_value());
    EXPECT_TRUE(reader.malformed());
}

TEST(Transform, RoundTripAndSizes) {
    TransformHeader h;
    h.nonce[0] = 1;
    h.original_message_size = 70;
    h.session_id = 5;
    Buffer buffer;
    ByteWriter out(buffer);
    h.encode(out);
    EXPECT_EQ(buffer.size(), TransformHeader::size);
    EXPECT_FALSE(TransformHeader::decode(buffer).ok());  // nothing follows
    out.zeros(70);
    auto d = TransformHeader::decode(buffer);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->nonce, h.nonce);
    EXPECT_EQ(d->session_id, 5u);
    buffer[42] = 2;
    EXPECT_EQ(TransformHeader::decode(buffer).error(), NtStatus::INVALID_PARAMETER);
}

TEST(Compression, UnchainedRoundTrip) {
    CompressionTransformHeader h;
    h.original_size = 4096;
    h.algorithm = CompressionAlgorithm::lz77;
    h.offset = 4;
    Buffer buffer;
    ByteWriter out(buffer);
    h.encode(out);
    EXPECT_FALSE(CompressionTransformHeader::decode(buffer).ok());  // offset past the end
    out.zeros(4);
    auto d = CompressionTransformHeader::decode(buffer);
    ASSERT_TRUE(d.ok());
    EXPECT_EQ(d->original_size, 4096u);
    EXPECT_EQ(d->algorithm, CompressionAlgorithm::lz77);
    EXPECT_EQ(d->offset, 4u);
    EXPECT_FALSE(d->chained);
}

TEST(Compression, ChainedPayloads) {
    CompressionTransformHeader h;
    h.original_size = 100;
    h.chained = true;
    Buffer buffer;
    ByteWriter out(buffer);
    h.encode(out);
    const uint8_t data[] = {1, 2, 3};
    CompressionPayload lz{CompressionAlgorithm::lz77, 1, 50, data, 0, 0};
    lz.encode(out);
    CompressionPayload pattern{CompressionAlgorithm::pattern_v1, 0, 0, {}, 0xEE, 47};
    pattern.encode(out);
    CompressionPayload plain{CompressionAlgorithm::none, 0, 0, data, 0, 0};
    plain.encode(out);
    auto d = CompressionTransformHeader::decode(buffer);
    ASSERT_TRUE(d.ok());
    EXPECT_TRUE(d->chained);
    ByteReader in(buffer.bytes().subspan(CompressionTransformHeader::chained_size));
    auto first = CompressionPayload::decode(in);
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(first->original_size, 50u);
    EXPECT_EQ(first->data.size(), 3u);
    auto second = CompressionPayload::decode(in);
    ASSERT_TRUE(second.ok());
    EXPECT_EQ(second->pattern, 0xEE);
    EXPECT_EQ(second->original_size, 47u);
    auto third = CompressionPayload::decode(in);
    ASSERT_TRUE(third.ok());
    EXPECT_EQ(third->original_size, 3u);
    EXPECT_EQ(in.remaining(), 0u);
    EXPECT_FALSE(CompressionPayload::decode(in).ok());
}

}  // namespace
}  // namespace Atoll::smb
