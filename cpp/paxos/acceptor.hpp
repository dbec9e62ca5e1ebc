// The acceptor: the memory of Paxos.
#pragma once

#include <cstddef>
#include <map>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "paxos/ballot.hpp"
#include "paxos/hash_messages.hpp"
#include "paxos/messages.hpp"
#include "paxos/records.hpp"

namespace paxledger::paxos {

// Invariants:
//  1. promised() never falls (Paxos Made Simple §2.2, P1a).
//  2. An accepted value's ballot is never above promised().
//  3. accepted() holds no slot at or below the last forget_through(): those are decided and
//     applied, and the replica answers for them with blocks.
// The state here may be ahead of the disk. Whoever calls promise() or accept() must make the
// record durable before anything that tells of it leaves the node.
class Acceptor {
 public:
  // How many values one report holds at the most; the wire allows 4096 entries in an array.
  static constexpr std::size_t kReportValuesMax = 1024;

  Acceptor() = default;
  explicit Acceptor(DurableState recovered);

  [[nodiscard]] Ballot promised() const { return promised_; }
  [[nodiscard]] const std::map<Slot, AcceptedValue>& accepted() const { return accepted_; }
  // What the values in accepted() weigh together.
  [[nodiscard]] std::size_t accepted_bytes() const { return accepted_bytes_; }
  // Null if nothing is held for the slot.
  [[nodiscard]] const AcceptedValue* at(Slot slot) const;

  // Promises `ballot`. False, and nothing changes, if a higher one was promised.
  bool promise(Ballot ballot);

  // Accepts under `ballot`. False, and nothing changes, if a higher ballot was promised.
  bool accept(Ballot ballot, Slot slot, Value value);

  // What was accepted from `first` on, about `bytes_max` octets and at most `values_max` values of
  // it, but at least one if there is one. Fills first, through, complete and accepted of a Promise.
  [[nodiscard]] Promise report(Ballot ballot, Slot first, std::size_t bytes_max,
                               std::size_t values_max = kReportValuesMax) const;

  void forget_through(Slot slot);

  void hash_into(StateHasher& hasher) const {
    const auto& [promised, accepted, accepted_bytes] = *this;
    hasher.add(promised, accepted, accepted_bytes);
  }

 private:
  Ballot promised_;
  std::map<Slot, AcceptedValue> accepted_;
  std::size_t accepted_bytes_ = 0;
};

}  // namespace paxledger::paxos
