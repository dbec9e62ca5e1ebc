// Text in UTF-8, as Unicode 15 table 3-7 defines it: no overlong forms, no surrogates.
#pragma once

#include <cstddef>
#include <string_view>

namespace paxledger {

// How many octets at the start are whole characters of UTF-8: octets.size() if all of them are.
[[nodiscard]] std::size_t utf8_length(std::string_view octets);

}  // namespace paxledger
