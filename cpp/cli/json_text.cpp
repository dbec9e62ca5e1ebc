#include "cli/json_text.hpp"

#include <cstdint>

#include "base/utf8.hpp"

namespace paxledger::cli {

bool is_utf8(std::string_view octets) {
  return utf8_length(octets) == octets.size();
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
