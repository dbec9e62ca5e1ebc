// The thread that makes promises durable.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/fatal.hpp"
#include "storage/log.hpp"
#include "storage/log_queue.hpp"
#include "storage/sync_counters.hpp"
#include "wire/log_record.hpp"

namespace paxledger::storage {

struct LogThreadOptions {
  // submit() waits while more than this many octets of records are queued. Whoever must not wait
  // sets it above what it lets wait for the disk.
  std::size_t queue_bytes_max = std::size_t{256} << 20;
  // At most about this much goes into one write.
  std::size_t group_bytes_max = std::size_t{16} << 20;
  // Zero-filled segments are prepared ahead on a second thread.
  bool prepare_ahead = true;
  // The zeros of a segment are spread over the time in which the one before it fills: for each
  // octet of the log this many may be written. More than one, so that it is ready in time.
  std::uint64_t zeros_per_octet = 2;
};

// Owns the log and writes it. Group commit: while one batch is being synced, submissions gather,
// and the next write takes all of them.
//
// Guarantees:
//  1. `durable(t)` is called on this object's thread, with rising tickets, after every record of
//     the tickets up to t survives a power loss.
//  2. After the first failed write or sync nothing is written or reported any more; the fatal
//     handler was called, which by default ends the process.
// All public functions are thread-safe; tickets must rise in the order of the submit() calls.
class LogThread {
 public:
  LogThread(Disk& disk, std::unique_ptr<Log> log, LogThreadOptions options,
            std::function<void(Ticket)> durable, FatalHandler fatal = end_the_process);
  // Writes what was submitted, then joins.
  ~LogThread();
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  void submit(Ticket ticket, std::vector<paxos::DurableRecord> records);
  // See Log::trim. Carried out between two writes.
  void trim(Height blocks_through);
  // Writes what was submitted and ends the threads; submit() must not be called afterwards.
  // Idempotent.
  void stop();

  [[nodiscard]] const SyncCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_.load(); }

 private:
  void run();
  void run_preparer();
  void keep_pace(std::uint64_t prepared);
  bool write_group(std::vector<paxos::DurableRecord> records, Ticket highest);
  bool write_trim(Height blocks_through);
  bool fail(const Error& error);

  Disk& disk_;
  std::unique_ptr<Log> log_;  // used by the writer only
  LogThreadOptions options_;
  std::function<void(Ticket)> durable_;
  FatalHandler fatal_;
  SyncCounters counters_;
  std::atomic<std::size_t> queued_bytes_{0};

  std::mutex mutex_;
  std::condition_variable work_;   // for the writer
  std::condition_variable room_;   // for submit()
  std::condition_variable spare_;  // for the preparer
  LogQueue queue_;
  bool stopping_ = false;
  bool failed_ = false;
  // Handed over: the log was told of it. It may become ready while the log writes, and is not taken
  // then.
  enum class Spare : std::uint8_t { none, wanted, ready, handed_over } spare_state_ = Spare::none;
  std::string spare_path_;
  std::uint64_t spare_bytes_ = 0;
  std::uint64_t grown_ = 0;         // octets that went into the log since the last spare was taken
  std::uint64_t grown_wanted_ = 0;  // what the preparer waits for

  std::thread writer_;
  std::thread preparer_;
};

}  // namespace paxledger::storage
