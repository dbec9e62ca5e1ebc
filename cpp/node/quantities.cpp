#include "node/quantities.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

namespace paxledger::node {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array kDurationUnits{
    Unit{"us", 1'000},           Unit{"ms", 1'000'000},        Unit{"s", 1'000'000'000},
    Unit{"min", 60'000'000'000}, Unit{"h", 3'600'000'000'000},
};
constexpr std::array kSizeUnits{
    Unit{"B", 1},      Unit{"KiB", 1ull << 10}, Unit{"MiB", 1ull << 20}, Unit{"GiB", 1ull << 30},
    Unit{"kB", 1'000}, Unit{"KB", 1'000},       Unit{"MB", 1'000'000},   Unit{"GB", 1'000'000'000},
};

// The quantity in base units, rounded to the nearest; nothing if `text` is no number with a unit.
std::optional<std::uint64_t> parse(std::string_view text, std::span<const Unit> units,
                                   std::string_view default_unit) {
  const std::size_t digits = text.find_first_not_of("0123456789.");
  const std::string_view number = text.substr(0, digits);
  std::string_view unit_name = digits == std::string_view::npos ? "" : text.substr(digits);
  unit_name.remove_prefix(std::min(unit_name.find_first_not_of(' '), unit_name.size()));
  if (unit_name.empty()) unit_name = default_unit;
  const auto unit = std::find_if(units.begin(), units.end(),
                                 [&](const Unit& each) { return each.name == unit_name; });
  if (unit == units.end() || number.empty() || number.back() == '.') return std::nullopt;

  double value = 0;
  const auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), value,
                                              std::chars_format::fixed);
  if (failure != std::errc() || end != number.data() + number.size()) return std::nullopt;
  const double scaled = std::round(value * static_cast<double>(unit->factor));
  if (scaled > 9e18) return std::nullopt;
  return static_cast<std::uint64_t>(scaled);
}

std::string format(std::uint64_t value, std::span<const Unit> units) {
  for (auto unit = units.rbegin(); unit != units.rend(); ++unit) {
    if (value != 0 && value % unit->factor == 0) {
      return std::to_string(value / unit->factor) + std::string(unit->name);
    }
  }
  return {};
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  if (const auto nanoseconds = parse(text, kDurationUnits, "")) {
    return Duration(static_cast<Duration::rep>(*nanoseconds));
  }
  return Error{ErrorCode::configuration,
               "found \"" + std::string(text) + "\", expected a duration such as 50ms, 1s or 2min"};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  if (const auto octets = parse(text, kSizeUnits, "B")) return *octets;
  return Error{ErrorCode::configuration,
               "found \"" + std::string(text) + "\", expected a size such as 4KiB, 64MiB or 10MB"};
}

std::string format_duration(Duration duration) {
  const auto nanoseconds = static_cast<std::uint64_t>(duration.count());
  const std::string text = format(nanoseconds, kDurationUnits);
  return text.empty() ? std::to_string(nanoseconds / 1'000) + "us" : text;
}

std::string format_size(std::uint64_t octets) {
  const std::string text = format(octets, std::span(kSizeUnits).first(4));
  return text.empty() ? "0B" : text;
}

}  // namespace paxledger::node
