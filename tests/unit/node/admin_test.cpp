#include "node/admin.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace paxledger::node {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

const std::vector<NodeId> kPeers{NodeId(1), NodeId(2), NodeId(5)};

TEST(FaultOrder, ReadsEveryKindOfFault) {
  const auto order = parse_fault_order(
      R"({"peer": 2, "block": true, "block_incoming": true, "drop": 0.1, "delay_ms": 50,
          "jitter_ms": 10.5, "duplicate": 0.25, "reorder": 1})",
      kPeers);
  ASSERT_TRUE(order.ok()) << order.error().message;
  EXPECT_FALSE(order->heal);
  EXPECT_EQ(order->peer, NodeId(2));
  EXPECT_TRUE(order->fault.blocked);
  EXPECT_TRUE(order->fault.blocked_incoming);
  EXPECT_EQ(order->fault.drop_ppm, 100'000u);
  EXPECT_EQ(order->fault.duplicate_ppm, 250'000u);
  EXPECT_EQ(order->fault.reorder_ppm, 1'000'000u);
  EXPECT_EQ(order->fault.delay, milliseconds(50));
  EXPECT_EQ(order->fault.jitter, std::chrono::microseconds(10'500));
}

TEST(FaultOrder, WhatIsNotNamedIsNotFaulty) {
  const auto order = parse_fault_order(R"({"peer": 1})", kPeers);
  ASSERT_TRUE(order.ok());
  EXPECT_TRUE(order->fault.is_none());
}

TEST(FaultOrder, HealsEverything) {
  const auto order = parse_fault_order(R"({"heal": true})", kPeers);
  ASSERT_TRUE(order.ok());
  EXPECT_TRUE(order->heal);
}

TEST(FaultOrder, RefusesWhatItDoesNotUnderstandAndSaysWhatItExpects) {
  for (const char* text :
       {"", "[]", "7", "{", R"({})", R"({"heal": false})", R"({"heal": true, "peer": 1})",
        R"({"peer": 3})", R"({"peer": "2"})", R"({"peer": 2.5})", R"({"peer": -1})",
        R"({"peer": 2, "drop": 1.5})", R"({"peer": 2, "drop": -0.1})", R"({"peer": 2, "block": 1})",
        R"({"peer": 2, "delay_ms": -1})", R"({"peer": 2, "delay_ms": 60001})",
        R"({"peer": 2, "dorp": 0.1})", R"({"block": true})"}) {
    const auto order = parse_fault_order(text, kPeers);
    ASSERT_FALSE(order.ok()) << "accepted " << text;
    EXPECT_EQ(order.error().code, ErrorCode::bad_request) << text;
    EXPECT_NE(order.error().message.find("expected"), std::string::npos) << order.error().message;
  }
}

TEST(FaultList, IsMadeOfOrdersThatWouldMakeTheSameFaults) {
  std::map<NodeId, net::LinkFault> faults;
  faults[NodeId(1)].blocked = true;
  faults[NodeId(2)].drop_ppm = 100'000;
  faults[NodeId(2)].delay = milliseconds(50);
  faults[NodeId(5)];  // healed
  const json list = json::parse(faults_json(faults))["faults"];
  ASSERT_EQ(list.size(), 2u);
  for (const json& each : list) {
    const auto order = parse_fault_order(each.dump(), kPeers);
    ASSERT_TRUE(order.ok()) << order.error().message;
    EXPECT_EQ(order->fault, faults[order->peer]);
  }
}

storage::VerifyReport intact_report() {
  storage::VerifyReport report;
  report.files = 2;
  report.blocks = 57;
  report.height = Height(57);
  return report;
}

TEST(VerifyAnswer, OfACompleteAndIntactChainIsOk) {
  const auto answer = json::parse(verify_json(intact_report(), {}));
  EXPECT_EQ(answer["ok"], true);
  EXPECT_EQ(answer["state"], "intact");
  EXPECT_EQ(answer["height"], 57);
  EXPECT_EQ(answer["repairing"], false);
  EXPECT_TRUE(answer["repair"].is_null());
}

TEST(VerifyAnswer, IsNotOkWhileBlocksAreMissingHoweverWholeTheOthersAre) {
  RepairProgress repair;
  repair.under_way = true;
  repair.from = Height(12);
  repair.restored = Height(60);
  repair.through = Height(900);
  repair.reason = "serves no reads";
  const auto answer = json::parse(verify_json(intact_report(), repair));
  EXPECT_EQ(answer["ok"], false);
  EXPECT_EQ(answer["state"], "repairing");
  EXPECT_EQ(answer["height"], 57);
  EXPECT_EQ(answer["repairing"], true);
  EXPECT_EQ(answer["repair"]["from"], 12);
  EXPECT_EQ(answer["repair"]["restored"], 60);
  EXPECT_EQ(answer["repair"]["through"], 900);
  EXPECT_EQ(answer["repair"]["reason"], "serves no reads");
}

TEST(VerifyAnswer, OfDamageNamesItAndSaysWhetherTheRepairBegins) {
  auto report = intact_report();
  report.problems.push_back({"blocks/1", 60, Height(3), "flipped"});
  RepairProgress repair;
  for (const bool begins : {false, true}) {
    repair.begins = begins;
    const auto answer = json::parse(verify_json(report, repair));
    EXPECT_EQ(answer["ok"], false);
    EXPECT_EQ(answer["state"], "damaged");
    EXPECT_EQ(answer["problems"][0]["height"], 3);
    EXPECT_EQ(answer["repairing"], begins);
    EXPECT_TRUE(answer["repair"].is_null());
  }
}

}  // namespace
}  // namespace paxledger::node
