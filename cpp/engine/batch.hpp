// Batches: the values that the nodes agree on. A slot carries one batch, a batch many commands.
//
//   batch := version:u8 work_bits:u8 reserved:u16 op_count:u32 timestamp:u64 nonce:u64 ops
//   ops   := { length:u32 command:octets[length] }*      (as in ledger/block.hpp)
//
// All integers are little-endian. A batch without commands is a no-op.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace paxledger::engine {

inline constexpr std::size_t kBatchHeaderBytes = 24;
inline constexpr std::uint8_t kBatchVersion = 1;

struct Batch {
  Timestamp timestamp;  // the proposing leader's wall time
  std::uint8_t work_bits = 0;
  std::uint64_t nonce = 0;
  std::vector<std::string_view> commands;  // views into `ops`
  SharedBytes ops;
};

// Finds the nonce for `work_bits` as well.
[[nodiscard]] SharedBytes encode_batch(Timestamp timestamp, std::uint8_t work_bits,
                                       const std::vector<SharedBytes>& commands);
// Errors: damaged.
[[nodiscard]] Result<Batch> decode_batch(const SharedBytes& octets);

}  // namespace paxledger::engine
