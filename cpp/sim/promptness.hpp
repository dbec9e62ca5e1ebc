// What nodes owe each other in time, checked from outside.
#pragma once

#include <cstdint>
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

// Like SafetyCheck a ghost, about promises that cost time or memory where they are broken and that
// nobody would notice in the end, because something else makes up for them:
//  leadership   once its timer has rung, nobody leads who heard no majority of voters for an
//               election timeout, or to whom no majority says to follow it
//  outvoted     nobody leads or runs who was told of a higher promise
//  election     nobody asks for votes who heard no majority for an election timeout, who does not
//               vote itself, or whose disk did nothing for so long; nobody runs with a ballot that
//               no majority granted
//  grant        who heard the leader within an election timeout grants no pre-vote; who did not,
//               votes, and has promised nothing higher, does
//  resend       a candidate that lacks promises asks for them again every resend interval
//  candour      heartbeats say whether their sender leads and votes
//  backlog      what waits for the disk of a node is bounded, and who stays at the bound for an
//               election timeout does not lead
// All times are those of the node's own clock, so pauses and wrong clocks are no excuse. Every
// check returns what is wrong, or nothing.
class PromptnessCheck {
 public:
  // What a node is before and after an input.
  struct Standing {
    paxos::Ballot promised;
    bool leads = false;
    bool abstains = false;
  };

  PromptnessCheck(const paxos::Membership& membership, const engine::Timing& timing,
                  std::uint64_t backlog_bytes_max)
      : membership_(membership), timing_(timing), backlog_bytes_max_(backlog_bytes_max) {}

  // A new life of `node` begins: it has heard nobody, and nothing waits for its disk.
  void started(NodeId node) { nodes_[node] = {}; }
  // The node is about to take the message.
  void arrived(NodeId node, NodeId from, const paxos::Message& message, const Standing& before,
               Instant now);
  // An input makes the node say this, at once.
  [[nodiscard]] std::string says(NodeId node, const paxos::Message& message, const Standing& before,
                                 const Standing& after, Instant now) const;
  // The message leaves, at once or because a record of the node is durable now.
  [[nodiscard]] std::string leaves(NodeId node, const paxos::Message& message, Instant now);
  // Records with values of `value_bytes` together wait for the disk, the last one of `last_bytes`.
  [[nodiscard]] std::string waits(NodeId node, std::uint64_t value_bytes, std::uint64_t last_bytes,
                                  Instant now);
  // Records with values of so many octets are durable. `idle`: there are no others.
  void is_durable(NodeId node, std::uint64_t value_bytes, bool idle, Instant now);
  // The timer of `node` has rung, and it leads, as it did before.
  [[nodiscard]] std::string leads(NodeId node, const paxos::Ballot& ballot, Instant now);
  // The timer of `node` has rung, and it runs with `ballot`.
  [[nodiscard]] std::string runs(NodeId node, const paxos::Ballot& ballot, Instant now) const;

 private:
  struct Peer {
    Instant heard_at;
    bool abstains = false;  // both by its newest heartbeat
    bool follows = false;
  };
  struct OfNode {
    std::map<NodeId, Peer> peers;
    paxos::Ballot ballot;          // of the last Prepare that left
    Instant asked_at;              // when it left
    std::set<NodeId> promised_by;  // whose promises to `ballot` came, complete
    std::map<paxos::Ballot, std::set<NodeId>> granted_by;
    paxos::Ballot outvoted;  // the ballot that it had when a peer refused, naming this promise
    paxos::Ballot outvoted_by;
    NodeId leader;                // who led by the newest word that counts, or kNobody
    paxos::Ballot leader_ballot;  // or the one that it has asked promises for since
    Instant leader_heard_at;
    paxos::Ballot leads_with;  // when its timer last rang, and since when
    Instant leads_since;
    std::uint64_t backlog_bytes = 0;
    std::optional<Instant> backlogged_since;
    std::optional<Instant> disk_moved_at;  // nothing while nothing waits for it
  };

  static void hear_leader(OfNode& of, NodeId leader, const paxos::Ballot& ballot,
                          const Standing& before, Instant now);
  [[nodiscard]] bool hears_leader(const OfNode& of, Instant now) const;
  [[nodiscard]] bool is_quorum_with(const OfNode& of, bool (*counts)(const Peer&),
                                    Instant now) const;
  [[nodiscard]] std::string check_pre_vote(const OfNode& of, const paxos::PreVoteReply& reply,
                                           const Standing& before, Instant now) const;

  const paxos::Membership& membership_;
  engine::Timing timing_;
  std::uint64_t backlog_bytes_max_;
  std::map<NodeId, OfNode> nodes_;
};

}  // namespace paxledger::sim
