// The disk of one node of the simulated cluster, with what the node keeps on it: the production
// storage over a disk in memory.
//
// What the threads of storage do happens here when it is asked for, in their order: records gather
// until a group of them is written with one sync, blocks gather until something is done with the
// block files, a block sync is followed by a trim of the log, a spare segment is prepared ahead.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/prng.hpp"
#include "base/result.hpp"
#include "engine/io.hpp"
#include "engine/replica.hpp"
#include "paxos/records.hpp"
#include "sim/flipped_bits.hpp"
#include "sim/simulated_disk.hpp"
#include "storage/block_recovery.hpp"
#include "storage/log_queue.hpp"
#include "storage/recovery.hpp"

namespace paxledger::sim {

// Sizes of files. Small ones make rotation, trimming and set-aside frequent.
struct DiskOptions {
  std::uint64_t segment_bytes = 16'384;  // a multiple of 512, at least 8 KiB
  std::uint64_t block_file_bytes = std::uint64_t{64} << 20;
};

// What a node was told is durable when it went down, and what was on its way to its log then.
struct Remembered {
  paxos::DurableState durable;           // as far as it is known to be kept
  std::vector<engine::Persist> pending;  // each of them whole or not at all, in this order
  Height synced;
  Height decided;  // at the start before; of slots up to it the log may say more than `durable`
  // Parts of it are gone, and the checker knows: what was lost, damaged, or set aside on purpose.
  bool log_lost = false;
  bool blocks_lost = false;
  // Since the last sync of blocks sectors may have been written in part, or a file not have become
  // shorter. Block files carry no marks, so that either may be called damage of blocks that were
  // never synced.
  bool torn = false;
  // What storage should have told of and did not.
  std::vector<std::string> untold;
};

// Invariants:
//  1. durable() is what the completed writes amount to, in the order of their tickets; what is
//     above trimmed() stands in the log.
//  2. After the first failed operation nothing is written any more; failure() says why, and the
//     node ends: crash() or kill() is all that is left to do.
// Not thread-safe.
class NodeDisk {
 public:
  NodeDisk(std::string cluster_name, ClusterId cluster, NodeId node, const DiskOptions& options);
  ~NodeDisk();
  NodeDisk(const NodeDisk&) = delete;
  NodeDisk& operator=(const NodeDisk&) = delete;

  // --- the life of a node

  // Recovers as a node that starts. An operator stands by: a node that lost its directory or its
  // identity is started to rejoin. Precondition: !open(). Errors: those of recover_storage.
  Result<engine::Recovered> start();
  [[nodiscard]] bool open() const { return storage_.has_value(); }
  // What storage said at the last start.
  [[nodiscard]] const std::vector<storage::Notice>& notices() const { return notices_; }
  // What had been promised to the node before the last start.
  [[nodiscard]] const Remembered& remembered() const { return remembered_; }

  // A write of the log that was handed over and is not durable yet.
  void begin_write(engine::Persist write);
  [[nodiscard]] bool writing() const { return !pending_.empty(); }
  [[nodiscard]] std::size_t pending_count() const { return pending_.size(); }
  // The `count` oldest pending writes become durable by one write and one sync. None if that
  // failed. Precondition: writing(), count > 0.
  std::vector<engine::Persist> complete_writes(std::size_t count);

  void append_block(const ledger::Block& block);
  // Syncs the blocks; the log forgets whole segments that they cover.
  void sync_blocks();
  // The same, in a log whose segment happens to be full: it forgets all acceptances that they
  // cover.
  void trim_log();
  // Encoded blocks of `first` and above, at least one if there is one, about `bytes_max` octets.
  // Errors: damaged; the node repairs.
  Result<std::vector<SharedBytes>> load(Height first, std::size_t bytes_max);
  // The blocks from `first` on are moved out of the way, as they are not the cluster's.
  void set_blocks_aside(Height first);

  // The first operation that failed since the start. The process that is told so ends.
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

  // --- its end, and what else befalls it

