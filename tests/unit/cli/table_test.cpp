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

TEST(Table, CountsColumnsAndNotOctets) {
  Table table({{"A"}, {"B"}});
  table.add({"→", "x"});
  table.add({"ab", "y"});
  table.add({"日", "z"});
  table.add({"e\u0301", "q"});
  EXPECT_EQ(table.text(), "A   B\n→   x\nab  y\n日  z\ne\u0301   q\n");
}

TEST(Table, CutsElasticColumnsToTheTerminalAndSaysHowLongTheCellsAre) {
  Table table({{"KEY", Table::Align::left, Table::Kind::elastic},
               {"VALUE", Table::Align::left, Table::Kind::elastic},
               {"REVISION", Table::Align::right}});
  table.add({"short", Cell(std::string(5000, 'v'), 5000, " (r7)"), "7"});
  table.add({"→", Cell("日本語日本語日本語日本語日本語", 45), "123"});
  EXPECT_EQ(table.text(46),
            "KEY    VALUE                          REVISION\n"
            "short  vvvvvvvvvvvvv… (4.9 KiB) (r7)         7\n"
            "→      日本語日本語日本語日… (45 B)        123\n");
  EXPECT_NE(table.text().find(std::string(5000, 'v') + " (r7)"), std::string::npos);
}

TEST(Table, DividesTheRoomEquallyAndLeavesRigidColumnsWhole) {
  Table table({{"A", Table::Align::left, Table::Kind::elastic},
               {"RIGID"},
               {"B", Table::Align::left, Table::Kind::elastic}});
  table.add({std::string(100, 'a'), std::string(10, 'r'), std::string(200, 'b')});
  EXPECT_EQ(table.text(60), "A" + std::string(24, ' ') + "RIGID       B\n" + std::string(22, 'a') +
                                "…  rrrrrrrrrr  " + std::string(22, 'b') + "…\n");
  // No room at all: still a line with all its columns.
  EXPECT_NE(table.text(1).find("rrrrrrrrrr"), std::string::npos);
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
