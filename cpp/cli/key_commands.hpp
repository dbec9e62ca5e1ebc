// put, get, del, cas, scan and kv.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cli/access.hpp"
#include "cli/exit_code.hpp"

namespace paxledger::cli {

struct KeyArguments {
  std::string key;
  std::string value;                         // put, cas; "-" reads standard input
  std::uint64_t revision = 0;                // cas
  std::string consistency = "linearizable";  // get, scan
  bool raw = false;                          // get: the octets as they are, and nothing else
  bool full = false;                         // scan, kv: nothing is cut
  std::optional<std::uint32_t> node;         // get, scan, kv: this one
};

ExitCode put(const CommonOptions& options, const KeyArguments& arguments);
ExitCode get(const CommonOptions& options, const KeyArguments& arguments);
ExitCode remove(const CommonOptions& options, const KeyArguments& arguments);
ExitCode compare_and_put(const CommonOptions& options, const KeyArguments& arguments);
// `key` is the prefix.
ExitCode scan(const CommonOptions& options, const KeyArguments& arguments);
// All keys of every node side by side, or of one, each as that node has them.
ExitCode key_values(const CommonOptions& options, const KeyArguments& arguments);

}  // namespace paxledger::cli
