// One whole replica as a pure function of its inputs.
//
// Deterministic: equal (recovered state, seed, inputs) give equal outputs. It performs no I/O,
// reads no clock, starts no thread and draws no randomness of its own. Not thread-safe: one thread
// drives it. A copy goes its own way from there on: equal inputs give equal outputs from both. It
// shares octets that never change (values, blocks) with the original and nothing else, and costs as
// much as what the replica holds.
//
// Guarantees to the caller:
//  1. A message that promises something durable stands only in Output::persist.send_after.
//  2. `decided` holds the blocks of rising heights without a gap over the replica's life.
//  3. Every request gets exactly one reply, at its deadline at the latest.
// Duties of the caller:
//  1. Records are made durable in the order of their tickets, then reported by Persisted.
//  2. send_after leaves only after its ticket is durable; on a crash before that it never leaves.
//  3. `now` never falls.
//  4. TimerFired comes when next_deadline() is due. Answers may be late by as much as it is.
//  5. BlocksSynced comes only for blocks that survive a power loss.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "engine/applied_state.hpp"
#include "engine/io.hpp"
#include "engine/settings.hpp"
#include "engine/status.hpp"
#include "paxos/membership.hpp"
#include "paxos/records.hpp"

namespace paxledger::engine {

// What a node found on its disk.
struct Recovered {
  explicit Recovered(ClusterId cluster) : applied(cluster) {}

  AppliedState applied;         // from the blocks
  Height blocks_synced;         // of them, these are known to be durable
  paxos::DurableState durable;  // from the log
  // The log holds every acceptance above this slot; what it held below was trimmed.
  Slot log_complete_above;
  // Nonempty: blocks or log were damaged. The text says file, offset and height. The node repairs.
  std::string damage;
  // Blocks up to this height were known to this node before; it serves no reads until it has them
  // again, durably.
  Height repair_through;
  // The log was lost or damaged: the node may have voted on what it no longer knows.
  bool log_lost = false;
};

class Replica {
 public:
  Replica(paxos::Membership membership, Settings settings, Recovered recovered, Seed seed,
          Instant now);
  Replica(const Replica& other);
  Replica& operator=(const Replica& other);
  Replica(Replica&&) noexcept;
  Replica& operator=(Replica&&) noexcept;
  ~Replica();

  // Adds to `out`; several steps may share one Output as long as it is handled as a whole.
  void step(Input input, Instant now, Output& out);

  // When step(TimerFired) is due; Instant::never() if nothing is.
  [[nodiscard]] Instant next_deadline() const;

  [[nodiscard]] Status status(Instant now) const;
  // All three as in status(), which costs more.
  [[nodiscard]] Role role() const;
  [[nodiscard]] bool abstaining() const;
  [[nodiscard]] paxos::Ballot promised() const;
  [[nodiscard]] std::vector<QueuedItem> queue(std::size_t count_max) const;
  [[nodiscard]] const AppliedState& applied() const;
  // What the log amounts to once every record handed out is durable: what a replica that is built
  // anew in the same process starts from.
  [[nodiscard]] paxos::DurableState durable() const;

  // Replicas with equal fingerprints behave equally: equal inputs, at instants as far from `now`,
  // give equal outputs for ever, but for the numbers of their tickets and the counters that only
  // status() shows. Equality is certain for all that can be expected of 128 bits. With `classes`
  // equal behaviour holds under the conditions of TimeClasses alone.
  [[nodiscard]] Fingerprint fingerprint(Instant now,
                                        std::optional<TimeClasses> classes = std::nullopt) const;

  // Breaks an invariant if the replica's state is not one that the protocol allows. For the
  // simulator: after every step.
  void check_invariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace paxledger::engine
