// bench: how much, and how fast.
#pragma once

#include <cstddef>
#include <string>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"
#include "cli/load_tally.hpp"

namespace paxledger::cli {

struct BenchArguments {
  std::string workload = "put";
  std::size_t outstanding = 64;
  double rate = 0;
  // In an open loop, where requests wait in the client, visibly, and not before they begin.
  std::size_t outstanding_max = 100'000;
  std::string duration = "10s";
  std::string warm_up = "1s";
  std::string grace = "10s";
  std::string value_size = "256B";
  std::size_t keys = 10'000;
  std::size_t connections = 1;
  bool any_node = false;  // spreads the connections over all nodes instead of asking the leader
};
ExitCode bench(const CommonOptions& options, const BenchArguments& arguments);

// Only a load of which every request completed is `ok`: `unknown` if one ended with a timeout or
// not at all, else the code of the most frequent failure.
[[nodiscard]] ExitCode exit_code_of(const LoadResult& result);

}  // namespace paxledger::cli
