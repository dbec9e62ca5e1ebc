// Options and arguments of the command line that are numbers, times or one of a few words. Every
// one of them is read as a whole and within its range, or refused with its name, what was given
// and what was expected: the conversions of CLI11 take the nearest number to one that is too great.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/result.hpp"

namespace paxledger::cli {

struct WholeRange {
  std::uint64_t least = 0;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
};
struct RealRange {
  double least = 0;
  double most = 1;
};

inline constexpr WholeRange kNodeIds{1, std::numeric_limits<std::uint32_t>::max()};
// As far as the client protocol goes.
inline constexpr WholeRange kHeights{1, (std::uint64_t{1} << 62) - 1};
inline constexpr const char* kLongestTime = "24h";
inline constexpr const char* kLongestDelay = "60s";  // of a link fault

// Digits and nothing else. Errors: configuration, without the option's name.
[[nodiscard]] Result<std::uint64_t> parse_whole(std::string_view text, const WholeRange& range);
// Decimal, e.g. 0.25 or 1e-3. Errors: configuration, without the option's name.
[[nodiscard]] Result<double> parse_real(std::string_view text, const RealRange& range);
// Errors: configuration, without the option's name.
[[nodiscard]] Result<void> check_time(std::string_view text, std::string_view least,
                                      std::string_view most);

// "0 to 2^64-1", "1 to 256".
[[nodiscard]] std::string to_text(const WholeRange& range);

namespace detail {
// Ends the parsing of the command line.
[[noreturn]] void refuse(const std::string& option, const Error& error);
}  // namespace detail

// `name` as CLI11 has it: "--node", or "revision" for an argument. Target: an unsigned integer that
// holds the range, or an optional one. Whatever it holds before is the default.
template <class Target>
CLI::Option* add_whole(CLI::App& app, const std::string& name, Target& target,
                       const std::string& what, const WholeRange& range) {
  CLI::Option* option = app.add_option_function<std::string>(
      name,
      [&target, range, name](const std::string& text) {
        const auto number = parse_whole(text, range);
        if (!number) detail::refuse(name, number.error());
        if constexpr (std::is_unsigned_v<Target>) {
          target = static_cast<Target>(*number);
        } else {
          target = static_cast<typename Target::value_type>(*number);
        }
      },
      what);
  option->type_name("N");
  if constexpr (std::is_unsigned_v<Target>) {
    if (name.starts_with("-")) option->default_str(std::to_string(target));
  }
  return option;
}

// Several numbers: repeated, behind each other, or with commas.
CLI::Option* add_whole_list(CLI::App& app, const std::string& name,
                            std::vector<std::uint32_t>& target, const std::string& what,
                            const WholeRange& range);

CLI::Option* add_real(CLI::App& app, const std::string& name, double& target,
                      const std::string& what, const RealRange& range);

// A duration as text, of `least` to `most`.
CLI::Option* add_time(CLI::App& app, const std::string& name, std::string& target,
                      const std::string& what, const std::string& least = "1ms",
                      const std::string& most = kLongestTime);

// One of a few words. Whatever `target` holds before is the default.
CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& target,
                        const std::string& what, const std::vector<std::string>& words);

}  // namespace paxledger::cli
