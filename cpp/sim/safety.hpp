// What must hold in every run of the protocol, checked from outside and after every step.
//
// The checker is a ghost: it sees everything that every node does, keeps what no node could know,
// and changes nothing. It states the promises in terms of records, messages and blocks, not in
// terms of the implementation.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "engine/io.hpp"
#include "kv/state_machine.hpp"
#include "ledger/block.hpp"
#include "paxos/membership.hpp"
#include "paxos/records.hpp"
#include "sim/node_disk.hpp"

namespace paxledger::sim {

// What one key held from a height on.
struct Version {
  Height height;
  std::optional<std::string> value;  // nothing: the key is not there
  Revision revision;
};

// The history that the cluster has agreed on, as seen by an independent reader of the first copy
// of each block, and what every command of it came to.
class AgreedHistory {
 public:
  // Applies the next block. Returns what is wrong with it, or nothing.
  std::string append(const ledger::Block& block);

  [[nodiscard]] Height height() const { return Height(blocks_.size()); }
  // Precondition: 1 <= height <= this->height().
  [[nodiscard]] const ledger::Block& block(Height height) const {
    return blocks_[height.value() - 1];
  }
  // The first result of a command, and the block that brought it.
  struct Outcome {
    kv::CommandResult result;
    Height height;
    bool had_effect = false;
  };
  [[nodiscard]] const Outcome* outcome(SessionId session, Sequence sequence) const;
  // Whether a copy of the command came to this: of a `read`, whose copies each read anew, any; of
  // other commands the first.
  [[nodiscard]] bool came_to(SessionId session, Sequence sequence,
                             const kv::CommandResult& result) const;
  [[nodiscard]] Version at(const std::string& key, Height height) const;
  [[nodiscard]] const kv::StateMachine& store() const { return store_; }
  [[nodiscard]] const std::map<std::string, std::vector<Version>>& versions() const {
    return versions_;
  }

 private:
  std::vector<ledger::Block> blocks_;
  kv::StateMachine store_;
  std::map<std::pair<SessionId, Sequence>, Outcome> outcomes_;
  std::map<std::pair<SessionId, Sequence>, std::vector<kv::CommandResult>> reads_;
  std::map<std::string, std::vector<Version>> versions_;
};

// Rules (each failure names its rule):
//  value        one value per (ballot, slot), and one decided value per slot
//  chosen       a block is decided only after a quorum accepted its value durably, under one
//               ballot; votes that a node forgot and is not bound by do not count
//  durable      Promise, Accepted, Prepare and Accept leave only when the log covers them
//  promise      nothing is accepted below a ballot that was promised before
//  regress      over a restart no promise, acceptance, generation or synced block is lost, and
//               nothing appears that was not handed over
//  damage       all damage of the files is told of with its place, and nothing else is called so;
//               what a node reads for others is what was decided
//  chain        blocks come in height order without a gap, and equal heights have equal hashes
//  exactly-once a command of a session changes the state at most once, and keeps its first result,
//               save for a read, whose copies each give what they read
class SafetyCheck {
 public:
  SafetyCheck(paxos::Membership membership, ClusterId cluster)
      : membership_(std::move(membership)), genesis_(ledger::genesis(cluster)) {}

  // A record is handed to the log of `node`.
  void record_handed_over(NodeId node, const paxos::DurableRecord& record);
  void record_durable(NodeId node, const paxos::DurableRecord& record);
  // A message leaves `from`, whose log durably holds `durable`, complete above `trimmed`.
  void message_leaves(NodeId from, const paxos::Message& message,
                      const paxos::DurableState& durable, Slot trimmed);
  // `node` starts with a chain of `height` and a log that promises `promised`.
  void started(NodeId node, Height height, const paxos::Ballot& promised) {
    next_[node] = height.next();
    promised_[node] = promised;
  }
  // `node` finds `found` on its disk, and knew `before`. Comes before started().
  void recovered(NodeId node, const Remembered& before, const engine::Recovered& found);
  void block_decided(NodeId node, const ledger::Block& block);
  // `node` has read the block of this height from its disk, for a peer.
  void block_read(NodeId node, Height height, const SharedBytes& octets);
  // After every step: where the replica says that it stands.
  void head_seen(NodeId node, const paxos::Head& head);
  // A result for (session, sequence) is handed to a client.
  void result_given(NodeId node, SessionId session, Sequence sequence,
                    const kv::CommandResult& result);
  // A read of `key` at `height` found `result`.
  void read_answered(NodeId node, const std::string& key, Height height,
                     const kv::CommandResult& result);
  void scan_answered(NodeId node, const std::string& prefix, const std::string& after,
                     std::size_t count_max, Height height, const kv::ScanPage& page);
  void violated(const std::string& rule, NodeId node, const std::string& text);

  [[nodiscard]] const AgreedHistory& history() const { return history_; }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  struct Votes {
    paxos::Value value;
    // Durably, and not forgotten by a node that rejoined without knowing of the slot.
    std::set<NodeId> accepted_by;
  };

  void value_seen(NodeId node, const paxos::Ballot& ballot, Slot slot, const paxos::Value& value);
  [[nodiscard]] bool is_chosen(const ledger::Block& block) const;

  paxos::Membership membership_;
  Digest genesis_;
  std::map<Slot, std::map<paxos::Ballot, Votes>> votes_;
  std::map<NodeId, Height> next_;
  std::map<NodeId, paxos::Ballot> promised_;  // by the records handed over, durable or not
  AgreedHistory history_;
  std::vector<std::string> violations_;
};

}  // namespace paxledger::sim
