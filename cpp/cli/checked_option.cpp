#include "cli/checked_option.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "cli/terminal_text.hpp"
#include "node/quantities.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kColumnsOfText = 40;

std::string to_text(std::uint64_t number) {
  // Beyond 32 bits, nobody counts the digits.
  if (number >= std::numeric_limits<std::uint32_t>::max()) {
    if (number == std::numeric_limits<std::uint64_t>::max()) return "2^64-1";
    for (int bits = 32; bits < 64; ++bits) {
      if (number == (std::uint64_t{1} << bits) - 1) return "2^" + std::to_string(bits) + "-1";
    }
  }
  return std::to_string(number);
}

std::string to_text(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", number);
  return text;
}

Error refusal(std::string_view text, const char* what, const std::string& expected) {
  return {ErrorCode::configuration,
          "'" + shown(text, kColumnsOfText) + "' is " + what + "; expected " + expected};
}

}  // namespace

std::string to_text(const WholeRange& range) {
  return to_text(range.least) + " to " + to_text(range.most);
}

Result<std::uint64_t> parse_whole(std::string_view text, const WholeRange& range) {
  const std::string expected = "a whole number from " + to_text(range);
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
    return refusal(text, "no whole number", expected);
  }
  if (negative) return refusal(text, "too small", expected);
  if (failure != std::errc() || stop != end || number > range.most) {
    return refusal(text, "too great", expected);
  }
  if (number < range.least) return refusal(text, "too small", expected);
  return number;
}

Result<double> parse_real(std::string_view text, const RealRange& range) {
  const std::string expected =
      "a number from " + to_text(range.least) + " to " + to_text(range.most);
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, number);
  if (failure == std::errc::invalid_argument || stop != end) {
    return refusal(text, "no number", expected);
  }
  const bool within = failure == std::errc() && number >= range.least && number <= range.most;
  if (!within) return refusal(text, "out of range", expected);
  return number;
}

Result<void> check_time(std::string_view text, std::string_view least, std::string_view most) {
  const std::string expected = "a time from " + std::string(least) + " to " + std::string(most) +
                               ", with its unit (us, ms, s, min, h)";
  const auto time = node::parse_duration(text);
  if (!time) return refusal(text, "no time", expected);
  if (*time < *node::parse_duration(least)) return refusal(text, "too short", expected);
  if (*time > *node::parse_duration(most)) return refusal(text, "too long", expected);
  return {};
}

namespace detail {

void refuse(const std::string& option, const Error& error) {
  // Of "-o,--output", the name that says more.
  const std::size_t begin = std::min(option.find("--"), option.size()) % option.size();
  const std::string name = option.substr(begin, option.find(',', begin) - begin);
  throw CLI::ValidationError(name + ": " + error.message);
}

}  // namespace detail

CLI::Option* add_whole_list(CLI::App& app, const std::string& name,
                            std::vector<std::uint32_t>& target, const std::string& what,
                            const WholeRange& range) {
  return app
      .add_option_function<std::vector<std::string>>(
          name,
          [&target, name, range](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const auto number = parse_whole(text, range);
              if (!number) detail::refuse(name, number.error());
              target.push_back(static_cast<std::uint32_t>(*number));
            }
          },
          what)
      ->delimiter(',')
      ->type_name("N");
}

CLI::Option* add_real(CLI::App& app, const std::string& name, double& target,
                      const std::string& what, const RealRange& range) {
  return app
      .add_option_function<std::string>(
          name,
          [&target, name, range](const std::string& text) {
            const auto number = parse_real(text, range);
            if (!number) detail::refuse(name, number.error());
            target = *number;
          },
          what)
      ->type_name("NUMBER");
}

CLI::Option* add_time(CLI::App& app, const std::string& name, std::string& target,
                      const std::string& what, const std::string& least, const std::string& most) {
  return app
      .add_option_function<std::string>(
          name,
          [&target, name, least, most](const std::string& text) {
            const auto checked = check_time(text, least, most);
            if (!checked) detail::refuse(name, checked.error());
            target = text;
          },
          what)
      ->type_name("TIME")
      ->default_str(target);
}

CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& target,
                        const std::string& what, const std::vector<std::string>& words) {
  std::string list;
  for (const std::string& word : words) {
    list += (list.empty() ? "" : word == words.back() ? " or " : ", ") + word;
  }
  return app
      .add_option_function<std::string>(
          name,
          [&target, name, words, list](const std::string& text) {
            if (std::find(words.begin(), words.end(), text) == words.end()) {
              detail::refuse(name, refusal(text, "not allowed here", list));
            }
            target = text;
          },
          what + ": " + list)
      ->type_name("WORD")
      ->default_str(target);
}

}  // namespace paxledger::cli
