// The results that one session keeps for commands that may be repeated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.hpp"
#include "kv/command.hpp"

namespace paxledger::kv {

// Results by sequence, in a window that starts above the acknowledged sequence.
//
// A ring whose capacity is a power of two: clients count up by one and acknowledge as they go, so
// the window is short and dense, and finding, keeping and forgetting a result cost one step each.
//
// Invariants:
//  1. A result is held only for acknowledged() < sequence <= acknowledged() + kSessionWindow.
//  2. The ring is never larger than kSessionWindow places.
class SessionResults {
 public:
  [[nodiscard]] Sequence acknowledged() const { return acknowledged_; }

  // Forgets the results up to `sequence`. A sequence at or below acknowledged() changes nothing.
  void acknowledge(Sequence sequence);

  [[nodiscard]] bool fits(Sequence sequence) const {
    return sequence > acknowledged_ && sequence.value() - acknowledged_.value() <= kSessionWindow;
  }

  // Null if there is none. Valid until the next keep() or acknowledge().
  [[nodiscard]] const CommandResult* find(Sequence sequence) const;

  // Precondition: fits(sequence), and find(sequence) is null.
  void keep(Sequence sequence, CommandResult result);

 private:
  // An empty place has sequence 0, which no command has.
  struct Place {
    Sequence sequence;
    CommandResult result;
  };

  [[nodiscard]] std::size_t place_of(Sequence sequence) const {
    return static_cast<std::size_t>(sequence.value()) & (ring_.size() - 1);
  }
  void grow_to_hold(std::uint64_t span);

  Sequence acknowledged_;
  std::vector<Place> ring_;
};

}  // namespace paxledger::kv
