#include "cli/table.hpp"

#include <gtest/gtest.h>

namespace paxledger::cli {
namespace {

TEST(Table, AlignsItsColumns) {
  Table table({{"NODE"}, {"HEIGHT", Table::Align::right}, {"STATE"}});
  table.add({"node 1", "7", "ready"});
  table.add({"node 10", "12345678", ""});
  EXPECT_EQ(table.text(),
            "NODE       HEIGHT  STATE\n"
            "node 1          7  ready\n"
            "node 10  12345678\n");
}

TEST(Table, CountsCodePointsAndNotOctets) {
  EXPECT_EQ(width_of("1 → 2"), 5u);
  Table table({{"A"}, {"B"}});
  table.add({"→", "x"});
  table.add({"ab", "y"});
  EXPECT_EQ(table.text(), "A   B\n→   x\nab  y\n");
}

TEST(Text, OfNumbersIsReadable) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(size_text(950), "950 B");
  EXPECT_EQ(size_text(12 * 1024 + 300), "12.3 KiB");
  EXPECT_EQ(uptime_text(59.9), "59s");
  EXPECT_EQ(uptime_text(3661), "1h 1min");
  EXPECT_EQ(uptime_text(-1), "0s");
  EXPECT_EQ(time_text(1769860800123456), "2026-01-31T12:00:00.123456Z");
  EXPECT_EQ(time_text(0), "1970-01-01T00:00:00.000000Z");
}

}  // namespace
}  // namespace paxledger::cli
