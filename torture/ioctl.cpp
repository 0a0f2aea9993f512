// atoll.ioctl: the control codes of files: copies within the server, holes, object ids.
#include "libcli/smb/ioctl.h"

#include <algorithm>

#include "torture/control.h"
#include "torture/test.h"

namespace Atoll::torture {
namespace {

using smb::ControlCode;

constexpr uint32_t max_chunks = 256, max_chunk = 1 << 20, max_total = 16 << 20;

template <class T>
Answer control_with(client::File& file, ControlCode code, const T& input, uint32_t room = 1024) {
    Buffer bytes;
    ByteWriter out(bytes);
    input.encode(out);
    return control(file, code, bytes, room);
}

Answer copy(client::File& source, client::File& target, std::initializer_list<smb::CopyChunk> chunks,
            ControlCode code = ControlCode::srv_copychunk, uint32_t room = smb::CopyChunkResponse::size) {
    smb::CopyChunkRequest request;
    const Answer key = control(source, ControlCode::srv_request_resume_key, {}, smb::ResumeKeyResponse::size);
    if (const auto decoded = smb::ResumeKeyResponse::decode(key.output); decoded.ok()) request.source_key = decoded->key;
    Buffer bytes;
    ByteWriter out(bytes);
    for (const smb::CopyChunk& chunk : chunks) smb::CopyChunkRequest::encode_chunk(out, chunk);
    request.chunks = bytes;
    return control_with(target, code, request, room);
}

Buffer content(client::File& file) {
    Buffer all;
    while (file.read(all.size(), 65536, all) == NtStatus::SUCCESS) {
    }
    return all;
}

void copies(Test& t) {
    REQUIRE(t, c, t.client());
    const auto data = pattern_bytes(100000);
    REQUIRE(t, a, t.file(*c, "a", data));
    REQUIRE(t, b, t.file(*c, "b"));
    const Answer answer = copy(*a, *b, {{0, 50000, 50000}, {50000, 0, 50000}});
    CHECK_STATUS(t, answer.status, NtStatus::SUCCESS);
    REQUIRE(t, counts, smb::CopyChunkResponse::decode(answer.output));
    CHECK(t, counts->chunks_written == 2 && counts->chunk_bytes_written == 0 && counts->total_bytes_written == 100000, "{} {} {}",
          counts->chunks_written, counts->chunk_bytes_written, counts->total_bytes_written);
    const Buffer back = content(*b);
    CHECK(t, std::ranges::equal(back.bytes().first(50000), Bytes(data).subspan(50000)), "the first half differs");
    CHECK(t, std::ranges::equal(back.bytes().subspan(50000), Bytes(data).first(50000)), "the second half differs");
}

// A chunk that overlaps its own source is copied as if all were read first.
void copies_onto_itself(Test& t) {
    REQUIRE(t, c, t.client());
    const auto data = pattern_bytes(20000);
    REQUIRE(t, a, t.file(*c, "a", data));
    CHECK_STATUS(t, copy(*a, *a, {{0, 5000, 10000}}).status, NtStatus::SUCCESS);
    const Buffer back = content(*a);
    CHECK(t, std::ranges::equal(back.bytes().subspan(5000, 10000), Bytes(data).first(10000)), "the copy differs");
    CHECK(t, std::ranges::equal(back.bytes().first(5000), Bytes(data).first(5000)), "what is before it differs");
}

void copy_limits(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, a, t.file(*c, "a", pattern_bytes(100)));
    REQUIRE(t, b, t.file(*c, "b"));
    for (const smb::CopyChunk& chunk : {smb::CopyChunk{0, 0, 0}, smb::CopyChunk{0, 0, max_chunk + 1}}) {
        const Answer answer = copy(*a, *b, {chunk});
        CHECK_STATUS(t, answer.status, NtStatus::INVALID_PARAMETER);
        REQUIRE(t, told, smb::CopyChunkResponse::decode(answer.output));
        CHECK(t, told->chunks_written == max_chunks && told->chunk_bytes_written == max_chunk && told->total_bytes_written == max_total,
              "{} {} {}", told->chunks_written, told->chunk_bytes_written, told->total_bytes_written);
    }
    CHECK_STATUS(t, copy(*a, *b, {{0, 0, 10}}, ControlCode::srv_copychunk, smb::CopyChunkResponse::size - 1).status,
                 NtStatus::INVALID_PARAMETER);
    const Answer beyond = copy(*a, *b, {{0, 0, 50}, {90, 50, 20}});
    CHECK_STATUS(t, beyond.status, NtStatus::INVALID_VIEW_SIZE);
    REQUIRE(t, counts, smb::CopyChunkResponse::decode(beyond.output));
    CHECK(t, counts->chunks_written == 1 && counts->total_bytes_written == 50, "{} {}", counts->chunks_written,
          counts->total_bytes_written);
    CHECK_STATUS(t, control_with(*b, ControlCode::srv_copychunk, smb::CopyChunkRequest{}).status, NtStatus::OBJECT_NAME_NOT_FOUND);
}

void copy_rights(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, a, t.file(*c, "a", pattern_bytes(100)));
    REQUIRE(t, b, t.file(*c, "b"));
    const auto open = [&](const char* leaf, uint32_t access) {
        client::OpenOptions options;
        options.access = access;
        return client::File::open(*c->tree, t.path(*c, leaf), options);
    };
    REQUIRE(t, blind, open("a", smb::access_mask::file_read_attributes));
    CHECK_STATUS(t, copy(*blind, *b, {{0, 0, 10}}).status, NtStatus::ACCESS_DENIED);
    REQUIRE(t, writes, open("b", smb::access_mask::file_write_data));
    CHECK_STATUS(t, copy(*a, *writes, {{0, 0, 10}}).status, NtStatus::ACCESS_DENIED);
    CHECK_STATUS(t, copy(*a, *writes, {{0, 0, 10}}, ControlCode::srv_copychunk_write).status, NtStatus::SUCCESS);
    REQUIRE(t, reads, open("b", smb::access_mask::file_read_data));
    CHECK_STATUS(t, copy(*a, *reads, {{0, 0, 10}}, ControlCode::srv_copychunk_write).status, NtStatus::ACCESS_DENIED);
}

