// status, queue, and fault.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"

namespace paxledger::cli {

// Every node as it sees itself. `ok` if at least one of them is ready to serve, else `no_quorum`.
ExitCode status(const CommonOptions& options);
// What waits in every node, or in one.
ExitCode queue(const CommonOptions& options, const std::optional<std::uint32_t>& node);

struct FaultArguments {
  std::uint32_t a = 0;  // link: from; node: which
  std::uint32_t b = 0;  // link: to
  bool one_way = false;
  bool milder = false;  // link: an option says what is done to it, so that it is not blocked
  double drop = 0;
  std::string delay = "0ms";
  std::string jitter = "0ms";
  double duplicate = 0;
  double reorder = 0;
  bool pause = false;  // node: stop it with SIGSTOP instead of killing it
  std::string wait = "60s";
};
ExitCode fault_link(const CommonOptions& options, const FaultArguments& arguments);
ExitCode fault_node(const CommonOptions& options, const FaultArguments& arguments);
ExitCode fault_heal(const CommonOptions& options, const FaultArguments& arguments);
ExitCode fault_list(const CommonOptions& options);

}  // namespace paxledger::cli
