#include "conf/durability_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace Atoll::conf {
namespace {

using testing::ElementsAre;
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
              "[s]: durable handles: yes; persistent handles: no (this server has none)");
    EXPECT_EQ(describe_durability(*share_of("", "kernel oplocks = yes\nkernel share modes = yes\ncontinuous availability = yes\n")),
              "[s]: durable handles: no, because of kernel oplocks = yes, kernel share modes = yes and posix locking = yes (the default); "
              "persistent handles: no (this server has none, whatever continuous availability = yes asks for)");
}

TEST(Durability, OnlyOfSharesOfFiles) {
    EXPECT_TRUE(has_durability(*share_of("", "")));
    EXPECT_FALSE(has_durability(*share_of("", "available = no\n")));
    EXPECT_FALSE(has_durability(*share_of("", "printable = yes\n")));
}

}  // namespace
}  // namespace Atoll::conf
