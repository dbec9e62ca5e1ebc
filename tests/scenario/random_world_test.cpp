// Random runs of whole clusters (see random_world.hpp).
//
//   PAXLEDGER_SEEDS=17..17   runs these seeds instead of the usual ones
//   PAXLEDGER_TRACE=1        writes every event of the runs
#include "sim/run.hpp"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
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
         " scenario_test --gtest_filter='SimulatedRuns.KeepsEveryPromise*'";
}

// A broken invariant of the engine ends the process; the seed must be known then too.
char last_words[256];
void say_last_words(int) {
  const auto written = ::write(STDERR_FILENO, last_words, std::strlen(last_words));
  static_cast<void>(written);
}

TEST(SimulatedRuns, KeepsEveryPromiseUnderFaultsAndServesAgainWhenHealed) {
  const auto [first, last] = seeds();
  const bool trace = std::getenv("PAXLEDGER_TRACE") != nullptr;
  std::signal(SIGABRT, say_last_words);
  double slowest = 0;
  std::uint64_t height = 0;
  std::uint64_t answered = 0;
  std::uint64_t faults = 0;
  std::uint64_t undecided = 0;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    std::snprintf(last_words, sizeof last_words, "%s\n", replay(seed).c_str());
    const RunResult run = sim::run(seed, PlantedBug::none, trace);
    EXPECT_TRUE(run.passed) << "seed " << seed << ": " << run.failure << "\n"
                            << run.profile << "\n"
                            << replay(seed);
    slowest = std::max(slowest, run.recovery_election_timeouts);
    height += run.height;
    answered += run.answered;
    faults += run.faults;
    undecided += run.undecided_histories;
  }
  std::signal(SIGABRT, SIG_DFL);
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

TEST(SimulatedRuns, GivesEqualRunsForEqualSeeds) {
  for (const std::uint64_t seed : {3u, 8u, 21u}) {
    const RunResult one = run(seed);
    const RunResult two = run(seed);
    EXPECT_EQ(one.height, two.height);
    EXPECT_EQ(one.answered, two.answered);
    EXPECT_EQ(one.faults, two.faults);
    EXPECT_EQ(one.recovery_ms, two.recovery_ms);
    EXPECT_EQ(one.elections, two.elections);
  }
}

// Whether some seed fails when `bug` is planted. In a process of its own: the engine's invariants
// may end it, which is a way of being caught.
bool is_caught(PlantedBug bug) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);
    if (std::freopen("/dev/null", "w", stderr) == nullptr) std::_Exit(2);
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      if (!run(seed, bug).passed) std::_Exit(1);
    }
    std::_Exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return false;
  return WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

TEST(SimulatedRuns, CatchesADiskThatLosesWhatItReportedAsDurable) {
  EXPECT_TRUE(is_caught(PlantedBug::lying_disk));
}

TEST(SimulatedRuns, CatchesALogThatForgetsAcceptances) {
  EXPECT_TRUE(is_caught(PlantedBug::forgetful_log));
}

TEST(SimulatedRuns, CatchesTwoClientsInOneSession) {
  EXPECT_TRUE(is_caught(PlantedBug::shared_session));
}

}  // namespace
}  // namespace paxledger::sim
