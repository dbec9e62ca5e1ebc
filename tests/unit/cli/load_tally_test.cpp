#include "cli/load_tally.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "base/prng.hpp"
#include "cli/bench_command.hpp"

namespace paxledger::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A second of warm-up, ten of measurement.
class LoadTallyTest : public testing::Test {
 protected:
  static Instant at(double second) {
    return Instant(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(second)));
  }
  static void expect_sums(const LoadCounts& counts) {
    EXPECT_EQ(counts.begun, counts.completed + counts.failed() + counts.unfinished);
  }
  LoadTally tally_{at(0), at(1), at(11)};
};

TEST_F(LoadTallyTest, CountsWhatCompletesAndHowLongItTook) {
  const auto a = tally_.begin(at(2));
  const auto b = tally_.begin(at(2));
  tally_.end(a, at(2.010), ErrorCode::ok);
  tally_.end(b, at(2.020), ErrorCode::not_found);
  const LoadResult result = tally_.result(at(11));
  EXPECT_EQ(result.counts.begun, 2u);
  EXPECT_EQ(result.counts.completed, 2u);
  EXPECT_EQ(result.latency.max(), milliseconds(20));
  EXPECT_DOUBLE_EQ(result.per_second(), 0.2);
  EXPECT_TRUE(result.all_completed());
}

TEST_F(LoadTallyTest, ARequestThatIsStuckAtTheEndIsUnfinishedAndAsOldAsItIs) {
  const auto done = tally_.begin(at(2));
  tally_.end(done, at(3), ErrorCode::ok);
  static_cast<void>(tally_.begin(at(5)));
  const LoadResult result = tally_.result(at(16));
  EXPECT_EQ(result.counts.begun, 2u);
  EXPECT_EQ(result.counts.unfinished, 1u);
  EXPECT_EQ(result.counts.oldest, seconds(11));
  EXPECT_EQ(result.latency.count(), 2u) << "its wait is not left out";
  EXPECT_EQ(result.latency.max(), seconds(11));
  EXPECT_FALSE(result.all_completed());
  EXPECT_EQ(exit_code_of(result), ExitCode::unknown);
}

TEST_F(LoadTallyTest, AnOutageFromTheWarmUpToAfterTheEndIsNoIdleTime) {
  const auto stuck = tally_.begin(at(0.5));
  const auto other = tally_.begin(at(0.6));
  tally_.end(stuck, at(12), ErrorCode::timeout);
  const LoadResult result = tally_.result(at(13));
  EXPECT_EQ(result.counts.begun, 2u);
  EXPECT_EQ(result.counts.errors.at(ErrorCode::timeout), 1u);
  EXPECT_EQ(result.counts.unfinished, 1u);
  EXPECT_EQ(result.per_second(), 0);
  EXPECT_EQ(result.latency.count(), 2u);
  EXPECT_EQ(exit_code_of(result), ExitCode::unknown);
  tally_.end(other, at(14), ErrorCode::ok);
}

TEST_F(LoadTallyTest, WhatCompletesAfterTheEndIsCountedButAddsNothingToTheRate) {
  const auto late = tally_.begin(at(10));
  tally_.end(late, at(12), ErrorCode::ok);
  const LoadResult result = tally_.result(at(12));
  EXPECT_EQ(result.counts.completed, 1u);
  EXPECT_EQ(result.completed_late, 1u);
  EXPECT_EQ(result.per_second(), 0);
  EXPECT_EQ(result.latency.max(), seconds(2));
  EXPECT_TRUE(result.all_completed());
}

TEST_F(LoadTallyTest, TheWarmUpIsNotMeasuredButItsFailuresAreTold) {
  const auto good = tally_.begin(at(0));
  const auto bad = tally_.begin(at(0));
  tally_.end(good, at(0.1), ErrorCode::ok);
  tally_.end(bad, at(0.2), ErrorCode::no_quorum);
  const LoadResult result = tally_.result(at(11));
  EXPECT_EQ(result.counts.begun, 0u);
  EXPECT_EQ(result.latency.count(), 0u);
  EXPECT_EQ(result.warm_up.begun, 2u);
  EXPECT_EQ(result.warm_up.failed(), 1u);
  EXPECT_FALSE(result.all_completed());
  EXPECT_EQ(exit_code_of(result), ExitCode::no_quorum);
}

TEST_F(LoadTallyTest, AFailureCountsWithTheTimeThatItWaited) {
  const auto refused = tally_.begin(at(2));
  tally_.end(refused, at(4), ErrorCode::no_quorum);
  const LoadResult result = tally_.result(at(11));
  EXPECT_EQ(result.counts.failed(), 1u);
  EXPECT_EQ(result.latency.max(), seconds(2));
  EXPECT_EQ(exit_code_of(result), ExitCode::no_quorum);
}

TEST_F(LoadTallyTest, ALoadWithoutOneCompletedRequestIsNotOk) {
  EXPECT_EQ(exit_code_of(tally_.result(at(11))), ExitCode::no_quorum);
}

TEST_F(LoadTallyTest, AWordTellsWhatIsUnderWayAndForHowLong) {
  static_cast<void>(tally_.begin(at(2)));
  static_cast<void>(tally_.begin(at(4)));
  const LoadProgress progress = tally_.progress(at(5));
  EXPECT_FALSE(progress.warm_up);
  EXPECT_EQ(progress.counts.unfinished, 2u);
  EXPECT_EQ(progress.counts.oldest, seconds(3));
}

// Whatever happens, in whatever order: every word adds up, the words' own counts add up to the
// result, and the last word is the result.
TEST_F(LoadTallyTest, WordsAndResultAgreeAtEveryMoment) {
  Prng prng(Seed{7});
  std::vector<LoadTally::Ticket> tickets;
  std::uint64_t told = 0;
  Instant now = at(0);
  for (int step = 0; step < 20'000; ++step) {
    now = now + std::chrono::microseconds(static_cast<std::int64_t>(prng.below(1'200)));
    if (now < at(11) && prng.chance(1, 2)) tickets.push_back(tally_.begin(now));
    if (!tickets.empty() && prng.chance(1, 2)) {
      const std::size_t i = prng.below(tickets.size());
      const bool good = prng.chance(9, 10);
      tally_.end(tickets[i], now, good ? ErrorCode::ok : ErrorCode::no_quorum);
      tickets.erase(tickets.begin() + static_cast<std::ptrdiff_t>(i));
    }
    if (prng.chance(1, 50)) {
      const LoadProgress progress = tally_.progress(now);
      expect_sums(progress.counts);
      EXPECT_EQ(progress.counts.unfinished, tickets.size());
      if (!progress.warm_up) told += progress.completed_since;
    }
  }
  ASSERT_GT(now, at(11));
  const LoadProgress last = tally_.progress(now);
  const LoadResult result = tally_.result(now);
  expect_sums(result.counts);
  expect_sums(result.warm_up);
  EXPECT_EQ(told + last.completed_since, result.counts.completed);
  EXPECT_EQ(last.counts.begun, result.counts.begun);
  EXPECT_EQ(last.counts.completed, result.counts.completed);
  EXPECT_EQ(last.counts.failed(), result.counts.failed());
  EXPECT_EQ(last.counts.unfinished, result.counts.unfinished);
  EXPECT_GT(result.counts.failed(), 0u);
  EXPECT_GT(result.warm_up.begun, 0u);
}

}  // namespace
}  // namespace paxledger::cli
