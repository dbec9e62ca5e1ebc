#include "ledger/chain.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::ledger {

Block Chain::extend(SharedBytes ops, const std::vector<std::string_view>& commands,
                    Timestamp proposed, std::uint8_t work_bits, std::uint64_t nonce) {
  invariant(commands.size() <= UINT32_MAX, "a block's commands are counted in 32 bits");
  Block block;
  BlockHeader& header = block.header;
  header.work_bits = std::min(work_bits, kWorkBitsMax);
  header.op_count = static_cast<std::uint32_t>(commands.size());
  header.height = height_.next();
  header.timestamp = std::max(proposed, timestamp_);
  header.previous = hash_;
  header.ops_root = ops_root(commands);
  // What was decided becomes a block whatever its proposer did, and every block must pass
  // decode_block: a nonce that does not do the work gives way to the smallest that does.
  header.nonce = has_work(header.ops_root, nonce, header.work_bits)
                     ? nonce
                     : find_work(header.ops_root, header.work_bits);
  block.hash = hash_header(header);
  block.ops = std::move(ops);

  height_ = header.height;
  hash_ = block.hash;
  timestamp_ = header.timestamp;
  return block;
}

Result<void> Chain::append(const Block& block) {
  const BlockHeader& header = block.header;
  const std::string name = "block " + std::to_string(header.height.value());
  if (header.height != height_.next()) {
    return Error{ErrorCode::damaged,
                 name + ": expected height " + std::to_string(height_.next().value())};
  }
  if (header.previous != hash_) {
    return Error{ErrorCode::damaged, name + ": links to " + header.previous.hex() +
                                         ", the block before has hash " + hash_.hex()};
  }
  if (header.timestamp < timestamp_) {
    return Error{ErrorCode::damaged, name + ": timestamp " +
                                         std::to_string(header.timestamp.microseconds()) +
                                         " is below that of the block before, " +
                                         std::to_string(timestamp_.microseconds())};
  }
  height_ = header.height;
  hash_ = block.hash;
  timestamp_ = header.timestamp;
  return {};
}

}  // namespace paxledger::ledger
