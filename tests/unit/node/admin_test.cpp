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

}  // namespace
}  // namespace paxledger::node