  // Power loss: what is not synced is lost. With `chaos`, it comes while the disk is at work, at
  // any operation of that, and again while the node recovers; and what was not synced is lost,
  // kept or torn, as `unsynced` says, or else `chaos`, or else lost.
  void crash(Prng* chaos, std::optional<SimulatedDisk::Unsynced> unsynced = {});
  // The process ends, the machine does not. With `chaos`, at any operation.
  void kill(Prng* chaos);
  // Loses everything.
  void wipe();
  // Loses all segments of the log, or all block files. Precondition: !open().
  void lose_log();
  void lose_blocks();
  // One bit of one file flips, whether the node runs or not, and is written down here; nothing if
  // there is nothing to flip. A log has one flipped bit at most: a mark and another octet of its
  // last batch together look like a torn tail (docs/decisions/0003).
  std::optional<SimulatedDisk::Flip> flip_bit(Prng& random);
  // Whether a flipped bit stands where something is kept, or may be some day, and no start has
  // told of it and moved it out of the way.
  [[nodiscard]] bool flawed() const;
  // A bit of the block above `keep` flips, if there is one. Precondition: !open().
  void damage_blocks(Height keep);
  // Planted bugs, to test the checkers: at its end the log has lost what was reported as durable
  // since the last start; or the acceptances.
  void lie() { replace_log_with_ = at_start_; }
  void forget_acceptances();
  // Somebody rewrites history: blocks from `from` on are replaced by others that link well.
  // Precondition: !open().
  void forge_blocks(Height from);

  // --- looking

  [[nodiscard]] const paxos::DurableState& durable() const { return durable_; }
  // The log holds every acceptance above this slot.
  [[nodiscard]] Slot trimmed() const { return trimmed_; }
  [[nodiscard]] std::size_t block_count() const;
  [[nodiscard]] Height synced() const { return synced_; }
  // blocks()[h - 1] is the encoded block of height h. Reads all files.
  [[nodiscard]] std::vector<SharedBytes> blocks() const;
  [[nodiscard]] SimulatedDisk& disk() { return *disk_; }
  [[nodiscard]] storage::DirectoryPaths paths() const { return {root_}; }

 private:
  struct BlockFrames {
    std::vector<ledger::Block> blocks;
    std::vector<storage::BlockRecovery::GoodFile> files;
  };

  // The intact blocks on disk.
  [[nodiscard]] BlockFrames read_blocks() const;
  [[nodiscard]] storage::StorageOptions storage_options(storage::OpenMode mode) const;
  [[nodiscard]] storage::LogPlace log_place() const;
  [[nodiscard]] storage::BlockPlace block_place() const;
  Result<storage::RecoveredStorage> recover(const storage::BlockConsumer& consume);
  bool check(const Result<void>& result);
  bool prepare_spare();
  bool write_group(storage::LogWork work);
  bool flush_blocks();
  void work_while_dying(Prng& chaos);
  void close();
  // How it ends: the machine loses power, with what was not synced, or only the process ends.
  struct End {
    bool power_loss = false;
    std::optional<SimulatedDisk::Unsynced> unsynced;
  };
  void end(Prng& chaos, const End& how);
  void go_down(Prng& chaos, const End& how);
  std::vector<KeptFlip> verify_flips();
  void check_report(const std::vector<KeptFlip>& flips, const engine::Recovered& recovered);
  void replace_log(const paxos::DurableState& state);

  std::string root_;
  std::string cluster_name_;
  ClusterId cluster_;
  NodeId node_;
  DiskOptions options_;
  std::unique_ptr<SimulatedDisk> disk_;
  std::optional<storage::RecoveredStorage> storage_;  // while the node runs
  std::vector<storage::Notice> notices_;
  bool begun_ = false;  // a start has succeeded once
  std::optional<Error> failure_;

  storage::LogQueue queue_;
  std::deque<engine::Persist> pending_;  // what queue_ holds, with what leaves after it
  std::size_t writes_without_spare_ = 0;
  std::vector<ledger::Block> unwritten_;  // handed over, not yet in a file

  // What a ghost knows.
  paxos::DurableState durable_;
  paxos::DurableState at_start_;
  Slot trimmed_;
  Height synced_;
  Height decided_at_start_;
  bool log_lost_ = false;
  bool blocks_lost_ = false;
  bool log_flipped_ = false;
  bool log_gone_ = false;
  bool blocks_gone_ = false;
  bool torn_ = false;
  Height repair_through_;
  std::vector<std::string> untold_;
  Remembered remembered_;
  std::optional<paxos::DurableState> replace_log_with_;
};

}  // namespace paxledger::sim
