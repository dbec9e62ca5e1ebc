#include "node/read_queue.hpp"

#include <algorithm>
#include <utility>

namespace paxledger::node {

void ReadQueue::add(Waiting waiting) {
  next_expiry_ = std::min(next_expiry_, waiting.expires);
  waiting_[waiting.connection].push_back(std::move(waiting));
}

ReadQueue::Connections::const_iterator ReadQueue::turn() const {
  const auto after = waiting_.upper_bound(last_);
  return after == waiting_.end() ? waiting_.begin() : after;
}

bool ReadQueue::can_begin() const {
  if (waiting_.empty()) return false;
  return under_way_.empty() || bytes_under_way_ + turn()->second.front().cost <= bytes_max_;
}

std::optional<ReadQueue::Waiting> ReadQueue::next() {
  if (!can_begin()) return std::nullopt;
  const auto entry = waiting_.find(turn()->first);
  Waiting begun = std::move(entry->second.front());
  entry->second.pop_front();
  last_ = entry->first;
  if (entry->second.empty()) waiting_.erase(entry);
  if (waiting_.empty()) next_expiry_ = Instant::never();
  bytes_under_way_ += begun.cost;
  under_way_.emplace(begun.read.request, begun.cost);
  return begun;
}

void ReadQueue::end(RequestKey request) {
  const auto entry = under_way_.find(request);
  if (entry == under_way_.end()) return;
  bytes_under_way_ -= entry->second;
  under_way_.erase(entry);
}

std::vector<RequestKey> ReadQueue::take_expired(Instant now) {
  std::vector<RequestKey> expired;
  if (now < next_expiry_) return expired;
  next_expiry_ = Instant::never();
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    std::erase_if(entry->second, [&](const Waiting& each) {
      if (each.expires > now) {
        next_expiry_ = std::min(next_expiry_, each.expires);
        return false;
      }
      expired.push_back(each.read.request);
      return true;
    });
    entry = entry->second.empty() ? waiting_.erase(entry) : std::next(entry);
  }
  return expired;
}

}  // namespace paxledger::node
