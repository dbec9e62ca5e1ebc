#include "base/bytes.hpp"

namespace paxledger {

std::string to_hex(std::string_view octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(octets.size() * 2);
  for (const char octet : octets) {
    const auto value = static_cast<unsigned char>(octet);
    text.push_back(kDigits[value >> 4]);
    text.push_back(kDigits[value & 15]);
  }
  return text;
}

std::string printable(std::string_view octets, std::size_t limit) {
  std::string text;
  for (const char octet : octets.substr(0, limit)) {
    const auto value = static_cast<unsigned char>(octet);
    if (value >= 0x20 && value < 0x7f && octet != '\\') {
      text.push_back(octet);
    } else {
      text += "\\x" + to_hex(std::string_view(&octet, 1));
    }
  }
  if (octets.size() > limit) text += "…";
  return text;
}

}  // namespace paxledger
