// What nodes owe each other in time, checked from outside.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "engine/settings.hpp"
#include "paxos/membership.hpp"
#include "paxos/messages.hpp"

namespace paxledger::sim {

// Like SafetyCheck a ghost, about promises that cost time where they are broken and that nobody
// would notice in the end, because something else makes up for them:
//  leadership   once its timer has rung, nobody leads who heard no majority for an election timeout
//  election     nobody asks for votes who heard no majority for an election timeout
//  resend       a candidate that lacks promises asks for them again every resend interval
// All times are those of the node's own clock, so pauses and wrong clocks are no excuse.
class PromptnessCheck {
 public:
  PromptnessCheck(const paxos::Membership& membership, const engine::Timing& timing)
      : membership_(membership), timing_(timing) {}

  // A new life of `node` begins: it has heard nobody.
  void started(NodeId node) { nodes_[node] = {}; }
  void arrived(NodeId node, NodeId from, const paxos::Message& message, Instant now);
  // What is wrong with that the message leaves, or nothing.
  [[nodiscard]] std::string leaves(NodeId node, const paxos::Message& message, Instant now);
  // The timer of `node` has rung, and it leads, as it did before. What is wrong, or nothing.
  [[nodiscard]] std::string leads(NodeId node, Instant now) const;
  // The timer of `node` has rung, and it runs with `ballot`. What is wrong, or nothing.
  [[nodiscard]] std::string runs(NodeId node, const paxos::Ballot& ballot, Instant now) const;

 private:
  struct OfNode {
    std::map<NodeId, Instant> heard_at;
    paxos::Ballot ballot;          // of the last Prepare that left
    Instant asked_at;              // when it left
    std::set<NodeId> promised_by;  // whose promises to `ballot` came, complete
  };

  [[nodiscard]] bool hears_quorum(NodeId node, Instant now) const;

  const paxos::Membership& membership_;
  engine::Timing timing_;
  std::map<NodeId, OfNode> nodes_;
};

}  // namespace paxledger::sim
