#include "base/utf8.hpp"

#include <cstdint>

namespace paxledger {
namespace {

// Of the character that begins `octets`, which are not empty; 0 if none does.
std::size_t character_length(std::string_view octets) {
  const auto first = static_cast<unsigned char>(octets[0]);
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
  if (length == 0 || length > octets.size()) return 0;
  std::uint32_t point = length == 1 ? first : first & (0x7Fu >> length);
  for (std::size_t k = 1; k < length; ++k) {
    const auto next = static_cast<unsigned char>(octets[k]);
    if ((next & 0xC0) != 0x80) return 0;
    point = point << 6 | (next & 0x3Fu);
  }
  // Overlong forms and surrogates are no UTF-8.
  if (length == 3 && (point < 0x800 || (point >= 0xD800 && point <= 0xDFFF))) return 0;
  if (length == 4 && (point < 0x10000 || point > 0x10FFFF)) return 0;
  return length;
}

}  // namespace

std::size_t utf8_length(std::string_view octets) {
  std::size_t whole = 0;
  while (whole < octets.size()) {
    const std::size_t length = character_length(octets.substr(whole));
    if (length == 0) break;
    whole += length;
  }
  return whole;
}

}  // namespace paxledger
