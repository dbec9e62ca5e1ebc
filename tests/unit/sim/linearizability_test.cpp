// The checker is checked: it accepts what can be explained and nothing else.
#include "sim/linearizability.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/sim/register_histories.hpp"

namespace paxledger::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct Named {
  const char* name;
  bool linearizable;
  History history;
};

// The histories of one name are alike but for what makes them good or bad.
std::vector<Named> histories_of_reads_and_writes() {
  return {
      {"nothing happened", true, {}},
      {"read your write", true, {write(1, 2, "a"), read(3, 4, "a")}},
      {"stale read", false, {write(1, 2, "a"), write(3, 4, "b"), read(5, 6, "a")}},
      {"either order, the first", true, {write(1, 4, "a"), write(2, 3, "b"), read(5, 6, "a")}},
      {"either order, the second", true, {write(1, 4, "a"), write(2, 3, "b"), read(5, 6, "b")}},
      {"either order, but not both",
       false,
       {write(1, 4, "a"), write(2, 3, "b"), read(5, 6, "b"), read(7, 8, "a")}},
      {"new then old", false, {write(1, 10, "a"), read(2, 3, "a"), read(4, 5, {})}},
      {"old then new", true, {write(1, 10, "a"), read(2, 3, {}), read(4, 5, "a")}},
      {"lost write", false, {write(1, 2, "a"), read(3, 4, {})}},
      {"read of what nobody wrote", false, {write(1, 2, "a"), read(3, 4, "b")}},
      {"read from the future", false, {read(1, 2, "a"), write(3, 4, "a")}},
      {"read overlaps its write", true, {read(1, 4, "a"), write(3, 6, "a")}},
      {"skew between two readers",
       false,
       {write(1, 20, "a"), write(2, 19, "b"), read(3, 4, "a"), read(5, 6, "b"), read(7, 8, "a")}},
      {"two readers see two orders",
       false,
       {write(1, 2, "0"), write(3, 20, "a"), write(4, 21, "b"), read(5, 10, "a"), read(11, 15, "b"),
        read(6, 9, "b"), read(12, 14, "a")}},
      {"circular information flow",
       false,
       // a must come before b, for b was begun by one who had found a; but b is found first.
       {write(1, 20, "a"), read(2, 3, "b"), read(4, 5, "a"), write(6, 7, "b")}},
      {"one value twice",
       true,
       {write(1, 2, "a"), write(3, 4, "b"), write(5, 6, "a"), read(7, 8, "a")}},
      {"one value twice, between them another",
       true,
       {write(1, 20, "a"), write(2, 3, "b"), write(4, 19, "a"), read(5, 6, "a"), read(7, 8, "a")}},
  };
}

std::vector<Named> histories_without_answers() {
  return {
      {"takes effect at once", true, {write(1, kNoAnswer, "a"), read(2, 3, "a")}},
      {"never takes effect", true, {write(1, kNoAnswer, "a"), read(2, 3, {})}},
      {"takes effect late", true, {write(1, kNoAnswer, "a"), read(2, 3, {}), read(4, 5, "a")}},
      {"takes effect over another",
       true,
       {write(1, kNoAnswer, "a"), write(2, 3, "b"), read(4, 5, "b"), read(6, 7, "a")}},
      {"takes effect before it was begun", false, {read(1, 2, "a"), write(3, kNoAnswer, "a")}},
      {"takes effect twice",
       false,
       {write(1, kNoAnswer, "a"), read(2, 3, "a"), write(4, 5, "b"), read(6, 7, "a")}},
      {"takes effect, once each",
       true,
       {write(1, kNoAnswer, "a"), write(2, kNoAnswer, "a"), read(3, 4, "a"), write(5, 6, "b"),
        read(7, 8, "a")}},
      {"comes and goes", false, {write(1, kNoAnswer, "a"), read(2, 3, "a"), read(4, 5, {})}},
      {"removed by one without an answer",
       true,
       {write(1, 2, "a"), removal(3, kNoAnswer), read(4, 5, "a"), read(6, 7, {})}},
      {"removed, and back",
       false,
       {write(1, 2, "a"), removal(3, kNoAnswer), read(4, 5, {}), read(6, 7, "a")}},
      {"explains a removal", true, {write(1, kNoAnswer, "a"), removal(2, 3)}},
      {"explains one removal only",
       false,
       {write(1, kNoAnswer, "a"), removal(2, 3), removal(4, 5)}},
      {"explains a failed swap",
       true,
       {write(1, 2, "a"), write(3, kNoAnswer, "b"), swap(4, 5, "a", "c", false)}},
      {"a chain of swaps",
       true,
       {swap(1, kNoAnswer, "a", "b"), swap(2, kNoAnswer, "b", "c"), write(3, kNoAnswer, "a"),
        read(4, 5, {}), read(6, 7, "c")}},
      {"a chain with a missing link",
       false,
       {swap(1, kNoAnswer, "a", "b"), swap(2, kNoAnswer, "x", "c"), write(3, kNoAnswer, "a"),
        read(4, 5, {}), read(6, 7, "c")}},
      {"a read without an answer says nothing", true, {read(1, kNoAnswer, "a"), read(2, 3, {})}},
  };
}

