#include "engine/catch_up.hpp"

namespace paxledger::engine {

std::optional<NodeId> CatchUp::pick(const paxos::Election& election, Height own, Instant now,
                                    bool urgent) {
  if (fetch_) {
    const Duration wait = fetch_->useless ? patience_ : answer_timeout_;
    if (now - fetch_->sent_at < wait) return std::nullopt;
    fetch_.reset();
  }
  if (!urgent && now - progressed_at_ < patience_) return std::nullopt;
  std::vector<NodeId> ahead;
  for (const auto& [node, peer] : election.peers()) {
    if (election.hears(node, now) && peer.last.head.height > own) ahead.push_back(node);
  }
  if (ahead.size() > 1 && last_asked_) std::erase(ahead, *last_asked_);
  if (ahead.empty()) return std::nullopt;
  const NodeId peer = ahead[prng_.below(ahead.size())];
  fetch_ = Fetch{peer, own.next(), now};
  last_asked_ = peer;
  return peer;
}

bool CatchUp::should_push(NodeId peer, Height height, Height own, Instant now) {
  auto& progress = progress_[peer];
  if (height != progress.height) {
    progress.height = height;
    progress.since = now;
    return false;
  }
  if (height >= own || now - progress.since < 3 * patience_) return false;
  if (progress.pushed && now - progress.pushed_at < answer_timeout_) return false;
  progress.pushed = true;
  progress.pushed_at = now;
  return true;
}

void CatchUp::hash_into(StateHasher& hasher) const {
  const auto& [patience, answer_timeout, prng, progressed_at, fetch, last_asked, progress] = *this;
  hasher.add(patience.count(), answer_timeout.count(), prng, progressed_at, last_asked);
  hasher.add(fetch.has_value());
  if (fetch) {
    const auto& [peer, first, sent_at, useless] = *fetch;
    hasher.add(peer, first, sent_at, useless);
  }
  hasher.add(progress.size());
  for (const auto& [node, of_peer] : progress) {
    const auto& [height, since, pushed_at, pushed] = of_peer;
    hasher.add(node, height, since, pushed);
    if (pushed) hasher.add(pushed_at);
  }
}

}  // namespace paxledger::engine
