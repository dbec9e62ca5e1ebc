// up and down: starting and stopping the nodes of cluster.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"

namespace paxledger::cli {

struct UpArguments {
  std::vector<std::uint32_t> rejoin;
  std::string wait = "60s";
};
ExitCode up(const CommonOptions& options, const UpArguments& arguments);
ExitCode down(const CommonOptions& options);

}  // namespace paxledger::cli
