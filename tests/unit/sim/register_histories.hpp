// Histories of a register in a few words, and a checker that is too simple to be wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/linearizability.hpp"

namespace paxledger::sim {

using History = std::vector<RegisterOperation>;
using Value = std::optional<std::string>;
inline constexpr std::uint64_t kNoAnswer = 0;

inline RegisterOperation operation(RegisterOperation::Kind kind, std::uint64_t invoked,
                                   std::uint64_t answered, Value value) {
  RegisterOperation op;
  op.kind = kind;
  op.invoked = invoked;
  op.answered = answered;
  op.known = answered != kNoAnswer;
  op.value = std::move(value);
  return op;
}

// `write(1, 2, "a")`: invoked at 1, answered at 2; or kNoAnswer.
inline RegisterOperation write(std::uint64_t invoked, std::uint64_t answered, Value value) {
  return operation(RegisterOperation::Kind::write, invoked, answered, std::move(value));
}
inline RegisterOperation read(std::uint64_t invoked, std::uint64_t answered, Value value) {
  return operation(RegisterOperation::Kind::read, invoked, answered, std::move(value));
}
inline RegisterOperation removal(std::uint64_t invoked, std::uint64_t answered,
                                 bool succeeded = true) {
  auto op = operation(RegisterOperation::Kind::remove, invoked, answered, {});
  op.succeeded = succeeded;
  return op;
}
inline RegisterOperation swap(std::uint64_t invoked, std::uint64_t answered, Value expected,
                              Value value, bool succeeded = true) {
  auto op = operation(RegisterOperation::Kind::swap, invoked, answered, std::move(value));
  op.expected = std::move(expected);
  op.succeeded = succeeded;
  return op;
}
inline RegisterOperation at_revision(RegisterOperation op, std::uint64_t revision,
                                     std::uint64_t expected_revision = 0) {
  op.revision = revision;
  op.expected_revision = expected_revision;
  return op;
}

// Tries every order of every subset that leaves out nothing but operations without an answer. What
// an unanswered write gives as a revision is guessed. For histories of a few operations.
class EveryOrder {
 public:
  explicit EveryOrder(const History& history);
  [[nodiscard]] bool linearizable() { return try_all(std::nullopt, 0, 0); }

 private:
  bool try_all(const Value& value, std::uint64_t revision, std::uint64_t last);
  bool try_next(std::size_t index, const Value& value, std::uint64_t revision, std::uint64_t last);
  [[nodiscard]] bool may_be_next(std::size_t index) const;

  const History& history_;
  bool revisions_;
  std::vector<std::uint64_t> guesses_;
  std::vector<bool> done_;
};

}  // namespace paxledger::sim
