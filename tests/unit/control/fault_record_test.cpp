#include "control/fault_record.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace paxledger::control {
namespace {

FaultRecord example() {
  FaultRecord record;
  LinkFault fault;
  fault.from = NodeId(1);
  fault.to = NodeId(2);
  fault.drop = 0.25;
  fault.delay_ms = 50;
  fault.jitter_ms = 10;
  record.set_link(fault);
  record.killed = {NodeId(3)};
  record.paused = {NodeId(4), NodeId(5)};
  return record;
}

TEST(FaultRecord, IsReadAsItWasWritten) {
  const auto record = parse_fault_record(to_json(example()));
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->links, example().links);
  EXPECT_EQ(record->killed, example().killed);
  EXPECT_EQ(record->paused, example().paused);
}

TEST(FaultRecord, HoldsOneFaultForEachDirection) {
  FaultRecord record = example();
  LinkFault other = record.links[0];
  other.drop = 0;
  other.block = true;
  record.set_link(other);
  ASSERT_EQ(record.links.size(), 1u);
  EXPECT_TRUE(record.links[0].block);
  std::swap(other.from, other.to);
  record.set_link(other);
  EXPECT_EQ(record.links.size(), 2u);
}

TEST(FaultRecord, EndsTheFaultOfOneDirectionOnly) {
  FaultRecord record = example();
  LinkFault back = record.links[0];
  std::swap(back.from, back.to);
  record.end_link(back);
  EXPECT_EQ(record.links.size(), 1u);
  EXPECT_FALSE(record.links[0].is_clear());
  std::swap(back.from, back.to);
  record.end_link(back);
  EXPECT_TRUE(record.links.empty());
  EXPECT_TRUE(LinkFault{}.is_clear());
}

TEST(FaultRecord, RefusesWhatIsNoRecord) {
  for (const char* text :
       {"", "[]", "{}", "{\"links\": 3}", R"({"links": [{}], "killed": [], "paused": []})",
        R"({"links": [], "killed": ["x"], "paused": []})"}) {
    const auto record = parse_fault_record(text);
    ASSERT_FALSE(record.ok()) << text;
    EXPECT_EQ(record.error().code, ErrorCode::damaged);
  }
}

TEST(FaultRecord, AnEmptyOneIsNoFile) {
  const auto file = std::filesystem::temp_directory_path() /
                    ("paxledger-faults-" + std::to_string(getpid()) + ".json");
  ASSERT_TRUE(write_fault_record(file, example()).ok());
  ASSERT_TRUE(std::filesystem::exists(file));
  ASSERT_TRUE(write_fault_record(file, {}).ok());
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_TRUE(read_fault_record(file)->empty());
}

TEST(LinkFault, IsCheckedBeforeItIsSent) {
  LinkFault fault = example().links[0];
  EXPECT_TRUE(check(fault).ok());
  fault.drop = 1.5;
  EXPECT_FALSE(check(fault).ok());
  fault.drop = 0;
  fault.delay_ms = -1;
  EXPECT_FALSE(check(fault).ok());
  fault.delay_ms = 0;
  fault.to = fault.from;
  EXPECT_FALSE(check(fault).ok());
}

TEST(LinkFault, SaysWhatItDoes) {
  EXPECT_EQ(example().links[0].text(), "drop 25 %, delay 50 ms + up to 10 ms");
  LinkFault fault;
  EXPECT_EQ(fault.text(), "clear");
  fault.block = true;
  EXPECT_EQ(fault.text(), "blocked");
}

}  // namespace
}  // namespace paxledger::control
