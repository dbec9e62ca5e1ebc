// chain show, verify and export.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"

namespace paxledger::cli {

struct ChainArguments {
  std::optional<std::uint32_t> node;
  std::optional<std::uint64_t> from;  // show: heights, both included
  std::optional<std::uint64_t> to;
  std::uint64_t last = 10;  // show: how many, where `from` is not given
  bool full = false;        // show: whole hashes, and all operations of a block
  std::string data_dir;     // verify: of nodes that do not run
  std::string file;         // verify: an export; export: where to
};

// Prints blocks: height, time, operations, hash, pointer to the one before, nonce.
ExitCode chain_show(const CommonOptions& options, const ChainArguments& arguments);
// Has every node read its whole chain from its disk, and holds their heads against each other; or
// reads data directories, or an export, without any node.
ExitCode chain_verify(const CommonOptions& options, const ChainArguments& arguments);
// Writes a node's whole chain to a file (cli/history_file.hpp), checking every link.
ExitCode chain_export(const CommonOptions& options, const ChainArguments& arguments);

}  // namespace paxledger::cli
