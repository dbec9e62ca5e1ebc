#include "storage/log_queue.hpp"

#include <iterator>
#include <utility>

namespace paxledger::storage {

std::size_t bytes_of(const std::vector<paxos::DurableRecord>& records) {
  std::size_t bytes = 0;
  for (const auto& record : records) bytes += wire::log_record_bytes(record);
  return bytes;
}

void LogQueue::submit(Ticket ticket, std::vector<paxos::DurableRecord> records) {
  const std::size_t bytes = bytes_of(records);
  submissions_.push_back({ticket, std::move(records), bytes});
}

bool LogQueue::trim(Height blocks_through) {
  if (trim_to_ >= blocks_through) return false;
  trim_to_ = blocks_through;
  trim_wanted_ = true;
  return true;
}

LogWork LogQueue::take(std::size_t bytes_max, std::size_t count_max) {
  LogWork work;
  std::size_t taken = 0;
  while (taken < submissions_.size() && taken < count_max &&
         (taken == 0 || work.bytes < bytes_max)) {
    Submission& submission = submissions_[taken++];
    work.bytes += submission.bytes;
    work.highest = submission.ticket;
    std::move(submission.records.begin(), submission.records.end(),
              std::back_inserter(work.records));
  }
  submissions_.erase(submissions_.begin(),
                     submissions_.begin() + static_cast<std::ptrdiff_t>(taken));
  if (std::exchange(trim_wanted_, false)) work.trim_to = trim_to_;
  return work;
}

}  // namespace paxledger::storage
