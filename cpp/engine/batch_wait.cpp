#include "engine/batch_wait.hpp"

#include <algorithm>

namespace paxledger::engine {

void BatchWait::on_proposed(Instant now) {
  proposed_at_ = now;
  answered_ = 0;
  queued_since_.reset();
  enough_since_.reset();
  is_judged_ = false;
  has_tried_ = tries_;
  tries_ = false;
}

void BatchWait::on_decided(std::size_t commands, Instant now) {
  answered_ += commands;
  decided_at_ = now;
  round_ = now - proposed_at_;
}

void BatchWait::on_empty(bool in_flight) {
  queued_since_.reset();
  enough_since_.reset();
  if (!in_flight) judge(0);
}

Instant BatchWait::leaves_at(std::size_t commands, std::size_t bytes, bool in_flight, Instant now) {
  if (!queued_since_) queued_since_ = now;
  if (commands >= kLargeCommands || bytes >= kLargeBytes) return now;
  if (!in_flight) judge(commands);
  const Duration most = std::min(longest_, 3 * round_);
  if (in_flight) return *queued_since_ + most;
  if (commands >= wanted_) return now;
  const Instant at_the_latest = decided_at_ + most;
  if (commands < enough_) {
    enough_since_.reset();
    return at_the_latest;
  }
  if (!enough_since_) enough_since_ = now;
  return std::min(*enough_since_ + round_ / 8, at_the_latest);
}

void BatchWait::judge(std::size_t queued) {
  if (is_judged_) return;
  is_judged_ = true;
  const bool is_one_group = 4 * queued < answered_;
  if (has_tried_) {
    try_every_ = is_one_group ? 1 : std::min(2 * try_every_, kTryEveryMax);
    try_in_ = try_every_;
  }
  if (!is_one_group && answered_ >= kGroupMin && --try_in_ == 0) {
    try_in_ = try_every_;
    tries_ = true;
  }
  const bool waits = is_one_group || tries_;
  wanted_ = waits ? queued + answered_ : 0;
  enough_ = waits ? wanted_ - answered_ / 10 : 0;
}

void BatchWait::hash_into(StateHasher& hasher) const {
  const auto& [longest, proposed_at, decided_at, round, answered, queued_since, is_judged, wanted,
               enough, enough_since, tries, has_tried, try_every, try_in] = *this;
  // Where nothing waits, nothing depends on the rest.
  if (longest == Duration::zero()) return;
  hasher.add(proposed_at, decided_at, round.count(), answered, queued_since, is_judged, wanted,
             enough, enough_since, tries, has_tried, try_every, try_in);
}

}  // namespace paxledger::engine
