// The learner: which accepted values are decided, as told by the leader's watermark.
#pragma once

#include <optional>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "paxos/acceptor.hpp"
#include "paxos/ballot.hpp"
#include "paxos/hash_messages.hpp"

namespace paxledger::paxos {

// The leader of `ballot` says "all slots up to `slot` are decided". A follower may take its own
// accepted value of such a slot for the decided one only if it accepted it under that very
// ballot: an older acceptance may be of another value. What it cannot learn this way it fetches
// as blocks.
class Learner {
 public:
  void hear(Ballot ballot, Slot decided) {
    if (ballot < ballot_) return;
    if (ballot > ballot_) {
      ballot_ = ballot;
      slot_ = decided;
    } else if (decided > slot_) {
      slot_ = decided;
    }
    if (decided > highest_) highest_ = decided;
  }

  // The decided value of `slot`, if it is known here.
  [[nodiscard]] std::optional<Value> decided_at(Slot slot, const Acceptor& acceptor) const {
    if (slot > slot_) return std::nullopt;
    const AcceptedValue* accepted = acceptor.at(slot);
    if (accepted == nullptr || accepted->ballot != ballot_) return std::nullopt;
    return accepted->value;
  }

  // Every slot up to here was said to be decided by some leader.
  [[nodiscard]] Slot highest() const { return highest_; }

  void hash_into(StateHasher& hasher) const {
    const auto& [ballot, slot, highest] = *this;
    hasher.add(ballot, slot, highest);
  }

 private:
  Ballot ballot_;
  Slot slot_;
  Slot highest_;
};

}  // namespace paxledger::paxos
