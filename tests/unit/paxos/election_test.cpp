#include "paxos/election.hpp"

#include <gtest/gtest.h>

#include <set>

namespace paxledger::paxos {
namespace {

using std::chrono::milliseconds;

class ElectionTest : public testing::Test {
 protected:
  static Heartbeat heartbeat(bool leading = false) {
    Heartbeat beat;
    beat.promised = {Round(1), NodeId(2)};
    beat.leading = leading;
    return beat;
  }
  void hear(std::uint32_t node) {
    election_.on_heard(NodeId(node), now_);
    election_.on_heartbeat(NodeId(node), heartbeat(), now_);
  }
  void pass(milliseconds time) { now_ = now_ + time; }

  Membership membership_{{NodeId(1), NodeId(2), NodeId(3)}};
  Instant now_{std::chrono::seconds(1)};
  Election election_{NodeId(1), membership_, {milliseconds(50), milliseconds(400)}, Seed{1}, now_};
  Ballot none_;
};

TEST_F(ElectionTest, DoesNotRunWithoutHearingAMajority) {
  pass(milliseconds(5000));
  EXPECT_FALSE(election_.on_timer(now_, none_, true).has_value());
  hear(2);
  pass(milliseconds(300));
  EXPECT_TRUE(election_.on_timer(now_, none_, true).has_value());
}

TEST_F(ElectionTest, DoesNotCountPeersThatAbstain) {
  Heartbeat abstaining = heartbeat();
  abstaining.abstaining = true;
  election_.on_heard(NodeId(2), now_);
  election_.on_heartbeat(NodeId(2), abstaining, now_);
  EXPECT_FALSE(election_.hears_quorum(now_, true));
  hear(3);
  EXPECT_TRUE(election_.hears_quorum(now_, true));
  EXPECT_FALSE(election_.hears_quorum(now_, false));
}

TEST_F(ElectionTest, ForgetsWhomItHasNotHeardForAnElectionTimeout) {
  hear(2);
  EXPECT_TRUE(election_.hears(NodeId(2), now_));
  pass(milliseconds(400));
  EXPECT_FALSE(election_.hears(NodeId(2), now_));
}

TEST_F(ElectionTest, RefusesAPreVoteWhileItHearsAHealthyLeader) {
  election_.on_leader(NodeId(2), now_);
  const PreVote asked{{Round(9), NodeId(3)}};
  EXPECT_FALSE(election_.answer(asked, now_, none_, true).granted);
  pass(milliseconds(400));
  EXPECT_TRUE(election_.answer(asked, now_, none_, true).granted);
}

TEST_F(ElectionTest, RefusesAPreVoteThatIsNotAboveItsPromiseOrWhileItAbstains) {
  const Ballot promised{Round(3), NodeId(2)};
  EXPECT_FALSE(election_.answer({{Round(3), NodeId(1)}}, now_, promised, true).granted);
  EXPECT_TRUE(election_.answer({{Round(3), NodeId(3)}}, now_, promised, true).granted);
  EXPECT_FALSE(election_.answer({{Round(4), NodeId(3)}}, now_, promised, false).granted);
}

TEST_F(ElectionTest, WinsThePreVoteWithAMajorityOfGrantsForThatBallot) {
  hear(2);
  pass(milliseconds(300));
  const auto asked = election_.on_timer(now_, none_, true);
  ASSERT_TRUE(asked.has_value());
  EXPECT_FALSE(election_.on_pre_vote_reply(NodeId(2), {asked->ballot, false, none_}));
  EXPECT_FALSE(election_.on_pre_vote_reply(NodeId(2), {{Round(77), NodeId(1)}, true, none_}));
  EXPECT_TRUE(election_.on_pre_vote_reply(NodeId(2), {asked->ballot, true, none_}));
}

TEST_F(ElectionTest, RunsAboveEveryRoundThatItHasSeen) {
  election_.on_round(Round(41));
  hear(2);
  pass(milliseconds(300));
  const auto asked = election_.on_timer(now_, none_, true);
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(asked->ballot, (Ballot{Round(42), NodeId(1)}));
}

TEST_F(ElectionTest, GivesUpALeaderThatSaysThatItNoLongerLeads) {
  election_.on_leader(NodeId(2), now_);
  ASSERT_TRUE(election_.hears_healthy_leader(now_));
  election_.on_heartbeat(NodeId(2), heartbeat(false), now_);
  EXPECT_FALSE(election_.hears_healthy_leader(now_));
}

TEST_F(ElectionTest, RoutesThroughAPeerThatHearsTheLeader) {
  Heartbeat follower = heartbeat();
  follower.hears_leader = true;
  follower.leader = NodeId(2);
  election_.on_heard(NodeId(3), now_);
  election_.on_heartbeat(NodeId(3), follower, now_);
  EXPECT_EQ(election_.route_to_leader(now_), NodeId(3));
  election_.on_leader(NodeId(2), now_);
  EXPECT_EQ(election_.route_to_leader(now_), NodeId(2));
}

TEST_F(ElectionTest, DoesNotRouteToAPeerThatTakesThisNodeForTheLeader) {
  Heartbeat follower = heartbeat();
  follower.hears_leader = true;
  follower.leader = NodeId(1);
  election_.on_heard(NodeId(3), now_);
  election_.on_heartbeat(NodeId(3), follower, now_);
  EXPECT_EQ(election_.route_to_leader(now_), kNobody);
}

TEST(ElectionTimers, DifferBetweenNodes) {
  const Membership membership({NodeId(1), NodeId(2), NodeId(3)});
  std::set<std::int64_t> deadlines;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Election election(NodeId(1), membership, {milliseconds(50), milliseconds(400)},
                            Seed{seed}, Instant());
    deadlines.insert(election.deadline().since_origin().count());
  }
  EXPECT_GT(deadlines.size(), 15u);
}

}  // namespace
}  // namespace paxledger::paxos
