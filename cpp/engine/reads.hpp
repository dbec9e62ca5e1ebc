// Linearizable reads without a log entry: the read index (Raft thesis §6.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "engine/io.hpp"
#include "engine/requests.hpp"
#include "paxos/membership.hpp"
#include "paxos/votes.hpp"

namespace paxledger::engine {

// Somebody who wants to read: a client of this node, or a peer that needs an index.
struct Reader {
  std::variant<ClientRead, RemoteOrigin> who;
  Instant expires;
  std::uint8_t hops = 0;
};

// Reads wait in batches. One round (a probe of the leader, or a question to it) is under way at a
// time and serves every reader that waited when it began; later ones wait for the next.
//
// Invariant: a reader is answered only from an index that was learned by a round which began
// after the reader arrived. That is what makes the read linearizable.
class Reads {
 public:
  // `first_round` is drawn anew for every life of the replica, so that an answer to a question of
  // an earlier life confirms nothing.
  Reads(const Limits& limits, std::uint64_t first_round)
      : limits_(limits), next_round_(first_round) {}

  [[nodiscard]] bool is_full() const { return size() >= limits_.pending_requests_max; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  [[nodiscard]] std::size_t size() const {
    return waiting_.size() + indexed_count_ + (round_ ? round_->readers.size() : 0);
  }

  void add(Reader reader);

  struct Round {
    std::uint64_t id = 0;
    bool is_probe = false;  // by this node as leader; else a question to `asked`
    NodeId asked;
    Slot index;  // probe: what was decided when it began
    Instant sent_at;
    paxos::Votes votes;
    std::vector<Reader> readers;
    std::uint8_t hops = 0;  // the most that any of the readers was passed on
  };
  [[nodiscard]] const std::optional<Round>& round() const { return round_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }  // for a round
  [[nodiscard]] bool can_begin() const { return !round_ && !waiting_.empty(); }

  // Precondition: can_begin().
  Round& begin_probe(Slot index, Instant now);
  Round& begin_question(NodeId asked, Instant now);

  // Counts an acknowledgement of the probe; true once a quorum confirmed.
  bool on_ack(std::uint64_t id, NodeId from, Generation generation,
              const paxos::Membership& membership, const paxos::GenerationTable& generations);
  void mark_sent(Instant now) { round_->sent_at = now; }

  // The round succeeded: its readers may be answered once `index` is applied. Peers among them
  // are returned, since the index is all that they want.
  std::vector<RemoteOrigin> finish_round(Slot index);
  // The round came to nothing; its readers wait for another one.
  void abandon_round();

  // Readers whose index is applied.
  std::vector<ClientRead> take_ready(Slot applied);
  // The time of no reader is over before; never() if there is none. It may belong to a reader that
  // was answered meanwhile: take_expired() finds the next one.
  [[nodiscard]] Instant next_expiry() const {
    return empty() ? Instant::never() : no_expiry_before_;
  }
  std::vector<Reader> take_expired(Instant now);

  void describe(std::vector<QueuedItem>& items, std::size_t count_max) const;

  void hash_into(StateHasher& hasher) const;

 private:
  Round& begin(Instant now);

  Limits limits_;
  std::uint64_t next_round_;
  std::vector<Reader> waiting_;
  std::optional<Round> round_;
  std::map<Slot, std::vector<Reader>> indexed_;  // by the slot whose application they wait for
  std::size_t indexed_count_ = 0;
  Instant no_expiry_before_ = Instant::never();
};

}  // namespace paxledger::engine
