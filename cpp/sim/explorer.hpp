// All that can happen in a small world: every interleaving, state by state.
//
// The search is breadth-first, so that what it finds first is the shortest way to a broken rule.
// States that were seen are recognised by fingerprints of 128 bits. docs/internals/exploration.md
// says what is abstracted, and what a search that came to its end shows.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "sim/small_world.hpp"

namespace paxledger::sim {

enum class ExploreVerdict : std::uint8_t {
  exhausted,    // every state within the bounds was seen, and no rule was broken
  states_max,   // so many states were seen without a broken rule, and there are more
  interrupted,  // the progress callback asked for an end
  violated      // a rule was broken
};
[[nodiscard]] std::string_view to_string(ExploreVerdict verdict);

struct ExploreReport {
  ExploreVerdict verdict = ExploreVerdict::exhausted;
  std::uint64_t states = 0;       // distinct ones
  std::uint64_t transitions = 0;  // actions that were tried and were possible
  std::uint64_t depth = 0;        // actions on the shortest way to the farthest state
  std::uint64_t node_states = 0;  // distinct states of single nodes
  std::uint64_t messages = 0;     // distinct messages
  std::uint64_t node_steps = 0;   // distinct steps of single nodes: the calls of the shipped code
  std::uint64_t bytes = 0;        // that the search keeps for its states, at their peak
  Duration elapsed{0};
  std::string violation;
  std::vector<std::string> path;  // to the violation, one action each
};

struct ExploreOptions {
  SmallWorldBounds bounds;
  std::uint64_t states_max = 20'000'000;
  WorldBug bug = WorldBug::none;
  // Called now and then with what was seen so far; false ends the search.
  std::function<bool(const ExploreReport&)> progress;
  // Called for every distinct state, in the order in which they are found.
  std::function<void(const SmallWorld&, const SmallState&)> found;
};

// Precondition: options.bounds.complaint() is empty. Equal options give equal reports, but for the
// time. Takes some 60 octets per state.
[[nodiscard]] ExploreReport explore(const ExploreOptions& options);

}  // namespace paxledger::sim
