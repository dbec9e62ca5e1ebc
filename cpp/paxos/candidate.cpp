#include "paxos/candidate.hpp"

#include <algorithm>

namespace paxledger::paxos {

Candidate::Candidate(Ballot ballot, Slot first, Instant now)
    : sent_at(now), progressed_at(now), ballot_(ballot), first_(first) {}

std::optional<Prepare> Candidate::on_promise(NodeId from, const Promise& promise,
                                             const GenerationTable& generations) {
  if (promise.ballot != ballot_ || votes_.has(from, generations)) return std::nullopt;
  // A vote of an earlier life of the voter says nothing about what the voter knows now.
  if (own_generation(from, promise.generations) < generations.of(from)) return std::nullopt;
  const auto [part, inserted] = next_part_.try_emplace(from, first_);
  if (promise.first != part->second) return std::nullopt;  // a repeated or early part

  ++parts_taken_;
  decided_elsewhere_ = std::max(decided_elsewhere_, promise.decided);
  for (const auto& accepted : promise.accepted) {
    auto& best = values_[accepted.slot];
    // P2c: of all reported values of a slot, the one with the highest ballot.
    if (best.ballot < accepted.ballot) best = accepted;
  }
  if (promise.complete) {
    votes_.add(from, own_generation(from, promise.generations));
    return std::nullopt;
  }
  part->second = promise.through.next();
  return Prepare{ballot_, part->second};
}

std::optional<Prepare> Candidate::prepare_for(NodeId peer,
                                              const GenerationTable& generations) const {
  if (votes_.has(peer, generations)) return std::nullopt;
  const auto part = next_part_.find(peer);
  return Prepare{ballot_, part == next_part_.end() ? first_ : part->second};
}

}  // namespace paxledger::paxos
