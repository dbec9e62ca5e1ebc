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
//
// They stand in a table by the last bits of their sequence, or in a place after that. Sequences in
// a row, in whatever order they come, each have a place of their own, so that nothing is moved or
// searched; a session that is spread over connections brings them out of order. An acknowledgement
// only counts down: what it forgets stays where it is until a new result takes the place.
//
// Invariants:
//  1. A result is held only for acknowledged() < sequence <= acknowledged() + kSessionWindow.
//  2. A place of table_ whose sequence is not above acknowledged() is free. There are count_
//  others.
//  3. A result stands at most reach_ places after the one that its sequence names, going round.
//  4. There is room for at most four times the results held, or for a few, and never for more than
//     kSessionWindow: with that many places no two results of a window want the same one.
//  5. Nothing that is told or hashed depends on where a result stands.
class SessionResults {
 public:
  [[nodiscard]] Sequence acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::size_t count() const { return count_; }
  // How many results there is memory for.
  [[nodiscard]] std::size_t room() const { return table_.capacity(); }

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
  // Null if there is none; may give one that is forgotten.
  [[nodiscard]] const Kept* look_up(Sequence sequence) const;
  // Precondition: there is a free place, and no result of its sequence.
  void place(const Kept& kept);
  // Gives the table so many places, a power of two.
  void resize(std::size_t places);

  Sequence acknowledged_;
  std::vector<Kept> table_;
  std::size_t count_ = 0;
  std::size_t reach_ = 0;
};

}  // namespace paxledger::kv
