#include "cli/load_tally.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::cli {

std::uint64_t LoadCounts::failed() const {
  std::uint64_t failed = 0;
  for (const auto& [code, count] : errors) failed += count;
  return failed;
}

double LoadResult::per_second() const {
  const double seconds = std::chrono::duration<double>(measured).count();
  return seconds > 0 ? static_cast<double>(counts.completed - completed_late) / seconds : 0;
}

bool LoadResult::all_completed() const {
  return counts.failed() == 0 && counts.unfinished == 0 && warm_up.failed() == 0;
}

LoadTally::LoadTally(Instant begin, Instant measured_from, Instant end)
    : begin_(begin), measured_from_(measured_from), end_(end) {}

LoadTally::Ticket LoadTally::begin(Instant due) {
  // A request counts where it ends; until then it is of both.
  ++measured_.begun;
  if (free_.empty()) {
    requests_.push_back({true, due});
    return requests_.size() - 1;
  }
  const Ticket ticket = free_.back();
  free_.pop_back();
  requests_[ticket] = {true, due};
  return ticket;
}

void LoadTally::end(Ticket ticket, Instant now, ErrorCode code) {
  invariant(ticket < requests_.size() && requests_[ticket].under_way, "a request ends once");
  requests_[ticket].under_way = false;
  free_.push_back(ticket);
  const Duration latency = now - requests_[ticket].due;
  const bool completed = code == ErrorCode::ok || code == ErrorCode::not_found;
  const bool measured = now >= measured_from_;
  if (completed) {
    Since& since = measured ? measured_since_ : warm_up_since_;
    ++since.completed;
    since.slowest = std::max(since.slowest, latency);
  }
  if (!measured) {
    --measured_.begun;
    ++warm_up_.begun;
  }
  LoadCounts& counts = measured ? measured_ : warm_up_;
  completed ? ++counts.completed : ++counts.errors[code];
  if (!measured) return;
  if (completed && now >= end_) ++completed_late_;
  latency_.record(latency);
}

LoadCounts LoadTally::counts_at(Instant now, const LoadCounts& ended) const {
  LoadCounts counts = ended;
  for (const Request& request : requests_) {
    if (!request.under_way) continue;
    ++counts.unfinished;
    counts.oldest = std::max(counts.oldest, now - request.due);
  }
  return counts;
}

LoadProgress LoadTally::progress(Instant now) {
  LoadProgress progress;
  progress.warm_up = now < measured_from_;
  progress.elapsed = now - begin_;
  const Since since = std::exchange(progress.warm_up ? warm_up_since_ : measured_since_, Since());
  progress.completed_since = since.completed;
  progress.slowest_since = since.slowest;
  progress.counts = counts_at(now, progress.warm_up ? warm_up_ : measured_);
  if (progress.warm_up) progress.counts.begun += progress.counts.unfinished;
  return progress;
}

LoadResult LoadTally::result(Instant now) const {
  LoadResult result;
  result.measured = end_ - measured_from_;
  result.counts = counts_at(now, measured_);
  result.completed_late = completed_late_;
  result.warm_up = warm_up_;
  result.latency = latency_;
  for (const Request& request : requests_) {
    if (request.under_way) result.latency.record(now - request.due);
  }
  return result;
}

}  // namespace paxledger::cli
