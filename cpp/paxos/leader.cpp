#include "paxos/leader.hpp"

#include <utility>

namespace paxledger::paxos {

Slot Leader::propose(Value value, Instant now) {
  const Slot slot = next_slot_;
  next_slot_ = next_slot_.next();
  window_bytes_ += value.size();
  window_.emplace(slot, Open{std::move(value), {}, false, now});
  return slot;
}

void Leader::on_accepted(NodeId voter, Generation generation, Slot slot,
                         const Membership& membership, const GenerationTable& generations) {
  const auto found = window_.find(slot);
  if (found == window_.end()) return;
  auto& open = found->second;
  open.votes.add(voter, generation);
  // Paxos Made Simple §2.3: a value is chosen once a majority of the acceptors accepted it.
  if (open.votes.is_quorum(membership, generations)) open.chosen = true;
}

std::optional<Leader::Decided> Leader::take_decided() {
  if (window_.empty() || !window_.begin()->second.chosen) return std::nullopt;
  auto node = window_.extract(window_.begin());
  window_bytes_ -= node.mapped().value.size();
  return Decided{node.key(), std::move(node.mapped().value)};
}

std::vector<Slot> Leader::unanswered(NodeId peer, Instant before, std::size_t bytes_max,
                                     const GenerationTable& generations) const {
  std::vector<Slot> slots;
  std::size_t bytes = 0;
  for (const auto& [slot, open] : window_) {
    if (open.chosen || open.sent_at > before || open.votes.has(peer, generations)) continue;
    bytes += open.value.size();
    if (!slots.empty() && bytes > bytes_max) break;
    slots.push_back(slot);
  }
  return slots;
}

void Leader::mark_sent(Instant before, Instant now) {
  for (auto& [slot, open] : window_) {
    if (open.sent_at <= before) open.sent_at = now;
  }
}

}  // namespace paxledger::paxos
