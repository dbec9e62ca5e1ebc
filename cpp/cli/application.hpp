// The command line: what can be said, and what runs then.
#pragma once

#include <string>
#include <vector>

namespace paxledger::cli {

// Runs one command, e.g. {"put", "alice", "555-0100"}; returns the exit code
// (cli/exit_code.hpp). Writes results to standard output, everything else to standard error.
int run(const std::vector<std::string>& arguments);

}  // namespace paxledger::cli
