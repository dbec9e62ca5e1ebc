// CRC-32C (Castagnoli), the checksum of every frame on disk.
#pragma once

#include <cstdint>
#include <string_view>

namespace paxledger::storage {

// The CRC-32C of RFC 3720 (iSCSI): reflected, initial value and final inversion all ones.
// crc32c("123456789") == 0xE3069283. `before` continues over several pieces:
// crc32c(b, crc32c(a)) == crc32c(a + b).
[[nodiscard]] std::uint32_t crc32c(std::string_view octets, std::uint32_t before = 0);

}  // namespace paxledger::storage
