// sim: whole clusters in one thread and virtual time, each replayable from its seed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"

namespace paxledger::cli {

struct SimArguments {
  std::string seeds = "1";  // "7", or "1..1000"
  std::uint64_t jobs = 1;
  std::optional<std::uint32_t> nodes;
  std::optional<double> minutes;  // of the safety phase
  std::optional<std::string>
      faults;             // "all", "none", or a list; as the seed draws them if left out
  std::string case_file;  // a plan to run instead of a seed's
  std::string trace_file;
  std::string save_file;  // where the plan is written, or the smaller one
  bool minimize = false;
  bool stop_at_first = false;
};

ExitCode simulate(const CommonOptions& options, const SimArguments& arguments);

}  // namespace paxledger::cli
