#include "libcli/smb/file_io.h"

#include <array>

#include "libcli/smb/error.h"
#include "libcli/smb/query.h"
#include "libcli/smb/wire_test.h"

namespace Atoll::smb {
namespace {

const std::array<uint8_t, 11> payload{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

// The values of MS-SMB2 4.5, laid out as 2.2.19 says.
TEST(Read, Request) {
    ReadRequest r;
    r.padding = 0x50;
    r.length = 1024;
    r.file_id = {0x0000000900000009, 0x0000000400000001};
    Buffer m = check_message(r);
    EXPECT_EQ(m.size(), 64u + 49);
    EXPECT_EQ(load_le<uint32_t>(m.data() + 68), 1024u);
    r.channel = Channel::rdma_v1;
    r.remaining_bytes = 5;
    r.channel_info = payload;
    m = check_message(r);
    auto d = ReadRequest::decode(m);
    EXPECT_EQ(vec(d->channel_info), vec(payload));
    store_le<uint16_t>(m.data() + 64 + 46, 12);
    EXPECT_FALSE(ReadRequest::decode(m).ok());
    store_le<uint32_t>(m.data() + 64 + 36, 0);  // no channel: its fields are ignored
    EXPECT_TRUE(ReadRequest::decode(m).ok());
}

TEST(Read, Response) {
    ReadResponse r{payload, 0, 0};
    Buffer m = check_message(r);
    EXPECT_EQ(m[66], ReadResponse::payload_offset);
    EXPECT_EQ(vec(ReadResponse::decode(m)->data), vec(payload));
    m = encode_message(Command::read, [](ByteWriter& out) { ReadResponse::encode_fixed(out, 11); });
    EXPECT_FALSE(ReadResponse::decode(m).ok());  // the data are missing
    ByteWriter(m).bytes(payload);
    EXPECT_EQ(vec(ReadResponse::decode(m)->data), vec(payload));
}

TEST(Write, RequestAndItsPayload) {
    WriteRequest r;
    r.offset = 1ull << 40;
    r.file_id = {3, 4};
    r.flags = write_flags::write_through;
    r.data = payload;
    Buffer m = check_message(r);
    EXPECT_EQ(load_le<uint16_t>(m.data() + 66), 112);
    m[12] = 9;  // Command
    auto where = WriteRequest::locate_payload(m.bytes().first(WriteRequest::payload_offset), m.size());
    ASSERT_TRUE(where.ok());
    EXPECT_EQ(where->offset, 112u);
    EXPECT_EQ(where->length, 11u);
    EXPECT_FALSE(WriteRequest::locate_payload(m.bytes().first(112), m.size() - 1).ok());
    EXPECT_FALSE(WriteRequest::locate_payload(m.bytes().first(111), m.size()).ok());
    // MS-SMB2 3.3.5.13: DataOffset above 0x100
    store_le<uint16_t>(m.data() + 66, 0x101);
    store_le<uint32_t>(m.data() + 68, 0);
    EXPECT_EQ(WriteRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);
}

TEST(Write, ChannelAndResponse) {
    WriteRequest r;
    r.channel = Channel::rdma_v1_invalidate;
    r.remaining_bytes = 100;
    r.channel_info = payload;
    Buffer m = check_message(r);
    EXPECT_EQ(vec(WriteRequest::decode(m)->channel_info), vec(payload));
    r = {};
    check_message(r);
    m = check_message(WriteResponse{11});
    EXPECT_EQ(m.size(), 80u);
}

TEST(Flush, Request) { EXPECT_EQ(check_message(FlushRequest{{1, 2}}).size(), 88u); }

TEST(Lock, Elements) {
    Buffer elements;
    ByteWriter out(elements);
    LockRequest::encode_element(out, {10, 20, lock_flags::exclusive_lock});
    LockRequest::encode_element(out, {30, 40, lock_flags::unlock});
    LockRequest r;
    r.sequence_number = 5;
    r.sequence_index = 64;
    r.file_id = {1, 2};
    r.elements = elements;
    Buffer m = check_message(r);
    auto d = LockRequest::decode(m);
    ASSERT_EQ(d->count(), 2u);
    EXPECT_EQ(d->sequence_number, 5);
    EXPECT_EQ(d->sequence_index, 64u);
    EXPECT_EQ(d->element(1).length, 40u);
    store_le<uint16_t>(m.data() + 66, 3);
    EXPECT_FALSE(LockRequest::decode(m).ok());
    store_le<uint16_t>(m.data() + 66, 0);
    EXPECT_EQ(LockRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);
}

TEST(OplockBreak, Forms) {
    Buffer m = check_message(OplockBreak{OplockLevel::ii, {1, 2}});
    EXPECT_EQ(oplock_break_form(m), 24);
    m = check_message(LeaseBreakAck{Guid::random(), 3});
    EXPECT_EQ(m.size(), 100u);
    EXPECT_EQ(oplock_break_form(m), 36);
    m = check_message(LeaseBreakNotification{4, lease_break_flags::ack_required, Guid::random(), 7, 1});
    EXPECT_EQ(m.size(), 108u);
    EXPECT_EQ(oplock_break_form(m), 44);
    m[64] = 25;
    EXPECT_EQ(oplock_break_form(m), 0);
    EXPECT_EQ(oplock_break_form(m.bytes().first(65)), 0);
}

TEST(Query, Directory) {
    Buffer pattern = utf16("*.txt");
    QueryDirectoryRequest r{FileInformationClass::id_both_directory, query_directory_flags::restart_scans, 0, {1, 2}, pattern, 65536};
    Buffer m = check_message(r);
    EXPECT_EQ(vec(QueryDirectoryRequest::decode(m)->pattern), vec(pattern));
    store_le<uint16_t>(m.data() + 64 + 26, 3);
    EXPECT_FALSE(QueryDirectoryRequest::decode(m).ok());
    r.pattern = {};
    check_message(r);
}

TEST(Query, ResponsesBuiltInPlace) {
    check_message(OutputBufferResponse{payload});
    check_message(OutputBufferResponse{});
    Buffer m = encode_message(Command::query_info, [](ByteWriter& out) {
        OutputBufferResponse::begin(out);
        out.bytes(payload);
        OutputBufferResponse::finish(out);
    });
    EXPECT_EQ(vec(OutputBufferResponse::decode(m)->output), vec(payload));
}

TEST(Query, InfoInputIsForQuotaAndEaOnly) {
    QueryInfoRequest r;
    r.info_type = InfoType::quota;
    r.output_buffer_length = 100;
    r.input = payload;
    r.file_id = {1, 2};
    Buffer m = check_message(r);
    EXPECT_EQ(QueryInfoRequest::decode(m)->input.size(), 11u);
    store_le<uint32_t>(m.data() + 64 + 12, 500);
    EXPECT_FALSE(QueryInfoRequest::decode(m).ok());
    m[66] = 1;  // a file query: the length is ignored (MS-SMB2 3.3.5.20)
    m[67] = 4;
    auto d = QueryInfoRequest::decode(m);
    ASSERT_TRUE(d.ok());
    EXPECT_TRUE(d->input.empty());

    QueryQuotaInfo q{true, false, payload, {}};
    check_payload(q);
    q = {false, true, {}, payload};
    Buffer p = check_payload(q);
    store_le<uint32_t>(p.data() + 12, 5);  // StartSidOffset past the end
    EXPECT_FALSE(QueryQuotaInfo::decode(p).ok());
    store_le<uint32_t>(p.data() + 4, 4);  // with a list the rest does not count
    ASSERT_TRUE(QueryQuotaInfo::decode(p).ok());
    EXPECT_TRUE(QueryQuotaInfo::decode(p)->start_sid.empty());
}

TEST(SetInfo, BothWays) {
    SetInfoRequest r{InfoType::file, 20, 0, {1, 2}, payload};
    Buffer m = check_message(r);
    EXPECT_EQ(load_le<uint16_t>(m.data() + 64 + 8), 96);
    store_le<uint32_t>(m.data() + 64 + 4, 12);
    EXPECT_EQ(SetInfoRequest::decode(m).error(), NtStatus::INVALID_PARAMETER);
    EXPECT_EQ(check_message(SetInfoResponse{}).size(), 66u);
}

TEST(ChangeNotify, Request) {
    Buffer m = check_message(ChangeNotifyRequest{change_notify_flags::watch_tree, 1000, {1, 2}, notify_change::file_name});
    EXPECT_EQ(m.size(), 96u);
}

TEST(ErrorResponse, BareAndContexts) {
    Buffer m = check_message(ErrorResponse{});
    EXPECT_EQ(m.size(), 64u + 9);
    m = encode_message(Command::create, [](ByteWriter& out) { ErrorResponse::encode(out, Dialect::smb3_02, payload); });
    EXPECT_EQ(vec(*ErrorResponse::decode(m)->data()), vec(payload));
    m = encode_message(Command::create, [](ByteWriter& out) { ErrorResponse::encode(out, Dialect::smb3_11, payload); });
    auto d = ErrorResponse::decode(m);
    EXPECT_EQ(d->context_count, 1);
    EXPECT_EQ(vec(*d->data()), vec(payload));
    EXPECT_FALSE(d->data(ErrorId::share_redirect).has_value());
    store_le<uint32_t>(m.data() + 72, 500);  // the context's length
    EXPECT_FALSE(ErrorResponse::decode(m)->data().has_value());
}

TEST(ErrorResponse, WhichBodies) {
    EXPECT_FALSE(has_error_body(Command::read, NtStatus::SUCCESS));
    EXPECT_TRUE(has_error_body(Command::read, NtStatus::PENDING));
    EXPECT_FALSE(has_error_body(Command::read, NtStatus::BUFFER_OVERFLOW));
    EXPECT_TRUE(has_error_body(Command::create, NtStatus::BUFFER_OVERFLOW));
    EXPECT_FALSE(has_error_body(Command::session_setup, NtStatus::MORE_PROCESSING_REQUIRED));
    EXPECT_TRUE(has_error_body(Command::create, NtStatus::ACCESS_DENIED));
}

// The example of MS-SMB2 2.2.2.2.1.1.
TEST(ErrorResponse, Symlink) {
    Buffer target = utf16("..\\DonHall\\Documents\\PDocs");
    SymlinkError e{0x2E, SymlinkError::relative, target, target};
    Buffer p = check_payload(e);
    auto d = SymlinkError::decode(p);
    EXPECT_EQ(d->substitute_name.size(), 0x34u);
    EXPECT_EQ(d->unparsed_path_length, 0x2E);
    EXPECT_EQ(load_le<uint32_t>(p.data()), p.size() - 4);
    EXPECT_EQ(load_le<uint16_t>(p.data() + 12), 2 * 0x34 + 12);
    for (size_t n = 0; n < p.size(); ++n) EXPECT_FALSE(SymlinkError::decode(p.bytes().first(n)).ok());
}

TEST(ErrorResponse, ShareRedirect) {
    Buffer addresses;
    ByteWriter out(addresses);
    ShareRedirectError::encode_address(out, {false, {10, 0, 0, 1}});
    ShareRedirectError::encode_address(out, {true, {0xFE, 0x80}});
    Buffer name = utf16("share");
    ShareRedirectError e{addresses, name};
    Buffer p = check_payload(e);
    auto d = ShareRedirectError::decode(p);
    ASSERT_EQ(d->count(), 2u);
    EXPECT_TRUE(d->address(1).ipv6);
    EXPECT_EQ(d->address(0).address[0], 10);
    EXPECT_EQ(vec(d->resource_name), vec(name));
}

}  // namespace
}  // namespace Atoll::smb
