// What exploration leaves out as making no difference makes none: small worlds are explored with
// and without, and come to the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/describe.hpp"
#include "sim/explorer.hpp"

namespace paxledger::sim {
namespace {

std::string named(const paxos::Ballot& ballot) {
  return to_string(ballot);
}
std::string nameless(const paxos::Ballot& ballot) {
  return std::to_string(ballot.round.value());
}

// What a node has come to, of all that others may ever learn of it: what is durable, and what it
// proposed. Whether it leads is in its memory only, and shows in that.
std::string outcome(const SmallNode& node, std::string (*ballot_text)(const paxos::Ballot&)) {
  std::string text = "promised " + ballot_text(node.promised_durably());
  for (const auto* values : {&node.votes(), &node.proposed()}) {
    text += values == &node.votes() ? ", voted" : ", proposed";
    for (const auto& [place, value] : *values) {
      text += " " + ballot_text(place.second) + "@" + std::to_string(place.first.value()) + "=" +
              describe_value(value);
    }
  }
  text += ", decided";
  for (const auto& block : node.decided()) text += " " + describe_block(block);
  return text;
}

std::string outcome_of(const SmallNode& node) {
  return outcome(node, named) + " " + node.decided().back().hash.hex();
}
// The same without names: of nodes, and in ballots.
std::string nameless_outcome_of(const SmallNode& node) {
  return outcome(node, nameless);
}

using Projection = std::string (*)(const SmallNode&);
using Outcome = std::vector<std::string>;  // of all nodes

// Every outcome that a world comes to, in any of its states.
struct Outcomes {
  std::set<Outcome> all;
  std::uint64_t states = 0;
};

Outcomes outcomes(const SmallWorldBounds& bounds, Projection projection, bool sorted = false) {
  // Nodes are few, so each is put into words once.
  std::map<std::uint32_t, std::uint32_t> numbers;
  std::map<std::string, std::uint32_t> words;
  std::set<std::vector<std::uint32_t>> found;
  ExploreOptions options;
  options.bounds = bounds;
  options.found = [&](const SmallWorld& world, const SmallState& state) {
    std::vector<std::uint32_t> outcome;
    for (std::size_t place = 0; place < state.nodes.size(); ++place) {
      const auto [number, is_new] = numbers.try_emplace(state.nodes[place]);
      if (is_new) {
        const auto next = static_cast<std::uint32_t>(words.size());
        number->second =
            words.try_emplace(projection(world.node(state, place)), next).first->second;
      }
      outcome.push_back(number->second);
    }
    if (sorted) std::sort(outcome.begin(), outcome.end());
    found.insert(std::move(outcome));
  };
  const ExploreReport report = explore(options);
  EXPECT_EQ(report.verdict, ExploreVerdict::exhausted) << report.violation;
  std::map<std::uint32_t, std::string> texts;
  for (const auto& [text, number] : words) texts[number] = text;
  Outcomes result;
  result.states = report.states;
  for (const auto& each : found) {
    Outcome outcome;
    for (const std::uint32_t number : each) outcome.push_back(texts.at(number));
    if (sorted) std::sort(outcome.begin(), outcome.end());
    result.all.insert(std::move(outcome));
  }
  return result;
}

// The first outcome that is in one and not in the other, or nothing.
std::string difference(const Outcomes& a, const Outcomes& b) {
  std::vector<Outcome> only;
  std::set_symmetric_difference(a.all.begin(), a.all.end(), b.all.begin(), b.all.end(),
                                std::back_inserter(only));
  if (only.empty()) return {};
  std::string text = std::to_string(only.size()) + " differ, e.g.";
  for (const std::string& node : only.front()) text += "\n  " + node;
  return text + (a.all.contains(only.front()) ? "\n(in the first)" : "\n(in the second)");
}

// An old leader and a challenger, and nothing else.
SmallWorldBounds challenge() {
  SmallWorldBounds bounds;
  bounds.commands = 0;
  bounds.duplicates = 0;
  bounds.crashes = 0;
  return bounds;
}

SmallWorldBounds duel() {
  SmallWorldBounds bounds = challenge();
  bounds.cold = true;
  bounds.candidacies = 2;
  return bounds;
}

void expect_the_same(const SmallWorldBounds& reduced, const SmallWorldBounds& whole,
                     Projection projection = outcome_of, bool sorted = false) {
  const Outcomes some = outcomes(reduced, projection, sorted);
  const Outcomes all = outcomes(whole, projection, sorted);
  EXPECT_LT(some.states, all.states) << "else the reduction is none";
  EXPECT_GT(some.all.size(), 10u);
  EXPECT_EQ(difference(some, all), "");
  std::printf("%llu states instead of %llu come to the same %zu outcomes\n",
              static_cast<unsigned long long>(some.states),
              static_cast<unsigned long long>(all.states), some.all.size());
}

TEST(ReductionsTest, MessagesThatComeTooLateComeToNothing) {
  SmallWorldBounds whole = duel();
  whole.late_messages = true;
  expect_the_same(duel(), whole);
}

TEST(ReductionsTest, MessagesThatComeTooLateAfterACrashComeToNothing) {
  SmallWorldBounds reduced = challenge();
  reduced.crashes = 1;
  reduced.duplicates = 1;
  SmallWorldBounds whole = reduced;
  whole.late_messages = true;
  expect_the_same(reduced, whole);
}

TEST(ReductionsTest, LateWritesOfFollowersAreLateMessages) {
  SmallWorldBounds whole = duel();
  whole.slow_logs = true;
  expect_the_same(duel(), whole);
}

TEST(ReductionsTest, WritesOfFollowersThatACrashLosesAreLostMessages) {
  SmallWorldBounds reduced = challenge();
  reduced.crashes = 1;
  reduced.duplicates = 1;
  SmallWorldBounds whole = reduced;
  whole.slow_logs = true;
  expect_the_same(reduced, whole);
}

TEST(ReductionsTest, WhoRunsFirstFromAColdStartIsAMatterOfNames) {
  SmallWorldBounds whole = duel();
  whole.any_first = true;
  expect_the_same(duel(), whole, nameless_outcome_of, true);
}

}  // namespace
}  // namespace paxledger::sim
