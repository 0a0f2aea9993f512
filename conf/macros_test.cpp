#include "conf/macros.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace Atoll::conf {
namespace {

MacroValues all_values() {
    MacroValues v;
    v.host_name = "server.example.org";
    v.client_name = "client";
    v.server_name = "SERVER";
    v.client_host_name = "client.example.org";
    v.protocol = "SMB3_11";
    v.client_architecture = "CIFSFS";
    v.client_address = "2001:db8::7";
    v.local_address = "192.0.2.1";
    v.domain = "WORKGROUP";
    v.winbind_separator = "\\";
    v.version = "9.8.7";
    v.process_id = 4711;
    v.vnn = 3;
    v.now = 86400;
    v.session_user = "Alice";
    v.session_group = "staff";
    v.service = "data";
    v.service_root = "/srv/data";
    v.service_user = "alice";
    v.service_group = "users";
    v.home_directory = "/home/alice";
    v.previous_directory = "/export/alice";
    v.environment = [](std::string_view name) { return name == "HERE" ? std::optional<std::string>("there") : std::nullopt; };
    return v;
}

TEST(Macros, EveryOne) {
    const MacroValues v = all_values();
    const std::pair<const char*, const char*> cases[] = {{"%U", "Alice"},
                                                         {"%G", "staff"},
                                                         {"%h", "server.example.org"},
                                                         {"%m", "client"},
                                                         {"%L", "SERVER"},
                                                         {"%N", "SERVER"},
                                                         {"%M", "client.example.org"},
                                                         {"%R", "SMB3_11"},
                                                         {"%d", "4711"},
                                                         {"%a", "CIFSFS"},
                                                         {"%I", "2001:db8::7"},
                                                         {"%J", "2001_db8__7"},
                                                         {"%i", "192.0.2.1"},
                                                         {"%j", "192_0_2_1"},
                                                         {"%D", "WORKGROUP"},
                                                         {"%w", "\\"},
                                                         {"%v", "9.8.7"},
                                                         {"%V", "3"},
                                                         {"%S", "data"},
                                                         {"%P", "/srv/data"},
                                                         {"%u", "alice"},
                                                         {"%g", "users"},
                                                         {"%H", "/home/alice"},
                                                         {"%p", "/export/alice"},
                                                         {"%$(HERE)", "there"},
                                                         {"%$(NOT)", ""}};
    for (const auto& [text, expected] : cases) EXPECT_EQ(expand_macros(text, v), expected) << text;
    EXPECT_EQ(expand_macros("%T", v).size(), std::string_view("1970/01/02 00:00:00").size());
    EXPECT_EQ(expand_macros("%t", v).size(), std::string_view("19700102_000000").size());
    EXPECT_EQ(expand_macros("/tmp/%U/x%Sy", v), "/tmp/Alice/xdatay");
}

TEST(Macros, UnknownOnesStay) {
    EXPECT_EQ(expand_macros("%U %S %Q % %", MacroValues()), "%U %S %Q % %");
    EXPECT_EQ(expand_macros("%V", MacroValues()), "-1");
    EXPECT_EQ(expand_macros("%$(HOME", MacroValues()), "%$(HOME");
    EXPECT_EQ(expand_macros("%%U", all_values()), "%%U");
    EXPECT_EQ(expand_macros("", all_values()), "");
    EXPECT_FALSE(has_macros("/tmp/x"));
    EXPECT_TRUE(has_macros("/tmp/%u"));
}

TEST(Macros, ValuesAreNotExpandedAgain) {
    MacroValues v = all_values();
    v.service_root = "%u%U";
    EXPECT_EQ(expand_macros("%P", v), "%u%U");
}

TEST(Macros, WhatAClientChoosesCannotLeaveADirectoryOrRunACommand) {
    MacroValues v;
    v.client_name = "../../etc/x";
    EXPECT_EQ(expand_macros("/var/log/log.%m", v), "/var/log/log..._.._etc_x");
    v.client_name = "..";
    EXPECT_EQ(expand_macros("/var/%m/x", v), "/var/__/x");
    v.session_user = "a;rm -rf `x` $(y)|\n'\"";
    EXPECT_EQ(expand_macros("%U", v), "a_rm -rf _x_ __y_____");
    v.session_user = "MACHINE$";
    EXPECT_EQ(expand_macros("%U", v), "MACHINE$");
    v.service = "a/../b";
    EXPECT_EQ(expand_macros("%S", v), "a_.._b");
    v.service = "..";
    EXPECT_EQ(expand_macros("%S", v), "__");
}

TEST(Macros, Bounded) {
    MacroValues v;
    v.service_root = std::string(1000, 'x');
    std::string text;
    for (int i = 0; i < 1000; i++) text += "%P";
    EXPECT_EQ(expand_macros(text, v).size(), limits::max_expanded_value);
}

}  // namespace
}  // namespace Atoll::conf
