// Random runs of whole clusters (see sim/run.hpp).
//
//   PAXLEDGER_SEEDS=17..17   runs these seeds instead of the usual ones
//   PAXLEDGER_TRACE=1        writes every event of the runs
#include "sim/run.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

namespace paxledger::sim {
namespace {

constexpr std::uint64_t kUsualSeeds = 400;

std::pair<std::uint64_t, std::uint64_t> seeds() {
  const char* asked = std::getenv("PAXLEDGER_SEEDS");
  if (asked == nullptr) return {1, kUsualSeeds};
  const std::string text(asked);
  const std::size_t dots = text.find("..");
  const std::uint64_t first = std::strtoull(text.c_str(), nullptr, 10);
  if (dots == std::string::npos) return {first, first};
  return {first, std::strtoull(text.c_str() + dots + 2, nullptr, 10)};
}

std::string replay(std::uint64_t seed) {
  return "replay: PAXLEDGER_TRACE=1 PAXLEDGER_SEEDS=" + std::to_string(seed) +
         " scenario_test --gtest_filter='SimulatedRun.KeepsEveryPromise*'";
}

using Watcher = std::function<void(const Event&)>;

void print(const Event& event) {
  std::printf("%10.3f %s%s\n", static_cast<double>(event.at.since_origin().count()) / 1e6,
              event.kind == Event::Kind::lost ? "lost " : "", event.text.c_str());
}

TEST(SimulatedRun, KeepsEveryPromiseUnderFaultsAndServesAgainWhenHealed) {
  const auto [first, last] = seeds();
  const bool trace = std::getenv("PAXLEDGER_TRACE") != nullptr;
  double slowest = 0;
  std::uint64_t height = 0;
  std::uint64_t answered = 0;
  std::uint64_t faults = 0;
  std::uint64_t undecided = 0;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const RunReport report = sim::run(Plan::draw(seed), trace ? print : Watcher{});
    const RunResult& run = report.result;
    EXPECT_FALSE(report.beyond_limits) << "seed " << seed;
    EXPECT_TRUE(run.passed()) << "seed " << seed << ": " << run.failure << "\n"
                              << run.profile << "\n"
                              << replay(seed);
    slowest = std::max(slowest, run.recovery_election_timeouts);
    height += run.height;
    answered += run.answered;
    faults += run.faults;
    undecided += run.undecided_histories;
  }
  // A run in which nothing happens proves nothing.
  EXPECT_GT(answered, 10 * (last - first + 1));
  RecordProperty("slowest_recovery_in_election_timeouts", std::to_string(slowest));
  std::printf(
      "%llu seeds: %llu blocks, %llu answers, %llu faults, %llu histories given up; "
      "slowest return to full service: %.1f election timeouts\n",
      static_cast<unsigned long long>(last - first + 1), static_cast<unsigned long long>(height),
      static_cast<unsigned long long>(answered), static_cast<unsigned long long>(faults),
      static_cast<unsigned long long>(undecided), slowest);
}

TEST(SimulatedRun, GivesEqualRunsForEqualSeeds) {
  for (const std::uint64_t seed : {3u, 8u, 21u}) {
    EXPECT_EQ(sim::run(Plan::draw(seed)).result.trace_hash,
              sim::run(Plan::draw(seed)).result.trace_hash);
  }
}

TEST(SimulatedRun, DoesTheSameWhetherItIsWatchedOrNot) {
  std::size_t events = 0;
  const auto watched = sim::run(Plan::draw(5), [&events](const Event&) { ++events; });
  EXPECT_EQ(watched.result.trace_hash, sim::run(Plan::draw(5)).result.trace_hash);
  EXPECT_GT(events, 100u);
}

// Whether some seed fails when `bug` is planted.
bool is_caught(PlantedBug bug) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Plan plan = Plan::draw(seed);
    plan.bug = bug;
    if (!sim::run(plan).result.passed()) return true;
  }
  return false;
}

TEST(SimulatedRun, CatchesADiskThatLosesWhatItReportedAsDurable) {
  EXPECT_TRUE(is_caught(PlantedBug::lying_disk));
}

TEST(SimulatedRun, CatchesALogThatForgetsAcceptances) {
  EXPECT_TRUE(is_caught(PlantedBug::forgetful_log));
}

TEST(SimulatedRun, CatchesTwoClientsInOneSession) {
  EXPECT_TRUE(is_caught(PlantedBug::shared_session));
}

}  // namespace
}  // namespace paxledger::sim
