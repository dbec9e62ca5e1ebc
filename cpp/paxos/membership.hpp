// Who votes, and how many votes decide.
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

#include "base/ids.hpp"
#include "base/invariant.hpp"

namespace paxledger::paxos {

// The voters of one configuration. Reconfiguration will replace the whole value at a decided slot;
// nothing outside this type counts votes.
//
// Invariants: 1. voters() is sorted and without repetition. 2. Any two quorums intersect.
class Membership {
 public:
  explicit Membership(std::vector<NodeId> voters) : voters_(std::move(voters)) {
    std::sort(voters_.begin(), voters_.end());
    invariant(!voters_.empty(), "a cluster has voters");
    invariant(std::adjacent_find(voters_.begin(), voters_.end()) == voters_.end(),
              "no voter is named twice");
  }

  [[nodiscard]] const std::vector<NodeId>& voters() const { return voters_; }
  [[nodiscard]] std::size_t quorum_size() const { return voters_.size() / 2 + 1; }
  [[nodiscard]] bool contains(NodeId node) const {
    return std::binary_search(voters_.begin(), voters_.end(), node);
  }
  [[nodiscard]] bool is_quorum(const std::set<NodeId>& nodes) const {
    return static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), [this](NodeId node) {
             return contains(node);
           })) >= quorum_size();
  }

 private:
  std::vector<NodeId> voters_;
};

}  // namespace paxledger::paxos
