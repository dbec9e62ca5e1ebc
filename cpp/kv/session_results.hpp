// The results that one session keeps for commands that may be repeated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "kv/command.hpp"

namespace paxledger::kv {

// Results by sequence, above the acknowledged one.
//
// Their memory follows their number, not their sequences: a client that leaves gaps makes a session
// no larger. A kept result is code and revision; only reads bring a value, and they are not kept.
// Clients count up and acknowledge in order, so a result is added at the end of a row and
// forgotten at its beginning.
//
// Invariants:
//  1. A result is held only for acknowledged() < sequence <= acknowledged() + kSessionWindow.
//  2. row_ rises by sequence. What stands before first_ is forgotten.
//  3. row_ has room for at most four times the results held, or for a few.
class SessionResults {
 public:
  [[nodiscard]] Sequence acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::size_t count() const { return row_.size() - first_; }
  // How many results there is memory for.
  [[nodiscard]] std::size_t room() const { return row_.capacity(); }

  // Forgets the results up to `sequence`. A sequence at or below acknowledged() changes nothing.
  void acknowledge(Sequence sequence);

  [[nodiscard]] bool fits(Sequence sequence) const {
    return sequence > acknowledged_ && sequence.value() - acknowledged_.value() <= kSessionWindow;
  }

  [[nodiscard]] std::optional<CommandResult> find(Sequence sequence) const;

  // Precondition: fits(sequence), there is no result of it, and the new one has no value.
  void keep(Sequence sequence, const CommandResult& result);

  void hash_into(StateHasher& hasher) const;

 private:
  struct Kept {
    Sequence sequence;
    Revision revision;
    ErrorCode code = ErrorCode::ok;
  };
  using Row = std::vector<Kept>;
  // The first one of `sequence` or above.
  [[nodiscard]] Row::const_iterator place_of(Sequence sequence) const;

  Sequence acknowledged_;
  Row row_;
  std::size_t first_ = 0;
};

}  // namespace paxledger::kv
