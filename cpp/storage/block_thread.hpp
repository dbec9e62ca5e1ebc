// The thread that keeps and reads the block files.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "ledger/block.hpp"
#include "storage/block_store.hpp"
#include "storage/fatal.hpp"
#include "storage/sync_counters.hpp"
#include "storage/verify.hpp"

namespace paxledger::storage {

struct BlockThreadOptions {
  // Appended blocks are written once they come to this much, or this long after the first of them:
  // waking a thread for every block costs more than writing it. Whoever asks for anything else
  // (a read, a sync …) does not wait for that.
  std::size_t gather_bytes = std::size_t{256} << 10;
  Duration gather_interval = std::chrono::milliseconds(50);
  std::uint64_t sync_bytes = std::uint64_t{32} << 20;    // sync after this much was appended
  Duration sync_interval = std::chrono::seconds(5);      // … or this long after an append
  std::size_t queue_bytes_max = std::size_t{256} << 20;  // append() waits above this
};

// Owns the block store. Operations are carried out in the order of the calls; callbacks run on
// this object's threads. A process that is killed loses the blocks that were still gathered here,
// as a power loss takes those that were not synced: the log has what they were decided from until
// they are synced. After the first failed write or sync nothing more is written; the fatal
// handler was called, which by default ends the process. All public functions are thread-safe.
class BlockThread {
 public:
  using Loaded = std::function<void(Result<std::vector<SharedBytes>>)>;
  using Verified = std::function<void(Result<VerifyReport>)>;

  // `synced(h)`: the blocks up to h are durable; meant for LogThread::trim.
  BlockThread(Disk& disk, std::unique_ptr<BlockStore> store, BlockThreadOptions options,
              std::function<void(Height)> synced, FatalHandler fatal = end_the_process);
  // Appends and syncs what was handed over, then joins.
  ~BlockThread();
  BlockThread(const BlockThread&) = delete;
  BlockThread& operator=(const BlockThread&) = delete;

  // Heights go on without a gap from the store's height at the start (or from the last
  // set_aside_from).
  void append(std::vector<ledger::Block> blocks);
  // See BlockStore::read. Sees every block appended before.
  void load(Height first, std::size_t bytes_max, Loaded loaded);
  // Verifies what was appended before, on a thread of its own; several requests share one run if
  // they come while one waits.
  void verify(Verified verified);
  // Syncs; `synced` of the constructor is called as well. `done` may be empty.
  void sync(std::function<void(Height)> done = {});
  // See BlockStore::set_aside_from; `done` is called once that is durable. A failure is fatal.
  void set_aside_from(Height first, std::function<void()> done);
  // Carries out what was asked for, syncs, and ends the threads; nothing may be asked afterwards.
  // Idempotent.
  void stop();

  [[nodiscard]] const SyncCounters& counters() const { return counters_; }

 private:
  struct Append {
    std::vector<ledger::Block> blocks;
    std::size_t bytes = 0;
  };
  struct Load {
    Height first;
    std::size_t bytes_max = 0;
    Loaded loaded;
  };
  struct Verify {
    Verified verified;
  };
  struct Sync {
    std::function<void(Height)> done;
  };
  struct SetAside {
    Height first;
    std::function<void()> done;
  };
  using Task = std::variant<Append, Load, Verify, Sync, SetAside>;

  void run();
  void run_verifier();
  void enqueue(Task task);
  [[nodiscard]] bool is_urgent() const;
  bool wait_for_tasks(std::deque<Task>& tasks);
  void carry_out(Append& task);
  void carry_out(Load& task);
  void carry_out(Verify& task);
  void carry_out(Sync& task);
  void carry_out(SetAside& task);
  void sync_store();
  [[nodiscard]] bool has_failed();
  void fail(const Error& error);

  Disk& disk_;
  std::unique_ptr<BlockStore> store_;  // used by the writer only
  BlockThreadOptions options_;
  std::function<void(Height)> synced_;
  FatalHandler fatal_;
  SyncCounters counters_;

  struct VerifyJob {
    BlockStore::Extent extent;
    std::vector<Verified> verified;
  };
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable room_;
  std::condition_variable verify_work_;
  std::deque<Task> queue_;
  std::size_t queued_bytes_ = 0;    // of appends, those under way included
  std::size_t gathered_bytes_ = 0;  // of appends in queue_
  bool only_appends_ = true;        // in queue_
  std::chrono::steady_clock::time_point gathered_since_;
  std::deque<VerifyJob> verify_jobs_;
  bool stopping_ = false;
  bool writer_done_ = false;
  bool failed_ = false;
  bool dirty_ = false;  // used by the writer only
  std::chrono::steady_clock::time_point dirty_since_;

  std::thread writer_;
  std::thread verifier_;
};

}  // namespace paxledger::storage
