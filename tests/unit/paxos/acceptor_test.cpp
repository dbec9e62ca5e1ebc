#include "paxos/acceptor.hpp"

#include <gtest/gtest.h>

#include <string>

#include "paxos/records.hpp"

namespace paxledger::paxos {
namespace {

Ballot ballot(std::uint64_t round, std::uint32_t node) {
  return {Round(round), NodeId(node)};
}
Value value(const std::string& text) {
  return SharedBytes(text);
}

TEST(Acceptor, RefusesAcceptBelowItsPromise) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.promise(ballot(2, 1)));
  EXPECT_FALSE(acceptor.accept(ballot(1, 3), Slot(1), value("old")));
  EXPECT_EQ(acceptor.at(Slot(1)), nullptr);
  EXPECT_EQ(acceptor.promised(), ballot(2, 1));
}

TEST(Acceptor, NeverLowersItsPromise) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.promise(ballot(2, 2)));
  EXPECT_FALSE(acceptor.promise(ballot(2, 1)));
  EXPECT_FALSE(acceptor.promise(ballot(1, 9)));
  EXPECT_EQ(acceptor.promised(), ballot(2, 2));
}

TEST(Acceptor, AnswersARepeatedPromiseForTheSameBallot) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.promise(ballot(2, 2)));
  EXPECT_TRUE(acceptor.promise(ballot(2, 2)));
}

TEST(Acceptor, PromisesTheBallotThatItAcceptsUnder) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.accept(ballot(3, 1), Slot(7), value("a")));
  EXPECT_EQ(acceptor.promised(), ballot(3, 1));
  EXPECT_FALSE(acceptor.promise(ballot(2, 9)));
}

TEST(Acceptor, ReplacesAnOlderAcceptanceAtTheSameSlot) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.accept(ballot(1, 1), Slot(1), value("a")));
  ASSERT_TRUE(acceptor.accept(ballot(2, 2), Slot(1), value("b")));
  EXPECT_EQ(acceptor.at(Slot(1))->ballot, ballot(2, 2));
  EXPECT_EQ(acceptor.at(Slot(1))->value.view(), "b");
}

TEST(Acceptor, ReportsWhatItAcceptedFromTheFirstAskedSlotOn) {
  Acceptor acceptor;
  for (std::uint64_t slot = 1; slot <= 5; ++slot) {
    ASSERT_TRUE(acceptor.accept(ballot(1, 1), Slot(slot), value("v")));
  }
  const Promise report = acceptor.report(ballot(2, 2), Slot(3), 1000);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.first, Slot(3));
  ASSERT_EQ(report.accepted.size(), 3u);
  EXPECT_EQ(report.accepted.front().slot, Slot(3));
  EXPECT_EQ(report.accepted.back().slot, Slot(5));
}

TEST(Acceptor, ReportsInPartsThatTogetherMissNothing) {
  Acceptor acceptor;
  for (const std::uint64_t slot : {1u, 2u, 5u, 6u, 9u}) {
    ASSERT_TRUE(acceptor.accept(ballot(1, 1), Slot(slot), value("0123456789")));
  }
  std::vector<std::uint64_t> seen;
  Slot first(1);
  for (int parts = 0; parts < 10; ++parts) {
    const Promise report = acceptor.report(ballot(2, 2), first, 15);
    ASSERT_FALSE(report.accepted.empty());
    for (const auto& accepted : report.accepted) seen.push_back(accepted.slot.value());
    if (report.complete) break;
    first = report.through.next();
  }
  EXPECT_EQ(seen, (std::vector<std::uint64_t>{1, 2, 5, 6, 9}));
}

TEST(Acceptor, ReportsOneValueEvenIfItIsOverTheLimit) {
  Acceptor acceptor;
  ASSERT_TRUE(acceptor.accept(ballot(1, 1), Slot(1), value(std::string(100, 'x'))));
  EXPECT_EQ(acceptor.report(ballot(2, 2), Slot(1), 1).accepted.size(), 1u);
}

TEST(Acceptor, ForgetsOnlyWhatIsApplied) {
  Acceptor acceptor;
  for (std::uint64_t slot = 1; slot <= 3; ++slot) {
    ASSERT_TRUE(acceptor.accept(ballot(1, 1), Slot(slot), value("v")));
  }
  acceptor.forget_through(Slot(2));
  EXPECT_EQ(acceptor.at(Slot(2)), nullptr);
  EXPECT_NE(acceptor.at(Slot(3)), nullptr);
  EXPECT_EQ(acceptor.promised(), ballot(1, 1));
}

TEST(Acceptor, ComesBackFromItsLogAsItWas) {
  DurableState log;
  log.replay(PromiseRecord{ballot(1, 1)});
  log.replay(AcceptRecord{ballot(1, 1), Slot(1), value("a")});
  log.replay(PromiseRecord{ballot(4, 2)});
  const Acceptor acceptor(log);
  EXPECT_EQ(acceptor.promised(), ballot(4, 2));
  EXPECT_EQ(acceptor.at(Slot(1))->value.view(), "a");
}

TEST(DurableState, TakesTheHighestOfAllPromises) {
  DurableState log;
  log.replay(PromiseRecord{ballot(4, 2)});
  log.replay(PromiseRecord{ballot(3, 1)});
  EXPECT_EQ(log.promised, ballot(4, 2));
  log.replay(AcceptRecord{ballot(5, 1), Slot(9), value("a")});
  EXPECT_EQ(log.promised, ballot(5, 1));
}

TEST(DurableState, KeepsTheHighestGenerationAndTheNewestAbstention) {
  DurableState log;
  log.replay(GenerationRecord{NodeId(2), Generation(3)});
  log.replay(GenerationRecord{NodeId(2), Generation(1)});
  EXPECT_EQ(log.generations.at(NodeId(2)), Generation(3));
  log.replay(AbstainRecord{Slot(0), true});
  log.replay(AbstainRecord{Slot(7), false});
  EXPECT_FALSE(log.abstain.open);
  EXPECT_EQ(log.abstain.through, Slot(7));
}

TEST(DurableState, TrimsAcceptancesButNeverThePromise) {
  DurableState log;
  log.replay(AcceptRecord{ballot(5, 1), Slot(1), value("a")});
  log.replay(AcceptRecord{ballot(5, 1), Slot(2), value("b")});
  log.trim(Slot(1));
  EXPECT_FALSE(log.accepted.contains(Slot(1)));
  EXPECT_TRUE(log.accepted.contains(Slot(2)));
  EXPECT_EQ(log.promised, ballot(5, 1));
}

TEST(Ballot, IsOrderedByRoundFirstAndThenByNode) {
  EXPECT_LT(ballot(1, 9), ballot(2, 1));
  EXPECT_LT(ballot(2, 1), ballot(2, 2));
  EXPECT_TRUE(Ballot{}.is_none());
  EXPECT_LT(Ballot{}, ballot(1, 1));
  EXPECT_EQ(to_string(ballot(7, 2)), "7.2");
}

}  // namespace
}  // namespace paxledger::paxos
