#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>

#include "base/bytes.h"
#include "base/file.h"
#include "base/guid.h"
#include "base/nt_status.h"
#include "base/result.h"
#include "base/sid.h"
#include "base/time.h"
#include "base/utf.h"

namespace Atoll {
namespace {

TEST(Bytes, ReadPastTheEndFailsForGoodAndReadsZero) {
    const uint8_t data[] = {1, 2, 3};
    ByteReader in(data);
    EXPECT_EQ(in.u16(), 0x0201);
    EXPECT_EQ(in.u32(), 0u);
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.u8(), 0);
    EXPECT_TRUE(in.at(4, 1).empty());
}

TEST(Bytes, OffsetAndLengthCannotOverflow) {
    const uint8_t data[8] = {};
    ByteReader in(data);
    EXPECT_EQ(in.at(8, 0).size(), 0u);
    EXPECT_TRUE(in.ok());
    (void)in.at(1, SIZE_MAX);
    EXPECT_FALSE(in.ok());
}

TEST(Bytes, WriterPatchesRelativeToItsStart) {
    Buffer buffer;
    buffer.append_zeros(3);
    ByteWriter out(buffer);
    out.u32(0);
    out.u8(9);
    out.align(8);
    out.patch_u32(0, 0xAABBCCDD);
    EXPECT_EQ(out.position(), 8u);
    EXPECT_EQ(buffer[3], 0xDD);
}

TEST(Utf, RejectsWhatIsNotUtf16) {
    EXPECT_FALSE(utf16le_to_utf8(Bytes(reinterpret_cast<const uint8_t*>("\x00\xD8"), 2)));
    EXPECT_FALSE(utf16le_to_utf8(Bytes(reinterpret_cast<const uint8_t*>("\x00\xDC\x41\x00"), 4)));
    EXPECT_FALSE(utf16le_to_utf8(Bytes(reinterpret_cast<const uint8_t*>("a"), 1)));
}

TEST(Utf, RoundTripsEveryPlane) {
    for (char32_t c = 1; c <= 0x10FFFF; c += 257) {
        if (c >= 0xD800 && c <= 0xDFFF) continue;
        Buffer wire;
        if (c < 0x10000) {
            store_le<uint16_t>(wire.extend(2).data(), static_cast<uint16_t>(c));
        } else {
            store_le<uint16_t>(wire.extend(2).data(), static_cast<uint16_t>(0xD800 + ((c - 0x10000) >> 10)));
            store_le<uint16_t>(wire.extend(2).data(), static_cast<uint16_t>(0xDC00 + ((c - 0x10000) & 0x3FF)));
        }
        const auto text = utf16le_to_utf8(wire.bytes());
        ASSERT_TRUE(text) << static_cast<uint32_t>(c);
        const auto back = utf8_to_utf16le(*text);
        ASSERT_TRUE(back);
        EXPECT_EQ(as_text(back->bytes()), as_text(wire.bytes()));
    }
}

TEST(Utf, RejectsWhatIsNotUtf8) {
    for (const char* bad : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xC3", "\xFF"})
        EXPECT_FALSE(is_valid_utf8(bad));
}

TEST(Utf, ComparesNamesByUpperCase) {
    EXPECT_TRUE(equal_ignoring_case("Größe.TXT", "gRÖßE.txt"));
    EXPECT_TRUE(equal_ignoring_case("\xD0\x9F\xD1\x80", "\xD0\xBF\xD0\xA0"));
    EXPECT_FALSE(equal_ignoring_case("a", "ab"));
    EXPECT_FALSE(equal_ignoring_case("\xFF", "\xFE"));
    EXPECT_EQ(to_upper(U'\x10428'), U'\x10400');
}

TEST(Sid, TextAndWire) {
    const auto sid = parse_sid("S-1-5-21-1-2-3-500");
    ASSERT_TRUE(sid);
    EXPECT_EQ(to_string(*sid), "S-1-5-21-1-2-3-500");
    Buffer wire;
    ByteWriter out(wire);
    sid->encode(out);
    ByteReader in(wire);
    EXPECT_EQ(Sid::decode(in), *sid);
    EXPECT_TRUE(in.ok());
    for (const char* bad : {"S-1", "S-2-5", "S-1-5-4294967296", "S-1-5-", "S-1-5-1x"}) EXPECT_FALSE(parse_sid(bad)) << bad;
}

TEST(Guid, TextForm) {
    const auto guid = parse_guid("{6B29FC40-ca47-1067-b31d-00dd010662da}");
    ASSERT_TRUE(guid);
    EXPECT_EQ(guid->bytes[0], 0x40);
    EXPECT_EQ(to_string(*guid), "6b29fc40-ca47-1067-b31d-00dd010662da");
}

TEST(Time, RoundTripsAndClamps) {
    const timespec t{.tv_sec = 1700000000, .tv_nsec = 123456700};
    EXPECT_EQ(NtTime::from(t).to_timespec().tv_nsec, 123456700);
    EXPECT_EQ(NtTime::from(t).to_timespec().tv_sec, 1700000000);
    EXPECT_EQ(NtTime::from({.tv_sec = INT64_MIN, .tv_nsec = 0}).ticks, 0u);
    EXPECT_EQ(NtTime::from({.tv_sec = 0, .tv_nsec = 0}).ticks, NtTime::unix_epoch);
}

TEST(NtStatus, NamesAndSeverity) {
    EXPECT_EQ(to_string(NtStatus::ACCESS_DENIED), "NT_STATUS_ACCESS_DENIED");
    EXPECT_EQ(to_string(nt_status(0xC0FFFFFF)), "NT code 0xc0ffffff");
    EXPECT_TRUE(is_error(NtStatus::ACCESS_DENIED));
    EXPECT_TRUE(is_warning(NtStatus::BUFFER_OVERFLOW));
    EXPECT_EQ(nt_status_from_errno(ENOENT), NtStatus::OBJECT_NAME_NOT_FOUND);
}

TEST(File, IsReadAsAWhole) {
    const std::string path = testing::TempDir() + "/atoll_base_file";
    const std::string text(100'000, 'x');
    std::ofstream(path) << text;
    EXPECT_EQ(read_file(path, text.size()).value(), text);
    EXPECT_EQ(read_file(path, text.size() - 1).error().code, Code::no_space);
    EXPECT_EQ(read_file(path + ".not", 1).error().code, Code::not_found);
    EXPECT_TRUE(sync_directory_of(path));
    EXPECT_EQ(sync_directory_of(path + ".not/file").error().code, Code::not_found);
    std::remove(path.c_str());
}

TEST(Result, CarriesErrors) {
    const Result<int> good = 4;
    const Result<int> bad = fail(Code::corrupt, "file", "broken");
    EXPECT_EQ(*good, 4);
    EXPECT_EQ(bad.error().message(), "file: broken");
    const Result<void, NtStatus> status = NtStatus::ACCESS_DENIED;
    EXPECT_FALSE(status.ok());
}

}  // namespace
}  // namespace Atoll
