// From a failing run to a small one that fails in the same way.
#pragma once

#include <cstddef>
#include <functional>

#include "sim/run.hpp"

namespace paxledger::sim {

struct MinimizeOptions {
  std::size_t runs_max = 2000;
};

struct Minimized {
  Plan plan;             // the smallest that was found
  RunResult result;      // of it
  std::size_t runs = 0;  // that were made
};

// What counts as the same failure: the verdict, and the part of the text up to its first colon;
// where progress was promised, with the promise.
[[nodiscard]] std::string rule_of(const RunResult& result);

// Leaves out faults (delta debugging: Zeller and Hildebrandt, "Simplifying and isolating
// failure-inducing input", 2002), nodes, clients, operations, time, and the network's own vices, as
// long as the run fails by the same rule. If the faults of `plan` are within the promised limits,
// so are those of the small one: a cluster that lost its majority fails, too, and says nothing.
// Precondition: `report` is that of `plan`, and failed.
// `progress` hears of every run made so far and the number of faults left.
[[nodiscard]] Minimized minimize(const Plan& plan, const RunReport& report,
                                 const MinimizeOptions& options,
                                 const std::function<void(std::size_t, std::size_t)>& progress);

}  // namespace paxledger::sim
