// The head of a hash chain, and the rules for putting a block on top of it.
#pragma once

#include <cstdint>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/state_hasher.hpp"
#include "ledger/block.hpp"

namespace paxledger::ledger {

// Invariants:
//  1. hash() is the hash of block height(), or genesis at height 0.
//  2. timestamp() never falls.
class Chain {
 public:
  explicit Chain(ClusterId cluster) : hash_(genesis(cluster)) {}

  [[nodiscard]] Height height() const { return height_; }
  [[nodiscard]] const Digest& hash() const { return hash_; }
  [[nodiscard]] Timestamp timestamp() const { return timestamp_; }

  // Derives the next block from decided commands and puts it on top. The block's timestamp is the
  // greater of `proposed` and that of the head. Every node derives the same block.
  Block extend(SharedBytes ops, const std::vector<std::string_view>& commands, Timestamp proposed,
               std::uint8_t work_bits, std::uint64_t nonce);

  // Puts a block from elsewhere on top if it links to the head: height, previous hash, timestamp.
  // Precondition: the block came from decode_block. Errors: damaged, chain unchanged.
  Result<void> append(const Block& block);

  void hash_into(StateHasher& hasher) const {
    const auto& [height, hash, timestamp] = *this;
    hasher.add(height, hash, timestamp);
  }

 private:
  Height height_;
  Digest hash_;
  Timestamp timestamp_;
};

}  // namespace paxledger::ledger
