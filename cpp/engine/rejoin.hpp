// How a node that lost its log becomes a voter again (docs/decisions/0004).
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "paxos/hash_messages.hpp"
#include "paxos/membership.hpp"
#include "paxos/messages.hpp"
#include "paxos/records.hpp"
#include "paxos/votes.hpp"

namespace paxledger::engine {

// The node may have voted in its former life and forgot it all. It must not vote
//   - at a slot where a forgotten acceptance may have counted, before it knows what was decided;
//   - under a ballot below one that it may have promised.
// It asks `needed()` peers, a set that meets every quorum it may have been counted in, for bounds
// on both; each peer first makes durable that votes of the former life no longer count.
//
//   asking      which generation do you know me under?
//   announcing  I am generation g now; how far may my forgotten votes reach?
//   bounded     the bounds are known; abstain until everything up to them is applied
//
// Answers are votes: one whose sender has lost its own log since does not count. The caller learns
// the generations of an answer before it hands it over.
class Rejoin {
 public:
  enum class Phase { asking, announcing, bounded };

  // `life` is drawn anew for every life of the replica: an answer that an earlier life asked for
  // may be from before votes that the node has forgotten since.
  Rejoin(const paxos::Membership& membership, std::uint64_t life)
      : voters_(membership.voters().size()), quorum_(membership.quorum_size()), life_(life) {}

  [[nodiscard]] Phase phase() const { return phase_; }
  // A quorum of former votes holds at least quorum - 1 other nodes; to meet every such set, all
  // but quorum - 2 of the others must answer.
  [[nodiscard]] std::size_t needed() const { return voters_ + 1 - quorum_; }
  [[nodiscard]] bool possible() const { return voters_ > 1; }

  [[nodiscard]] paxos::RejoinRequest request() const {
    return {phase_ == Phase::announcing ? generation_ : Generation(0), life_};
  }

  // The generation to announce, once enough peers answered the question. It is to be made durable
  // (a GenerationRecord of this node) before announce().
  std::optional<Generation> on_answer_to_question(NodeId from, const paxos::RejoinReply& reply,
                                                  const paxos::GenerationTable& generations,
                                                  NodeId self) {
    if (phase_ != Phase::asking || reply.life != life_) return std::nullopt;
    answers_[from] = reply;
    if (!is_enough(generations)) return std::nullopt;
    Generation highest = generations.of(self);
    for (const auto& [node, answer] : answers_) highest = std::max(highest, answer.generation);
    return highest.next();
  }
  void announce(Generation generation) {
    phase_ = Phase::announcing;
    generation_ = generation;
    answers_.clear();
  }

  struct Bounds {
    paxos::Ballot promised;
    Slot through;
  };
  std::optional<Bounds> on_answer_to_announcement(NodeId from, const paxos::RejoinReply& reply,
                                                  const paxos::GenerationTable& generations) {
    if (phase_ != Phase::announcing || reply.life != life_ || reply.generation != generation_) {
      return std::nullopt;
    }
    answers_[from] = reply;
    if (!is_enough(generations)) return std::nullopt;
    Bounds bounds;
    for (const auto& [node, answer] : answers_) {
      bounds.promised = std::max(bounds.promised, answer.promised);
      bounds.through = std::max(bounds.through, answer.highest_slot);
    }
    phase_ = Phase::bounded;
    return bounds;
  }

  void hash_into(StateHasher& hasher) const {
    const auto& [sent, voters, quorum, life, phase, generation, answers] = *this;
    hasher.add(sent, voters, quorum, life, phase, generation, answers);
  }

  Instant sent_at;

 private:
  // Drops the answers that are void; they are asked for again.
  [[nodiscard]] bool is_enough(const paxos::GenerationTable& generations) {
    std::erase_if(answers_, [&](const auto& entry) {
      const auto& [node, answer] = entry;
      return paxos::own_generation(node, answer.generations) < generations.of(node);
    });
    return answers_.size() >= needed();
  }

  std::size_t voters_;
  std::size_t quorum_;
  std::uint64_t life_;
  Phase phase_ = Phase::asking;
  Generation generation_;
  std::map<NodeId, paxos::RejoinReply> answers_;
};

}  // namespace paxledger::engine
