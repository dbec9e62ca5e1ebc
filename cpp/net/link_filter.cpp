#include "net/link_filter.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace paxledger::net {

namespace {

constexpr std::uint32_t kMillion = 1'000'000;
// A reordered packet is held back for up to twice the link's own delay and this much.
constexpr Duration kReorderWithin = std::chrono::milliseconds(10);

}  // namespace

std::uint32_t parts_per_million(double probability) {
  if (!(probability > 0)) return 0;
  return static_cast<std::uint32_t>(std::lround(std::min(probability, 1.0) * kMillion));
}

void LinkFilter::set(NodeId peer, const LinkFault& fault) {
  if (fault.is_none()) {
    faults_.erase(peer);
  } else {
    faults_[peer] = fault;
  }
  last_due_.erase(peer);
  if (!fault.blocked) return;
  for (auto it = held_.begin(); it != held_.end();) {
    if (it->second.to != peer) {
      ++it;
      continue;
    }
    held_bytes_ -= it->second.octets.size();
    drops_.count(DropReason::fault_injected);
    it = held_.erase(it);
  }
}

void LinkFilter::clear() {
  faults_.clear();
  last_due_.clear();
}

bool LinkFilter::happens(std::uint32_t ppm) {
  return ppm > 0 && prng_.chance(ppm, kMillion);
}

Duration LinkFilter::up_to(Duration most) {
  if (most <= Duration::zero()) return Duration::zero();
  return Duration(
      static_cast<Duration::rep>(prng_.below(static_cast<std::uint64_t>(most.count()) + 1)));
}

void LinkFilter::offer(OutgoingPacket packet, Instant now, std::vector<OutgoingPacket>& ready) {
  const auto found = faults_.find(packet.to);
  if (found == faults_.end()) {
    ready.push_back(std::move(packet));
    return;
  }
  const LinkFault& fault = found->second;
  if (fault.blocked || happens(fault.drop_ppm)) {
    drops_.count(DropReason::fault_injected);
    return;
  }
  const int copies = happens(fault.duplicate_ppm) ? 2 : 1;
  for (int copy = 1; copy <= copies; ++copy) {
    Instant due = now + fault.delay + up_to(fault.jitter);
    if (happens(fault.reorder_ppm)) {
      due = due + up_to(2 * (fault.delay + fault.jitter) + kReorderWithin);
    } else {
      Instant& last = last_due_[packet.to];
      due = std::max(due, last);
      last = due;
    }
    OutgoingPacket leaving = packet;  // a copy: nobody asks for speed on a faulty link
    if (due <= now) {
      ready.push_back(std::move(leaving));
    } else {
      hold(std::move(leaving), due);
    }
  }
}

void LinkFilter::hold(OutgoingPacket packet, Instant due) {
  if (held_.size() >= kHeldPacketsMax || held_bytes_ + packet.octets.size() > kHeldBytesMax) {
    drops_.count(DropReason::queue_full);
    return;
  }
  held_bytes_ += packet.octets.size();
  held_.emplace(due, std::move(packet));
}

void LinkFilter::take_due(Instant now, std::vector<OutgoingPacket>& ready) {
  while (!held_.empty() && held_.begin()->first <= now) {
    auto due = held_.extract(held_.begin());
    held_bytes_ -= due.mapped().octets.size();
    ready.push_back(std::move(due.mapped()));
  }
}

Instant LinkFilter::next_deadline() const {
  return held_.empty() ? Instant::never() : held_.begin()->first;
}

bool LinkFilter::takes_in(NodeId from) const {
  const auto found = faults_.find(from);
  return found == faults_.end() || !found->second.blocked_incoming;
}

}  // namespace paxledger::net
