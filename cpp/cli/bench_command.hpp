// bench: how much, and how fast.
#pragma once

#include <cstddef>
#include <string>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"

namespace paxledger::cli {

struct BenchArguments {
  std::string workload = "put";
  std::size_t outstanding = 64;
  double rate = 0;
  std::string duration = "10s";
  std::string warm_up = "1s";
  std::string value_size = "256B";
  std::size_t keys = 10'000;
  std::size_t connections = 1;
  bool any_node = false;  // spreads the connections over all nodes instead of asking the leader
};
ExitCode bench(const CommonOptions& options, const BenchArguments& arguments);

}  // namespace paxledger::cli
