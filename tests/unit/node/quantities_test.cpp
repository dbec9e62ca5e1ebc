#include "node/quantities.hpp"

#include <gtest/gtest.h>

namespace paxledger::node {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Quantities, ReadsDurationsWithTheirUnits) {
  EXPECT_EQ(*parse_duration("250us"), microseconds(250));
  EXPECT_EQ(*parse_duration("50ms"), milliseconds(50));
  EXPECT_EQ(*parse_duration("1s"), seconds(1));
  EXPECT_EQ(*parse_duration("2min"), minutes(2));
  EXPECT_EQ(*parse_duration("1h"), hours(1));
  EXPECT_EQ(*parse_duration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*parse_duration("20 ms"), milliseconds(20));
}

TEST(Quantities, RefusesADurationWithoutAUnit) {
  for (const char* text : {"50", "", "ms", "-5ms", "5 minutes", "1e3s", "1..5s", "5.s", "0x10ms",
                           "5ms ", "99999999999h"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration.ok()) << text;
    EXPECT_EQ(duration.error().code, ErrorCode::configuration);
    EXPECT_NE(duration.error().message.find(text), std::string::npos);
    EXPECT_NE(duration.error().message.find("expected a duration such as 50ms"), std::string::npos);
  }
}

TEST(Quantities, ReadsBinaryAndDecimalSizes) {
  EXPECT_EQ(*parse_size("512"), 512u);
  EXPECT_EQ(*parse_size("512B"), 512u);
  EXPECT_EQ(*parse_size("4KiB"), 4096u);
  EXPECT_EQ(*parse_size("64MiB"), 64u << 20);
  EXPECT_EQ(*parse_size("1GiB"), 1u << 30);
  EXPECT_EQ(*parse_size("10MB"), 10'000'000u);
  EXPECT_EQ(*parse_size("1.5KiB"), 1536u);
}

TEST(Quantities, RefusesASizeThatIsNone) {
  for (const char* text : {"", "MiB", "64M", "64mib", "-1", "1e6", "ten", "99999999999GiB"}) {
    EXPECT_FALSE(parse_size(text).ok()) << text;
  }
}

TEST(Quantities, WritesWhatItReads) {
  for (const char* text : {"250us", "50ms", "1s", "2min", "1h", "90s"}) {
    EXPECT_EQ(format_duration(*parse_duration(text)), text);
  }
  for (const char* text : {"1000B", "4KiB", "64MiB", "1GiB", "0B"}) {
    EXPECT_EQ(format_size(*parse_size(text)), text);
  }
}

}  // namespace
}  // namespace paxledger::node
