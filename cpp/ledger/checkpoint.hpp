// A checkpoint: the head of a chain, small enough to be kept outside of the cluster. Whoever
// holds one can tell later whether the history up to it was rewritten.
//
//   octets := "paxledger/checkpoint/1" 0x00 cluster:u64 height:u64 head:octets[32]
//   text   := "paxledger/checkpoint/1 " cluster:hex[16] " " height:decimal " " head:hex[64]
//
// Integers in octets are little-endian. Hexadecimal is in lower case; cluster is written as a
// number, its most significant digit first. Nothing stands before or after, and the decimal has no
// leading zero, so that a checkpoint has one encoding of each kind.
#pragma once

#include <string>
#include <string_view>

#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace paxledger::ledger {

struct Checkpoint {
  ClusterId cluster;
  Height height;  // 0: nothing was decided, and head is genesis(cluster)
  Digest head;    // hash of the block at height

  bool operator==(const Checkpoint&) const = default;
};

[[nodiscard]] std::string encode_checkpoint(const Checkpoint& checkpoint);
// Errors: damaged, with what was expected.
[[nodiscard]] Result<Checkpoint> decode_checkpoint(std::string_view octets);

[[nodiscard]] std::string to_text(const Checkpoint& checkpoint);
// Errors: bad_request, with what was expected.
[[nodiscard]] Result<Checkpoint> parse_checkpoint(std::string_view text);

}  // namespace paxledger::ledger
