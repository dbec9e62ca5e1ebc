#include "paxos/votes.hpp"

#include <algorithm>

namespace paxledger::paxos {

bool GenerationTable::learn(NodeId node, Generation generation) {
  if (generation <= of(node)) return false;
  known_[node] = generation;
  return true;
}

void GenerationTable::learn(const Generations& entries) {
  for (const auto& entry : entries) learn(entry.node, entry.generation);
}

Generation GenerationTable::of(NodeId node) const {
  const auto found = known_.find(node);
  return found == known_.end() ? Generation(0) : found->second;
}

Generations GenerationTable::entries() const {
  Generations entries;
  for (const auto& [node, generation] : known_) entries.push_back({node, generation});
  return entries;
}

Generation own_generation(NodeId voter, const Generations& entries) {
  for (const auto& entry : entries) {
    if (entry.node == voter) return entry.generation;
  }
  return Generation(0);
}

void Votes::add(NodeId voter, Generation generation) {
  for (auto& vote : votes_) {
    if (vote.voter == voter) {
      vote.generation = std::max(vote.generation, generation);
      return;
    }
  }
  votes_.push_back({voter, generation});
}

void Votes::hash_into(StateHasher& hasher) const {
  const auto& [votes] = *this;
  std::vector<Vote> sorted = votes;
  std::sort(sorted.begin(), sorted.end());
  hasher.add(sorted.size());
  for (const auto& [voter, generation] : sorted) hasher.add(voter, generation);
}

bool Votes::has(NodeId voter, const GenerationTable& generations) const {
  return std::any_of(votes_.begin(), votes_.end(), [&](const Vote& vote) {
    return vote.voter == voter && vote.generation >= generations.of(voter);
  });
}

bool Votes::is_quorum(const Membership& membership, const GenerationTable& generations) const {
  const auto valid = std::count_if(votes_.begin(), votes_.end(), [&](const Vote& vote) {
    return membership.contains(vote.voter) && vote.generation >= generations.of(vote.voter);
  });
  return static_cast<std::size_t>(valid) >= membership.quorum_size();
}

}  // namespace paxledger::paxos
