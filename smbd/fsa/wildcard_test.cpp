#include "smbd/fsa/wildcard.h"

#include <gtest/gtest.h>

#include <string>

using Atoll::fsa::name_in_expression;

namespace {

bool match(const char* name, const char* expression) { return name_in_expression(name, expression, true); }

TEST(Wildcard, SpecialCasesOfPart1) {  // MS-FSA 2.1.4.4, part 1
    EXPECT_TRUE(match("", ""));
    EXPECT_FALSE(match("", "*"));
    EXPECT_FALSE(match("a", ""));
    EXPECT_TRUE(match("anything", "*"));
    EXPECT_TRUE(match("no_dot", "*.*"));
    EXPECT_TRUE(match("file.TXT", "*.txt"));
    EXPECT_FALSE(match("file.txt2", "*.txt"));
}

TEST(Wildcard, StarAndQuestionMark) {
    EXPECT_TRUE(match("abc", "a*c"));
    EXPECT_TRUE(match("ac", "a*c"));
    EXPECT_TRUE(match("abcabc", "a*c"));
    EXPECT_FALSE(match("abcd", "a*c"));
    EXPECT_TRUE(match("a.b", "a?b"));
    EXPECT_FALSE(match("ab", "ab?"));
    EXPECT_FALSE(match("ab", "???"));
}

TEST(Wildcard, DosStarStopsAtTheFinalDot) {  // what a client makes of "*."
    EXPECT_TRUE(match("name", "<"));
    EXPECT_FALSE(match("name.txt", "<"));
    EXPECT_TRUE(match("a.b.txt", "<.txt"));
    EXPECT_TRUE(match("a.b.txt", "<txt"));
    EXPECT_FALSE(match("a.b.txt", "<.b"));
}

TEST(Wildcard, DosQuestionMark) {
    EXPECT_TRUE(match("ab", "ab>>>"));
    EXPECT_TRUE(match("ab.c", ">>>>.c"));
    EXPECT_FALSE(match("abcd.c", ">>>.c"));
    EXPECT_TRUE(match("abc", ">>>"));
}

TEST(Wildcard, DosDot) {
    EXPECT_TRUE(match("name", "name\""));
    EXPECT_TRUE(match("name.", "name\""));
    EXPECT_TRUE(match("a.b", "a\"b"));
    EXPECT_FALSE(match("ab", "a\"b"));
    EXPECT_TRUE(match("name", "<\"*"));
}

TEST(Wildcard, CaseByUpperCasing) {
    EXPECT_TRUE(match("\xC3\xA4x", "\xC3\x84?"));  // ä, Ä: one character each
    EXPECT_FALSE(name_in_expression("abc", "A?c", false));
    EXPECT_TRUE(name_in_expression("abc", "a?c", false));
}

TEST(Wildcard, HostileExpressionsTakeNoTime) {
    const std::string name(255, 'a');
    std::string expression;
    for (int i = 0; i < 200; i++) expression += "*a<";
    EXPECT_TRUE(match(name.c_str(), expression.c_str()));
    EXPECT_FALSE(match(name.c_str(), (expression + "b").c_str()));
    EXPECT_FALSE(match("a", std::string(100000, '*').append("b").c_str()));
}

}  // namespace
