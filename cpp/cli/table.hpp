// Text in columns, for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace paxledger::cli {

// How many columns of a terminal a UTF-8 text takes, taking each code point for one.
[[nodiscard]] std::size_t width_of(std::string_view text);

// Invariant: every row has as many cells as there are columns.
class Table {
 public:
  enum class Align { left, right };
  struct Column {
    std::string title;
    Align align = Align::left;
  };

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Precondition: as many cells as columns.
  void add(std::vector<std::string> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  // The titles and the rows, a line each; columns two spaces apart, no spaces at the end of lines.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// 1234567 → "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t number);
// "950 B", "12.3 KiB", "4.0 MiB".
[[nodiscard]] std::string size_text(std::uint64_t bytes);
// 3661 → "1h 1min"; 59.4 → "59s".
[[nodiscard]] std::string uptime_text(double seconds);
// Microseconds since 1970 as "2026-01-31T12:00:00.123456Z".
[[nodiscard]] std::string time_text(std::uint64_t microseconds);

}  // namespace paxledger::cli
