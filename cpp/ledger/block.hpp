// Blocks: what was decided at one slot, linked to all that came before.
//
//   block   := header:octets[96] ops
//   ops     := { length:u32 command:octets[length] }*          (header.op_count of them)
//   header  := format_version:u16 work_bits:u8 reserved:u8 op_count:u32 height:u64
//              timestamp:u64 nonce:u64 previous:octets[32] ops_root:octets[32]
//
// All integers are little-endian. The header's octets are hashed as they stand:
//
//   block_hash = SHA-256("paxledger/block/1" 0x00 header)
//   ops_root   = RFC 6962 Merkle tree hash over the commands, in order
//   work_hash  = SHA-256("paxledger/work/1" 0x00 ops_root nonce:u64)
//   genesis    = SHA-256("paxledger/genesis/1" 0x00 cluster_id:u64)   ("previous" of block 1)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace paxledger::ledger {

inline constexpr std::size_t kHeaderBytes = 96;
inline constexpr std::uint16_t kFormatVersion = 1;

struct BlockHeader {
  std::uint16_t format_version = kFormatVersion;
  std::uint8_t work_bits = 0;  // work_hash starts with at least this many zero bits
  std::uint32_t op_count = 0;
  Height height;
  Timestamp timestamp;  // never below that of the block before
  std::uint64_t nonce = 0;
  Digest previous;  // hash of the block before, or genesis
  Digest ops_root;

  bool operator==(const BlockHeader&) const = default;
};

// A block with its own hash. `ops` are the octets of the ops section, shared with whatever they
// came in.
struct Block {
  BlockHeader header;
  Digest hash;
  SharedBytes ops;
};

[[nodiscard]] std::string encode_header(const BlockHeader& header);
[[nodiscard]] Digest hash_header(const BlockHeader& header);

// The hash that stands for "no block yet" in the cluster `cluster`.
[[nodiscard]] Digest genesis(ClusterId cluster);

// The id of the cluster called `name`: the first 8 octets, little-endian, of
// SHA-256("paxledger/cluster/1" 0x00 name).
[[nodiscard]] ClusterId cluster_id(std::string_view name);

// Splits an ops section into its commands (views into it). Errors: damaged.
[[nodiscard]] Result<std::vector<std::string_view>> split_ops(std::string_view ops,
                                                              std::uint32_t op_count);

[[nodiscard]] std::string encode_block(const Block& block);

// Reads a block and checks everything that can be checked from it alone: version, reserved field,
// op count, ops root, proof of work. Errors: damaged, with what was expected.
[[nodiscard]] Result<Block> decode_block(const SharedBytes& octets);

// The Merkle root over commands (RFC 6962 §2.1); of none: SHA-256 of nothing.
[[nodiscard]] Digest ops_root(const std::vector<std::string_view>& commands);

// Whether `nonce` does the work of `work_bits` over `ops_root`.
[[nodiscard]] bool has_work(const Digest& ops_root, std::uint64_t nonce, std::uint8_t work_bits);
// The smallest such nonce. Takes about 2^work_bits hashes. Precondition: work_bits <= 24.
[[nodiscard]] std::uint64_t find_work(const Digest& ops_root, std::uint8_t work_bits);
inline constexpr std::uint8_t kWorkBitsMax = 24;

}  // namespace paxledger::ledger
