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

}  // namespace
}  // namespace paxledger::sim
