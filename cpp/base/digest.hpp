// A SHA-256 digest as a value. How digests are made is the business of `ledger`.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace paxledger {

struct Digest {
  std::array<std::uint8_t, 32> octets{};

  auto operator<=>(const Digest&) const = default;

  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<const char*>(octets.data()), octets.size()};
  }
  [[nodiscard]] std::string hex() const { return to_hex(view()); }

  // Precondition: view.size() == 32.
  static Digest from(std::string_view view) {
    Digest digest;
    std::memcpy(digest.octets.data(), view.data(), digest.octets.size());
    return digest;
  }
};

}  // namespace paxledger
