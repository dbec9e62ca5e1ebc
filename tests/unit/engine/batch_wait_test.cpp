#include "engine/batch_wait.hpp"

#include <gtest/gtest.h>

#include <chrono>

namespace paxledger::engine {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr Duration kLongest = milliseconds(1);
constexpr Duration kRound = microseconds(500);
constexpr bool kInFlight = true;
constexpr std::size_t kFew = 100;  // octets

Instant at(std::int64_t us) {
  return Instant() + std::chrono::seconds(1) + microseconds(us);
}

// A batch of `commands` was decided at `now`, after one round, and is the last that left.
BatchWait after_batch(std::size_t commands, Instant now) {
  BatchWait wait(kLongest);
  wait.on_proposed(now - kRound);
  wait.on_decided(commands, now);
  return wait;
}

// A batch that could leave is looked at when the last slot is decided: so many commands are queued.
void decide(BatchWait& wait, std::size_t commands, std::size_t queued, Instant now) {
  wait.on_decided(commands, now);
  if (queued == 0) {
    wait.on_empty(!kInFlight);
  } else {
    static_cast<void>(wait.leaves_at(queued, kFew, !kInFlight, now));
  }
}

TEST(BatchWait, LetsTheFirstCommandOfALeadershipLeaveAtOnce) {
  BatchWait wait(kLongest);
  EXPECT_LE(wait.leaves_at(1, kFew, !kInFlight, at(0)), at(0));
}

TEST(BatchWait, LetsAClientThatIsAloneNeverWait) {
  BatchWait wait = after_batch(1, at(0));
  EXPECT_LE(wait.leaves_at(1, kFew, !kInFlight, at(10)), at(10));
}

TEST(BatchWait, WaitsForAsManyAsWereAnswered) {
  BatchWait wait = after_batch(100, at(0));
  wait.on_empty(!kInFlight);
  EXPECT_EQ(wait.leaves_at(1, kFew, !kInFlight, at(10)), at(0) + kLongest);
  EXPECT_EQ(wait.leaves_at(89, kFew, !kInFlight, at(20)), at(0) + kLongest);
  EXPECT_EQ(wait.leaves_at(100, kFew, !kInFlight, at(30)), at(30));
}

// Some may have what they wanted, and never ask again.
TEST(BatchWait, GivesTheLastTenthAnEighthOfARound) {
  BatchWait wait = after_batch(100, at(0));
  wait.on_empty(!kInFlight);
  EXPECT_EQ(wait.leaves_at(90, kFew, !kInFlight, at(30)), at(30) + kRound / 8);
  // More commands do not prolong it.
  EXPECT_EQ(wait.leaves_at(99, kFew, !kInFlight, at(50)), at(30) + kRound / 8);
  EXPECT_EQ(wait.leaves_at(100, kFew, !kInFlight, at(60)), at(60));
  // It is given anew to the next batch, but not beyond the bound.
  wait.on_proposed(at(60));
  decide(wait, 100, 0, at(60) + kRound);
  const Instant latest = at(60) + kRound + kLongest;
  EXPECT_EQ(wait.leaves_at(95, kFew, !kInFlight, latest - microseconds(10)), latest);
}

// Readers may give up while their round waits.
TEST(BatchWait, GivesItAnewToThoseWhoComeInThePlaceOfOthers) {
  BatchWait wait = after_batch(100, at(0));
  wait.on_empty(!kInFlight);
  EXPECT_EQ(wait.leaves_at(95, kFew, !kInFlight, at(30)), at(30) + kRound / 8);
  EXPECT_EQ(wait.leaves_at(80, kFew, !kInFlight, at(40)), at(0) + kLongest);
  EXPECT_EQ(wait.leaves_at(91, kFew, !kInFlight, at(200)), at(200) + kRound / 8);
  wait.on_empty(!kInFlight);
  EXPECT_EQ(wait.leaves_at(91, kFew, !kInFlight, at(300)), at(300) + kRound / 8);
}

TEST(BatchWait, CountsThoseWhoWereAnsweredInAllSlotsSinceTheLastBatchLeft) {
  BatchWait wait = after_batch(20, at(0));
  wait.on_decided(20, at(100));
  wait.on_empty(!kInFlight);
  EXPECT_EQ(wait.leaves_at(35, kFew, !kInFlight, at(110)), at(100) + kLongest);
  EXPECT_EQ(wait.leaves_at(40, kFew, !kInFlight, at(120)), at(120));
}

TEST(BatchWait, DoesNotWaitForClientsThatWereAnsweredLongAgo) {
  BatchWait wait = after_batch(100, at(0));
  const Instant later = at(0) + kLongest;
  EXPECT_LE(wait.leaves_at(1, kFew, !kInFlight, later), later);
}

TEST(BatchWait, WaitsForSlotsInFlightButNoLongerThanItsBound) {
  BatchWait wait = after_batch(1, at(0));
  wait.on_proposed(at(400));
  EXPECT_EQ(wait.leaves_at(1, kFew, kInFlight, at(500)), at(500) + kLongest);
  // More commands do not prolong it.
  EXPECT_EQ(wait.leaves_at(5, kFew, kInFlight, at(900)), at(500) + kLongest);
  // The wait begins anew with what is queued after a batch left, or after the queue was empty.
  wait.on_proposed(at(1600));
  EXPECT_EQ(wait.leaves_at(1, kFew, kInFlight, at(2000)), at(2000) + kLongest);
  wait.on_empty(kInFlight);
  EXPECT_EQ(wait.leaves_at(1, kFew, kInFlight, at(2500)), at(2500) + kLongest);
}

TEST(BatchWait, LetsALargeBatchLeaveAtOnce) {
  BatchWait wait = after_batch(2000, at(0));
  EXPECT_EQ(wait.leaves_at(BatchWait::kLargeCommands, kFew, !kInFlight, at(10)), at(10));
  EXPECT_EQ(wait.leaves_at(1, BatchWait::kLargeBytes, !kInFlight, at(20)), at(20));
  EXPECT_EQ(wait.leaves_at(BatchWait::kLargeCommands, kFew, kInFlight, at(30)), at(30));
}

TEST(BatchWait, WaitsForNobodyIfToldSo) {
  BatchWait wait(Duration::zero());
  wait.on_proposed(at(-1000));
  EXPECT_LE(wait.leaves_at(1, kFew, kInFlight, at(0)), at(0));
  wait.on_decided(100, at(10));
  EXPECT_LE(wait.leaves_at(1, kFew, !kInFlight, at(10)), at(10));
}

// Clients that stay away are waited for once.
TEST(BatchWait, ExpectsNoMoreThanTheLastBatchHeld) {
  BatchWait wait = after_batch(100, at(0));
  wait.on_empty(!kInFlight);
  EXPECT_GT(wait.leaves_at(50, kFew, !kInFlight, at(10)), at(10));
  wait.on_proposed(at(1500));
  decide(wait, 50, 0, at(2000));
  EXPECT_EQ(wait.leaves_at(50, kFew, !kInFlight, at(2010)), at(2010));
}

TEST(BatchWait, LastsNoLongerThanThreeRounds) {
  BatchWait wait(kLongest);
  wait.on_proposed(at(0));
  decide(wait, 100, 0, at(200));
  EXPECT_EQ(wait.leaves_at(1, kFew, !kInFlight, at(210)), at(200) + microseconds(600));
  wait.on_proposed(at(220));
  EXPECT_EQ(wait.leaves_at(1, kFew, kInFlight, at(230)), at(230) + microseconds(600));
}

TEST(BatchWait, IsNotLongForCommandsThatComeByThemselves) {
  BatchWait wait = after_batch(5, at(0));
  for (int round = 1; round <= 100; ++round) {
    const Instant now = at(1000 * round);
    EXPECT_EQ(wait.leaves_at(2, kFew, !kInFlight, now), now) << round;
    wait.on_proposed(now);
    wait.on_decided(5, now + microseconds(500));
  }
}

// Two groups of 20 clients take turns. One wait makes one group of them, for which nothing waits
// any longer than it takes to ask again.
TEST(BatchWait, JoinsGroupsOfClientsThatTakeTurns) {
  BatchWait wait = after_batch(20, at(0));
  EXPECT_GT(wait.leaves_at(20, kFew, !kInFlight, at(0)), at(0));
  EXPECT_GT(wait.leaves_at(39, kFew, !kInFlight, at(50)), at(50));
  EXPECT_EQ(wait.leaves_at(40, kFew, !kInFlight, at(60)), at(60));
  wait.on_proposed(at(60));
  decide(wait, 40, 2, at(600));
  EXPECT_GT(wait.leaves_at(41, kFew, !kInFlight, at(640)), at(640));
  EXPECT_EQ(wait.leaves_at(42, kFew, !kInFlight, at(650)), at(650));
}

// A few of a group were late for the last batch. The next one waits for them and for the others;
// else one batch in two would be smaller than the other.
TEST(BatchWait, CountsThoseWhoWereLateBesidesThoseWhoWereAnswered) {
  BatchWait wait = after_batch(58, at(0));
  EXPECT_GT(wait.leaves_at(6, kFew, !kInFlight, at(0)), at(0));
  EXPECT_EQ(wait.leaves_at(58, kFew, !kInFlight, at(50)), at(0) + kLongest);
  EXPECT_EQ(wait.leaves_at(59, kFew, !kInFlight, at(60)), at(60) + kRound / 8);
  EXPECT_EQ(wait.leaves_at(64, kFew, !kInFlight, at(70)), at(70));
}

TEST(BatchWait, TriesEverLessToJoinWhatIsNoGroup) {
  BatchWait wait = after_batch(20, at(0));
  std::size_t waits = 0;
  constexpr int kRounds = 2000;
  for (int round = 1; round <= kRounds; ++round) {
    const Instant now = at(2000 * round);
    if (wait.leaves_at(20, kFew, !kInFlight, now) > now) ++waits;
    wait.on_proposed(now + kLongest);
    wait.on_decided(20, now + kLongest + microseconds(500));
  }
  EXPECT_GE(waits, 2u);
  EXPECT_LE(waits, 15u);
}

}  // namespace
}  // namespace paxledger::engine
