#include "node/report.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace paxledger::node {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

Report serving_report() {
  Report report;
  report.cluster = "demo";
  report.version = "1.2.3";
  report.process = 4242;
  report.uptime = milliseconds(61'500);
  report.status.self = NodeId(2);
  report.status.role = engine::Role::leader;
  report.status.leader = NodeId(2);
  report.status.promised = {Round(7), NodeId(2)};
  report.status.decided = Slot(101);
  report.status.head.height = Height(100);
  report.status.head.hash.octets[0] = 0xab;
  report.status.hears_quorum = true;
  report.status.revision = Revision(55);
  report.status.keys = 12;
  report.status.queued_commands = 3;
  engine::PeerStatus peer;
  peer.node = NodeId(1);
  peer.heard = true;
  peer.ever_heard = true;
  peer.silent_for = milliseconds(17);
  peer.head.height = Height(90);
  report.status.peers.push_back(peer);
  peer = {};
  peer.node = NodeId(3);
  report.status.peers.push_back(peer);
  report.counters.replies["no quorum"] = 4;
  report.dropped["queue_full"] = 5;
  report.malformed["other_cluster"] = 6;
  report.log.syncs = 10;
  report.log.seconds_total = 0.5;
  report.log.latencies = {{0.001, 2}, {0.01, 7}};
  return report;
}

TEST(Readiness, ALedNodeThatIsNotRepairingServes) {
  EXPECT_FALSE(not_ready_because(serving_report()).has_value());
}

TEST(Readiness, SaysWhyANodeDoesNotServe) {
  Report report = serving_report();
  report.status.leader = kNobody;
  EXPECT_EQ(not_ready_because(report), "no leader is known");
  report.status.hears_quorum = false;
  EXPECT_EQ(not_ready_because(report), "no quorum: a majority is not heard");
  report.status.repairing = true;
  report.status.repair_reason = "block 7 is damaged";
  EXPECT_EQ(not_ready_because(report), "repairing: block 7 is damaged");
}

TEST(StatusJson, TellsEverythingThatTheDocumentationNames) {
  const json status = json::parse(status_json(serving_report()));
  EXPECT_EQ(status["node"], 2);
  EXPECT_EQ(status["cluster"], "demo");
  EXPECT_EQ(status["role"], "leader");
  EXPECT_EQ(status["leader"], 2);
  EXPECT_EQ(status["ballot"], "7.2");
  EXPECT_EQ(status["decided"], 101);
  EXPECT_EQ(status["height"], 100);
  EXPECT_EQ(status["head"].get<std::string>().substr(0, 4), "ab00");
  EXPECT_EQ(status["ready"], true);
  EXPECT_EQ(status["abstaining"], false);
  EXPECT_EQ(status["repairing"], false);
  EXPECT_EQ(status["repair_reason"], "");
  EXPECT_EQ(status["damage"], "");
  EXPECT_EQ(status["revision"], 55);
  EXPECT_EQ(status["keys"], 12);
  EXPECT_EQ(status["sessions"], 0);
  EXPECT_EQ(status["queue"]["commands"], 3);
  EXPECT_TRUE(status["queue"].contains("bytes"));
  EXPECT_TRUE(status["queue"].contains("in_flight"));
  EXPECT_TRUE(status["queue"].contains("pending"));
  EXPECT_EQ(status["uptime_s"], 61.5);
  EXPECT_EQ(status["pid"], 4242);
  EXPECT_EQ(status["version"], "1.2.3");
  EXPECT_EQ(status["counters"]["replies"]["no quorum"], 4);
  EXPECT_EQ(status["counters"]["dropped"]["queue_full"], 5);
}

TEST(StatusJson, TellsHowFarEachPeerIsBehind) {
  const json status = json::parse(status_json(serving_report()));
  ASSERT_EQ(status["peers"].size(), 2u);
  const json& heard = status["peers"][0];
  EXPECT_EQ(heard["node"], 1);
  EXPECT_EQ(heard["heard"], true);
  EXPECT_EQ(heard["silent_ms"], 17);
  EXPECT_EQ(heard["height"], 90);
  EXPECT_EQ(heard["lag"], 10);
  EXPECT_EQ(heard["conflicting"], false);
  EXPECT_EQ(status["peers"][1]["silent_ms"], nullptr) << "a peer that was never heard";
}

TEST(StatusJson, SurvivesTextThatIsNoUtf8) {
  Report report = serving_report();
  report.damage = "key \xff\xfe";
  EXPECT_TRUE(json::accept(status_json(report)));
}

TEST(QueueJson, ListsTheWaitingCommands) {
  engine::QueuedItem item;
  item.stage = engine::QueuedItem::Stage::in_flight;
  item.slot = Slot(9);
  item.session = SessionId(77);
  item.sequence = Sequence(3);
  item.what = "put alice (8 bytes)";
  const json queue = json::parse(queue_json({item}));
  ASSERT_EQ(queue["items"].size(), 1u);
  EXPECT_EQ(queue["items"][0]["stage"], "in_flight");
  EXPECT_EQ(queue["items"][0]["slot"], 9);
  EXPECT_EQ(queue["items"][0]["session"], 77);
  EXPECT_EQ(queue["items"][0]["sequence"], 3);
  EXPECT_EQ(queue["items"][0]["what"], "put alice (8 bytes)");
}

bool has_line(const std::string& text, const std::string& line) {
  return text.find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, GiveTheNodesState) {
  const std::string text = metrics_text(serving_report());
  EXPECT_TRUE(has_line(text, "paxledger_role{role=\"leader\"} 1"));
  EXPECT_TRUE(has_line(text, "paxledger_role{role=\"follower\"} 0"));
  EXPECT_TRUE(has_line(text, "paxledger_height 100"));
  EXPECT_TRUE(has_line(text, "paxledger_ballot_round 7"));
  EXPECT_TRUE(has_line(text, "paxledger_ready 1"));
  EXPECT_TRUE(has_line(text, "paxledger_peer_height{peer=\"1\"} 90"));
  EXPECT_TRUE(has_line(text, "paxledger_dropped_messages_total{reason=\"queue_full\"} 5"));
  EXPECT_TRUE(has_line(text, "paxledger_malformed_messages_total{reason=\"other_cluster\"} 6"));
  EXPECT_TRUE(has_line(text, "paxledger_replies_total{outcome=\"no quorum\"} 4"));
}

TEST(Metrics, TheSyncHistogramIsCumulative) {
  const std::string text = metrics_text(serving_report());
  EXPECT_TRUE(has_line(text, "paxledger_log_sync_seconds_bucket{le=\"0.001\"} 2"));
  EXPECT_TRUE(has_line(text, "paxledger_log_sync_seconds_bucket{le=\"0.01\"} 9"));
  EXPECT_TRUE(has_line(text, "paxledger_log_sync_seconds_bucket{le=\"+Inf\"} 10"));
  EXPECT_TRUE(has_line(text, "paxledger_log_sync_seconds_sum 0.5"));
  EXPECT_TRUE(has_line(text, "paxledger_log_sync_seconds_count 10"));
}

TEST(Metrics, EverySampleFollowsItsHelpAndTypeAndNoFamilyStandsTwice) {
  std::istringstream lines(metrics_text(serving_report()));
  std::set<std::string> families;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << family;
      ASSERT_TRUE(std::getline(lines, line));
      EXPECT_TRUE(line.starts_with("# TYPE " + family + " ")) << line;
    } else {
      EXPECT_TRUE(line.starts_with(family)) << line << " stands under " << family;
    }
  }
  EXPECT_GT(families.size(), 30u);
}

TEST(Metrics, LabelsAreEscaped) {
  Report report = serving_report();
  report.dropped = {{"a\"b\\c\nd", 1}};
  EXPECT_TRUE(
      has_line(metrics_text(report), R"(paxledger_dropped_messages_total{reason="a\"b\\c\nd"} 1)"));
}

}  // namespace
}  // namespace paxledger::node
