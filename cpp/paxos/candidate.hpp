// The candidate: phase 1, over all open slots at once.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
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

// Collects promises for one ballot. A peer's report may come in parts; its vote counts once the
// last part is here.
//
// Invariant: values() holds, for each slot, the value of the highest ballot among all reports
// (Paxos Made Simple §2.2, P2c).
class Candidate {
 public:
  // `first` is the first slot that this node does not know to be decided.
  Candidate(Ballot ballot, Slot first, Instant now);

  [[nodiscard]] Ballot ballot() const { return ballot_; }
  [[nodiscard]] Slot first() const { return first_; }

  // Takes in a report. Returns the Prepare that asks `from` for the next part, if there is one.
  std::optional<Prepare> on_promise(NodeId from, const Promise& promise,
                                    const GenerationTable& generations);

  // What is to be asked of `peer` (again); nothing if its report is complete.
  [[nodiscard]] std::optional<Prepare> prepare_for(NodeId peer,
                                                   const GenerationTable& generations) const;

  [[nodiscard]] bool has_quorum(const Membership& membership,
                                const GenerationTable& generations) const {
    return votes_.is_quorum(membership, generations);
  }

  // Slots up to here are decided somewhere: they must be fetched before this node may lead, since
  // peers no longer report what they accepted there.
  [[nodiscard]] Slot decided_elsewhere() const { return decided_elsewhere_; }
  [[nodiscard]] const std::map<Slot, AcceptedValue>& values() const { return values_; }
  // For the leader that this candidate becomes; values() is empty afterwards.
  [[nodiscard]] std::map<Slot, AcceptedValue> take_values() { return std::move(values_); }
  // How many parts of reports were taken in: grows with every answer that brings phase 1 on, and
  // with none that was here before or does not count.
  [[nodiscard]] std::uint64_t parts_taken() const { return parts_taken_; }

  void hash_into(StateHasher& hasher) const {
    const auto& [sent, progressed, ballot, first, decided_elsewhere, votes, next_part, values,
                 parts_taken] = *this;
    hasher.add(sent, progressed, ballot, first, decided_elsewhere, votes, next_part, values,
               parts_taken);
  }

  Instant sent_at;        // of the last round of Prepares
  Instant progressed_at;  // the candidacy ends when nothing moves for an election timeout

 private:
  Ballot ballot_;
  Slot first_;
  Slot decided_elsewhere_;
  Votes votes_;
  std::map<NodeId, Slot> next_part_;  // where the next part of a peer's report starts
  std::map<Slot, AcceptedValue> values_;
  std::uint64_t parts_taken_ = 0;
};

}  // namespace paxledger::paxos
