// Small cases of failing runs.
#include "sim/minimize.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "sim/plan_json.hpp"

namespace paxledger::sim {
namespace {

TEST(Minimize, MakesCasesThatFailWhenTheyAreReadAgain) {
  int failed = 0;
  for (std::uint64_t seed = 1; failed < 3; ++seed) {
    ASSERT_LE(seed, 200u) << "nothing fails";
    Plan plan = Plan::draw(seed);
    plan.bug = PlantedBug::shared_session;
    const RunReport report = run(plan);
    if (report.result.passed()) continue;
    ++failed;
    const Minimized small = minimize(plan, report, {.runs_max = 60}, {});
    EXPECT_LE(small.plan.profile.safety_phase, plan.profile.safety_phase);
    auto read = parse_plan(to_json(small.plan));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read->profile.safety_phase, small.plan.profile.safety_phase);
    read->bug = plan.bug;
    const RunResult again = run(*read).result;
    EXPECT_EQ(again.trace_hash, small.result.trace_hash) << "seed " << seed;
    EXPECT_EQ(rule_of(again), rule_of(report.result)) << "seed " << seed;
  }
}

// Heartbeats are so rare that nobody hears a majority (no case may say so, hence the line after
// it); besides, a node lost its disk. That node alone fails as well, but then for want of its
// disk, which says nothing of the heartbeats.
TEST(Minimize, StaysWithinWhatAClusterIsPromisedToStand) {
  auto plan = parse_plan(
      R"({"seed": 3, "misfortunes": false, "safety_phase_ms": 1000, "work": {"clients": 1},
          "timing": {"heartbeat_us": 100, "election_timeout_us": 200},
          "script": [{"at_ns": 1000000, "kind": "lose_disk", "node": 1},
                     {"at_ns": 2000000, "kind": "start", "node": 1}]})");
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  plan->profile.options.timing.heartbeat_interval = std::chrono::milliseconds(30);
  const RunReport report = run(*plan);
  ASSERT_EQ(report.result.verdict, RunVerdict::liveness) << report.result.failure;
  EXPECT_EQ(rule_of(report.result),
            "liveness progress: 10 election timeouts after everything was healed");
  EXPECT_FALSE(report.beyond_limits);
  const Minimized small = minimize(*plan, report, {.runs_max = 200}, {});
  EXPECT_EQ(small.plan.profile.options.nodes, 2u) << to_json(small.plan);
  EXPECT_TRUE(small.plan.script.empty()) << to_json(small.plan);
  EXPECT_FALSE(run(small.plan).beyond_limits);
}

TEST(Minimize, OfAClusterThatLostItsMajorityMayLoseMore) {
  const auto plan = parse_plan(
      R"({"seed": 3, "misfortunes": false, "safety_phase_ms": 1000, "work": {"clients": 1},
          "script": [{"at_ns": 500000000, "kind": "lose_disk", "node": 1},
                     {"at_ns": 500000000, "kind": "lose_disk", "node": 2}]})");
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  const RunReport report = run(*plan);
  ASSERT_EQ(report.result.verdict, RunVerdict::liveness) << report.result.failure;
  EXPECT_TRUE(report.beyond_limits);
  EXPECT_EQ(minimize(*plan, report, {.runs_max = 200}, {}).plan.profile.options.nodes, 1u);
}

TEST(Limits, AreExceededByASecondNodeWhoseBlocksAreAltered) {
  const auto beyond = [](const std::string& nodes, int second) {
    const auto plan =
        parse_plan(R"({"misfortunes": false, "safety_phase_ms": 50, "nodes": )" + nodes +
                   R"(, "script": [)"
                   R"({"at_ns": 1000, "kind": "tamper", "node": 1, "duration_us": 9},)"
                   R"({"at_ns": 2000, "kind": "tamper", "node": )" +
                   std::to_string(second) + R"(, "duration_us": 9}]})");
    EXPECT_TRUE(plan.ok());
    return run(*plan).beyond_limits;
  };
  EXPECT_FALSE(beyond("3", 1));
  EXPECT_TRUE(beyond("3", 2));
  EXPECT_TRUE(beyond("2", 1));
}

}  // namespace
}  // namespace paxledger::sim
