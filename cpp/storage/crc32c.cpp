#include "storage/crc32c.hpp"

#include <isa-l/crc.h>

#include <algorithm>

namespace paxledger::storage {

std::uint32_t crc32c(std::string_view octets, std::uint32_t before) {
  constexpr std::size_t kPieceMax = std::size_t{1} << 30;  // the library counts in int
  std::uint32_t state = ~before;
  while (!octets.empty()) {
    const std::string_view piece = octets.substr(0, std::min(octets.size(), kPieceMax));
    // The library takes a pointer to non-const but only reads.
    auto* start = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
    state = crc32_iscsi(start, static_cast<int>(piece.size()), state);
    octets.remove_prefix(piece.size());
  }
  return ~state;
}

}  // namespace paxledger::storage
