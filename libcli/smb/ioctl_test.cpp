#include "libcli/smb/ioctl.h"

#include <array>

#include "libcli/smb/reparse.h"
#include "libcli/smb/wire_test.h"

namespace Atoll::smb {
namespace {

const std::array<uint8_t, 24> payload{1, 2, 3};

TEST(Ioctl, Request) {
    IoctlRequest r;
    r.ctl_code = ControlCode::srv_request_resume_key;
    r.file_id = {1, 2};
    r.input = payload;
    r.max_output_response = 32;
    r.flags = ioctl_flags::is_fsctl;
    Buffer m = check_message(r);
    EXPECT_EQ(load_le<uint32_t>(m.data() + 68), 0x00140078u);
    EXPECT_EQ(load_le<uint32_t>(m.data() + 88), 120u);
    // MS-SMB2 3.3.5.15: InputOffset into the fixed part, not a multiple of 8, past the end
    for (uint32_t bad : {112u, 121u, 128u, 0xFFFFFFF8u}) {
        store_le<uint32_t>(m.data() + 88, bad);
        EXPECT_EQ(IoctlRequest::decode(m).error(), NtStatus::INVALID_PARAMETER) << bad;
    }
    store_le<uint32_t>(m.data() + 92, 0);  // no input: any offset
    EXPECT_TRUE(IoctlRequest::decode(m).ok());
}

TEST(Ioctl, Response) {
    IoctlResponse r;
    r.ctl_code = ControlCode::pipe_transceive;
    r.file_id = {1, 2};
    r.output = payload;
    Buffer m = check_message(r);
    r.input = Bytes(payload).first(3);
    m = check_message(r);
    auto d = IoctlResponse::decode(m);
    EXPECT_EQ(d->input.size(), 3u);
    EXPECT_EQ(vec(d->output), vec(payload));
    r = {};
    check_message(r);
    m = encode_message(Command::ioctl, [](ByteWriter& out) {
        IoctlResponse::begin(out, ControlCode::srv_copychunk, {1, 2});
        out.bytes(payload);
        IoctlResponse::finish(out);
    });
    EXPECT_EQ(vec(IoctlResponse::decode(m)->output), vec(payload));
}

TEST(Fsctl, ValidateNegotiateInfo) {
    const std::array<uint16_t, 3> dialects{0x202, 0x210, 0x300};
    ValidateNegotiateInfoRequest r{0x7F, Guid::random(), 1, U16List(std::span<const uint16_t>(dialects))};
    Buffer p = check_payload(r);
    EXPECT_EQ(p.size(), 30u);
    EXPECT_FALSE(ValidateNegotiateInfoRequest::decode(p.bytes().first(29)).ok());
    p = check_payload(ValidateNegotiateInfoResponse{0x7F, Guid::random(), 3, Dialect::smb3_02});
    EXPECT_EQ(p.size(), ValidateNegotiateInfoResponse::size);
}

TEST(Fsctl, CopyChunk) {
    Buffer chunks;
    ByteWriter out(chunks);
    CopyChunkRequest::encode_chunk(out, {1, 2, 3});
    CopyChunkRequest::encode_chunk(out, {4, 5, 6});
    CopyChunkRequest r;
    r.source_key[3] = 9;
    r.chunks = chunks;
    Buffer p = check_payload(r);
    auto d = CopyChunkRequest::decode(p);
    ASSERT_EQ(d->count(), 2u);
    EXPECT_EQ(d->chunk(1).target_offset, 5u);
    store_le<uint32_t>(p.data() + 24, 0x10000000);
    EXPECT_FALSE(CopyChunkRequest::decode(p).ok());
    EXPECT_EQ(check_payload(CopyChunkResponse{1, 2, 3}).size(), CopyChunkResponse::size);
    EXPECT_EQ(check_payload(ResumeKeyResponse{{1, 2, 3}}).size(), ResumeKeyResponse::size);
}

TEST(Fsctl, SmallPayloads) {
    EXPECT_EQ(check_payload(ResiliencyRequest{5000}).size(), ResiliencyRequest::size);
    Buffer gmt = utf16("@GMT-2024.01.02-03.04.05");
    gmt.append_zeros(4);
    Buffer p = check_payload(SnapshotArray{1, 1, static_cast<uint32_t>(gmt.size()), gmt});
    EXPECT_FALSE(SnapshotArray::decode(p.bytes().first(p.size() - 1)).ok());
    check_payload(SnapshotArray{3, 0, 160, {}});
    EXPECT_EQ(check_payload(ReadHashRequest{1, 2, 1, 100, 5}).size(), ReadHashRequest::size);
    for (bool file_based : {false, true}) {
        check_payload(
            ReadHashResponse{file_based, 5, file_based ? 7u : 0u, payload},
            [](const ReadHashResponse& v, ByteWriter& out) { v.encode(out); },
            [&](Bytes b) { return ReadHashResponse::decode(b, file_based); });
    }
    Buffer name = utf16("pipe");
    check_payload(PipeWaitRequest{100, true, name});
    check_payload(PipePeekResponse{3, 24, 1, 24, payload});
    EXPECT_TRUE(SetZeroData::decode(check_payload(SetZeroData{5, 10})).ok());
    EXPECT_EQ(check_payload(AllocatedRange{1, 2}).size(), AllocatedRange::size);
    check_payload(FileRegionsRequest{1, 2, 1});
    EXPECT_TRUE(FileRegionsRequest::decode({}).ok());
}

TEST(Fsctl, SetZeroDataOrder) {
    Buffer p;
    ByteWriter out(p);
    SetZeroData{10, 5}.encode(out);
    EXPECT_EQ(SetZeroData::decode(p).error(), NtStatus::INVALID_PARAMETER);
    p.clear();
    SetZeroData{0, ~uint64_t{0}}.encode(out);
    EXPECT_EQ(SetZeroData::decode(p).error(), NtStatus::INVALID_PARAMETER);
}

TEST(Fsctl, DuplicateExtents) {
    for (bool ex : {false, true}) {
        DuplicateExtents d{{1, 2}, 3, 4, 5, ex ? DuplicateExtents::source_atomic : 0u};
        Buffer p = check_payload(
            d, [&](const DuplicateExtents& v, ByteWriter& out) { v.encode(out, ex); },
            [&](Bytes b) { return DuplicateExtents::decode(b, ex); });
        EXPECT_EQ(p.size(), ex ? DuplicateExtents::size_ex : DuplicateExtents::size);
    }
}

TEST(Fsctl, TrimIntegrityOffload) {
    Buffer ranges;
    ByteWriter out(ranges);
    AllocatedRange{1, 2}.encode(out);
    Buffer p = check_payload(FileLevelTrim{0, ranges});
    EXPECT_EQ(FileLevelTrim::decode(p)->range(0).length, 2u);
    store_le<uint32_t>(p.data() + 4, 2);
    EXPECT_FALSE(FileLevelTrim::decode(p).ok());

    IntegrityInformation i{2, 1, 4096, 8192};
    p = check_payload(
        i, [](const IntegrityInformation& v, ByteWriter& w) { v.encode_get(w); },
        [](Bytes b) { return IntegrityInformation::decode_get(b); });
    EXPECT_EQ(p.size(), IntegrityInformation::get_size);
    p = check_payload(
        i, [](const IntegrityInformation& v, ByteWriter& w) { v.encode_set(w); },
        [](Bytes b) { return IntegrityInformation::decode_set(b); });
    EXPECT_EQ(p.size(), IntegrityInformation::set_size);

    const std::vector<uint8_t> token(offload_token_size, 7);
    EXPECT_EQ(check_payload(OffloadReadRequest{0, 1, 2, 3}).size(), OffloadReadRequest::size);
    EXPECT_EQ(check_payload(OffloadReadResponse{0, 1, token}).size(), OffloadReadResponse::size);
    EXPECT_EQ(check_payload(OffloadWriteRequest{0, 1, 2, 3, token}).size(), OffloadWriteRequest::size);
    EXPECT_EQ(check_payload(OffloadWriteResponse{0, 1}).size(), OffloadWriteResponse::size);
}

TEST(Fsctl, NetworkInterfaces) {
    Buffer b;
    ByteWriter out(b);
    auto at = append_network_interface(out, {1, NetworkInterface::rss_capable, 10'000'000'000, false, {192, 0, 2, 1}, 0}, std::nullopt);
    append_network_interface(out, {2, 0, 1'000'000'000, true, {0xFE, 0x80}, 3}, at);
    EXPECT_EQ(b.size(), 2 * NetworkInterface::size);
    NetworkInterfaceReader reader(b);
    auto one = reader.next();
    ASSERT_TRUE(one);
    EXPECT_EQ(one->address[3], 1);
    EXPECT_FALSE(one->ipv6);
    auto two = reader.next();
    ASSERT_TRUE(two);
    EXPECT_TRUE(two->ipv6);
    EXPECT_EQ(two->scope_id, 3u);
    EXPECT_EQ(two->link_speed, 1'000'000'000u);
    EXPECT_FALSE(reader.next());
    EXPECT_FALSE(reader.malformed());
    for (size_t n = 1; n < b.size(); ++n) {
        std::vector<uint8_t> prefix(b.data(), b.data() + n);
        NetworkInterfaceReader short_reader{Bytes(prefix)};
        while (short_reader.next()) {
        }
        EXPECT_TRUE(short_reader.malformed()) << n;
    }
}

TEST(Reparse, Forms) {
    Buffer target = utf16("..\\x");
    for (uint32_t tag : {reparse_tag::symlink, reparse_tag::mount_point}) {
        SymlinkReparse s{tag == reparse_tag::symlink ? SymlinkReparse::relative : 0, target, target};
        Buffer p;
        ByteWriter out(p);
        s.encode(out, tag);
        auto data = ReparseData::decode(p);
        ASSERT_TRUE(data.ok());
        EXPECT_EQ(data->tag, tag);
        auto d = SymlinkReparse::decode(data->data, tag);
        ASSERT_TRUE(d.ok());
        EXPECT_EQ(d->flags, s.flags);
        EXPECT_EQ(vec(d->print_name), vec(target));
        EXPECT_EQ(ReparseData::decode(p.bytes().first(p.size() - 1)).error(), NtStatus::IO_REPARSE_DATA_INVALID);
    }
    Buffer p;
    ByteWriter out(p);
    NfsReparse{NfsReparse::type_chr, Bytes(payload).first(8)}.encode(out);
    auto data = ReparseData::decode(p);
    ASSERT_TRUE(data.ok());
    EXPECT_EQ(NfsReparse::decode(data->data)->type, NfsReparse::type_chr);
    EXPECT_FALSE(NfsReparse::decode(data->data.first(12)).ok());
}

}  // namespace
}  // namespace Atoll::smb
