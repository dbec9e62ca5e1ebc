#include "sim/node_disk.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::sim {

engine::Persist NodeDisk::complete_write() {
  invariant(writing(), "a write is completed only while one is pending");
  engine::Persist write = std::move(pending_.front());
  pending_.pop_front();
  for (const auto& record : write.records) durable_.replay(record);
  return write;
}

void NodeDisk::append_block(const ledger::Block& block) {
  invariant(block.header.height.value() == blocks_.size() + 1, "blocks are appended in order");
  blocks_.emplace_back(ledger::encode_block(block));
}

void NodeDisk::trim_log() {
  sync_blocks();
  trimmed_ = std::max(trimmed_, Slot(synced_));
  durable_.trim(trimmed_);
}

std::vector<SharedBytes> NodeDisk::load(Height first, std::size_t bytes_max) const {
  std::vector<SharedBytes> found;
  std::size_t bytes = 0;
  for (std::size_t i = first.value() == 0 ? 0 : first.value() - 1; i < blocks_.size(); ++i) {
    if (!found.empty() && bytes + blocks_[i].size() > bytes_max) break;
    bytes += blocks_[i].size();
    found.push_back(blocks_[i]);
  }
  return found;
}

void NodeDisk::crash(Prng* chaos) {
  std::size_t kept = synced_;
  if (chaos != nullptr) {
    kept = chaos->between(synced_, blocks_.size());
    // Whole writes first, then perhaps the first records of the next one: a torn write.
    std::uint64_t survivors = chaos->between(0, pending_.size());
    while (survivors-- > 0) complete_write();
    if (writing() && chaos->chance(1, 2)) {
      const auto& torn = pending_.front().records;
      const std::uint64_t records = chaos->between(0, torn.size());
      for (std::size_t i = 0; i < records; ++i) durable_.replay(torn[i]);
    }
  }
  blocks_.resize(kept);
  // What is found at the start is what the node trusts from then on.
  synced_ = kept;
  pending_.clear();
  at_start_ = durable_;
}

void NodeDisk::wipe() {
  *this = NodeDisk();
  // The log that is begun in place of a lost one says so in its first record.
  durable_.abstain = {Slot(0), true};
}

void NodeDisk::damage_blocks(Height keep) {
  repair_through_ = std::max(repair_through_, Height(blocks_.size()));
  blocks_.resize(std::min<std::size_t>(blocks_.size(), keep.value()));
  synced_ = blocks_.size();
}

void NodeDisk::forge_blocks(ClusterId cluster, Height from) {
  const std::vector<SharedBytes> old = std::move(blocks_);
  blocks_.clear();
  ledger::Chain chain(cluster);
  for (std::size_t i = 0; i < old.size(); ++i) {
    auto block = ledger::decode_block(old[i]);
    invariant(block.ok(), "the simulated disk holds whole blocks");
    if (i + 1 < from.value()) {
      invariant(chain.append(*block).ok(), "the simulated disk holds a chain");
      blocks_.push_back(old[i]);
      continue;
    }
    // The operations vanish: every later block changes through its link.
    blocks_.emplace_back(
        ledger::encode_block(chain.extend(SharedBytes(), {}, block->header.timestamp, 0, 0)));
  }
}

engine::Recovered NodeDisk::recover(ClusterId cluster) const {
  engine::Recovered recovered(cluster);
  for (const auto& octets : blocks_) {
    const auto block = ledger::decode_block(octets);
    invariant(block.ok(), "the simulated disk holds whole blocks");
    invariant(recovered.applied.apply_block(*block).ok(), "the simulated disk holds a chain");
  }
  recovered.durable = durable_;
  recovered.log_complete_above = trimmed_;
  recovered.log_lost = durable_.abstain.open;
  if (repair_through_.value() > blocks_.size()) {
    recovered.repair_through = repair_through_;
    recovered.damage = "block files damaged above height " + std::to_string(blocks_.size());
  }
  return recovered;
}

}  // namespace paxledger::sim
