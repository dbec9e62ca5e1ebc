// The vocabulary of identities. One type per concept, used by every module.
#pragma once

#include <cstdint>

#include "base/strong_id.hpp"

namespace paxledger {

// A member of the cluster, as named in cluster.yaml (1, 2, 3, …). Zero is nobody.
using NodeId = StrongId<struct NodeIdTag, std::uint32_t>;
inline constexpr NodeId kNobody{0};

// Identifies a cluster: derived from its name (ledger::cluster_id), so that messages and
// directories of another cluster are recognised.
using ClusterId = StrongId<struct ClusterIdTag, std::uint64_t>;

// One process life of a node; drawn anew at every start. Only tells old connections from new ones.
using Incarnation = StrongId<struct IncarnationTag, std::uint64_t>;

// One life of a node's disk. It rises when a node rejoins after it lost its log, so that votes
// given before the loss can be told from votes given after it (docs/decisions/0004).
using Generation = StrongId<struct GenerationTag, std::uint32_t>;

// Position in the replicated log; the first slot is 1.
using Slot = StrongId<struct SlotTag, std::uint64_t>;

// Position of a block in the chain. Block n is what was decided at slot n; height 0 is genesis.
using Height = StrongId<struct HeightTag, std::uint64_t>;

constexpr Height height_of(Slot slot) {
  return Height(slot.value());
}
constexpr Slot slot_of(Height height) {
  return Slot(height.value());
}

// The major part of a ballot. Round 0 is "never promised".
using Round = StrongId<struct RoundTag, std::uint64_t>;

// A client session, drawn at random by the client; zero is "no session".
using SessionId = StrongId<struct SessionIdTag, std::uint64_t>;

// Position of a command within its session; the first is 1.
using Sequence = StrongId<struct SequenceTag, std::uint64_t>;

// Counts the changes of the key-value map, over the whole history; the first is 1.
using Revision = StrongId<struct RevisionTag, std::uint64_t>;

// A batch of records handed to the log; tickets become durable in rising order.
using Ticket = StrongId<struct TicketTag, std::uint64_t>;

// A client request inside one node. Meaningful to that node only.
using RequestKey = StrongId<struct RequestKeyTag, std::uint64_t>;

}  // namespace paxledger
