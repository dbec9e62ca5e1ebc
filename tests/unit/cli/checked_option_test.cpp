#include "cli/checked_option.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace paxledger::cli {
namespace {

std::string refusal(std::string_view text, const WholeRange& range = {}) {
  const auto number = parse_whole(text, range);
  return number.ok() ? "taken" : number.error().message;
}

TEST(WholeNumber, IsReadAsAWholeAndWithinItsRange) {
  EXPECT_EQ(*parse_whole("0", {}), 0u);
  EXPECT_EQ(*parse_whole("007", {}), 7u);
  EXPECT_EQ(*parse_whole("18446744073709551615", {}), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(*parse_whole("256", {1, 256}), 256u);
}

TEST(WholeNumber, IsNeverTakenForItsNearestNeighbour) {
  EXPECT_EQ(refusal("18446744073709551616"),
            "'18446744073709551616' is too great; expected a whole number from 0 to 2^64-1");
  EXPECT_EQ(refusal("-1"), "'-1' is too small; expected a whole number from 0 to 2^64-1");
  EXPECT_EQ(refusal("257", {1, 256}), "'257' is too great; expected a whole number from 1 to 256");
  EXPECT_EQ(refusal("0", {1, 256}), "'0' is too small; expected a whole number from 1 to 256");
  EXPECT_EQ(refusal("4294967296", kNodeIds),
            "'4294967296' is too great; expected a whole number from 1 to 2^32-1");
}

TEST(WholeNumber, IsDigitsAndNothingElse) {
  for (const char* text :
       {"", " ", "1 ", " 1", "+1", "1x", "0x10", "1.0", "1e3", "--1", "-", "\uff11"}) {
    EXPECT_NE(refusal(text).find("is no whole number"), std::string::npos) << text;
  }
}

TEST(WholeNumber, IsNotRepeatedEndlessly) {
  EXPECT_LT(refusal(std::string(100'000, '9')).size(), 150u);
  EXPECT_NE(refusal(std::string(100'000, '9')).find("97.7 KiB"), std::string::npos);
}

TEST(RealNumber, IsReadAsAWholeAndWithinItsRange) {
  EXPECT_EQ(*parse_real("0.25", {0, 1}), 0.25);
  EXPECT_EQ(*parse_real("1e-3", {0, 1}), 0.001);
  for (const char* text : {"", "x", "0.5x", "2", "-0.1", "nan", "inf", "1e999"}) {
    const auto number = parse_real(text, {0, 1});
    ASSERT_FALSE(number.ok()) << text;
    EXPECT_NE(number.error().message.find("from 0 to 1"), std::string::npos) << text;
  }
}

TEST(Time, NeedsItsUnitAndItsRange) {
  EXPECT_TRUE(check_time("5s", "1ms", "24h").ok());
  for (const char* text : {"", "5", "5 parsecs", "0ms", "25h", "99999999999999999999h"}) {
    const auto time = check_time(text, "1ms", "24h");
    ASSERT_FALSE(time.ok()) << text;
    EXPECT_NE(time.error().message.find("from 1ms to 24h"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace paxledger::cli
