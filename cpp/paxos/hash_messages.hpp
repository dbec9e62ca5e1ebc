// What of messages a replica keeps, for its fingerprint (base/state_hasher.hpp).
#pragma once

#include "base/state_hasher.hpp"
#include "paxos/ballot.hpp"
#include "paxos/messages.hpp"
#include "paxos/records.hpp"

namespace paxledger::paxos {

inline void hash_into(StateHasher& hasher, const Ballot& ballot) {
  const auto& [round, node] = ballot;
  hasher.add(round, node);
}
inline void hash_into(StateHasher& hasher, const GenerationEntry& entry) {
  const auto& [node, generation] = entry;
  hasher.add(node, generation);
}
inline void hash_into(StateHasher& hasher, const Head& head) {
  const auto& [height, hash] = head;
  hasher.add(height, hash);
}
inline void hash_into(StateHasher& hasher, const Heartbeat& heartbeat) {
  const auto& [promised, leading, hears_leader, leader, abstaining, decided, head] = heartbeat;
  hasher.add(promised, leading, hears_leader, leader, abstaining, decided, head);
}
inline void hash_into(StateHasher& hasher, const AcceptedValue& accepted) {
  const auto& [slot, ballot, value] = accepted;
  hasher.add(slot, ballot, value);
}
inline void hash_into(StateHasher& hasher, const RejoinReply& reply) {
  const auto& [generation, promised, highest_slot, life, generations] = reply;
  hasher.add(generation, promised, highest_slot, life, generations);
}
inline void hash_into(StateHasher& hasher, const AbstainRecord& record) {
  const auto& [through, open] = record;
  hasher.add(through, open);
}
inline void hash_into(StateHasher& hasher, const DurableState& state) {
  const auto& [promised, accepted, generations, abstain] = state;
  hasher.add(promised, accepted, generations, abstain);
}

}  // namespace paxledger::paxos
