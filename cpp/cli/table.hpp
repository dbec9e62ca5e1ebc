// Text in columns, for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace paxledger::cli {

// Text in a table. What came from outside must be shown text (cli/terminal_text.hpp).
struct Cell {
  Cell(std::string plain) : text(std::move(plain)) {}  // NOLINT: implicit
  Cell(const char* plain) : text(plain) {}             // NOLINT: implicit
  Cell(std::string shown, std::uint64_t size, std::string behind = {})
      : text(std::move(shown)), octets(size), note(std::move(behind)) {}

  std::string text;
  std::optional<std::uint64_t> octets;  // said where the text is cut
  std::string note;                     // stands behind the text, and is never cut
};

// Invariant: every row has as many cells as there are columns.
class Table {
 public:
  enum class Align { left, right };
  // Elastic columns are those whose cells may be cut.
  enum class Kind { rigid, elastic };
  struct Column {
    std::string title;
    Align align = Align::left;
    Kind kind = Kind::rigid;
  };
  // As wide as it is.
  static constexpr std::size_t kUnlimited = static_cast<std::size_t>(-1);

  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Precondition: as many cells as columns.
  void add(std::vector<Cell> cells);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  // The titles and the rows, a line each; columns two spaces apart, no spaces at the end of lines.
  // Elastic columns give way, the widest first, until a line takes at most `limit` columns of a
  // terminal, but none gets narrower than its title or than is of any use. Cells that are cut end
  // in "… (12.3 KiB)" where their size is known, else in "…".
  [[nodiscard]] std::string text(std::size_t limit = kUnlimited) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths_within(std::size_t limit) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
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
