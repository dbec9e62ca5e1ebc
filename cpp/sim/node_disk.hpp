// The disk of one node of the simulated cluster, in memory: a write-ahead log and block files.
//
// It keeps exactly what the contract of the engine allows it to keep, and loses everything else at
// a crash: that is what makes it hostile.
#pragma once

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/prng.hpp"
#include "engine/io.hpp"
#include "engine/replica.hpp"
#include "paxos/records.hpp"

namespace paxledger::sim {

// Invariants:
//  1. durable() is what the completed writes amount to, in the order of their tickets.
//  2. blocks_synced() <= block_count(); a crash loses blocks above blocks_synced() only.
//  3. trimmed() <= blocks_synced() unless blocks were damaged: the log is never trimmed above what
//     the block files hold.
class NodeDisk {
 public:
  // A write of the log that was handed over and is not durable yet.
  void begin_write(engine::Persist write) { pending_.push_back(std::move(write)); }
  [[nodiscard]] bool writing() const { return !pending_.empty(); }
  [[nodiscard]] std::size_t pending_count() const { return pending_.size(); }
  // The oldest pending write becomes durable. Precondition: writing().
  engine::Persist complete_write();

  void append_block(const ledger::Block& block);
  void sync_blocks() { synced_ = blocks_.size(); }
  // Syncs the blocks and forgets the acceptances that they cover.
  void trim_log();
  // Encoded blocks of `first` and above, at least one if there is one, about `bytes_max` octets.
  [[nodiscard]] std::vector<SharedBytes> load(Height first, std::size_t bytes_max) const;

  // Loses the blocks that are not synced, and the pending writes. With `chaos`, a prefix of either
  // survives: the crash came while the disk was at work.
  void crash(Prng* chaos);
  // Loses everything.
  void wipe();
  // The block files are found damaged above `keep`, and cut off there.
  void damage_blocks(Height keep);
  // Planted bugs, to test the checkers: from now on a crash loses what was reported as durable
  // since the last crash; the acceptances are gone.
  void lie() { durable_ = at_start_; }
  void forget_acceptances() { durable_.accepted.clear(); }
  // Somebody rewrites history: blocks from `from` on are replaced by others that link well.
  void forge_blocks(ClusterId cluster, Height from);

  // What a node finds here when it starts.
  [[nodiscard]] engine::Recovered recover(ClusterId cluster) const;

  [[nodiscard]] const paxos::DurableState& durable() const { return durable_; }
  [[nodiscard]] std::size_t block_count() const { return blocks_.size(); }
  [[nodiscard]] std::size_t blocks_synced() const { return synced_; }
  [[nodiscard]] Slot trimmed() const { return trimmed_; }
  [[nodiscard]] const std::vector<SharedBytes>& blocks() const { return blocks_; }

 private:
  paxos::DurableState durable_;
  paxos::DurableState at_start_;  // durable() as the last crash left it
  std::deque<engine::Persist> pending_;
  std::vector<SharedBytes> blocks_;  // blocks_[h - 1] is the encoded block of height h
  std::size_t synced_ = 0;
  Slot trimmed_;
  Height repair_through_;
};

}  // namespace paxledger::sim
