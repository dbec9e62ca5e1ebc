// The checker is checked: it accepts what can be explained and nothing else.
#include "sim/linearizability.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace paxledger::sim {
namespace {

using Kind = RegisterOperation::Kind;

RegisterOperation operation(Kind kind, std::uint64_t invoked, std::uint64_t answered,
                            std::optional<std::string> value) {
  RegisterOperation op;
  op.kind = kind;
  op.invoked = invoked;
  op.answered = answered;
  op.known = answered != 0;
  op.value = std::move(value);
  return op;
}

bool linearizable(const std::vector<RegisterOperation>& history) {
  const Verdict verdict = check_register(history);
  EXPECT_FALSE(verdict.exhausted);
  return verdict.linearizable;
}

TEST(Linearizability, AcceptsAReadOfWhatWasWritten) {
  EXPECT_TRUE(linearizable({operation(Kind::write, 1, 2, "a"), operation(Kind::read, 3, 4, "a")}));
}

TEST(Linearizability, RefusesAStaleRead) {
  EXPECT_FALSE(linearizable({operation(Kind::write, 1, 2, "a"), operation(Kind::write, 3, 4, "b"),
                             operation(Kind::read, 5, 6, "a")}));
}

TEST(Linearizability, AcceptsEitherOrderOfConcurrentWrites) {
  EXPECT_TRUE(linearizable({operation(Kind::write, 1, 4, "a"), operation(Kind::write, 2, 3, "b"),
                            operation(Kind::read, 5, 6, "a")}));
  EXPECT_TRUE(linearizable({operation(Kind::write, 1, 4, "a"), operation(Kind::write, 2, 3, "b"),
                            operation(Kind::read, 5, 6, "b")}));
}

TEST(Linearizability, RefusesReadsThatGoBackInTime) {
  EXPECT_FALSE(linearizable({operation(Kind::write, 1, 10, "a"), operation(Kind::read, 2, 3, "a"),
                             operation(Kind::read, 4, 5, std::nullopt)}));
}

TEST(Linearizability, LetsAnUnknownWriteTakeEffectLateOrNever) {
  EXPECT_TRUE(
      linearizable({operation(Kind::write, 1, 0, "a"), operation(Kind::read, 2, 3, std::nullopt),
                    operation(Kind::read, 4, 5, "a")}));
  EXPECT_TRUE(
      linearizable({operation(Kind::write, 1, 0, "a"), operation(Kind::read, 2, 3, std::nullopt)}));
}

TEST(Linearizability, RefusesAWriteThatVanishes) {
  EXPECT_FALSE(
      linearizable({operation(Kind::write, 1, 2, "a"), operation(Kind::read, 3, 4, std::nullopt)}));
}

TEST(Linearizability, RefusesTwoSwapsFromOneState) {
  auto one = operation(Kind::swap, 1, 2, "a");
  auto two = operation(Kind::swap, 3, 4, "b");
  EXPECT_FALSE(linearizable({one, two}));
  two.succeeded = false;
  EXPECT_TRUE(linearizable({one, two}));
}

}  // namespace
}  // namespace paxledger::sim
