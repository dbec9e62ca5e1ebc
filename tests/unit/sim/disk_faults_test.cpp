// The faults of disks in whole runs: drawn by seeds, ordered by scripts, and never a promise
// broken.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "sim/plan_json.hpp"
#include "sim/run.hpp"

namespace paxledger::sim {
namespace {

// What happened in a run: how often each fault, and what the nodes said.
struct Seen {
  RunReport report;
  std::map<std::string, int> faults;
  std::string texts;

  [[nodiscard]] bool told(const std::string& words) const {
    return texts.find(words) != std::string::npos;
  }
};

Seen play(const Plan& plan) {
  Seen seen;
  seen.report = sim::run(plan, [&seen](const Event& event) {
    if (event.kind == Event::Kind::fault) ++seen.faults[std::string(event.name)];
    if (event.kind == Event::Kind::fault || event.kind == Event::Kind::notice) {
      seen.texts += event.text + "\n";
    }
  });
  return seen;
}

// Three nodes under load for two seconds, and a script for node 2.
Seen script(const std::string& faults) {
  const auto plan = parse_plan(
      R"({"seed": 3, "misfortunes": false, "safety_phase_ms": 2000, "work": {"think_us_max": 5000},)"
      R"("script": [)" +
      faults + "]}");
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  if (!plan) return {};
  EXPECT_EQ(to_json(*plan), to_json(*parse_plan(to_json(*plan))));
  Seen seen = play(*plan);
  EXPECT_TRUE(seen.report.result.passed()) << seen.report.result.failure;
  return seen;
}

TEST(DiskFaults, AreAllDrawnBySeedsAndBreakNoPromise) {
  std::map<std::string, int> faults;
  bool full = false;
  bool failed = false;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Seen seen = play(Plan::draw(seed));
    EXPECT_TRUE(seen.report.result.passed())
        << "seed " << seed << ": " << seen.report.result.failure;
    for (const auto& [name, count] : seen.faults) faults[name] += count;
    full = full || seen.told("No space left");
    failed = failed || seen.told("Input/output error");
  }
  for (const char* kind : {"crash", "kill", "lose_disk", "damage", "slow_disk", "flip_bit",
                           "fail_sync", "fail_write", "full_disk", "disk failed"}) {
    EXPECT_GT(faults[kind], 0) << kind;
  }
  EXPECT_TRUE(full);
  EXPECT_TRUE(failed);
}

TEST(DiskFaults, ACrashLeavesOfWhatWasNotSyncedWhatItIsTold) {
  for (const std::string unsynced : {"lost", "kept", "random", "torn"}) {
    const Seen seen = script(R"({"at_ns": 1000000000, "kind": "crash", "node": 2, "draw": 12,
                                 "unsynced": ")" +
                             unsynced + R"("}, {"at_ns": 1200000000, "kind": "start", "node": 2})");
    EXPECT_EQ(seen.faults.at("crash"), 1);
    ASSERT_EQ(seen.report.faults.size(), 2u);
    EXPECT_EQ(to_string(*seen.report.faults.front().fault.unsynced), unsynced);
  }
}

TEST(DiskFaults, AFlippedBitIsFoundAtTheNextStart) {
  bool log = false;
  bool blocks = false;
  for (int draw = 1; draw <= 30; ++draw) {
    // At other times, since what the log held may just have been trimmed; and soon found.
    const int at_ms = 1200 + 15 * draw;
    const Seen seen = script(R"({"at_ns": )" + std::to_string(at_ms) +
                             R"(000000, "kind": "flip_bit", "node": 2, "draw": )" +
                             std::to_string(draw) + R"(}, {"at_ns": )" + std::to_string(at_ms + 5) +
                             R"(000000, "kind": "kill", "node": 2},
              {"at_ns": )" + std::to_string(at_ms + 5) +
                             R"(000001, "kind": "start", "node": 2})");
    log = log || seen.told("the log is damaged");
    blocks = blocks || seen.told("the blocks are damaged");
  }
  EXPECT_TRUE(log);
  EXPECT_TRUE(blocks);
}

TEST(DiskFaults, AFlippedBitIsFoundWhenTheRunIsHealedAtTheLatest) {
  int found = 0;
  for (int draw = 1; draw <= 30; ++draw) {
    const Seen seen = script(R"({"at_ns": 1900000000, "kind": "flip_bit", "node": 2, "draw": )" +
                             std::to_string(draw) + "}");
    found += seen.told("2 storage: ") ? 1 : 0;
  }
  EXPECT_GT(found, 0);
}

TEST(DiskFaults, AFailedSyncOrWriteEndsTheNodeAndLosesNothing) {
  for (const std::string kind : {"fail_sync", "fail_write"}) {
    for (int draw = 1; draw <= 12; ++draw) {
      SCOPED_TRACE(kind + " " + std::to_string(draw));
      const Seen seen =
          script(R"({"at_ns": 500000000, "kind": ")" + kind + R"(", "node": 2, "draw": )" +
                 std::to_string(draw) + R"(}, {"at_ns": 1500000000, "kind": "start", "node": 2},
                 {"at_ns": 1700000000, "kind": "crash", "node": 2, "draw": 5, "unsynced": "lost"})");
      EXPECT_EQ(seen.faults.at("disk failed"), 1);
      EXPECT_TRUE(seen.told("node 2 ends: "));
    }
  }
}

TEST(DiskFaults, AFullDiskEndsTheNodeAndKeepsItDownUntilThereIsRoom) {
  const Seen seen = script(
      R"({"at_ns": 500000000, "kind": "full_disk", "node": 2, "amount": 0, "duration_us": 900000},
         {"at_ns": 1300000000, "kind": "start", "node": 2},
         {"at_ns": 1500000000, "kind": "start", "node": 2})");
  EXPECT_TRUE(seen.told("node 2 ends: ")) << seen.texts;
  EXPECT_TRUE(seen.told("No space left on device"));
  const Seen endless = script(R"({"at_ns": 500000000, "kind": "full_disk", "node": 2})");
  EXPECT_TRUE(endless.told("No space left on device"));
}

TEST(DiskFaults, ThatMakeNoSenseAreRefused) {
  const auto refusal = [](const std::string& json) { return parse_fault(json, 3).error().message; };
  EXPECT_EQ(refusal(R"({"kind": "crash", "node": 1, "unsynced": "gone"})"),
            "fault.unsynced: expected one of lost, kept, random, torn; found \"gone\"");
  EXPECT_EQ(refusal(R"({"kind": "kill", "node": 1, "unsynced": "lost"})"),
            "fault.unsynced: only a crash loses what was not synced");
  EXPECT_EQ(refusal(R"({"kind": "full_disk", "node": 1, "amount": -1})"),
            "fault.amount: a disk has room for 0 octets or more");
  EXPECT_EQ(refusal(R"({"kind": "flip_bit"})"),
            "fault.node: flip_bit is about a node; none is named");
}

}  // namespace
}  // namespace paxledger::sim
