// Exploration finds what it should, and nothing where there is nothing.
#include "sim/explorer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace paxledger::sim {
namespace {

// A cluster that starts with nobody leading, two that run, a crash, and no client.
SmallWorldBounds duel() {
  SmallWorldBounds bounds;
  bounds.cold = true;
  bounds.candidacies = 2;
  bounds.commands = 0;
  bounds.duplicates = 0;
  return bounds;
}

ExploreReport explore(const SmallWorldBounds& bounds, WorldBug bug = WorldBug::none) {
  ExploreOptions options;
  options.bounds = bounds;
  options.bug = bug;
  return explore(options);
}

std::string told(const ExploreReport& report) {
  std::string text = report.violation;
  for (const auto& action : report.path) text += "\n  " + action;
  return text;
}

// The numbers are part of the promise: they change with the protocol, or with what is explored, and
// with nothing else. Whoever changes either looks at them once.
TEST(ExplorerTest, ADuelIsExploredToItsEndWithoutAViolation) {
  const ExploreReport report = explore(duel());
  EXPECT_EQ(report.verdict, ExploreVerdict::exhausted) << told(report);
  EXPECT_EQ(report.states, 355'648u);
  EXPECT_EQ(report.transitions, 1'671'807u);
  EXPECT_EQ(report.depth, 28u);
}

TEST(ExplorerTest, AChallengedLeaderIsExploredToItsEndWithoutAViolation) {
  SmallWorldBounds bounds;
  bounds.duplicates = 0;
  bounds.crashes = 0;
  bounds.strays = 1;
  const ExploreReport report = explore(bounds);
  EXPECT_EQ(report.verdict, ExploreVerdict::exhausted) << told(report);
  EXPECT_EQ(report.states, 415'663u);
  EXPECT_EQ(report.transitions, 2'307'105u);
  EXPECT_EQ(report.depth, 25u);
}

TEST(ExplorerTest, SlowLogsTimersAndLossesAreExplored) {
  SmallWorldBounds bounds;
  bounds.candidacies = 0;
  bounds.losses = 1;
  bounds.timers = 1;
  bounds.duplicates = 0;
  bounds.slow_logs = true;
  const ExploreReport report = explore(bounds);
  EXPECT_EQ(report.verdict, ExploreVerdict::exhausted) << told(report);
  EXPECT_EQ(report.states, 66'561u);
}

TEST(ExplorerTest, StopsAtItsBoundOfStates) {
  ExploreOptions options;
  options.states_max = 1000;
  const ExploreReport report = explore(options);
  EXPECT_EQ(report.verdict, ExploreVerdict::states_max);
  EXPECT_EQ(report.states, 1000u);
  options.states_max = 1'000'000;
  options.progress = [](const ExploreReport& so_far) { return so_far.states < 100'000; };
  EXPECT_EQ(explore(options).verdict, ExploreVerdict::interrupted);
}

TEST(ExplorerTest, FindsAPromiseThatARestartForgot) {
  const ExploreReport report = explore(duel(), WorldBug::forgotten_promise);
  ASSERT_EQ(report.verdict, ExploreVerdict::violated);
  EXPECT_TRUE(report.violation.starts_with("promise: ")) << told(report);
  EXPECT_LE(report.path.size(), 8u) << "the way there is a shortest one\n" << told(report);
}

TEST(ExplorerTest, FindsAMessageThatLeftTooEarly) {
  const ExploreReport report = explore(duel(), WorldBug::early_message);
  ASSERT_EQ(report.verdict, ExploreVerdict::violated);
  EXPECT_TRUE(report.violation.starts_with("durable: ")) << told(report);
  EXPECT_EQ(report.path.size(), 1u) << told(report);
}

TEST(ExplorerTest, FindsAQuorumThatIsOneVoteShort) {
  SmallWorldBounds bounds = duel();
  bounds.candidacies = 1;
  bounds.crashes = 0;
  const ExploreReport report = explore(bounds, WorldBug::phantom_vote);
  ASSERT_EQ(report.verdict, ExploreVerdict::violated);
  EXPECT_TRUE(report.violation.starts_with("chosen: ")) << told(report);
}

TEST(ExplorerTest, SaysWhichBoundsItDoesNotTake) {
  SmallWorldBounds bounds;
  EXPECT_EQ(bounds.complaint(), "");
  bounds.nodes = 0;
  EXPECT_NE(bounds.complaint(), "");
  bounds = {};
  bounds.leaders = 4;
  EXPECT_NE(bounds.complaint(), "");
  bounds = {};
  bounds.crashes = 16;
  EXPECT_NE(bounds.complaint(), "");
}

}  // namespace
}  // namespace paxledger::sim
