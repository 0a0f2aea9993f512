#include "conf/durability_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace Atoll::conf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::shared_ptr<const ShareConf> share_of(const std::string& global, const std::string& lines) {
    const auto loaded = load_text("[global]\n" + global + "\n[s]\npath = /srv\n" + lines);
    return loaded ? (*loaded)->find_share("s") : nullptr;
}

std::vector<std::string> against(const std::string& global, const std::string& lines) {
    return lines_against_durable(*share_of(global, lines));
}

TEST(Durability, SambasDefaultsForbidIt) { EXPECT_THAT(against("", ""), ElementsAre("posix locking = yes (the default)")); }

TEST(Durability, EveryLineIsNamedWithWhereItStands) {
    EXPECT_THAT(against("", "posix locking = no\n"), IsEmpty());
    EXPECT_THAT(against("posix locking = no\n", ""), IsEmpty());
    EXPECT_THAT(against("posix locking = no\nkernel oplocks = yes\n", "kernel share modes = yes\n"),
                ElementsAre("kernel oplocks = yes (in [global])", "kernel share modes = yes"));
    EXPECT_THAT(against("", "posix locking = no\ndurable handles = no\n"), ElementsAre("durable handles = no"));
}

TEST(Durability, FirstLineIsWhatTheServerGoesBy) {
    for (const char* lines : {"", "posix locking = no\n", "kernel oplocks = yes\n", "kernel share modes = yes\nposix locking = no\n",
                              "durable handles = no\nposix locking = no\n", "durable handles = no\nkernel oplocks = yes\n"}) {
        const auto share = share_of("", lines);
        const std::vector<std::string> all = lines_against_durable(*share);
        const std::string_view first = why_not_durable(*share);
        ASSERT_EQ(all.empty(), first.empty()) << lines;
        EXPECT_TRUE(all.empty() || all.front().starts_with(first)) << lines;
    }
}

TEST(Durability, Description) {
    EXPECT_EQ(describe_durability(*share_of("", "posix locking = no\n")),
              "[s]: durable handles: yes; persistent handles: no, because of continuous availability = no (the default)");
    EXPECT_EQ(describe_durability(*share_of("", "posix locking = no\ncontinuous availability = yes\n")),
              "[s]: durable handles: yes; persistent handles: yes");
    EXPECT_EQ(describe_durability(*share_of("persistent handles = no\n", "kernel oplocks = yes\ncontinuous availability = yes\n")),
              "[s]: durable handles: no, because of kernel oplocks = yes and posix locking = yes (the default); persistent handles: no, "
              "because of persistent handles = no (in [global]), kernel oplocks = yes and posix locking = yes (the default)");
}

TEST(Durability, ContinuousAvailabilityIsForSmbClientsAlone) {
    const auto error_of = [](const std::string& text) {
        const auto loaded = load_text(text);
        return loaded ? std::string() : loaded.error().message();
    };
    EXPECT_THAT(error_of("[s]\npath = /srv\ncontinuous availability = yes\n"),
                HasSubstr("3: continuous availability: [s] cannot have it together with posix locking = yes (the default)"));
    EXPECT_THAT(error_of("[global]\ncontinuous availability = yes\nposix locking = no\n[s]\npath = /srv\nkernel oplocks = yes\n"),
                HasSubstr("2: continuous availability: [s] cannot have it together with kernel oplocks = yes"));
    EXPECT_THAT(error_of("[s]\npath = /srv\nposix locking = no\nkernel share modes = yes\ncontinuous availability = yes\n"),
                HasSubstr("5: continuous availability: [s] cannot have it together with kernel share modes = yes"));
    EXPECT_EQ(error_of("[s]\npath = /srv\nposix locking = no\ncontinuous availability = yes\n"), "");
    EXPECT_EQ(error_of("[global]\nclustering = yes\n[s]\npath = /srv\nposix locking = no\ncontinuous availability = yes\n"), "");
    EXPECT_EQ(error_of("[global]\npersistent handles = no\n[s]\npath = /srv\ncontinuous availability = yes\n"), "");
}

TEST(Durability, WhatPreventsPersistentHandles) {
    const auto first = [](const std::string& global, const std::string& lines) {
        const auto loaded = load_text("[global]\n" + global + "\n[s]\npath = /srv\n" + lines);
        return std::string(why_not_persistent((*loaded)->global(), *(*loaded)->find_share("s")));
    };
    EXPECT_EQ(first("", "posix locking = no\ncontinuous availability = yes\n"), "");
    EXPECT_EQ(first("", "posix locking = no\n"), "continuous availability = no");
    EXPECT_EQ(first("persistent handles = no\n", "posix locking = no\ncontinuous availability = yes\n"), "persistent handles = no");
    EXPECT_EQ(first("", "posix locking = no\ncontinuous availability = yes\ndurable handles = no\n"), "durable handles = no");
}

TEST(Durability, OnlyOfSharesOfFiles) {
    EXPECT_TRUE(has_durability(*share_of("", "")));
    EXPECT_FALSE(has_durability(*share_of("", "available = no\n")));
    EXPECT_FALSE(has_durability(*share_of("", "printable = yes\n")));
}

}  // namespace
}  // namespace Atoll::conf
