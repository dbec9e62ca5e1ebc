#include "storage/block_thread.hpp"

#include <pthread.h>

#include <iterator>
#include <utility>

namespace paxledger::storage {

namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t microseconds_since(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
}

}  // namespace

BlockThread::BlockThread(Disk& disk, std::unique_ptr<BlockStore> store, BlockThreadOptions options,
                         std::function<void(Height)> synced, FatalHandler fatal)
    : disk_(disk),
      store_(std::move(store)),
      options_(options),
      synced_(std::move(synced)),
      fatal_(std::move(fatal)),
      dirty_(store_->unsynced_bytes() > 0),
      dirty_since_(Clock::now()) {
  writer_ = std::thread([this] { run(); });
  verifier_ = std::thread([this] { run_verifier(); });
}

BlockThread::~BlockThread() {
  stop();
}

void BlockThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  room_.notify_all();
  if (writer_.joinable()) writer_.join();
  verify_work_.notify_all();
  if (verifier_.joinable()) verifier_.join();
}

void BlockThread::enqueue(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    queue_.push_back(std::move(task));
    only_appends_ = false;
  }
  work_.notify_one();
}

void BlockThread::append(std::vector<ledger::Block> blocks) {
  std::size_t bytes = 0;
  for (const auto& block : blocks) bytes += ledger::kHeaderBytes + block.ops.size();
  {
    std::unique_lock lock(mutex_);
    room_.wait(
        lock, [this] { return queued_bytes_ <= options_.queue_bytes_max || stopping_ || failed_; });
    if (failed_) return;
    const bool first = queue_.empty();
    const bool was_urgent = is_urgent();
    if (first) gathered_since_ = Clock::now();
    queued_bytes_ += bytes;
    gathered_bytes_ += bytes;
    auto* last = first ? nullptr : std::get_if<Append>(&queue_.back());
    if (last != nullptr && last->bytes < options_.gather_bytes) {
      std::move(blocks.begin(), blocks.end(), std::back_inserter(last->blocks));
      last->bytes += bytes;
    } else {
      queue_.push_back(Append{std::move(blocks), bytes});
    }
    // In between, the writer is either gathering or busy.
    if (!first && (was_urgent || !is_urgent())) return;
  }
  work_.notify_one();
}

// Whether what is queued is to be carried out without gathering further.
bool BlockThread::is_urgent() const {
  return !only_appends_ || gathered_bytes_ >= options_.gather_bytes;
}

void BlockThread::load(Height first, std::size_t bytes_max, Loaded loaded) {
  enqueue(Load{first, bytes_max, std::move(loaded)});
}

void BlockThread::verify(Verified verified) {
  enqueue(Verify{std::move(verified)});
}

void BlockThread::sync(std::function<void(Height)> done) {
  enqueue(Sync{std::move(done)});
}

void BlockThread::set_aside_from(Height first, std::function<void()> done) {
  enqueue(SetAside{first, std::move(done)});
}

// Waits for tasks and lets appends gather, or until what was appended is due to be synced. Gives
// false at the end.
bool BlockThread::wait_for_tasks(std::deque<Task>& tasks) {
  std::unique_lock lock(mutex_);
  const auto any = [this] { return !queue_.empty() || stopping_ || failed_; };
  if (dirty_) {
    work_.wait_until(lock, dirty_since_ + options_.sync_interval, any);
  } else {
    work_.wait(lock, any);
  }
  if (!queue_.empty()) {
    work_.wait_until(lock, gathered_since_ + options_.gather_interval,
                     [this] { return is_urgent() || stopping_ || failed_; });
  }
  tasks.swap(queue_);
  gathered_bytes_ = 0;
  only_appends_ = true;
  return !failed_ && !(tasks.empty() && stopping_);
}

void BlockThread::run() {
  ::pthread_setname_np(::pthread_self(), "blocks");
  std::deque<Task> tasks;
  while (wait_for_tasks(tasks)) {
    for (Task& task : tasks) {
      std::visit([this](auto& one) { carry_out(one); }, task);
      if (has_failed()) break;
    }
    tasks.clear();
    const bool due = store_->unsynced_bytes() >= options_.sync_bytes ||
                     Clock::now() >= dirty_since_ + options_.sync_interval;
    if (dirty_ && due) sync_store();
  }
  if (!has_failed() && dirty_) sync_store();
  {
    const std::lock_guard lock(mutex_);
    writer_done_ = true;
  }
  verify_work_.notify_all();
}

void BlockThread::carry_out(Append& task) {
  const auto start = Clock::now();
  const std::uint64_t before = store_->unsynced_bytes();
  const auto appended = store_->append(task.blocks);
  if (!appended) return fail(appended.error());
  counters_.records.fetch_add(task.blocks.size(), std::memory_order_relaxed);
  counters_.batches.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t after = store_->unsynced_bytes();
  counters_.bytes.fetch_add(after >= before ? after - before : after, std::memory_order_relaxed);
  if (!dirty_) dirty_since_ = start;
  dirty_ = true;
  {
    const std::lock_guard lock(mutex_);
    queued_bytes_ -= task.bytes;
  }
  room_.notify_all();
  // Not only after the whole queue: a long one would grow what a power loss takes.
  if (store_->unsynced_bytes() >= options_.sync_bytes) sync_store();
}

void BlockThread::carry_out(Load& task) {
  task.loaded(store_->read(task.first, task.bytes_max));
}

void BlockThread::carry_out(Verify& task) {
  {
    const std::lock_guard lock(mutex_);
    const auto extent = store_->extent();
    // A job that waits has not read anything yet; it may as well read up to here.
    if (verify_jobs_.empty()) verify_jobs_.emplace_back();
    verify_jobs_.back().extent = extent;
    verify_jobs_.back().verified.push_back(std::move(task.verified));
  }
  verify_work_.notify_one();
}

void BlockThread::carry_out(Sync& task) {
  sync_store();
  if (!has_failed() && task.done) task.done(store_->synced());
}

void BlockThread::carry_out(SetAside& task) {
  const auto moved = store_->set_aside_from(task.first);
  if (!moved) return fail(moved.error());
  if (task.done) task.done();
}

void BlockThread::sync_store() {
  const auto start = Clock::now();
  const auto height = store_->sync();
  if (!height) return fail(height.error());
  dirty_ = false;
  counters_.observe_sync(microseconds_since(start));
  if (synced_) synced_(*height);
}

bool BlockThread::has_failed() {
  const std::lock_guard lock(mutex_);
  return failed_;
}

void BlockThread::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  room_.notify_all();
  fatal_(error);
}

void BlockThread::run_verifier() {
  ::pthread_setname_np(::pthread_self(), "verifier");
  for (;;) {
    VerifyJob job;
    {
      std::unique_lock lock(mutex_);
      verify_work_.wait(lock, [this] { return !verify_jobs_.empty() || writer_done_; });
      if (verify_jobs_.empty()) return;
      job = std::move(verify_jobs_.front());
      verify_jobs_.pop_front();
    }
    const auto report = verify_blocks(disk_, store_->place(), job.extent, {});
    for (const Verified& verified : job.verified) verified(report);
  }
}

}  // namespace paxledger::storage
