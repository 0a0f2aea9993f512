#include "conf/access_lists.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace Atoll::conf {
namespace {

ClientHost host(std::string address, std::string name = "") {
    return {std::move(address), [name] { return name; }};
}

TEST(Hosts, OneItem) {
    const ClientHost foo = host("192.168.1.7", "foo.example.org");
    for (const char* item : {"192.168.1.7", "192.168.1.", "192.168.", "192.168.1.0/24", "192.168.1.0/255.255.255.0", "0.0.0.0/0", "ALL",
                             "all", "foo.example.org", "FOO.Example.org", ".example.org", "192.168.1.7/32", "::ffff:192.168.1.7"}) {
        EXPECT_TRUE(host_in_list({item}, foo)) << item;
    }
    for (const char* item : {"192.168.1.70", "192.168.1", "192.168.2.", "10.0.0.0/8", "192.168.1.0/33", "192.168.1.0/x", "192.168.1.8/32",
                             "foo", "LOCAL", "example.org", ".xample.org", "@nonetgroup", "::/0", "/", ""}) {
        EXPECT_FALSE(host_in_list({item}, foo)) << item;
    }
    EXPECT_TRUE(host_in_list({"LOCAL"}, host("10.0.0.1", "foo")));
    EXPECT_FALSE(host_in_list({"LOCAL"}, host("10.0.0.1")));
    EXPECT_TRUE(host_in_list({"2001:db8::/32"}, host("2001:db8:1::7")));
    EXPECT_TRUE(host_in_list({"2001:DB8:0::7"}, host("2001:db8::7")));
    EXPECT_FALSE(host_in_list({"2001:db9::/32"}, host("2001:db8:1::7")));
    EXPECT_TRUE(host_in_list({"10."}, host("::ffff:10.1.2.3")));
    EXPECT_FALSE(host_in_list({"foo"}, ClientHost{"10.0.0.1", nullptr}));
}

TEST(Hosts, Except) {
    EXPECT_TRUE(host_in_list({"ALL", "EXCEPT", "10."}, host("192.168.1.1")));
    EXPECT_FALSE(host_in_list({"ALL", "EXCEPT", "10."}, host("10.1.1.1")));
    EXPECT_FALSE(host_in_list({"192.", "EXCEPT", "10."}, host("172.16.0.1")));
    EXPECT_FALSE(host_in_list({"EXCEPT", "10."}, host("192.168.1.1")));
    EXPECT_FALSE(host_in_list({"ALL", "EXCEPT", "10.", "EXCEPT", "10.1.1.1"}, host("10.1.1.1")));
}

TEST(Hosts, AllowAndDeny) {
    const ClientHost a = host("192.168.1.7");
    EXPECT_TRUE(host_allowed({}, {}, a));
    EXPECT_TRUE(host_allowed({"192.168."}, {}, a));
    EXPECT_FALSE(host_allowed({"10."}, {}, a));
    EXPECT_TRUE(host_allowed({}, {"10."}, a));
    EXPECT_FALSE(host_allowed({}, {"ALL"}, a));
    EXPECT_TRUE(host_allowed({"192.168."}, {"ALL"}, a));
    EXPECT_FALSE(host_allowed({"10."}, {"ALL"}, a));
    EXPECT_TRUE(host_allowed({"10."}, {"172."}, a));
    EXPECT_TRUE(host_allowed({"10."}, {}, host("127.0.0.1")));
    EXPECT_TRUE(host_allowed({"10."}, {}, host("::1")));
    EXPECT_FALSE(host_allowed({}, {"ALL"}, host("127.0.0.1")));
    EXPECT_TRUE(host_allowed({"127."}, {"ALL"}, host("127.0.0.1")));
    EXPECT_FALSE(host_allowed({"10."}, {}, host("127.0.0.2")));
}

TEST(Hosts, NameIsLookedUpOnlyForNames) {
    int asked = 0;
    const ClientHost a{"10.0.0.1", [&] {
                           asked++;
                           return std::string("foo");
                       }};
    EXPECT_FALSE(host_allowed({"192.168.1.0/24", "172."}, {}, a));
    EXPECT_EQ(asked, 0);
    EXPECT_TRUE(host_allowed({"bar", "foo"}, {}, a));
    EXPECT_EQ(asked, 1);
}

GroupLookup groups() {
    GroupLookup g;
    g.unix_group = [](std::string_view user, std::string_view group) {
        return user == "alice" && (group == "staff" || group == "big team");
    };
    g.netgroup = [](std::string_view user, std::string_view group) { return user == "alice" && group == "net"; };
    return g;
}

bool in(Names list, std::string_view user = "alice") {
    MacroValues macros;
    macros.service = "alice";
    return user_in_list(list, user, {"DOM\\" + std::string(user)}, groups(), macros);
}

TEST(Users, Lists) {
    EXPECT_FALSE(in({}));
    EXPECT_TRUE(in({"bob", "alice"}));
    EXPECT_TRUE(in({"ALICE"}));
    EXPECT_FALSE(in({"alic", "alicee"}));
    EXPECT_TRUE(in({"dom\\alice"}));
    EXPECT_TRUE(in({"%S"}));
    EXPECT_FALSE(in({"%S"}, "bob"));
    EXPECT_TRUE(in({"@staff"}));
    EXPECT_TRUE(in({"@net"}));
    EXPECT_TRUE(in({"+staff"}));
    EXPECT_TRUE(in({"+big team"}));
    EXPECT_FALSE(in({"+net"}));
    EXPECT_TRUE(in({"&net"}));
    EXPECT_FALSE(in({"&staff"}));
    EXPECT_TRUE(in({"+&net"}));
    EXPECT_TRUE(in({"&+staff"}));
    EXPECT_FALSE(in({"@staff"}, "bob"));
    EXPECT_FALSE(in({"@", "+", "&", ""}));
    EXPECT_FALSE(user_in_list({"@staff"}, "alice", {}, GroupLookup(), MacroValues()));
}

TEST(Patterns, Names) {
    const NamePatterns p("/*.tmp/.AppleDouble/lost?found/a b/*Security*/");
    EXPECT_FALSE(p.empty());
    for (const char* name : {"x.tmp", ".tmp", "X.TMP", ".appledouble", "lost+found", "a b", "my security file", "Security"})
        EXPECT_TRUE(p.matches(name)) << name;
    for (const char* name : {"x.tmp2", "tmp", "lostfound", "lost++found", "ab", "secur", ".", ".."}) EXPECT_FALSE(p.matches(name)) << name;
    EXPECT_FALSE(NamePatterns("").matches("x"));
    EXPECT_TRUE(NamePatterns("///").empty());
    EXPECT_TRUE(NamePatterns("*").matches("anything"));
    EXPECT_FALSE(NamePatterns("*").matches(".."));
    EXPECT_FALSE(NamePatterns("/Foo/", true).matches("foo"));
    EXPECT_TRUE(NamePatterns("/Foo/", true).matches("Foo"));
}

TEST(Patterns, Utf8) {
    EXPECT_TRUE(NamePatterns("/\xC3\xA9t\xC3\xA9/").matches("\xC3\x89T\xC3\x89"));  // été, ÉTÉ
    EXPECT_TRUE(
        NamePatterns("/a?b/").matches("a\xE2\x82\xAC"
                                      "b"));  // one euro sign is one character
    EXPECT_FALSE(
        NamePatterns("/a?b/").matches("a\xC3\xA9\xC3\xA9"
                                      "b"));
    EXPECT_TRUE(
        NamePatterns("/a?b/").matches("a\xFF"
                                      "b"));
    EXPECT_FALSE(NamePatterns("/\xFE/").matches("\xFF"));
    EXPECT_TRUE(NamePatterns("/*a*a*a*a*a*a*a*b/").matches(std::string(250, 'a').append("b")));
    EXPECT_FALSE(NamePatterns("/*a*a*a*a*a*a*a*b/").matches(std::string(255, 'a')));
}

TEST(Patterns, Bounded) {
    std::string text;
    for (size_t i = 0; i <= limits::max_name_patterns; i++) text += "/x" + std::to_string(i);
    const NamePatterns p(text);
    EXPECT_TRUE(p.truncated());
    EXPECT_TRUE(p.matches("x" + std::to_string(limits::max_name_patterns - 1)));
    EXPECT_FALSE(p.matches("x" + std::to_string(limits::max_name_patterns)));
}

}  // namespace
}  // namespace Atoll::conf
