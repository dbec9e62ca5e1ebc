// The leader: phase 2 for a window of slots.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "paxos/ballot.hpp"
#include "paxos/hash_messages.hpp"
#include "paxos/membership.hpp"
#include "paxos/messages.hpp"
#include "paxos/votes.hpp"

namespace paxledger::paxos {

// Invariants:
//  1. Never two values under one (ballot, slot): propose() gives each slot one value, once.
//  2. window() holds exactly the slots from decided() + 1 to next_slot() - 1.
//  3. A slot leaves the window in slot order, and only after a quorum accepted its value.
class Leader {
 public:
  // One slot whose value is on its way.
  struct Open {
    Value value;
    Votes votes;
    bool chosen = false;  // a quorum accepted; waits for the slots before it
    Instant sent_at;

    friend void hash_into(StateHasher& hasher, const Open& open) {
      const auto& [its_value, its_votes, is_chosen, was_sent] = open;
      hasher.add(its_value, its_votes, is_chosen, was_sent);
    }
  };

  // `first` is the first slot to propose at: the one after the last applied.
  Leader(Ballot ballot, Slot first) : ballot_(ballot), next_slot_(first) {}

  [[nodiscard]] Ballot ballot() const { return ballot_; }
  [[nodiscard]] Slot next_slot() const { return next_slot_; }
  [[nodiscard]] const std::map<Slot, Open>& window() const { return window_; }
  [[nodiscard]] std::size_t window_bytes() const { return window_bytes_; }

  // Gives the next slot to `value`.
  Slot propose(Value value, Instant now);

  // `voter` has `slot` accepted under this leader's ballot, durably.
  void on_accepted(NodeId voter, Generation generation, Slot slot, const Membership& membership,
                   const GenerationTable& generations);

  // The value of the oldest slot of the window, once it is chosen; the slot leaves the window.
  struct Decided {
    Slot slot;
    Value value;
  };
  std::optional<Decided> take_decided();

  // The slots that `peer` has not accepted, of those not chosen and last sent before `before`: the
  // oldest of them, about `bytes_max` octets, but at least one if there is one. A peer that is
  // merely slow is not buried under copies of the whole window.
  [[nodiscard]] std::vector<Slot> unanswered(NodeId peer, Instant before, std::size_t bytes_max,
                                             const GenerationTable& generations) const;
  // Notes that slots sent before `before` were sent again.
  void mark_sent(Instant before, Instant now);

  void hash_into(StateHasher& hasher) const {
    const auto& [ballot, next_slot, window, window_bytes] = *this;
    hasher.add(ballot, next_slot, window, window_bytes);
  }

 private:
  Ballot ballot_;
  Slot next_slot_;
  std::map<Slot, Open> window_;
  std::size_t window_bytes_ = 0;
};

}  // namespace paxledger::paxos
