// The client's side of one session: which sequences were given out, and which are settled.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.hpp"
#include "kv/command.hpp"

namespace paxledger::client {

// A sequence is settled once nobody will send its command again: its result was seen, or the
// caller was told that the outcome is unknown. What was given up may be acknowledged like what was
// seen: a copy of it that arrives later is refused by the cluster, so it is still applied at most
// once.
//
// Invariants:
//  1. Every sequence up to acknowledged() is settled; acknowledged() + 1 is not.
//  2. last() - acknowledged() <= kv::kSessionWindow, so the cluster can keep every result that is
//     not acknowledged.
class Session {
 public:
  Session() : settled_(kv::kSessionWindow, false) {}
  explicit Session(SessionId id) : Session() { id_ = id; }

  [[nodiscard]] SessionId id() const { return id_; }
  [[nodiscard]] Sequence last() const { return last_; }
  [[nodiscard]] Sequence acknowledged() const { return acknowledged_; }

  // Whether another sequence may be given out now.
  [[nodiscard]] bool has_room() const {
    return last_.value() - acknowledged_.value() < kv::kSessionWindow;
  }
  // Precondition: has_room().
  Sequence take();
  // Precondition: `sequence` was given out and is not settled.
  void settle(Sequence sequence);

 private:
  [[nodiscard]] std::size_t place_of(Sequence sequence) const {
    return static_cast<std::size_t>(sequence.value() % kv::kSessionWindow);
  }

  SessionId id_;
  Sequence last_;
  Sequence acknowledged_;
  std::vector<bool> settled_;  // by sequence modulo the window
};

// A session id that nobody else has: 64 bits from the operating system, never zero.
[[nodiscard]] SessionId draw_session_id();

}  // namespace paxledger::client
