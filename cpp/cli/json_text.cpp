#include "cli/json_text.hpp"

#include <cstdint>

namespace paxledger::cli {

bool is_utf8(std::string_view octets) {
  for (std::size_t i = 0; i < octets.size();) {
    const auto first = static_cast<unsigned char>(octets[i]);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    if (length == 0 || i + length > octets.size()) return false;
    std::uint32_t point = length == 1 ? first : first & (0x7Fu >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(octets[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      point = point << 6 | (next & 0x3Fu);
    }
    // Overlong forms and surrogates are no UTF-8.
    if (length == 3 && (point < 0x800 || (point >= 0xD800 && point <= 0xDFFF))) return false;
    if (length == 4 && (point < 0x10000 || point > 0x10FFFF)) return false;
    i += length;
  }
  return true;
}

std::string to_base64(std::string_view octets) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < octets.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const bool there = i + k < octets.size();
      group = group << 8 | (there ? static_cast<unsigned char>(octets[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      const bool there = i + k <= octets.size();
      text.push_back(there ? kDigits[group >> (18 - 6 * k) & 63] : '=');
    }
  }
  return text;
}

void set_octets(Json& json, const std::string& name, std::string_view octets) {
  if (is_utf8(octets)) {
    json[name] = std::string(octets);
  } else {
    json[name + "_base64"] = to_base64(octets);
  }
}

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json parse(std::string_view text) {
  return Json::parse(text, nullptr, false);
}

}  // namespace paxledger::cli
