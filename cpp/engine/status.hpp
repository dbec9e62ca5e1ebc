// What a replica tells about itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "paxos/ballot.hpp"
#include "paxos/messages.hpp"

namespace paxledger::engine {

enum class Role : std::uint8_t { follower, candidate, leader };
[[nodiscard]] std::string_view to_string(Role role);

struct PeerStatus {
  NodeId node;
  bool heard = false;      // within the election timeout
  Duration silent_for{0};  // since it was last heard; meaningful if ever_heard
  bool ever_heard = false;
  bool abstaining = false;
  paxos::Head head;          // as last gossiped
  bool conflicting = false;  // its chain differs from ours at a height that both have
};

struct Status {
  NodeId self;
  Role role = Role::follower;
  NodeId leader;  // kNobody if none is known
  paxos::Ballot promised;
  Slot decided;             // known to be decided; >= head.height
  paxos::Head head;         // applied
  bool abstaining = false;  // does not vote until it knows what it may vote on
  bool repairing = false;   // history is restored from peers, or not yet durably; serves no reads
  std::string repair_reason;
  // Where the repair will be done; 0 if this node does not repair, or does not know it yet.
  Height repair_through;
  bool hears_quorum = false;
  Revision revision;
  std::uint64_t keys = 0;
  std::uint64_t sessions = 0;
  std::uint64_t queued_commands = 0;  // waiting to be proposed
  std::uint64_t queued_bytes = 0;
  std::uint64_t slots_in_flight = 0;
  std::uint64_t pending_requests = 0;  // of clients, local and forwarded
  std::uint64_t elections_started = 0;
  std::uint64_t leader_changes = 0;  // as seen by this node
  std::vector<PeerStatus> peers;
};

// One entry of `paxledger queue`.
struct QueuedItem {
  enum class Stage : std::uint8_t { waiting, forwarded, queued, in_flight, read };
  Stage stage = Stage::waiting;
  Slot slot;  // in_flight: where
  SessionId session;
  Sequence sequence;
  std::string what;  // e.g. "put alice (8 bytes)"
};

}  // namespace paxledger::engine
