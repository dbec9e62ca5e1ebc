#include "cli/terminal_text.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace paxledger::cli {
namespace {

using namespace std::string_view_literals;

TEST(ShownText, HoldsPrintableUtf8AsItIs) {
  for (const std::string_view text :
       {"alice"sv, "häuser → 日本語"sv, "naïve e\u0301"sv, "😀"sv, ""sv}) {
    EXPECT_EQ(shown(text), text);
  }
}

TEST(ShownText, LetsNoControlThroughToTheTerminal) {
  EXPECT_EQ(shown("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(shown("a\nb\tc\rd\x7f\x00"sv), "a\\nb\\tc\\rd\\x7f\\x00");
  // CSI as a code point of the second control block, and as the octet that it is in Latin-1.
  EXPECT_EQ(shown("\xc2\x9b"
                  "31m"),
            "\\u{9b}31m");
  EXPECT_EQ(shown("\x9b"), "\\x9b");
  // What turns round the direction of writing, or is not seen.
  EXPECT_EQ(shown("a\u202eb\u2066c\u200bd\ufeff"), "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}");
}

TEST(ShownText, EscapesEveryOctetThatIsNoUtf8) {
  EXPECT_EQ(shown("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(shown("ab\xe6\x97"), "ab\\xe6\\x97");
  EXPECT_EQ(shown("\xe6\x97z"), "\\xe6\\x97z");
  EXPECT_EQ(shown("\xc0\x80"), "\\xc0\\x80");
}

TEST(ShownText, TellsABackslashFromAnEscape) {
  EXPECT_EQ(shown("\\x1b"), "\\\\x1b");
}

TEST(ShownText, IsCutToItsColumnsWithTheSizeOfTheWhole) {
  EXPECT_EQ(shown("alice", 5), "alice");
  EXPECT_EQ(shown(std::string(3000, 'x'), 20), "xxxxxxxxx… (2.9 KiB)");
  EXPECT_LE(width_of(shown(std::string(3000, '\x01'), 30)), 30u);
  // Combining marks take no column, but a hundred thousand of them are not let through either.
  std::string marks = "e";
  for (int i = 0; i < 100'000; ++i) marks += "\u0301";
  EXPECT_LT(shown(marks, 40).size(), 1000u);
}

TEST(Width, IsThatOfATerminal) {
  EXPECT_EQ(width_of("1 → 2"), 5u);
  EXPECT_EQ(width_of("日本語"), 6u);
  EXPECT_EQ(width_of("e\u0301"), 1u);
  EXPECT_EQ(width_of("😀"), 2u);
}

TEST(Cut, EndsAtACharacterAndNotWithinAnEscape) {
  EXPECT_EQ(cut("日本", 3), "日");
  EXPECT_EQ(cut("a\\x1bb", 4), "a");
  EXPECT_EQ(cut("a\\x1bb", 5), "a\\x1b");
  EXPECT_EQ(cut("\\u{202e}x", 7), "");
  EXPECT_EQ(cut("\\\\x", 2), "\\\\");
}

TEST(HarmlessText, HasLinesAndTabsButNothingThatMovesTheCursor) {
  EXPECT_TRUE(is_harmless_text("two\nlines\r\nand a\ttab \\ 日"));
  EXPECT_FALSE(is_harmless_text("over\rwritten"));
  EXPECT_FALSE(is_harmless_text("\x1b[2J"));
  EXPECT_FALSE(is_harmless_text("\xc2\x9b[2J"));
  EXPECT_FALSE(is_harmless_text("\a"));
  EXPECT_FALSE(is_harmless_text("\xff"));
}

TEST(OutputColumns, AreThoseOfTheEnvironmentWhereItNamesThem) {
  const char* const before = std::getenv("COLUMNS");
  const std::string kept = before == nullptr ? "" : before;
  setenv("COLUMNS", "61", 1);
  EXPECT_EQ(output_columns(), 61u);
  for (const char* wrong : {"", "0", "-4", "wide", "99999999999999999999"}) {
    setenv("COLUMNS", wrong, 1);
    EXPECT_GE(output_columns(), 1u) << wrong;
  }
  if (before == nullptr) {
    unsetenv("COLUMNS");
  } else {
    setenv("COLUMNS", kept.c_str(), 1);
  }
}

}  // namespace
}  // namespace paxledger::cli
