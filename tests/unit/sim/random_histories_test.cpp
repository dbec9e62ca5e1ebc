// Random histories: small ones against a checker that tries every order, and a large one.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "sim/linearizability.hpp"
#include "unit/sim/register_histories.hpp"

namespace paxledger::sim {
namespace {

using Kind = RegisterOperation::Kind;

// What random clients of a register see, each operation taking effect at some moment of its
// interval. Where `lies_permille` is not zero, some answers are wrong.
struct Draw {
  std::size_t operations = 6;
  std::size_t clients = 3;
  std::uint64_t values = 3;  // 0: every value is written once
  std::uint64_t unknown_permille = 200;
  std::uint64_t lies_permille = 0;
  bool revisions = false;
};

struct Model {
  bool revisions = false;  // whether swaps compare them
  Value value;
  std::uint64_t revision = 0;
  std::uint64_t last = 0;

  void take_effect(RegisterOperation& op) {
    const bool same = !revisions || !value || revision == op.expected_revision;
    const bool matches = same && value == op.expected;
    if (op.kind == Kind::read) {
      op.value = value;
      op.revision = revision;
    } else if (op.kind == Kind::remove) {
      op.succeeded = value.has_value();
      value.reset();
      revision = 0;
    } else if (op.kind == Kind::write || matches) {
      value = op.value;
      revision = op.revision = ++last;
    } else {
      op.succeeded = false;
    }
  }
};

Value some_value(Prng& prng, const Draw& draw, std::uint64_t& written) {
  return "v" + std::to_string(draw.values == 0 ? ++written : prng.below(draw.values));
}

void lie(Prng& prng, const Draw& draw, RegisterOperation& op, std::uint64_t moment) {
  switch (prng.below(3)) {
    case 0:
      op.succeeded = !op.succeeded && op.kind != Kind::read && op.kind != Kind::write;
      if (op.kind == Kind::read || op.kind == Kind::write) op.succeeded = true;
      if (op.kind == Kind::swap && op.succeeded) op.revision = moment + 100;
      break;
    case 1:
      if (op.kind == Kind::read) {
        op.value = prng.chance(1, 4) ? Value() : "v" + std::to_string(prng.below(draw.values + 3));
        op.revision = op.value ? 1 + prng.below(6) : 0;
      }
      break;
    default:
      if (op.revision != 0) op.revision = 1 + prng.below(6);
  }
}

History draw_history(Prng& prng, const Draw& draw) {
  History history;
  Model model{draw.revisions};
  std::uint64_t written = 0;
  std::uint64_t now = 1;
  std::vector<std::size_t> open;  // invoked and without effect yet
  std::vector<std::size_t> effected;
  std::vector<std::size_t> idle;  // clients
  for (std::size_t i = 0; i < draw.clients; ++i) idle.push_back(i);
  const auto take = [&prng](std::vector<std::size_t>& from) {
    const std::size_t place = prng.below(from.size());
    std::swap(from[place], from.back());
    const std::size_t taken = from.back();
    from.pop_back();
    return taken;
  };
  while (history.size() < draw.operations || !open.empty() || !effected.empty()) {
    ++now;
    const std::uint64_t what = prng.below(3);
    if (what == 0 && history.size() < draw.operations && !idle.empty()) {
      static constexpr Kind kKinds[] = {Kind::write, Kind::write,  Kind::read,
                                        Kind::read,  Kind::remove, Kind::swap};
      RegisterOperation op;
      op.kind = kKinds[prng.below(6)];
      op.client = take(idle);
      op.invoked = now;
      if (op.kind == Kind::write || op.kind == Kind::swap)
        op.value = some_value(prng, draw, written);
      if (op.kind == Kind::swap && prng.chance(2, 3)) {
        op.expected = model.value;
        op.expected_revision = model.revision;
      }
      open.push_back(history.size());
      history.push_back(std::move(op));
    } else if (what == 1 && !open.empty()) {
      const std::size_t index = take(open);
      // A client that is told nothing goes on with something else; the effect comes or does not.
      if (prng.chance(draw.unknown_permille, 1000) && prng.chance(1, 2)) {
        idle.push_back(history[index].client);
        continue;
      }
      model.take_effect(history[index]);
      effected.push_back(index);
    } else if (what == 2 && !effected.empty()) {
      const std::size_t index = take(effected);
      RegisterOperation& op = history[index];
      idle.push_back(op.client);
      op.known = !prng.chance(draw.unknown_permille, 1000);
      op.answered = now;
      if (op.known && prng.chance(draw.lies_permille, 1000)) lie(prng, draw, op, now);
      if (!op.known) op.revision = 0;
    }
  }
  if (!draw.revisions) {
    for (auto& op : history) op.revision = op.expected_revision = 0;
  }
  return history;
}

std::string text_of(const History& history) {
  std::string text;
  for (const auto& op : history) text += describe(op) + "\n";
  return text;
}

// Whether both checkers always agree, and how many histories were good and bad.
std::pair<int, int> compare(std::uint64_t seed, int rounds, bool revisions) {
  Prng prng(Seed{seed});
  int good = 0;
  int bad = 0;
  for (int i = 0; i < rounds; ++i) {
    Draw draw;
    draw.operations = prng.between(2, 7);
    draw.clients = prng.between(1, 5);
    draw.values = revisions ? 0 : prng.below(4);
    draw.unknown_permille = prng.below(600);
    draw.lies_permille = prng.between(200, 1000);
    draw.revisions = revisions;
    const History history = draw_history(prng, draw);
    const Verdict verdict = check_register(history);
    const bool expected = EveryOrder(history).linearizable();
    EXPECT_EQ(verdict.linearizable, expected) << "round " << i << "\n" << text_of(history);
    EXPECT_FALSE(verdict.exhausted);
    (expected ? good : bad) += 1;
    if (verdict.linearizable != expected) break;
  }
  return {good, bad};
}

TEST(RandomHistories, AreJudgedAsEveryOrderJudgesThem) {
  const auto [good, bad] = compare(1, 20'000, false);
  EXPECT_GT(good, 3000);
  EXPECT_GT(bad, 3000);
}

TEST(RandomHistories, WithRevisionsAreJudgedAsEveryOrderJudgesThem) {
  const auto [good, bad] = compare(2, 20'000, true);
  EXPECT_GT(good, 3000);
  EXPECT_GT(bad, 3000);
}

TEST(RandomHistories, OfHonestClientsAreLinearizable) {
  Prng prng(Seed{3});
  for (int i = 0; i < 300; ++i) {
    Draw draw;
    draw.operations = prng.between(10, 300);
    // Without revisions, and where many write the same few values at one time, the problem is hard.
    draw.values = prng.chance(1, 2) ? 0 : prng.between(1, 20);
    draw.clients = prng.between(1, draw.values == 0 ? 40 : 8);
    draw.unknown_permille = prng.below(300);
    draw.revisions = prng.chance(1, 2);
    const Verdict verdict = check_register(draw_history(prng, draw));
    EXPECT_TRUE(verdict.linearizable) << i << "\n" << verdict.text;
    EXPECT_FALSE(verdict.exhausted) << i;
  }
}

TEST(RandomHistories, OfAHundredThousandOperationsAreJudged) {
  for (const bool revisions : {false, true}) {
    Prng prng(Seed{4});
    Draw draw;
    draw.operations = 100'000;
    draw.clients = 20;
    draw.values = 0;
    draw.unknown_permille = 10;
    draw.revisions = revisions;
    History history = draw_history(prng, draw);
    EXPECT_TRUE(check_register(history).linearizable);
    EXPECT_FALSE(check_register(history).exhausted);
    // One wrong answer in the middle is found, and named.
    const auto is_read = [](const auto& op) { return op.kind == Kind::read && op.known; };
    const auto wrong = std::find_if(history.begin() + 50'000, history.end(), is_read);
    ASSERT_NE(wrong, history.end());
    wrong->value = "never written";
    const Verdict verdict = check_register(history);
    ASSERT_TRUE(verdict.contradiction.has_value());
    EXPECT_EQ(verdict.contradiction->operation, static_cast<std::size_t>(wrong - history.begin()));
  }
}

}  // namespace
}  // namespace paxledger::sim
