// explore: every interleaving of a small world.
#pragma once

#include <cstdint>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"
#include "sim/small_world.hpp"

namespace paxledger::cli {

struct ExploreArguments {
  sim::SmallWorldBounds bounds;
  std::uint64_t states_max = 20'000'000;
};

ExitCode explore(const CommonOptions& options, const ExploreArguments& arguments);

}  // namespace paxledger::cli