std::vector<Named> histories_of_swaps_and_removals() {
  return {
      {"swap from nothing", true, {swap(1, 2, {}, "a"), read(3, 4, "a")}},
      {"two swaps from one state", false, {swap(1, 2, {}, "a"), swap(3, 4, {}, "b")}},
      {"two swaps at once from one state", false, {swap(1, 4, {}, "a"), swap(2, 3, {}, "b")}},
      {"the second swap fails", true, {swap(1, 2, {}, "a"), swap(3, 4, {}, "b", false)}},
      {"lost update",
       false,
       {write(1, 2, "0"), swap(3, 8, "0", "1"), swap(4, 7, "0", "1"), read(9, 10, "1")}},
      {"an update after another",
       true,
       {write(1, 2, "0"), swap(3, 8, "0", "1"), swap(4, 7, "1", "2"), read(9, 10, "2")}},
      {"read of an aborted write",
       false,
       {write(1, 2, "a"), swap(3, 4, "x", "b", false), read(5, 6, "b")}},
      {"a swap fails for no reason", false, {write(1, 2, "a"), swap(3, 4, "a", "b", false)}},
      {"a swap fails while another was there",
       true,
       {write(1, 2, "a"), write(3, 20, "b"), swap(4, 5, "a", "c", false), read(6, 7, "b")}},
      {"write skew: both swaps fail against each other",
       false,
       {write(1, 2, "0"), swap(3, 8, "0", "a", false), swap(4, 7, "0", "b", false)}},
      {"removal of nothing", false, {removal(1, 2)}},
      {"removal finds nothing", true, {removal(1, 2, false)}},
      {"removal misses what is there", false, {write(1, 2, "a"), removal(3, 4, false)}},
      {"two removals of one value", false, {write(1, 2, "a"), removal(3, 6), removal(4, 5)}},
      {"removal and return",
       true,
       {write(1, 2, "a"), removal(3, 4), read(5, 6, {}), write(7, 8, "a"), read(9, 10, "a")}},
      {"a removed value is found", false, {write(1, 2, "a"), removal(3, 4), read(5, 6, "a")}},
      {"a swap that changes nothing",
       true,
       {write(1, 2, "a"), swap(3, 4, "a", "a"), read(5, 6, "a")}},
  };
}

std::vector<Named> histories_with_revisions() {
  const auto of = [](const RegisterOperation& op, std::uint64_t revision,
                     std::uint64_t expected = 0) { return at_revision(op, revision, expected); };
  return {
      {"revisions rise",
       true,
       {of(write(1, 4, "a"), 1), of(write(2, 3, "b"), 2), of(read(5, 6, "b"), 2)}},
      {"the lower revision is the last",
       false,
       {of(write(1, 4, "a"), 1), of(write(2, 3, "b"), 2), of(read(5, 6, "a"), 1)}},
      {"revisions fall", false, {of(write(1, 2, "a"), 2), of(write(3, 4, "b"), 1)}},
      {"one revision twice", false, {of(write(1, 4, "a"), 1), of(write(2, 3, "b"), 1)}},
      {"found with another revision", false, {of(write(1, 2, "a"), 1), of(read(3, 4, "a"), 2)}},
      {"written twice, found as the first",
       false,
       {of(write(1, 2, "a"), 1), of(write(3, 4, "a"), 2), of(read(5, 6, "a"), 1)}},
      {"swap of a value that came back",
       false,
       {of(write(1, 2, "a"), 1), of(write(3, 4, "b"), 2), of(write(5, 6, "a"), 3),
        of(swap(7, 8, "a", "c"), 4, 1)}},
      {"a failed swap of a value that came back",
       true,
       {of(write(1, 2, "a"), 1), of(write(3, 4, "b"), 2), of(write(5, 6, "a"), 3),
        of(swap(7, 8, "a", "c", false), 3, 1)}},
      {"found twice, with two revisions, written once",
       false,
       {write(1, kNoAnswer, "a"), of(read(2, 3, "a"), 1), of(read(4, 5, "a"), 2)}},
      {"found twice, with two revisions, written twice",
       true,
       {write(1, kNoAnswer, "a"), write(2, kNoAnswer, "a"), of(read(3, 4, "a"), 1),
        of(read(5, 6, "a"), 2)}},
      {"without an answer, between two others",
       false,
       {write(1, kNoAnswer, "a"), of(read(2, 3, "a"), 5), of(write(4, 5, "b"), 4)}},
  };
}

