// Reading a log without changing it: what it says, and what is wrong with it.
//
// How a torn tail is told from damage (docs/decisions/0003 argues it). Let k be the first batch
// that is not intact. Batch k + 1 is written only after the sync of batch k returned, so:
//
//  1. Anything intact with a sequence above k (a batch, a segment's name, a seal) proves that
//     batch k was acknowledged: damage.
//  2. Otherwise batch k is the last one. If one of its sectors has no mark, that sector was never
//     completely written, so the sync did not return: a torn tail, which promises nothing.
//  3. Otherwise every sector was written and the contents are wrong: damage.
//
// What is not zero where nothing was ever written is neither: it is reported and written over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/disk.hpp"
#include "storage/log.hpp"
#include "storage/log_format.hpp"

namespace paxledger::storage {

struct LogDamage {
  std::string file;
  std::uint64_t offset = 0;
  std::string text;  // names file and offset as well
};

struct ScannedSegment {
  std::uint64_t first = 0;
  std::uint64_t bytes = 0;
  std::uint64_t end = 0;  // where its last intact batch ends
  Slot slot_max;
  SegmentOrigin origin = SegmentOrigin::rotated;
  // Space that was never used and is not zero; empty if bytes is 0.
  std::uint64_t dirty_offset = 0;
  std::uint64_t dirty_bytes = 0;
  bool sealed = false;
};

struct LogScan {
  LogReport report;  // report.lost == !damages.empty()
  std::vector<LogDamage> damages;
  std::vector<ScannedSegment> segments;  // those that count, oldest first
  std::uint64_t next_sequence = 1;
  // The last batch as it should stand on disk, and where in the last segment.
  std::string last_batch;
  std::uint64_t last_batch_offset = 0;
};

// Errors: io; configuration (newer format). Damage is no error.
[[nodiscard]] Result<LogScan> scan_log(Disk& disk, const LogPlace& place);

}  // namespace paxledger::storage
