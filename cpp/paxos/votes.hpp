// Counting votes, so that a node that lost its memory is not counted for what it forgot.
#pragma once

#include <map>
#include <vector>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "paxos/membership.hpp"
#include "paxos/messages.hpp"

namespace paxledger::paxos {

// What this node knows of the generations of the voters.
class GenerationTable {
 public:
  GenerationTable() = default;
  explicit GenerationTable(std::map<NodeId, Generation> known) : known_(std::move(known)) {}

  // Returns whether anything was news.
  bool learn(NodeId node, Generation generation);
  void learn(const Generations& entries);

  [[nodiscard]] Generation of(NodeId node) const;
  // As votes carry it.
  [[nodiscard]] Generations entries() const;
  [[nodiscard]] const std::map<NodeId, Generation>& known() const { return known_; }

  void hash_into(StateHasher& hasher) const {
    const auto& [known] = *this;
    hasher.add(known);
  }

 private:
  std::map<NodeId, Generation> known_;  // generation 0 is not listed
};

// The generation that `voter` states for itself in a vote.
[[nodiscard]] Generation own_generation(NodeId voter, const Generations& entries);

// The votes for one question (one ballot, one slot, one probe).
//
// A vote counts while no later generation of its voter is known. Every vote carries the
// generations that its sender knows, so any quorum that holds both a vote from before a disk was
// lost and a vote of a node that took part in the rejoin voids the former (Michael et al.,
// "Recovering Shared Objects Without Stable Storage", DISC 2017, crash-consistent quorums).
class Votes {
 public:
  void add(NodeId voter, Generation generation);
  [[nodiscard]] bool has(NodeId voter, const GenerationTable& generations) const;
  [[nodiscard]] bool is_quorum(const Membership& membership,
                               const GenerationTable& generations) const;

  // Counts for the set of votes, in whatever order they came.
  void hash_into(StateHasher& hasher) const;

 private:
  struct Vote {
    NodeId voter;
    Generation generation;
    auto operator<=>(const Vote&) const = default;
  };
  std::vector<Vote> votes_;  // one for each voter
};

}  // namespace paxledger::paxos
