#include "tools/tdb/record_text.h"

#include <gtest/gtest.h>

namespace Atoll::tools {
namespace {

std::string bytes(std::initializer_list<int> values) {
    std::string out;
    for (const int value : values) out += static_cast<char>(value);
    return out;
}

TEST(RecordText, DumpEscapesWhatIsNotPrintableAndItsOwnMarks) {
    EXPECT_EQ(escaped(as_bytes(bytes({0, 1, 0x1F, 0x20, 0x7E, 0x7F, 0x80, 0xFF}) + "\"'%`$\\")), "\\00\\01\\1F ~\\7F\\80\\FF\\22'%`$\\5C");
    EXPECT_EQ(escaped({}), "");
}

TEST(RecordText, WordsOfCommandsAreUnescaped) {
    EXPECT_EQ(unescaped("a\\20b"), "a b");
    EXPECT_EQ(unescaped("z\\0"), bytes({'z', 0}));
    EXPECT_EQ(unescaped("\\FFx"), bytes({0xFF, 'x'}));
    EXPECT_EQ(unescaped("k\\zz\\4"), bytes({'k', 'z', 'z', 4}));
    EXPECT_EQ(unescaped("end\\"), "end\\");
    const std::string all = [] {
        std::string out;
        for (int i = 0; i < 256; i++) out += static_cast<char>(i);
        return out;
    }();
    EXPECT_EQ(unescaped(escaped(as_bytes(all))), all);
}

TEST(RecordText, HexDigitsComeInPairs) {
    std::string out;
    EXPECT_TRUE(from_hex("00fFA0", out));
    EXPECT_EQ(out, bytes({0, 0xFF, 0xA0}));
    EXPECT_FALSE(from_hex("0", out));
    EXPECT_FALSE(from_hex("", out));
    EXPECT_FALSE(from_hex("0g", out));
}

// As Debian's tdbtool prints them.
TEST(RecordText, HexLines) {
    EXPECT_EQ(hex_lines(as_bytes("v1")), "[000] 76 31                                             v1 \n");
    EXPECT_EQ(hex_lines(as_bytes("aaaaaaaaa")), "[000] 61 61 61 61 61 61 61 61  61                       aaaaaaaa a\n");
    EXPECT_EQ(hex_lines(as_bytes(bytes({0, 0, 0, 0, 0, 0, 0, 0, 0}))),
              "[000] 00 00 00 00 00 00 00 00  00                       ....... \n");
    EXPECT_EQ(hex_lines(as_bytes("0123456789abcdefg")),
              "[000] 30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  01234567 89abcdef\n"
              "[010] 67                                                g \n");
    EXPECT_EQ(hex_lines({}), "");
    EXPECT_EQ(printable(as_bytes(bytes({'k', '\n', 0}))), "k.");
}

}  // namespace
}  // namespace Atoll::tools
