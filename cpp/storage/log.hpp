// The write-ahead log: what this node promised.
//
// docs/reference/log-format.md and storage/log_format.hpp give the layout; docs/decisions/0003
// says how a torn tail is told from damage.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/disk.hpp"
#include "storage/log_format.hpp"
#include "storage/notice.hpp"
#include "wire/log_record.hpp"

namespace paxledger::storage {

struct LogOptions {
  std::uint64_t segment_bytes = std::uint64_t{16} << 20;  // a multiple of kSectorBytes, >= 8 KiB
};

// Where a log lives and whose it is.
struct LogPlace {
  std::string directory;  // exists
  std::string set_aside;  // exists
  ClusterId cluster;
  NodeId node;
};

// What the log said at start.
struct LogReport {
  // Everything that the records amount to; if `lost`, only what can still be used: promise,
  // generations.
  paxos::DurableState state;
  // Acceptances above this slot are all in `state`; those at or below it may have been trimmed.
  Slot complete_above;
  // Blocks up to this height were durable in the block files when the log was last trimmed.
  Height blocks_through;
  // Acknowledged records are damaged or missing. `damage` says file, offset and slots.
  bool lost = false;
  std::string damage;
  std::uint64_t sequence_max = 0;  // no batch with a higher sequence was seen
  std::vector<Notice> notices;
};

// Invariants:
//  1. When append() returns a success, its records and all before them survive a power loss.
//  2. Batch k + 1 is written only after the sync of batch k returned; so of all batches only the
//     last one can be torn by a crash.
//  3. The oldest segment kept is the one that the newest header or trim batch names; acceptances
//     above complete_above() stand in the segments kept.
//  4. After the first error every further call fails: nothing is retried.
// Not thread-safe. Does not own the disk.
class Log {
 public:
  struct Opened {
    std::unique_ptr<Log> log;  // null if report.lost; then start_over() is what is left to do
    LogReport report;
  };
  // Replays the log, cuts off a torn tail, finishes an interrupted rotation or trim, and makes
  // sure by a sync that everything reported is durable. Errors: io; configuration (newer format).
  static Result<Opened> open(Disk& disk, const LogPlace& place, const LogOptions& options);

  // Begins a log in which nothing from before counts: its first segment's header carries `small`
  // (promise, generations, abstain; acceptances are ignored). Segments that are there already are
  // set aside. For a new node, a rejoining one, and after damage (`found` is its report).
  static Result<std::unique_ptr<Log>> start_over(Disk& disk, const LogPlace& place,
                                                 const LogOptions& options, SegmentOrigin origin,
                                                 const LogReport& found);

  // One batch: one contiguous write and one sync. Records keep their order.
  Result<void> append(std::span<const paxos::DurableRecord> records);

  // Blocks up to `blocks_through` are durable: forgets old segments whose acceptances all stand
  // at or below that height, after a record of that has become durable.
  Result<void> trim(Height blocks_through);

  // A zero-filled file to become the next segment was prepared (prepare_spare) and is durable.
  void spare_is_ready() { spare_ready_ = true; }
  [[nodiscard]] bool wants_spare() const { return !spare_ready_; }
  [[nodiscard]] std::string spare_path() const;
  [[nodiscard]] std::uint64_t segment_bytes() const { return options_.segment_bytes; }

  [[nodiscard]] Slot complete_above() const { return complete_above_; }
  [[nodiscard]] Height blocks_through() const { return blocks_through_; }
  [[nodiscard]] std::uint64_t next_sequence() const { return next_sequence_; }
  [[nodiscard]] std::size_t segment_count() const { return segments_.size(); }
  // Octets of the last append as they went to disk.
  [[nodiscard]] std::uint64_t last_write_bytes() const { return last_write_bytes_; }

 private:
  struct Segment {
    std::uint64_t first = 0;  // sequence of its header batch; its name
    std::uint64_t bytes = 0;
    Slot slot_max;  // highest slot accepted in it
  };

  Log(Disk& disk, LogPlace place, LogOptions options);
  Result<void> write_batch(BatchKind kind, std::string_view payload);
  Result<void> rotate(std::uint64_t bytes_needed);
  Result<void> create_segment(std::uint64_t bytes, SegmentOrigin origin);
  Result<void> remove_segments_before(std::uint64_t begin);
  Result<void> set_aside_before(std::uint64_t begin);
  Result<std::vector<std::string>> segments_on_disk_before(std::uint64_t begin);
  Result<void> fail(Error error);
  void remember(const paxos::DurableRecord& record);

  Disk& disk_;
  LogPlace place_;
  LogOptions options_;
  std::unique_ptr<File> head_;  // the newest segment
  std::uint64_t head_offset_ = 0;
  std::vector<Segment> segments_;  // oldest first; the last one is the head
  std::uint64_t next_sequence_ = 1;
  paxos::DurableState small_;  // without acceptances
  Slot complete_above_;
  Height blocks_through_;
  bool spare_ready_ = false;
  bool failed_ = false;
  Error failure_;
  std::uint64_t last_write_bytes_ = 0;
};

// Creates and syncs a zero-filled file at `path`, replacing what is there. The zeros are written,
// not only reserved, so that later writes neither run out of space nor change the file's metadata;
// they are written and synced in pieces, so that nobody waits behind one large flush, and `pace`
// is called before each piece with the octets that stand. May run on another thread than the log's.
Result<void> prepare_spare(Disk& disk, const std::string& path, std::uint64_t bytes,
                           const std::function<void(std::uint64_t done)>& pace = {});

}  // namespace paxledger::storage
