#include "smbd/services/names.h"

#include <gtest/gtest.h>

#include "smbd/services/net_error.h"

namespace Atoll::services {
namespace {

uint32_t type_of(std::string_view path, uint32_t flags = 0) {
    uint32_t type = 0;
    const uint32_t error = path_type(path, flags, type);
    return error == net_error::success ? type : error;
}

std::string canonical(std::string_view path, std::string_view prefix = "") {
    std::string out;
    uint32_t type = 0;
    const uint32_t error = canonicalize_path(path, prefix, 0, 1000, type, out);
    return error == net_error::success ? out : std::to_string(error);
}

TEST(Names, AreValidByTheirType) {
    EXPECT_EQ(validate_name("share", 9, 0), net_error::success);
    EXPECT_EQ(validate_name("hidden$", 9, 0), net_error::success);
    for (const char* bad : {"", "a*b", "a/b", "a\\b", "a?b", "a:b", "a|b", "a<b", "a\"b", "a\tb", "a,b", "a;b", "a=b", "a+b", "[a]"})
        EXPECT_EQ(validate_name(bad, 9, 0), net_error::invalid_name) << bad;
    EXPECT_EQ(validate_name(std::string(80, 'x'), 9, 0), net_error::success);
    EXPECT_EQ(validate_name(std::string(81, 'x'), 9, 0), net_error::invalid_name);
    EXPECT_EQ(validate_name("share", 0, 0), net_error::invalid_parameter);
    EXPECT_EQ(validate_name("share", 14, 0), net_error::invalid_parameter);
    EXPECT_EQ(validate_name("share", 9, 1), net_error::invalid_parameter);
}

TEST(Names, LengthsCountUtf16) {
    std::string umlauts, planes;
    for (int i = 0; i < 15; i++) umlauts += "\xC3\xA4";
    for (int i = 0; i < 8; i++) planes += "\xF0\x9D\x84\x9E";  // two units each
    EXPECT_EQ(validate_name(umlauts, 6, 0), net_error::success);
    EXPECT_EQ(validate_name(umlauts + "x", 6, 0), net_error::invalid_name);
    EXPECT_EQ(validate_name(planes, 6, 0), net_error::invalid_name);
    std::string out;
    EXPECT_EQ(canonicalize_name(umlauts + "xxxxx", 1, 0x80000000, 100, out), net_error::success);
    EXPECT_EQ(out.size(), 35u);
}

TEST(Names, TypesHaveRulesOfTheirOwn) {
    EXPECT_EQ(validate_name("", 2, 0), net_error::success);  // a password may be empty and hold anything
    EXPECT_EQ(validate_name("a/b\\", 2, 0), net_error::success);
    EXPECT_EQ(validate_name(" pc", 4, 0), net_error::invalid_name);
    EXPECT_EQ(validate_name("pc ", 4, 0), net_error::invalid_name);
    EXPECT_EQ(validate_name("p c", 4, 0), net_error::success);
    EXPECT_EQ(validate_name("p c", 6, 0), net_error::invalid_name);
    EXPECT_EQ(validate_name("group*", 11, 0), net_error::success);
    EXPECT_EQ(validate_name("gr*oup", 11, 0), net_error::invalid_name);
    EXPECT_EQ(validate_name(std::string(259, 'x'), 11, 0), net_error::invalid_name);
    EXPECT_EQ(validate_name(std::string(258, 'x').append("*"), 11, 0), net_error::success);
}

TEST(Names, CanonicalFormsAreCutAndUpper) {
    std::string out;
    EXPECT_EQ(canonicalize_name("Event", 5, 0, 100, out), net_error::success);
    EXPECT_EQ(out, "EVENT");
    EXPECT_EQ(canonicalize_name("Share", 9, 0, 6, out), net_error::success);
    EXPECT_EQ(out, "Share");
    EXPECT_EQ(canonicalize_name("Share", 9, 0, 5, out), net_error::buffer_too_small);
    EXPECT_EQ(canonicalize_name("Share", 9, 1, 79, out), net_error::buffer_too_small);
    EXPECT_EQ(canonicalize_name("Share", 9, 1, 80, out), net_error::success);
    EXPECT_EQ(canonicalize_name("averyveryverylongshare", 9, 0x80000000, 100, out), net_error::success);
    EXPECT_EQ(out, "AVERYVERYVER");
    EXPECT_EQ(canonicalize_name("a*b", 9, 0, 100, out), net_error::invalid_name);
    EXPECT_EQ(canonicalize_name("a", 9, 2, 100, out), net_error::invalid_parameter);
}

TEST(Names, AreComparedAsTheirTypeSays) {
    EXPECT_EQ(compare_names("Share", "sHARE", 9, 0), 0);
    EXPECT_EQ(compare_names("a", "B", 9, 0), -1);
    EXPECT_EQ(compare_names("b", "A", 9, 1), 1);
    EXPECT_EQ(compare_names("secret", "SECRET", 2, 0x80000000), 1);  // passwords keep their case
    EXPECT_EQ(compare_names("secret", "SECRET", 2, 0), 0);
    EXPECT_EQ(compare_names("a*", "a*", 9, 0), 87);
    EXPECT_EQ(compare_names("a", "a", 99, 0), 87);
    EXPECT_EQ(compare_names("a", "a", 9, 4), 87);
}

TEST(Paths, HaveTypes) {
    EXPECT_EQ(type_of("\\\\server"), 4144u);
    EXPECT_EQ(type_of("\\\\*"), 4145u);
    EXPECT_EQ(type_of("\\\\server\\share"), 4096u);
    EXPECT_EQ(type_of("\\\\server\\share\\*.txt"), 4097u);
    EXPECT_EQ(type_of("\\\\server\\"), net_error::invalid_name);
    EXPECT_EQ(type_of("\\\\.\\pipe"), 8198u);
    EXPECT_EQ(type_of("\\\\.\\*"), 8199u);
    EXPECT_EQ(type_of("\\\\."), net_error::invalid_name);
    EXPECT_EQ(type_of("\\dir\\file"), 8194u);
    EXPECT_EQ(type_of("\\dir\\f?le"), 8195u);
    EXPECT_EQ(type_of("\\dev\\lpt4:"), 16400u);
    EXPECT_EQ(type_of("\\DEV\\COM1"), 16416u);
    EXPECT_EQ(type_of("\\DEV\\NUL"), net_error::invalid_name);
    EXPECT_EQ(type_of("C:"), 16384u);
    EXPECT_EQ(type_of("c:\\dir"), 8198u);
    EXPECT_EQ(type_of("c:\\*"), 8199u);
    EXPECT_EQ(type_of("LPT1"), 16400u);
    EXPECT_EQ(type_of("com4:"), 16416u);
    EXPECT_EQ(type_of("dir\\file"), 8192u);
    EXPECT_EQ(type_of("*.txt"), 8193u);
    EXPECT_EQ(type_of(""), net_error::invalid_name);
    EXPECT_EQ(type_of("a<b"), net_error::invalid_name);
    EXPECT_EQ(type_of(std::string(260, 'a')), 8192u);
    EXPECT_EQ(type_of(std::string(261, 'a')), net_error::invalid_name);
    EXPECT_EQ(type_of("a", 2), net_error::invalid_parameter);
}

TEST(Paths, KnowTheOldRules) {
    EXPECT_EQ(type_of("dir\\filename.txt", 1), 8192u);
    EXPECT_EQ(type_of("dir\\filenames.txt", 1), net_error::invalid_name);
    EXPECT_EQ(type_of("dir\\file.text", 1), net_error::invalid_name);
    EXPECT_EQ(type_of("..\\file.t.x", 1), net_error::invalid_name);
    EXPECT_EQ(type_of("..\\file", 1), 8192u);
}

TEST(Paths, HaveACanonicalForm) {
    EXPECT_EQ(canonical("dir/./sub\\\\file"), "dir\\sub\\file");
    EXPECT_EQ(canonical("C:\\a\\..\\b"), "C:\\b");
    EXPECT_EQ(canonical("C:\\.."), "123");
    EXPECT_EQ(canonical("\\\\server\\share\\a\\.\\b\\"), "\\\\server\\share\\a\\b");
    EXPECT_EQ(canonical("\\\\server\\share\\.."), "123");
    EXPECT_EQ(canonical("file", "C:\\dir"), "C:\\dir\\file");
    EXPECT_EQ(canonical("file", "C:\\dir\\"), "C:\\dir\\file");
    EXPECT_EQ(canonical("file", "a|b"), "123");
    EXPECT_EQ(canonical("..", "dir"), "123");
    std::string out;
    uint32_t type = 0;
    EXPECT_EQ(canonicalize_path("abc", "", 0, 8, type, out), net_error::success);
    EXPECT_EQ(type, 8192u);
    EXPECT_EQ(canonicalize_path("abc", "", 0, 7, type, out), net_error::buffer_too_small);
    EXPECT_EQ(canonicalize_path("abc", "", 1, 100, type, out), net_error::invalid_parameter);
}

TEST(Paths, AreCompared) {
    EXPECT_EQ(compare_paths("C:\\a\\.\\B", "c:\\A\\b", 0, 0), 0);
    EXPECT_EQ(compare_paths("a", "b", 0, 0), -1);
    EXPECT_EQ(compare_paths("b", "a", 0, 0), 1);
    EXPECT_EQ(compare_paths("a", "\\a", 0, 0), 1);  // of different types
    EXPECT_EQ(compare_paths("a<", "a", 0, 0), 123);
    EXPECT_EQ(compare_paths("a\\.", "a", 8192, 1), 1);
    EXPECT_EQ(compare_paths("a", "a", 8192, 2), 87);
}

}  // namespace
}  // namespace Atoll::services
