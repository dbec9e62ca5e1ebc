#include "cli/table.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <numeric>
#include <utility>

#include "base/invariant.hpp"
#include "cli/terminal_text.hpp"

namespace paxledger::cli {

namespace {

// Room for a few characters and the size.
constexpr std::size_t kElasticMin = 16;

std::string fitted(const Cell& cell, std::size_t width) {
  if (width_of(cell.text) + width_of(cell.note) <= width) return cell.text + cell.note;
  const std::string tail =
      (cell.octets ? "… (" + size_text(*cell.octets) + ")" : std::string("…")) + cell.note;
  const std::size_t room = width - std::min(width, width_of(tail));
  return std::string(cut(cell.text, room)) + tail;
}

}  // namespace

void Table::add(std::vector<Cell> cells) {
  invariant(cells.size() == columns_.size(), "a row has a cell for every column");
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::widths_within(std::size_t limit) const {
  constexpr std::size_t kGap = 2;
  std::vector<std::size_t> full;
  std::vector<std::size_t> least;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    std::size_t needed = std::max(width, kElasticMin);
    for (const auto& row : rows_) {
      const std::size_t note = width_of(row[i].note);
      width = std::max(width, width_of(row[i].text) + note);
      needed = std::max(needed, note + kElasticMin / 2);
    }
    full.push_back(width);
    least.push_back(columns_[i].kind == Kind::elastic ? std::min(width, needed) : width);
  }
  const auto capped = [&](std::size_t cap) {
    std::vector<std::size_t> widths = full;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      widths[i] = std::min(full[i], std::max(least[i], cap));
    }
    return widths;
  };
  const auto fits = [&](std::size_t cap) {
    const auto widths = capped(cap);
    return std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1)) <= limit;
  };
  // The greatest cap under which a line fits, or 0.
  std::size_t low = 0;
  std::size_t high = *std::max_element(full.begin(), full.end());
  while (low < high) {
    const std::size_t middle = low + (high - low + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return capped(low);
}

std::string Table::text(std::size_t limit) const {
  const std::vector<std::size_t> widths = widths_within(limit);
  std::string text;
  const auto print = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - std::min(widths[i], width_of(row[i])), ' ');
      if (i > 0) line += "  ";
      line += columns_[i].align == Align::right ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  std::vector<std::string> line;
  line.reserve(columns_.size());
  for (const Column& column : columns_) line.push_back(column.title);
  print(line);
  for (const auto& row : rows_) {
    line.clear();
    for (std::size_t i = 0; i < row.size(); ++i) line.push_back(fitted(row[i], widths[i]));
    print(line);
  }
  return text;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", amount, kUnits[unit]);
  return text;
}

std::string uptime_text(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::max(seconds, 0.0));
  const auto part = [](std::uint64_t count, const char* unit) {
    return std::to_string(count) + unit;
  };
  if (whole < 60) return part(whole, "s");
  if (whole < 3600) return part(whole / 60, "min ") + part(whole % 60, "s");
  if (whole < 86400) return part(whole / 3600, "h ") + part(whole % 3600 / 60, "min");
  return part(whole / 86400, "d ") + part(whole % 86400 / 3600, "h");
}

std::string time_text(std::uint64_t microseconds) {
  const auto seconds = static_cast<std::time_t>(microseconds / 1'000'000);
  std::tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return std::to_string(microseconds) + " µs";
  char day[32];
  char text[48];
  std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text, sizeof text, "%s.%06uZ", day,
                static_cast<unsigned>(microseconds % 1'000'000));
  return text;
}

}  // namespace paxledger::cli
