#include "conf/parameter.h"

#include <gtest/gtest.h>

#include <set>

namespace Atoll::conf {
namespace {

const Parameter& named(std::string_view name) { return parameter(find_parameter(name)->id); }

std::string read(std::string_view name, std::string_view text, bool inverse = false) {
    const auto found = find_parameter(name);
    const auto parsed = parse_value(named(name), text, inverse, default_value(found->id));
    return parsed ? format_value(named(name), parsed->value) : "error: " + parsed.error().text;
}

TEST(Table, IsSound) {
    std::set<std::string> names;
    for (const Parameter& p : parameters()) {
        EXPECT_TRUE(names.insert(fold_name(p.name)).second) << p.name;
        EXPECT_FALSE(p.help.empty()) << p.name;
        EXPECT_EQ(p.values.empty(), p.kind != Kind::enumeration) << p.name;
        const auto id = find_parameter(p.name)->id;
        EXPECT_EQ(format_value(p, default_value(id)), p.default_text) << p.name;
    }
    for (const Synonym& s : synonyms()) {
        EXPECT_TRUE(names.insert(fold_name(s.name)).second) << s.name;
        EXPECT_EQ(named(s.name).name, s.parameter);
        EXPECT_EQ(find_parameter(s.name)->inverse, s.inverse);
    }
    EXPECT_GT(parameters().size(), 470u);
}

TEST(Table, NamesFold) {
    EXPECT_EQ(named("read only").name, "read only");
    EXPECT_EQ(named("READ  Only").name, "read only");
    EXPECT_EQ(named("readonly").name, "read only");
    EXPECT_TRUE(find_parameter("writeable")->inverse);
    EXPECT_EQ(named("smb encrypt").name, "server smb encrypt");
    EXPECT_FALSE(find_parameter("read-only"));
    EXPECT_FALSE(find_parameter(""));
}

TEST(Values, Booleans) {
    for (const char* yes : {"yes", "True", "ON", "1"}) EXPECT_EQ(read("read only", yes), "Yes");
    for (const char* no : {"no", "False", "off", "0"}) EXPECT_EQ(read("read only", no), "No");
    EXPECT_EQ(read("read only", "yes", true), "No");
    for (const char* bad : {"", "t", "2", "perhaps"}) EXPECT_EQ(read("read only", bad).substr(0, 5), "error");
}

TEST(Values, Numbers) {
    EXPECT_EQ(read("deadtime", "15"), "15");
    EXPECT_EQ(read("deadtime", "0x10"), "16");
    EXPECT_EQ(read("deadtime", "010"), "8");
    EXPECT_EQ(read("deadtime", "0"), "0");
    EXPECT_EQ(read("deadtime", "-5"), "-5");
    EXPECT_EQ(read("deadtime", "12 # minutes"), "12");
    EXPECT_EQ(read("deadtime", ""), "-1");
    EXPECT_EQ(read("volume serial number", "0x89abcdef"), "-1985229329");
    for (const char* bad : {"abc", "-", "0xg", "99999999999", "4294967296"}) EXPECT_EQ(read("deadtime", bad).substr(0, 5), "error") << bad;
    EXPECT_EQ(parse_value(named("deadtime"), "12x", false, Value())->warning.empty(), false);
    EXPECT_EQ(parse_value(named("deadtime"), "12", false, Value())->warning.empty(), true);
}

TEST(Values, SizesAndModes) {
    EXPECT_EQ(read("smb2 max read", "1m"), "1048576");
    EXPECT_EQ(read("smb2 max read", "2 M"), "2097152");
    EXPECT_EQ(read("smb2 max read", "12"), "12");
    for (const char* bad : {"", "x", "1x", "1kb", "-1", "2g", "8T", "99999999999999999999"})
        EXPECT_EQ(read("smb2 max read", bad).substr(0, 5), "error") << bad;
    EXPECT_EQ(read("create mask", "700"), "0700");
    EXPECT_EQ(read("create mask", "2"), "0002");
    EXPECT_EQ(read("create mask", "1777"), "01777");
    EXPECT_EQ(read("create mask", "0x1ff"), "0000");
    for (const char* bad : {"", "8", "abc"}) EXPECT_EQ(read("create mask", bad).substr(0, 5), "error") << bad;
}

TEST(Values, Enumerations) {
    EXPECT_EQ(read("server signing", "mandatory"), "required");
    EXPECT_EQ(read("server signing", "AUTO"), "if_required");
    EXPECT_EQ(read("server max protocol", "smb3_11"), "SMB3");
    EXPECT_EQ(read("map to guest", "bad user"), "Bad User");
    EXPECT_EQ(read("case sensitive", "off"), "error: 'off' is not one of No, False, 0, Yes, True, 1, Auto");
}

TEST(Values, Lists) {
    EXPECT_EQ(split_list("a, b;c\td  \"e f\" g\"h i\"j,,"), (Names{"a", "b", "c", "d", "e f", "gh ij"}));
    EXPECT_EQ(split_list(" , "), Names{});
    EXPECT_EQ(read("valid users", "\"a b\" @c"), "\"a b\" @c");
    EXPECT_EQ(read("valid users", "+a"), "+a");
    EXPECT_EQ(read("server smb3 signing algorithms", "-AES-128-GMAC"), "AES-128-CMAC, HMAC-SHA256");
    EXPECT_EQ(read("server smb3 signing algorithms", "+X"), "AES-128-GMAC, AES-128-CMAC, HMAC-SHA256, X");
    EXPECT_EQ(read("server smb3 signing algorithms", "X, +Y"), "X, +Y");
}

}  // namespace
}  // namespace Atoll::conf
