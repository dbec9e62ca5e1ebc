// Everything that one node says to another.
//
// Values are opaque here: the octets of a batch (engine/batch.hpp). Each field says what it means
// and, where it matters, what the sender has promised by sending it. Messages may be lost,
// repeated, delayed and reordered; no handler may assume otherwise.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "paxos/ballot.hpp"

namespace paxledger::paxos {

using Value = SharedBytes;

// The generations (base/ids.hpp) of the voters that the sender knows, as (node, generation) pairs
// in node order; voters of generation 0 are left out. Carried by every vote: see Rejoin below.
struct GenerationEntry {
  NodeId node;
  Generation generation;
  auto operator<=>(const GenerationEntry&) const = default;
};
using Generations = std::vector<GenerationEntry>;

// How far a node's history reaches: the height of its newest applied block and that block's hash.
struct Head {
  Height height;
  Digest hash;
  bool operator==(const Head&) const = default;
};

// Sent by every node to every other one, each heartbeat interval.
struct Heartbeat {
  Ballot promised;            // the sender's promised ballot
  bool leading = false;       // the sender leads with ballot `promised` and hears a majority
  bool hears_leader = false;  // the sender hears a healthy leader (or is it)
  NodeId leader;              // that leader, or kNobody
  bool abstaining = false;    // the sender does not vote at present
  Slot decided;               // the sender knows all slots up to here to be decided
  Head head;                  // the sender's newest applied block
};

// May I run for leader? Asked before a ballot is spent (Raft thesis §9.6, pre-vote). Promises
// nothing.
struct PreVote {
  Ballot ballot;  // the ballot that the sender would use
};
struct PreVoteReply {
  Ballot ballot;         // as asked
  bool granted = false;  // the sender hears no healthy leader and has promised nothing higher
  Ballot promised;       // the sender's promised ballot
};

// Phase 1a. "Promise `ballot`, and tell what you accepted from `first` on."
struct Prepare {
  Ballot ballot;
  Slot first;
};
struct AcceptedValue {
  Slot slot;
  Ballot ballot;
  Value value;
};
// Phase 1b. Sent only once the promise is durable. A reply may be partial: it covers the slots
// [first, through]; the proposer asks again from through + 1 until `complete`.
struct Promise {
  Ballot ballot;
  Slot first;
  Slot through;
  bool complete = false;  // nothing was accepted above `through`
  Slot decided;           // every slot up to here is decided and applied at the sender; what it
                          // accepted there is no longer reported: fetch those blocks
  std::vector<AcceptedValue> accepted;  // in slot order, all within [first, through]
  Generations generations;
};

// Phase 2a.
struct Accept {
  Ballot ballot;
  Slot slot;
  Value value;
  Slot decided;  // the leader's decided watermark
};
// Phase 2b. Sent only once the acceptance is durable.
struct Accepted {
  Ballot ballot;
  Slot slot;
  Generations generations;
};
// "I promised more than you ask for." Answers Prepare, Accept, ReadProbe and a leader's Heartbeat.
struct Nack {
  Ballot promised;
};

// A command on its way to the leader. The asked node keeps the requester and sends the command
// again when the answer stays out; sessions make that safe. One exception to what is said above:
// a refusal ("overloaded", "no quorum") speaks for the copy that it answers. TCP repeats nothing,
// but an injected `duplicate` fault does, and then the other copy may still be run.
struct Forward {
  std::uint64_t id = 0;         // the sender's name for this request
  std::uint8_t hops = 0;        // how often it was passed on already; at most 2
  std::uint32_t budget_ms = 0;  // time left until the requester gives up
  SharedBytes command;
};
struct ForwardReply {
  std::uint64_t id = 0;
  ErrorCode code = ErrorCode::ok;
  Revision revision;
  SharedBytes value;
};

// Linearizable reads at a follower (Raft thesis §6.4, read index).
struct ReadIndexRequest {
  std::uint64_t id = 0;
  std::uint8_t hops = 0;
};
struct ReadIndexReply {
  std::uint64_t id = 0;
  bool confirmed = false;  // false: the sender does not lead and knows nobody to ask
  Slot index;              // answer once this slot is applied
};
// The leader confirms that it still leads; one probe serves all reads that wait.
struct ReadProbe {
  Ballot ballot;
  std::uint64_t probe = 0;
};
struct ReadProbeAck {
  Ballot ballot;
  std::uint64_t probe = 0;
  Generations generations;
};

// Catching up: decided blocks from any peer.
struct FetchBlocks {
  Height first;
  std::uint32_t bytes_max = 0;
};
// Encoded blocks (ledger::encode_block) of consecutive heights from `first` on. Sent as an answer,
// and unasked to a peer that is seen to stay behind.
struct Blocks {
  Height first;
  std::vector<SharedBytes> blocks;
  Head head;  // the sender's head
};

// A node that lost its log comes back (docs/decisions/0004). First it asks which generation its
// peers know of it (`generation` zero), then it announces a higher one.
struct RejoinRequest {
  Generation generation;
  std::uint64_t life = 0;  // drawn anew by the asker at every start
};
struct RejoinReply {
  Generation generation;  // of the asker, as known to the sender, durably
  Ballot promised;
  Slot highest_slot;        // the highest slot that the sender has accepted, proposed or applied
  std::uint64_t life = 0;   // as asked: an answer to an earlier life says too little
  Generations generations;  // as in a vote: the answer is void if the sender lost its log since,
                            // and what the asker knew of others before it lost its own is in them
};

using Message =
    std::variant<Heartbeat, PreVote, PreVoteReply, Prepare, Promise, Accept, Accepted, Nack,
                 Forward, ForwardReply, ReadIndexRequest, ReadIndexReply, ReadProbe, ReadProbeAck,
                 FetchBlocks, Blocks, RejoinRequest, RejoinReply>;

// What a message is called in logs and transcripts, e.g. "Accept".
[[nodiscard]] const char* name_of(const Message& message);

// A message and where it goes.
struct Envelope {
  NodeId to;
  Message message;
};

}  // namespace paxledger::paxos
