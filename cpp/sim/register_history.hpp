// The history of a register in the form that the search works on: values are small numbers, and
// every kind of operation is a condition with an outcome.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "sim/linearizability.hpp"

namespace paxledger::sim {

// A state of the register. Two states that no operation of the history can tell apart are one.
using StateId = std::uint32_t;
inline constexpr StateId kAbsent = 0;
inline constexpr StateId kUnmentioned = 1;  // some value that nobody found or expected
inline constexpr StateId kNoState = std::numeric_limits<StateId>::max();
inline constexpr std::uint32_t kUnranked = std::numeric_limits<std::uint32_t>::max();

// `write` is {always → value}, `read` {equals value}, `remove` {differs nothing → nothing} or
// {equals nothing}, `swap` {equals expected → value} or {differs expected}.
struct Transition {
  enum class Need { always, equals, differs };
  Need need = Need::always;
  StateId state = kAbsent;     // that the register must equal or differ from
  StateId product = kNoState;  // kNoState: leaves the register alone

  [[nodiscard]] bool changes() const { return product != kNoState; }
  [[nodiscard]] bool enabled(StateId current) const {
    return need == Need::always || (need == Need::equals) == (current == state);
  }
  friend auto operator<=>(const Transition&, const Transition&) = default;
};

// An operation that took effect between `invoked` and `answered`, where nothing else is known.
struct Step {
  Transition what;
  std::uint64_t invoked = 0;
  std::uint64_t answered = 0;
  std::uint64_t revision = 0;      // that it gave to the value; 0: not said
  std::uint32_t rank = kUnranked;  // its place among the steps with a revision, in their order
  std::uint32_t alike = 0;         // equal for steps that differ in their times alone
};

// Operations without an answer that differ in the time of their invocation alone. Each takes effect
// once, at any time after it, or never.
struct OpenGroup {
  std::vector<std::uint64_t> invoked;  // ascending
};
struct OpenStep {
  Transition what;
  std::uint32_t group = 0;
};

// What the search is given. Histories before and after `prepare` are linearizable or not together:
//  - A read without an answer says nothing and is left out.
//  - A value that was found and that one operation alone can have written was written by it. So the
//    operation took effect, even without an answer, before the first of those who found the value
//    was answered; and none of them took effect before it was invoked.
//  - Where every answer carries a revision, a value is what it is together with its revision, and
//    operations that wrote take effect in the order of their revisions.
struct RegisterHistory {
  std::vector<Step> steps;
  std::vector<OpenGroup> groups;
  std::vector<OpenStep> open;
  std::uint32_t states = 2;    // ids are below
  bool contradiction = false;  // two writes have one revision, or nobody wrote what was found
};

// Whether every answer that can carry a revision does.
[[nodiscard]] bool has_revisions(const std::vector<RegisterOperation>& history);

[[nodiscard]] RegisterHistory prepare(const std::vector<RegisterOperation>& history);

}  // namespace paxledger::sim
