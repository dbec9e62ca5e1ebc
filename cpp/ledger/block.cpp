#include "ledger/block.hpp"

#include <bit>

#include "base/invariant.hpp"
#include "ledger/merkle.hpp"
#include "ledger/sha256.hpp"

namespace paxledger::ledger {
namespace {

// Where each field of the header starts; the grammar stands in block.hpp.
constexpr std::size_t kFormatVersionAt = 0;
constexpr std::size_t kWorkBitsAt = 2;
constexpr std::size_t kReservedAt = 3;
constexpr std::size_t kOpCountAt = 4;
constexpr std::size_t kHeightAt = 8;
constexpr std::size_t kTimestampAt = 16;
constexpr std::size_t kNonceAt = 24;
constexpr std::size_t kPreviousAt = 32;
constexpr std::size_t kOpsRootAt = 64;
constexpr std::size_t kDigestBytes = 32;
constexpr std::size_t kLengthBytes = sizeof(std::uint32_t);

Error damaged(Height height, const std::string& what) {
  return {ErrorCode::damaged, "block " + std::to_string(height.value()) + ": " + what};
}

// Calls `each` with every command of an ops section, in order.
template <class Each>
Result<void> for_each_op(std::string_view ops, std::uint32_t op_count, Each&& each) {
  if (op_count > ops.size() / kLengthBytes) {
    return Error{ErrorCode::damaged, "op count " + std::to_string(op_count) + " cannot fit into " +
                                         std::to_string(ops.size()) + " octets of ops"};
  }
  std::size_t at = 0;
  for (std::uint32_t op = 0; op < op_count; ++op) {
    if (ops.size() - at < kLengthBytes) {
      return Error{ErrorCode::damaged, "ops end within the length of op " + std::to_string(op)};
    }
    const std::size_t length = read_le<std::uint32_t>(ops, at);
    at += kLengthBytes;
    if (length > ops.size() - at) {
      return Error{ErrorCode::damaged, "ops end within op " + std::to_string(op) + " of " +
                                           std::to_string(length) + " octets"};
    }
    each(ops.substr(at, length));
    at += length;
  }
  if (at != ops.size()) {
    return Error{ErrorCode::damaged,
                 std::to_string(ops.size() - at) + " octets follow the last op"};
  }
  return {};
}

int leading_zero_bits(const Digest& digest) {
  int bits = 0;
  for (const std::uint8_t octet : digest.octets) {
    if (octet != 0) return bits + std::countl_zero(octet);
    bits += 8;
  }
  return bits;
}

BlockHeader read_header(std::string_view octets) {
  BlockHeader header;
  header.format_version = read_le<std::uint16_t>(octets, kFormatVersionAt);
  header.work_bits = read_le<std::uint8_t>(octets, kWorkBitsAt);
  header.op_count = read_le<std::uint32_t>(octets, kOpCountAt);
  header.height = Height(read_le<std::uint64_t>(octets, kHeightAt));
  header.timestamp = Timestamp(read_le<std::uint64_t>(octets, kTimestampAt));
  header.nonce = read_le<std::uint64_t>(octets, kNonceAt);
  header.previous = Digest::from(octets.substr(kPreviousAt, kDigestBytes));
  header.ops_root = Digest::from(octets.substr(kOpsRootAt, kDigestBytes));
  return header;
}

}  // namespace

std::string encode_header(const BlockHeader& header) {
  std::string octets;
  octets.reserve(kHeaderBytes);
  append_le(octets, header.format_version);
  append_le(octets, header.work_bits);
  append_le(octets, std::uint8_t{0});
  append_le(octets, header.op_count);
  append_le(octets, header.height.value());
  append_le(octets, header.timestamp.microseconds());
  append_le(octets, header.nonce);
  octets += header.previous.view();
  octets += header.ops_root.view();
  return octets;
}

Digest hash_header(const BlockHeader& header) {
  return tagged_sha256("paxledger/block/1", {encode_header(header)});
}

Digest genesis(ClusterId cluster) {
  std::string id;
  append_le(id, cluster.value());
  return tagged_sha256("paxledger/genesis/1", {id});
}

ClusterId cluster_id(std::string_view name) {
  const Digest digest = tagged_sha256("paxledger/cluster/1", {name});
  return ClusterId(read_le<std::uint64_t>(digest.view(), 0));
}

Result<std::vector<std::string_view>> split_ops(std::string_view ops, std::uint32_t op_count) {
  std::vector<std::string_view> commands;
  // An op takes at least its length field, so octets bound what is reserved.
  if (op_count <= ops.size() / kLengthBytes) commands.reserve(op_count);
  const auto split =
      for_each_op(ops, op_count, [&](std::string_view command) { commands.push_back(command); });
  if (!split) return split.error();
  return commands;
}

std::string encode_block(const Block& block) {
  std::string octets = encode_header(block.header);
  octets += block.ops.view();
  return octets;
}

Result<Block> decode_block(const SharedBytes& octets) {
  if (octets.size() < kHeaderBytes) {
    return Error{ErrorCode::damaged, "block: " + std::to_string(octets.size()) +
                                         " octets, expected a header of " +
                                         std::to_string(kHeaderBytes)};
  }
  const std::string_view header_octets = octets.view().substr(0, kHeaderBytes);
  Block block;
  block.header = read_header(header_octets);
  const BlockHeader& header = block.header;
  if (header.format_version != kFormatVersion) {
    return damaged(header.height, "format version " + std::to_string(header.format_version) +
                                      ", expected " + std::to_string(kFormatVersion));
  }
  if (header_octets[kReservedAt] != '\0') {
    return damaged(header.height, "the reserved octet is not zero");
  }
  if (header.height == Height(0)) return damaged(header.height, "height 0 is genesis, not a block");
  if (header.work_bits > kWorkBitsMax) {
    return damaged(header.height, std::to_string(header.work_bits) +
                                      " bits of work, expected at most " +
                                      std::to_string(kWorkBitsMax));
  }
  block.ops = octets.slice(kHeaderBytes);
  MerkleFrontier tree;
  const auto split = for_each_op(block.ops.view(), header.op_count, [&](std::string_view command) {
    tree.append(merkle_leaf(command));
  });
  if (!split) return damaged(header.height, split.error().message);
  const Digest root = tree.root();
  if (root != header.ops_root) {
    return damaged(header.height,
                   "ops root " + root.hex() + ", the header says " + header.ops_root.hex());
  }
  if (!has_work(header.ops_root, header.nonce, header.work_bits)) {
    return damaged(header.height, "nonce " + std::to_string(header.nonce) +
                                      " does not do the work of " +
                                      std::to_string(header.work_bits) + " bits");
  }
  block.hash = tagged_sha256("paxledger/block/1", {header_octets});
  return block;
}

Digest ops_root(const std::vector<std::string_view>& commands) {
  MerkleFrontier tree;
  for (const std::string_view command : commands) tree.append(merkle_leaf(command));
  return tree.root();
}

bool has_work(const Digest& ops_root, std::uint64_t nonce, std::uint8_t work_bits) {
  if (work_bits == 0) return true;
  std::string nonce_octets;
  append_le(nonce_octets, nonce);
  const Digest work = tagged_sha256("paxledger/work/1", {ops_root.view(), nonce_octets});
  return leading_zero_bits(work) >= work_bits;
}

std::uint64_t find_work(const Digest& ops_root, std::uint8_t work_bits) {
  invariant(work_bits <= kWorkBitsMax, "work is bounded by kWorkBitsMax");
  std::uint64_t nonce = 0;
  while (!has_work(ops_root, nonce, work_bits)) ++nonce;
  return nonce;
}

}  // namespace paxledger::ledger
