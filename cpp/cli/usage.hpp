// What to say about a command line that is not understood.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace paxledger::cli {

// What is wrong, in which command, and what was perhaps meant. `error` is what parsing `arguments`
// with `app` has thrown.
[[nodiscard]] std::string explain(const CLI::App& app, const std::vector<std::string>& arguments,
                                  const CLI::ParseError& error);

// Whether JSON is asked for by arguments that could not be parsed.
[[nodiscard]] bool wants_json(const std::vector<std::string>& arguments);

// The one of `words` that `word` is most likely a slip of; empty if none is near.
[[nodiscard]] std::string nearest(std::string_view word, const std::vector<std::string>& words);

}  // namespace paxledger::cli
