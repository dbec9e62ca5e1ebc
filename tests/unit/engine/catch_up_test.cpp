// Catching up asks one question at a time, and never more because of what comes in.
#include "engine/catch_up.hpp"

#include <gtest/gtest.h>

#include <chrono>

#include "paxos/election.hpp"
#include "paxos/membership.hpp"

namespace paxledger::engine {
namespace {

using std::chrono::milliseconds;

constexpr Duration kPatience = milliseconds(50);
constexpr Duration kAnswerTimeout = milliseconds(300);

Instant at(std::int64_t ms) {
  return Instant(milliseconds(ms));
}

// Node 1, which hears node 2 at height 10.
class CatchUpTest : public testing::Test {
 protected:
  CatchUpTest() {
    paxos::Heartbeat heartbeat;
    heartbeat.head.height = Height(10);
    election_.on_heard(NodeId(2), at(2000));
    election_.on_heartbeat(NodeId(2), heartbeat, at(2000));
  }
  std::optional<NodeId> ask(Height own, std::int64_t ms) {
    return catch_up_.pick(election_, own, at(ms), true);
  }

  const paxos::Membership membership_{{NodeId(1), NodeId(2), NodeId(3)}};
  paxos::Election election_{
      NodeId(1), membership_, {milliseconds(50), milliseconds(10'000)}, Seed{1}, at(0)};
  CatchUp catch_up_{kPatience, kAnswerTimeout, Seed{1}};
};

TEST_F(CatchUpTest, AsksOneQuestionAtATime) {
  EXPECT_EQ(ask(Height(3), 2000), NodeId(2));
  EXPECT_EQ(ask(Height(3), 2001), std::nullopt);
  EXPECT_EQ(ask(Height(3), 2301), NodeId(2)) << "the question or its answer was lost";
}

TEST_F(CatchUpTest, AsksOnAtOnceWhenItsQuestionWasAnswered) {
  ASSERT_EQ(ask(Height(3), 2000), NodeId(2));
  catch_up_.on_blocks(NodeId(2), Height(4), Height(6));
  EXPECT_EQ(ask(Height(6), 2001), NodeId(2));
}

TEST_F(CatchUpTest, AsksNothingNewBecauseOfAnswersToOldQuestions) {
  ASSERT_EQ(ask(Height(3), 2000), NodeId(2));
  catch_up_.on_blocks(NodeId(2), Height(2), Height(3));
  catch_up_.on_blocks(NodeId(2), Height(3), Height(3));
  catch_up_.on_blocks(NodeId(3), Height(4), Height(3));
  EXPECT_EQ(ask(Height(3), 2001), std::nullopt);
}

TEST_F(CatchUpTest, WaitsAWhileAfterAnAnswerThatWasOfNoUse) {
  ASSERT_EQ(ask(Height(3), 2000), NodeId(2));
  catch_up_.on_blocks(NodeId(2), Height(4), Height(3));
  EXPECT_EQ(ask(Height(3), 2001), std::nullopt);
  EXPECT_EQ(ask(Height(3), 2050), NodeId(2));
}

}  // namespace
}  // namespace paxledger::engine
