// How long a leader lets the next batch wait for more commands.
#pragma once

#include <cstddef>
#include <optional>

#include "base/state_hasher.hpp"
#include "base/time.hpp"

namespace paxledger::engine {

// A slot costs its messages, wake-ups and syncs once, for one command as for two hundred. Whoever
// was just answered mostly asks again at once, so a batch that waits a little for them spares slots
// (docs/decisions/0017). What is queued at a leader leaves
//   W1. at once, if it is a large batch already: waiting would spare little;
//   W2. while slots are in flight, once they are decided;
//   W3. once none is, when as many commands came since then as were answered since the last batch
//       left: their clients have asked again. A few may have what they wanted, so when nine tenths
//       came, the others have an eighth of a round more. A client that asks for one thing after
//       the other, and is alone, never waits;
//   W4. but at once, if much was queued already when the last slot was decided: commands come by
//       themselves, or from two groups of clients that take turns. Now and then such a batch waits
//       for both groups, so that they become one. Where they do not, this is tried ever less;
//   W5. at the latest when it has waited for `longest`, or for three rounds if these are shorter,
//       by W2, and again by W3 or W4. A round is the time from the last proposal to a decision.
class BatchWait {
 public:
  // Commands, or octets, from which on a batch is large.
  static constexpr std::size_t kLargeCommands = 256;
  static constexpr std::size_t kLargeBytes = std::size_t{128} << 10;
  // Fewer than so many answers say nothing about groups.
  static constexpr std::size_t kGroupMin = 8;
  // Of the batches of W4 at least one in so many tries to join groups.
  static constexpr std::size_t kTryEveryMax = 512;

  // Zero: nothing waits.
  explicit BatchWait(Duration longest) : longest_(longest) {}

  // A batch left.
  void on_proposed(Instant now);
  // A slot with so many commands was decided, and its clients are answered.
  void on_decided(std::size_t commands, Instant now);
  // Nothing is queued.
  void on_empty(bool in_flight);

  // When what is queued shall leave if nothing changes before; `now` or earlier: at once.
  // Precondition: something is queued, and could leave.
  [[nodiscard]] Instant leaves_at(std::size_t commands, std::size_t bytes, bool in_flight,
                                  Instant now);

  void hash_into(StateHasher& hasher) const;

 private:
  // The last slot in flight was decided, with so many commands queued: decides how many it takes.
  void judge(std::size_t queued);

  Duration longest_;
  Instant proposed_at_;  // the last batch
  Instant decided_at_;   // the last slot
  Duration round_ = Duration::zero();
  std::size_t answered_ = 0;             // commands decided since proposed_at_
  std::optional<Instant> queued_since_;  // since when what is queued could leave
  bool is_judged_ = false;               // of this batch, wanted_ is known
  std::size_t wanted_ = 0;               // commands that it waits for by W3 or W4
  std::size_t enough_ = 0;               // with nine tenths of those that are to come yet
  std::optional<Instant> enough_since_;  // since when so many are here
  bool tries_ = false;                   // this batch waits to join two groups
  bool has_tried_ = false;               // the last one did
  std::size_t try_every_ = 1;            // batches of W4
  std::size_t try_in_ = 1;               // so many of them
};

}  // namespace paxledger::engine
