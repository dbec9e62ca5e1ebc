// What waits for the log, and what goes into its next write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "wire/log_record.hpp"

namespace paxledger::storage {

// One turn of the log's writer: first the records as one batch, then the tickets up to `highest`
// are durable, then the trim.
struct LogWork {
  std::vector<paxos::DurableRecord> records;
  Ticket highest;  // 0: nothing was submitted
  std::size_t bytes = 0;
  std::optional<Height> trim_to;
};

// Group commit: whatever was submitted while one batch was being written goes into the next one.
//
// Invariants:
//  1. Submissions leave in the order in which they came, each with all of its records.
//  2. Trims rise.
// Not thread-safe.
class LogQueue {
 public:
  // Precondition: `ticket` is above every one before.
  void submit(Ticket ticket, std::vector<paxos::DurableRecord> records);
  // Blocks up to `blocks_through` are durable. False if that was known before.
  bool trim(Height blocks_through);

  [[nodiscard]] bool empty() const { return submissions_.empty() && !trim_wanted_; }
  [[nodiscard]] std::size_t submissions() const { return submissions_.size(); }
  // Takes submissions until they have `bytes_max` octets or are `count_max`, but at least one if
  // there is one, and the trim that is wanted.
  [[nodiscard]] LogWork take(std::size_t bytes_max, std::size_t count_max = SIZE_MAX);

 private:
  struct Submission {
    Ticket ticket;
    std::vector<paxos::DurableRecord> records;
    std::size_t bytes = 0;
  };
  std::vector<Submission> submissions_;
  Height trim_to_;
  bool trim_wanted_ = false;
};

// What the records of one submission come to in the queue.
[[nodiscard]] std::size_t bytes_of(const std::vector<paxos::DurableRecord>& records);

}  // namespace paxledger::storage
