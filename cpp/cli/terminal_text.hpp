// Octets as a terminal may be given them.
//
//   shown    := { printable | escape }*
//   escape   := "\\" | "\n" | "\r" | "\t" | "\x" hex hex | "\u{" hex… "}"
//
// UTF-8 that has a glyph stands as it is. Everything else is escaped, so that no key, value or
// file name can move the cursor, change the colours or turn round the text of a terminal: octets
// that are no UTF-8 and controls below U+0080 as \xNN, and as \u{N} other controls, code points
// that are not assigned, and invisible format characters such as those that turn round the
// direction of writing. A backslash is doubled, so a shown text says exactly which octets it
// stands for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace paxledger::cli {

[[nodiscard]] std::string shown(std::string_view octets);
// At most so many columns of it; what is cut ends in "… (12.3 KiB)", the size of all octets.
[[nodiscard]] std::string shown(std::string_view octets, std::size_t columns);

// A message of several lines with its controls escaped, but for line feeds and tabs.
[[nodiscard]] std::string safe_message(std::string_view text);

// Whether it can be printed as it is: UTF-8 that shown() would leave alone, or backslashes, tabs
// and ends of lines.
[[nodiscard]] bool is_harmless_text(std::string_view octets);

// How many columns of a terminal a text takes: those of East Asian scripts and emoji two, combining
// marks none. Precondition: shown text, or text of our own.
[[nodiscard]] std::size_t width_of(std::string_view text);

// The longest beginning that takes at most so many columns and does not end within an escape. It is
// bounded in octets too, by 16 for a column, whatever combining marks there are.
[[nodiscard]] std::string_view cut(std::string_view text, std::size_t columns);

// How wide output may be: COLUMNS if it is set, else the terminal's width, else a pipe's 120.
[[nodiscard]] std::size_t output_columns();

}  // namespace paxledger::cli
