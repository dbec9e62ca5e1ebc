#include "storage/log_thread.hpp"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace paxledger::storage {

namespace {

std::uint64_t microseconds_since(std::chrono::steady_clock::time_point start) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                        std::chrono::steady_clock::now() - start)
                                        .count());
}

}  // namespace

LogThread::LogThread(Disk& disk, std::unique_ptr<Log> log, LogThreadOptions options,
                     std::function<void(Ticket)> durable, FatalHandler fatal)
    : disk_(disk),
      log_(std::move(log)),
      options_(options),
      durable_(std::move(durable)),
      fatal_(std::move(fatal)),
      spare_path_(log_->spare_path()),
      spare_bytes_(log_->segment_bytes()),
      grown_(spare_bytes_) {  // how full the first segment is, nobody knows: no time is to be lost
  if (options_.prepare_ahead) {
    spare_state_ = Spare::wanted;
    preparer_ = std::thread([this] { run_preparer(); });
  }
  writer_ = std::thread([this] { run(); });
}

LogThread::~LogThread() {
  stop();
}

void LogThread::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  room_.notify_all();
  spare_.notify_all();
  if (writer_.joinable()) writer_.join();
  if (preparer_.joinable()) preparer_.join();
}

void LogThread::submit(Ticket ticket, std::vector<paxos::DurableRecord> records) {
  const std::size_t bytes = bytes_of(records);
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] {
      return queued_bytes_.load() <= options_.queue_bytes_max || stopping_ || failed_;
    });
    if (failed_) return;
    queued_bytes_ += bytes;
    queue_.submit(ticket, std::move(records));
  }
  work_.notify_one();
}

void LogThread::trim(Height blocks_through) {
  {
    const std::lock_guard lock(mutex_);
    if (!queue_.trim(blocks_through)) return;
  }
  work_.notify_one();
}

void LogThread::run() {
  ::pthread_setname_np(::pthread_self(), "log");
  for (;;) {
    LogWork work;
    {
      std::unique_lock lock(mutex_);
      work_.wait(lock, [this] { return !queue_.empty() || stopping_; });
      if (queue_.empty()) return;
      work = queue_.take(options_.group_bytes_max);
      if (spare_state_ == Spare::ready) {
        log_->spare_is_ready();
        spare_state_ = Spare::handed_over;
      }
    }
    const bool written = write_group(std::move(work.records), work.highest) &&
                         (!work.trim_to || write_trim(*work.trim_to));
    if (!written) return;
    bool preparer_goes_on = false;
    {
      const std::lock_guard lock(mutex_);
      queued_bytes_ -= work.bytes;
      const bool waits = grown_ < grown_wanted_;
      grown_ += log_->last_write_bytes();
      preparer_goes_on = waits && grown_ >= grown_wanted_;
      // The log took the spare for a segment; the next one can be prepared.
      if (spare_state_ == Spare::handed_over && log_->wants_spare()) {
        spare_state_ = Spare::wanted;
        grown_ = grown_wanted_ = 0;
        preparer_goes_on = true;
      }
    }
    room_.notify_all();
    if (preparer_goes_on) spare_.notify_one();
  }
}

bool LogThread::write_group(std::vector<paxos::DurableRecord> records, Ticket highest) {
  if (!records.empty()) {
    const auto start = std::chrono::steady_clock::now();
    const auto appended = log_->append(records);
    if (!appended) return fail(appended.error());
    counters_.observe_sync(microseconds_since(start));
    counters_.batches.fetch_add(1, std::memory_order_relaxed);
    counters_.records.fetch_add(records.size(), std::memory_order_relaxed);
    counters_.bytes.fetch_add(log_->last_write_bytes(), std::memory_order_relaxed);
  }
  if (highest != Ticket(0)) durable_(highest);
  return true;
}

bool LogThread::write_trim(Height blocks_through) {
  const auto trimmed = log_->trim(blocks_through);
  return trimmed ? true : fail(trimmed.error());
}

bool LogThread::fail(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
  }
  room_.notify_all();
  spare_.notify_all();
  fatal_(error);
  return false;
}

// The nodes of a cluster fill their segments at the same time. If each wrote the zeros of its next
// one at once, their syncs would wait for them at the same time, too.
void LogThread::keep_pace(std::uint64_t prepared) {
  std::unique_lock lock(mutex_);
  grown_wanted_ = prepared / options_.zeros_per_octet;
  spare_.wait(lock, [this] { return grown_ >= grown_wanted_ || stopping_ || failed_; });
}

void LogThread::run_preparer() {
  ::pthread_setname_np(::pthread_self(), "log preparer");
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      spare_.wait(lock, [this] { return spare_state_ == Spare::wanted || stopping_ || failed_; });
      if (stopping_ || failed_) return;
    }
    const auto prepared = prepare_spare(disk_, spare_path_, spare_bytes_,
                                        [this](std::uint64_t done) { keep_pace(done); });
    if (!prepared) {
      fail(prepared.error());
      return;
    }
    const std::lock_guard lock(mutex_);
    spare_state_ = Spare::ready;
  }
}

}  // namespace paxledger::storage
