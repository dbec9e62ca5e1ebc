#include "paxos/candidate.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "paxos/learner.hpp"

namespace paxledger::paxos {
namespace {

const Ballot kBallot{Round(5), NodeId(1)};

AcceptedValue accepted(std::uint64_t slot, std::uint64_t round, const std::string& value) {
  return {Slot(slot), Ballot{Round(round), NodeId(2)}, SharedBytes(value)};
}

Promise promise(std::uint64_t first, bool complete, std::vector<AcceptedValue> values) {
  Promise message;
  message.ballot = kBallot;
  message.first = Slot(first);
  message.through = values.empty() ? Slot(first) : values.back().slot;
  message.complete = complete;
  message.accepted = std::move(values);
  return message;
}

class CandidateTest : public testing::Test {
 protected:
  Membership membership_{{NodeId(1), NodeId(2), NodeId(3)}};
  GenerationTable generations_;
  Candidate candidate_{kBallot, Slot(3), Instant()};
};

TEST_F(CandidateTest, NeedsAMajorityOfCompleteReports) {
  candidate_.on_promise(NodeId(1), promise(3, true, {}), generations_);
  EXPECT_FALSE(candidate_.has_quorum(membership_, generations_));
  candidate_.on_promise(NodeId(2), promise(3, true, {}), generations_);
  EXPECT_TRUE(candidate_.has_quorum(membership_, generations_));
}

TEST_F(CandidateTest, TakesTheValueOfTheHighestBallotForEachSlot) {
  candidate_.on_promise(NodeId(2), promise(3, true, {accepted(3, 2, "old"), accepted(4, 4, "b")}),
                        generations_);
  candidate_.on_promise(NodeId(3), promise(3, true, {accepted(3, 3, "new"), accepted(4, 1, "a")}),
                        generations_);
  EXPECT_EQ(candidate_.values().at(Slot(3)).value.view(), "new");
  EXPECT_EQ(candidate_.values().at(Slot(4)).value.view(), "b");
}

TEST_F(CandidateTest, DoesNotCountAReportThatIsNotComplete) {
  candidate_.on_promise(NodeId(1), promise(3, true, {}), generations_);
  const auto next =
      candidate_.on_promise(NodeId(2), promise(3, false, {accepted(3, 2, "a")}), generations_);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(next->first, Slot(4));
  EXPECT_FALSE(candidate_.has_quorum(membership_, generations_));
  candidate_.on_promise(NodeId(2), promise(4, true, {accepted(4, 2, "b")}), generations_);
  EXPECT_TRUE(candidate_.has_quorum(membership_, generations_));
  EXPECT_EQ(candidate_.values().size(), 2u);
}

TEST_F(CandidateTest, IgnoresPartsThatComeTwiceOrTooEarly) {
  candidate_.on_promise(NodeId(2), promise(9, true, {}), generations_);
  EXPECT_TRUE(candidate_.prepare_for(NodeId(2), generations_).has_value());
  candidate_.on_promise(NodeId(2), promise(3, false, {accepted(3, 2, "a")}), generations_);
  EXPECT_FALSE(
      candidate_.on_promise(NodeId(2), promise(3, false, {accepted(3, 2, "a")}), generations_)
          .has_value());
  EXPECT_EQ(candidate_.prepare_for(NodeId(2), generations_)->first, Slot(4));
}

TEST_F(CandidateTest, IgnoresPromisesForAnotherBallot) {
  Promise other = promise(3, true, {});
  other.ballot = Ballot{Round(4), NodeId(1)};
  candidate_.on_promise(NodeId(1), other, generations_);
  candidate_.on_promise(NodeId(2), other, generations_);
  EXPECT_FALSE(candidate_.has_quorum(membership_, generations_));
}

TEST_F(CandidateTest, LearnsHowFarOthersHaveDecided) {
  Promise ahead = promise(3, true, {});
  ahead.decided = Slot(8);
  candidate_.on_promise(NodeId(2), ahead, generations_);
  EXPECT_EQ(candidate_.decided_elsewhere(), Slot(8));
}

TEST_F(CandidateTest, DoesNotTrustAPromiseFromBeforeADiskWasLost) {
  generations_.learn(NodeId(2), Generation(1));
  candidate_.on_promise(NodeId(1), promise(3, true, {}), generations_);
  candidate_.on_promise(NodeId(2), promise(3, true, {}), generations_);  // says generation 0
  EXPECT_FALSE(candidate_.has_quorum(membership_, generations_));
}

TEST_F(CandidateTest, DropsAPromiseWhoseVoterIsFoundToHaveLostItsDisk) {
  candidate_.on_promise(NodeId(1), promise(3, true, {}), generations_);
  candidate_.on_promise(NodeId(2), promise(3, true, {}), generations_);
  ASSERT_TRUE(candidate_.has_quorum(membership_, generations_));
  generations_.learn(NodeId(2), Generation(1));
  EXPECT_FALSE(candidate_.has_quorum(membership_, generations_));
}

TEST(Learner, TakesAnAcceptedValueForDecidedOnlyUnderTheBallotOfTheLeader) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.accept({Round(1), NodeId(1)}, Slot(1), SharedBytes("old")));
  Learner learner;
  learner.hear({Round(2), NodeId(2)}, Slot(1));
  EXPECT_FALSE(learner.decided_at(Slot(1), acceptor).has_value());
  ASSERT_TRUE(acceptor.accept({Round(2), NodeId(2)}, Slot(1), SharedBytes("new")));
  EXPECT_EQ(learner.decided_at(Slot(1), acceptor)->view(), "new");
}

TEST(Learner, IgnoresTheWatermarkOfAnOlderLeader) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.accept({Round(2), NodeId(2)}, Slot(1), SharedBytes("new")));
  Learner learner;
  learner.hear({Round(2), NodeId(2)}, Slot(0));
  learner.hear({Round(1), NodeId(1)}, Slot(1));
  EXPECT_FALSE(learner.decided_at(Slot(1), acceptor).has_value());
}

TEST(Learner, DoesNotGoBackWhenAnOldMessageOfTheLeaderArrivesLate) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.accept({Round(2), NodeId(2)}, Slot(2), SharedBytes("b")));
  Learner learner;
  learner.hear({Round(2), NodeId(2)}, Slot(2));
  learner.hear({Round(2), NodeId(2)}, Slot(1));
  EXPECT_TRUE(learner.decided_at(Slot(2), acceptor).has_value());
  EXPECT_EQ(learner.highest(), Slot(2));
}

}  // namespace
}  // namespace paxledger::paxos
