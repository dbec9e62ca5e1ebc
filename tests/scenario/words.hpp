// The words of a transcript's commands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"

namespace paxledger::sim {

// Thrown at a command that makes no sense; the stage turns it into a line of output.
struct BadCommand {
  std::string text;
};

[[nodiscard]] std::vector<std::string> split_words(const std::string& line);
// The value of "name=value" among the words, if there is one.
[[nodiscard]] std::optional<std::string> option(const std::vector<std::string>& words,
                                                const std::string& name);
[[nodiscard]] std::uint64_t number(const std::string& word);
[[nodiscard]] std::uint64_t number_option(const std::vector<std::string>& words,
                                          const std::string& name, std::uint64_t otherwise);
// e.g. "50ms", "2s".
[[nodiscard]] Duration duration(const std::string& word);
[[nodiscard]] NodeId node_id(const std::string& word);
// e.g. "1,2,3".
[[nodiscard]] std::vector<NodeId> node_ids(const std::string& word);

}  // namespace paxledger::sim
