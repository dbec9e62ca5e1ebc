// What is to be started, and how: decided before anything is.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "node/configuration.hpp"

namespace paxledger::control {

// What there is of one node before anything is started.
struct NodeRemains {
  NodeId node;
  bool runs = false;
  bool has_data = false;
  bool unbegun = false;  // it is known never to have begun (control/unbegun.hpp)
};

[[nodiscard]] std::vector<NodeRemains> look_at_remains(const node::Configuration& configuration,
                                                       const std::set<NodeId>& running);

// Invariants:
//  1. A node gets --initialise only if it never voted: it is unbegun, or the whole cluster is new.
//  2. A node without data that is not known to be unbegun gets --rejoin where that was asked for by
//     name, and is otherwise among the lost.
//  3. If beyond_rejoin, no step has --rejoin.
struct StartPlan {
  struct Step {
    NodeId node;
    std::string flag;  // --initialise, --rejoin, or empty
  };
  std::vector<Step> steps;
  // No node has data or runs: the marks of control/unbegun.hpp are to be written first.
  bool is_new = false;
  std::vector<NodeId> lost;  // have no data, and are not started
  // Fewer nodes kept their data than a rejoin needs (docs/decisions/0004), so none is possible.
  bool beyond_rejoin = false;
  std::size_t kept = 0;    // nodes that know how they voted
  std::size_t needed = 0;  // of them, for a rejoin

  // Why the lost ones are not started, and what can be done; empty if there are none.
  [[nodiscard]] std::string complaint(const node::Configuration& configuration) const;
};

// The plan for `wanted` of the nodes; the others are looked at, but not started.
[[nodiscard]] StartPlan plan_start(const std::vector<NodeRemains>& remains,
                                   const std::set<NodeId>& wanted, const std::set<NodeId>& rejoin);

// "node 2", "nodes 2 and 3", "nodes 1, 2 and 3".
[[nodiscard]] std::string names(const std::vector<NodeId>& nodes);

}  // namespace paxledger::control
