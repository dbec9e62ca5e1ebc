// The results that one session keeps for commands that may be repeated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "kv/command.hpp"

namespace paxledger::kv {

// Results by sequence, above the acknowledged one.
//
// Their memory follows their number, not their sequences: a client that leaves gaps makes a session
// no larger. A kept result is code and revision; only reads bring a value, and they are not kept.
//
// Invariant: a result is held only for acknowledged() < sequence <= acknowledged() +
// kSessionWindow.
class SessionResults {
 public:
  [[nodiscard]] Sequence acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::size_t count() const { return kept_.size(); }

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
    ErrorCode code = ErrorCode::ok;
    Revision revision;
  };

  Sequence acknowledged_;
  std::map<Sequence, Kept> kept_;
};

}  // namespace paxledger::kv
