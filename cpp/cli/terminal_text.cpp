#include "cli/terminal_text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <locale.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <clocale>
#include <cstdlib>
#include <utility>

#include "base/bytes.hpp"
#include "cli/json_text.hpp"
#include "cli/table.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kPipeColumns = 120;
constexpr std::size_t kColumnsMax = 10'000;
constexpr std::size_t kOctetsPerColumn = 16;

// The C library's knowledge of characters, whatever the environment's locale is. Where the system
// has no UTF-8 locale at all, every code point beyond ASCII counts as not printable.
class CharacterLocale {
 public:
  CharacterLocale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {}
  ~CharacterLocale() {
    if (locale_ != nullptr) freelocale(locale_);
  }
  CharacterLocale(const CharacterLocale&) = delete;
  CharacterLocale& operator=(const CharacterLocale&) = delete;

  // -1 if it has no glyph.
  [[nodiscard]] int width(char32_t point) const {
    if (locale_ == nullptr) return -1;
    const locale_t before = uselocale(locale_);
    const int width = wcwidth(static_cast<wchar_t>(point));
    uselocale(before);
    return width;
  }

 private:
  locale_t locale_;
};

// Format characters that are not seen themselves but change what is seen, or how.
bool is_invisible_format(char32_t point) {
  static constexpr std::array<std::pair<char32_t, char32_t>, 12> kRanges = {{
      {0xAD, 0xAD},
      {0x61C, 0x61C},
      {0x180E, 0x180E},
      {0x200B, 0x200B},
      {0x200E, 0x200F},
      {0x2028, 0x202E},
      {0x2060, 0x206F},
      {0x3164, 0x3164},
      {0xFEFF, 0xFEFF},
      {0xFFF9, 0xFFFB},
      {0x1D173, 0x1D17A},
      {0xE0000, 0xE0FFF},
  }};
  return std::any_of(kRanges.begin(), kRanges.end(), [point](const auto& range) {
    return point >= range.first && point <= range.second;
  });
}

// Columns of a code point; -1 if it must be escaped. A backslash has a column.
int columns_of(char32_t point) {
  static const CharacterLocale locale;
  if (point < 0x80) return point >= 0x20 && point < 0x7F ? 1 : -1;
  return is_invisible_format(point) ? -1 : locale.width(point);
}

// One code point at the front of `octets`, or one octet that begins none.
struct Unit {
  std::size_t octets = 1;
  std::optional<char32_t> point;
};

Unit next_unit(std::string_view octets) {
  const auto first = static_cast<unsigned char>(octets[0]);
  const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  const std::string_view candidate = octets.substr(0, length);
  if (!is_utf8(candidate)) return {};
  char32_t point = length == 1 ? first : first & (0x7Fu >> length);
  for (const char next : candidate.substr(1)) {
    point = point << 6 | (static_cast<unsigned char>(next) & 0x3Fu);
  }
  return {length, point};
}

std::string escape_of(const Unit& unit, std::string_view octets) {
  if (unit.point && *unit.point >= 0x80) {
    char digits[16];
    const auto end =
        std::to_chars(digits, digits + sizeof digits, static_cast<std::uint32_t>(*unit.point), 16);
    return "\\u{" + std::string(digits, end.ptr) + "}";
  }
  switch (octets[0]) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\\':
      return "\\\\";
    default:
      return "\\x" + to_hex(octets.substr(0, 1));
  }
}

// Escapes what has no glyph, and those of `also`, and none of `but`.
std::string escaped(std::string_view octets, std::string_view also, std::string_view but) {
  std::string text;
  text.reserve(octets.size());
  while (!octets.empty()) {
    const Unit unit = next_unit(octets);
    const bool glyph = unit.point && columns_of(*unit.point) >= 0;
    const bool one_of = unit.octets == 1 && also.find(octets[0]) != std::string_view::npos;
    const bool kept = unit.octets == 1 && but.find(octets[0]) != std::string_view::npos;
    if (kept || (glyph && !one_of)) {
      text += octets.substr(0, unit.octets);
    } else {
      text += escape_of(unit, octets);
    }
    octets.remove_prefix(unit.octets);
  }
  return text;
}

// The octets of the escape at the front of a shown text.
std::size_t escape_length(std::string_view text) {
  if (text.size() < 2) return text.size();
  if (text[1] == 'x') return std::min<std::size_t>(4, text.size());
  if (text[1] != 'u') return 2;
  return std::min(text.find('}'), text.size() - 1) + 1;
}

}  // namespace

std::string shown(std::string_view octets) {
  return escaped(octets, "\\", "");
}

std::string shown(std::string_view octets, std::size_t columns) {
  // No octet takes less than a sixteenth of a column, by the bound of cut().
  const std::size_t enough = (columns + 1) * kOctetsPerColumn;
  std::string text = shown(octets.substr(0, enough));
  if (octets.size() <= enough && width_of(text) <= columns) return text;
  const std::string tail = "… (" + size_text(octets.size()) + ")";
  const std::size_t room = columns - std::min(columns, width_of(tail));
  return std::string(cut(text, room)) + tail;
}

std::string safe_message(std::string_view text) {
  return escaped(text, "", "\n\t");
}

bool is_harmless_text(std::string_view octets) {
  for (std::size_t at = octets.find('\r'); at != std::string_view::npos;
       at = octets.find('\r', at + 1)) {
    // Alone, it would let what follows stand over what was there.
    if (at + 1 == octets.size() || octets[at + 1] != '\n') return false;
  }
  return escaped(octets, "", "\n\t\r") == octets;
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Unit unit = next_unit(text);
    if (unit.point) width += static_cast<std::size_t>(std::max(columns_of(*unit.point), 0));
    text.remove_prefix(unit.octets);
  }
  return width;
}

std::string_view cut(std::string_view text, std::size_t columns) {
  std::size_t taken = 0;
  std::size_t width = 0;
  while (taken < text.size()) {
    const std::string_view rest = text.substr(taken);
    const std::size_t octets = rest[0] == '\\' ? escape_length(rest) : next_unit(rest).octets;
    width += width_of(rest.substr(0, octets));
    if (width > columns || taken + octets > columns * kOctetsPerColumn) break;
    taken += octets;
  }
  return text.substr(0, taken);
}

std::size_t output_columns() {
  if (const char* given = std::getenv("COLUMNS"); given != nullptr) {
    const std::string_view text = given;
    std::size_t columns = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), columns);
    const bool whole = failure == std::errc() && end == text.data() + text.size();
    if (whole && columns > 0) return std::min(columns, kColumnsMax);
  }
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return kPipeColumns;
}

}  // namespace paxledger::cli