void holes(Test& t) {
    constexpr uint64_t size = 1 << 20;
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", pattern_bytes(size)));
    const auto ranges = [&](uint64_t offset, uint64_t length, uint32_t room = 1024) {
        return control_with(*f, ControlCode::query_allocated_ranges, smb::AllocatedRange{offset, length}, room);
    };
    // Without holes all of it is allocated; a length of 0 asks for nothing.
    CHECK(t, ranges(0, size).output.size() == smb::AllocatedRange::size, "of a file that is not sparse");
    CHECK_STATUS(t, ranges(0, 0).status, NtStatus::SUCCESS);
    CHECK_STATUS(t, ranges(0, size, 15).status, NtStatus::BUFFER_TOO_SMALL);
    CHECK_STATUS(t, control(*f, ControlCode::query_allocated_ranges, pattern_bytes(15)).status, NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, control(*f, ControlCode::set_sparse, {}).status, NtStatus::SUCCESS);
    REQUIRE(t, info, f->query<smb::FileBasicInformation>(smb::FileInformationClass::basic));
    CHECK(t, (info->file_attributes & smb::file_attribute::sparse_file) != 0, "attributes {:#x}", info->file_attributes);
    CHECK_STATUS(t, control_with(*f, ControlCode::set_zero_data, smb::SetZeroData{size / 4, size / 2}).status, NtStatus::SUCCESS);
    CHECK_STATUS(t, ranges(0, size, smb::AllocatedRange::size).status, NtStatus::BUFFER_OVERFLOW);
    const Answer found = ranges(0, size);
    CHECK(t, found.output.size() == 2 * smb::AllocatedRange::size, "{} bytes", found.output.size());
    REQUIRE(t, second, smb::AllocatedRange::decode(found.output.bytes().subspan(smb::AllocatedRange::size)));
    CHECK(t, second->file_offset == size / 2 && second->length == size / 2, "{} {}", second->file_offset, second->length);
    const Buffer back = content(*f);
    CHECK(t, back.size() == size, "the size is {}", back.size());
    CHECK(t, std::ranges::all_of(back.bytes().subspan(size / 4, size / 4), [](uint8_t b) { return b == 0; }), "no zeros");
}

void zero_data(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f", std::vector<uint8_t>(1000, 7)));
    const auto zero = [&](uint64_t from, uint64_t beyond) {
        Buffer input;
        ByteWriter out(input);
        out.u64(from);
        out.u64(beyond);
        return control(*f, ControlCode::set_zero_data, input).status;
    };
    CHECK_STATUS(t, zero(20, 10), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, zero(0, 1ull << 63), NtStatus::INVALID_PARAMETER);
    CHECK_STATUS(t, zero(10, 10), NtStatus::SUCCESS);
    CHECK_STATUS(t, zero(990, 5000), NtStatus::SUCCESS);  // the file does not grow
    const Buffer back = content(*f);
    CHECK(t, back.size() == 1000 && back[989] == 7 && back[990] == 0 && back[999] == 0, "the content differs");
}

void object_id(Test& t) {
    REQUIRE(t, c, t.client());
    REQUIRE(t, f, t.file(*c, "f"));
    const Answer first = control(*f, ControlCode::create_or_get_object_id, {});
    CHECK_STATUS(t, first.status, NtStatus::SUCCESS);
    CHECK(t, first.output.size() == 64, "{} bytes", first.output.size());
    const Answer second = control(*f, ControlCode::create_or_get_object_id, {});
    CHECK(t, std::ranges::equal(first.output.bytes(), second.output.bytes()), "another id the second time");
    CHECK_STATUS(t, control(*f, ControlCode::create_or_get_object_id, {}, 63).status, NtStatus::INVALID_PARAMETER);
}

constexpr TestCase tests[] = {
    {"copies", "MS-SMB2 3.3.5.15.6", copies},
    {"copies_onto_itself", "MS-SMB2 3.3.5.15.6", copies_onto_itself},
    {"copy_limits", "MS-SMB2 3.3.5.15.6.2", copy_limits},
    {"copy_rights", "MS-SMB2 3.3.5.15.6", copy_rights},
    {"holes", "MS-FSA 2.1.5.10.22, 2.1.5.10.38", holes},
    {"zero_data", "MS-FSA 2.1.5.10.39", zero_data},
    {"object_id", "MS-FSA 2.1.5.10.1", object_id},
};

}  // namespace

const Suite ioctl_suite = {"atoll.ioctl", tests};

}  // namespace Atoll::torture
