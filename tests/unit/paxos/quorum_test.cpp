// Counting: quorums against a deliberately dumb version, votes and lost disks.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "paxos/leader.hpp"
#include "paxos/membership.hpp"
#include "paxos/votes.hpp"

namespace paxledger::paxos {
namespace {

std::vector<NodeId> nodes(std::uint32_t count) {
  std::vector<NodeId> all;
  for (std::uint32_t i = 1; i <= count; ++i) all.emplace_back(i);
  return all;
}

std::set<NodeId> subset(const std::vector<NodeId>& all, std::uint32_t bits) {
  std::set<NodeId> chosen;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if ((bits >> i & 1) != 0) chosen.insert(all[i]);
  }
  return chosen;
}

TEST(Membership, AgreesWithADumbCountOnEverySubset) {
  for (std::uint32_t count = 1; count <= 7; ++count) {
    const auto all = nodes(count);
    const Membership membership(all);
    for (std::uint32_t bits = 0; bits < 1u << count; ++bits) {
      const auto chosen = subset(all, bits);
      EXPECT_EQ(membership.is_quorum(chosen), 2 * chosen.size() > count);
    }
  }
}

TEST(Membership, HasQuorumsThatAlwaysIntersect) {
  for (std::uint32_t count = 1; count <= 6; ++count) {
    const auto all = nodes(count);
    const Membership membership(all);
    for (std::uint32_t a = 0; a < 1u << count; ++a) {
      for (std::uint32_t b = 0; b < 1u << count; ++b) {
        if (membership.is_quorum(subset(all, a)) && membership.is_quorum(subset(all, b))) {
          EXPECT_NE(a & b, 0u);
        }
      }
    }
  }
}

TEST(Membership, DoesNotCountStrangers) {
  const Membership membership(nodes(3));
  EXPECT_FALSE(membership.is_quorum({NodeId(1), NodeId(8), NodeId(9)}));
}

TEST(Votes, CountEachVoterOnce) {
  const Membership membership(nodes(3));
  const GenerationTable generations;
  Votes votes;
  votes.add(NodeId(1), Generation(0));
  votes.add(NodeId(1), Generation(0));
  EXPECT_FALSE(votes.is_quorum(membership, generations));
  votes.add(NodeId(2), Generation(0));
  EXPECT_TRUE(votes.is_quorum(membership, generations));
}

TEST(Votes, OfALostDiskAreVoidOnceTheRejoinIsKnown) {
  const Membership membership(nodes(3));
  GenerationTable generations;
  Votes votes;
  votes.add(NodeId(1), Generation(0));
  votes.add(NodeId(2), Generation(0));
  ASSERT_TRUE(votes.is_quorum(membership, generations));
  EXPECT_TRUE(generations.learn(NodeId(2), Generation(1)));
  EXPECT_FALSE(votes.is_quorum(membership, generations));
  EXPECT_FALSE(votes.has(NodeId(2), generations));
  votes.add(NodeId(2), Generation(1));
  EXPECT_TRUE(votes.is_quorum(membership, generations));
}

TEST(Votes, OfALostDiskDoNotReplaceNewerOnes) {
  const Membership membership(nodes(3));
  GenerationTable generations;
  generations.learn(NodeId(2), Generation(1));
  Votes votes;
  votes.add(NodeId(1), Generation(0));
  votes.add(NodeId(2), Generation(1));
  votes.add(NodeId(2), Generation(0));  // a delayed message of the former life
  EXPECT_TRUE(votes.is_quorum(membership, generations));
}

TEST(GenerationTable, OnlyRises) {
  GenerationTable generations;
  EXPECT_TRUE(generations.learn(NodeId(1), Generation(2)));
  EXPECT_FALSE(generations.learn(NodeId(1), Generation(1)));
  EXPECT_EQ(generations.of(NodeId(1)), Generation(2));
  EXPECT_EQ(generations.of(NodeId(2)), Generation(0));
  const Generations entries = generations.entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(own_generation(NodeId(1), entries), Generation(2));
  EXPECT_EQ(own_generation(NodeId(3), entries), Generation(0));
}

class LeaderTest : public testing::Test {
 protected:
  void accepted(std::uint32_t node, std::uint64_t slot) {
    leader_.on_accepted(NodeId(node), Generation(0), Slot(slot), membership_, generations_);
  }
  Membership membership_{nodes(3)};
  GenerationTable generations_;
  Leader leader_{Ballot{Round(1), NodeId(1)}, Slot(5)};
  Instant now_{std::chrono::seconds(1)};
};

TEST_F(LeaderTest, GivesEachSlotOneValueInOrder) {
  EXPECT_EQ(leader_.propose(SharedBytes("a"), now_), Slot(5));
  EXPECT_EQ(leader_.propose(SharedBytes("b"), now_), Slot(6));
  EXPECT_EQ(leader_.next_slot(), Slot(7));
  EXPECT_EQ(leader_.window_bytes(), 2u);
}

TEST_F(LeaderTest, DecidesInSlotOrderWhateverTheOrderOfTheVotes) {
  leader_.propose(SharedBytes("a"), now_);
  leader_.propose(SharedBytes("b"), now_);
  accepted(2, 6);
  accepted(3, 6);
  EXPECT_FALSE(leader_.take_decided().has_value());
  accepted(1, 5);
  accepted(2, 5);
  EXPECT_EQ(leader_.take_decided()->slot, Slot(5));
  EXPECT_EQ(leader_.take_decided()->slot, Slot(6));
  EXPECT_FALSE(leader_.take_decided().has_value());
  EXPECT_EQ(leader_.window_bytes(), 0u);
}

TEST_F(LeaderTest, DecidesWithoutItselfIfAMajorityOfFollowersAccepted) {
  leader_.propose(SharedBytes("a"), now_);
  accepted(2, 5);
  accepted(3, 5);
  EXPECT_TRUE(leader_.take_decided().has_value());
}

TEST_F(LeaderTest, IgnoresVotesForSlotsThatItDidNotPropose) {
  leader_.propose(SharedBytes("a"), now_);
  accepted(2, 4);
  accepted(2, 9);
  EXPECT_FALSE(leader_.take_decided().has_value());
}

TEST_F(LeaderTest, SendsAgainOnlyToThoseThatDidNotAnswerAndOnlyAfterAWhile) {
  leader_.propose(SharedBytes("a"), now_);
  accepted(2, 5);
  const Instant later = now_ + std::chrono::milliseconds(100);
  EXPECT_TRUE(leader_.unanswered(NodeId(3), now_ - Duration(1), 1000, generations_).empty());
  EXPECT_EQ(leader_.unanswered(NodeId(3), later, 1000, generations_), std::vector<Slot>{Slot(5)});
  EXPECT_TRUE(leader_.unanswered(NodeId(2), later, 1000, generations_).empty());
  leader_.mark_sent(later, later);
  EXPECT_TRUE(leader_.unanswered(NodeId(3), now_, 1000, generations_).empty());
}

TEST_F(LeaderTest, SendsTheOldestSlotsAgainFirstAndNotAllAtOnce) {
  for (int i = 0; i < 5; ++i) leader_.propose(SharedBytes(std::string(100, 'x')), now_);
  const auto some = leader_.unanswered(NodeId(3), now_, 250, generations_);
  ASSERT_FALSE(some.empty());
  EXPECT_LT(some.size(), 5u);
  EXPECT_EQ(some.front(), Slot(5));
  EXPECT_EQ(leader_.unanswered(NodeId(3), now_, 1, generations_).size(), 1u);
}

}  // namespace
}  // namespace paxledger::paxos