void expect_verdicts(const std::vector<Named>& all) {
  for (const Named& named : all) {
    const Verdict verdict = check_register(named.history);
    EXPECT_EQ(verdict.linearizable, named.linearizable) << named.name << "\n" << verdict.text;
    EXPECT_FALSE(verdict.exhausted) << named.name;
    EXPECT_EQ(EveryOrder(named.history).linearizable(), named.linearizable) << named.name;
  }
}

TEST(Linearizability, JudgesReadsAndWrites) {
  expect_verdicts(histories_of_reads_and_writes());
}
TEST(Linearizability, LeavesUnknownOutcomesOpen) {
  expect_verdicts(histories_without_answers());
}
TEST(Linearizability, JudgesSwapsAndRemovals) {
  expect_verdicts(histories_of_swaps_and_removals());
}
TEST(Linearizability, JudgesRevisions) {
  expect_verdicts(histories_with_revisions());
}

TEST(Linearizability, NeedsRevisionsToTellAValueThatCameBack) {
  EXPECT_TRUE(
      check_register({write(1, 2, "a"), write(3, 4, "b"), write(5, 6, "a"), swap(7, 8, "a", "c")})
          .linearizable);
}

TEST(Linearizability, CountsRevisionsOnlyWhereEveryAnswerCarriesOne) {
  EXPECT_TRUE(check_register({at_revision(write(1, 2, "a"), 2), at_revision(write(3, 4, "b"), 1),
                              read(5, 6, "b")})
                  .linearizable);
}

TEST(Linearizability, TakesOperationsThatMeetAtOneMomentForConcurrent) {
  EXPECT_TRUE(check_register({write(1, 3, "a"), read(3, 5, {})}).linearizable);
}

TEST(Linearizability, NamesTheFirstAnswerThatNoOrderExplains) {
  auto late = read(9, 10, "a");
  late.client = 7;
  const Verdict verdict = check_register(
      {write(1, 2, "a"), write(3, kNoAnswer, "b"), read(5, 6, "b"), late, read(11, 12, "x")});
  ASSERT_TRUE(verdict.contradiction.has_value());
  EXPECT_EQ(verdict.contradiction->operation, 3u);
  EXPECT_EQ(verdict.contradiction->explained, 2u);
  EXPECT_THAT(verdict.contradiction->states, ElementsAre(Value("b")));
  EXPECT_THAT(verdict.text, HasSubstr("client 7 [9, 10] read found \"a\""));
  EXPECT_THAT(verdict.text, HasSubstr("may hold \"b\"\n"));
  EXPECT_THAT(verdict.text, Not(HasSubstr("\"x\"")));
}

TEST(Linearizability, NamesEveryStateThatIsPossibleThen) {
  const Verdict verdict =
      check_register({write(1, 2, "a"), write(3, kNoAnswer, "b"), write(4, kNoAnswer, "c"),
                      removal(5, kNoAnswer), write(6, 20, "d"), read(7, 8, "x")});
  ASSERT_TRUE(verdict.contradiction.has_value());
  EXPECT_THAT(verdict.contradiction->states,
              ElementsAre(Value(), Value("a"), Value("b"), Value("c"), Value("d")));
  const Verdict seen =
      check_register({at_revision(write(1, kNoAnswer, "a"), 0), at_revision(read(2, 3, "a"), 4),
                      at_revision(read(5, 6, "b"), 5)});
  ASSERT_TRUE(seen.contradiction.has_value());
  EXPECT_THAT(seen.contradiction->states, ElementsAre(Value("a")));
}

TEST(Linearizability, SaysThatASearchWasGivenUp) {
  // Many values that are written and removed at one time: a search needs more than one state.
  History history;
  for (std::uint64_t i = 0; i < 12; ++i) {
    history.push_back(write(i + 1, 100 + i, std::to_string(i % 3)));
    history.push_back(swap(20 + i, 120 + i, std::to_string(i % 2), std::to_string(i % 3)));
  }
  history.push_back(removal(18, 90));
  history.push_back(read(200, 201, {}));
  const Verdict verdict = check_register(history, 3);
  EXPECT_TRUE(verdict.exhausted);
  EXPECT_TRUE(verdict.linearizable);
}

TEST(Linearizability, ChecksEveryKeyForItself) {
  const HistoryVerdict good = check_history({{"k", write(1, 2, "a")}, {"l", read(3, 4, {})}});
  EXPECT_TRUE(good.verdict.linearizable);
  const HistoryVerdict bad =
      check_history({{"k", write(1, 2, "a")}, {"l", read(3, 4, {})}, {"k", read(5, 6, {})}});
  EXPECT_FALSE(bad.verdict.linearizable);
  EXPECT_EQ(bad.key, "k");
  EXPECT_EQ(bad.verdict.contradiction->operation, 1u);
}

}  // namespace
}  // namespace paxledger::sim
