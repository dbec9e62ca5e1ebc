// Many simulated runs in processes of their own, so that a run that crashes ends alone.
#pragma once

#include <cstdint>
#include <functional>

#include "base/result.hpp"
#include "sim/run.hpp"

namespace paxledger::cli {

struct SeedRange {
  std::uint64_t first = 1;
  std::uint64_t last = 1;  // included
  [[nodiscard]] std::uint64_t count() const { return last - first + 1; }
};

// Runs `plan_of(seed)` for every seed of the range in `jobs` processes and hands each result to
// `done`, on this thread, as it comes: not in the order of the seeds. A process that dies gives the
// seed that it was at the verdict `crash` and is replaced. The processes die with this one. Ends
// early if `done` gives false. Errors: io (no process or pipe can be made).
[[nodiscard]] Result<void> run_seeds(
    const SeedRange& range, std::uint64_t jobs,
    const std::function<sim::Plan(std::uint64_t)>& plan_of,
    const std::function<bool(std::uint64_t seed, const sim::RunResult&)>& done);

}  // namespace paxledger::cli
