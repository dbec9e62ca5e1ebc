// What a node must not forget: the records of its write-ahead log.
#pragma once

#include <cstdint>
#include <map>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "paxos/ballot.hpp"
#include "paxos/messages.hpp"

namespace paxledger::paxos {

// No ballot below this one will be promised or accepted any more.
struct PromiseRecord {
  Ballot ballot;
};

// `value` was accepted at `slot` under `ballot`. Implies the promise of `ballot`.
struct AcceptRecord {
  Ballot ballot;
  Slot slot;
  Value value;
};

// Votes of `node` from generations below `generation` no longer count.
struct GenerationRecord {
  NodeId node;
  Generation generation;
};

// This node abstains until it has applied every slot up to `through` (0 with `open`: the bound is
// not known yet, the rejoin protocol is still asking).
struct AbstainRecord {
  Slot through;
  bool open = false;
};

using DurableRecord = std::variant<PromiseRecord, AcceptRecord, GenerationRecord, AbstainRecord>;

// Everything that the records of a log amount to, in the order in which they were written.
struct DurableState {
  Ballot promised;
  std::map<Slot, AcceptedValue> accepted;    // the newest acceptance of each slot
  std::map<NodeId, Generation> generations;  // own generation included
  AbstainRecord abstain;

  // Brings the state up to date with one more record.
  void replay(const DurableRecord& record);
  // Forgets acceptances at slots up to `through`; they are decided and stand in blocks.
  void trim(Slot through);
};

}  // namespace paxledger::paxos
