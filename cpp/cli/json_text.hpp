// Octets in JSON. Keys and values are octets, JSON knows text only: what is UTF-8 stands as it is
// under its name, anything else in base64 under NAME_base64.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace paxledger::cli {

using Json = nlohmann::ordered_json;

[[nodiscard]] bool is_utf8(std::string_view octets);
[[nodiscard]] std::string to_base64(std::string_view octets);
void set_octets(Json& json, const std::string& name, std::string_view octets);

// One line of JSON text; what is not UTF-8 in it becomes U+FFFD.
[[nodiscard]] std::string dump(const Json& json, int indent = -1);

// A JSON text of a node. Null if it is none, which no reader below mistakes for an object.
[[nodiscard]] Json parse(std::string_view text);

// json[name] if it is there and of the type of `otherwise`, else `otherwise`: a node of another
// version may say more or less.
template <class Value>
[[nodiscard]] Value get_or(const Json& json, const char* name, Value otherwise) {
  const auto found = json.is_object() ? json.find(name) : json.end();
  if (found == json.end()) return otherwise;
  if constexpr (std::is_same_v<Value, std::string>) {
    return found->is_string() ? found->template get<std::string>() : otherwise;
  } else if constexpr (std::is_same_v<Value, bool>) {
    return found->is_boolean() ? found->template get<bool>() : otherwise;
  } else {
    return found->is_number() ? found->template get<Value>() : otherwise;
  }
}

}  // namespace paxledger::cli
