#include "engine/plausible.hpp"

#include <algorithm>
#include <cstdint>
#include <variant>
#include <vector>

namespace paxledger::engine {

namespace {

// A round and a generation cost a sync each, a slot a message; nobody gets this far by counting.
constexpr Round kRoundMax{std::uint64_t{1} << 48};
constexpr Generation kGenerationMax{std::uint32_t{1} << 31};
constexpr std::uint64_t kPositionMax = std::uint64_t{1} << 60;
// Acceptances reach above what is applied by what the log holds and the block files do not.
constexpr std::uint64_t kOpenSlotsMax = std::uint64_t{1} << 24;

// Which messages need no look: everything in them may be anything.
struct Judge {
  NodeId from;
  const paxos::Membership& membership;

  template <class Message>
  bool operator()(const Message& /*message*/) const {
    return true;
  }
  bool operator()(const paxos::Heartbeat& m) const {
    const bool own = !m.leading || m.promised.node == from;
    return ballot(m.promised) && own && position(m.decided) && position(m.head.height);
  }
  bool operator()(const paxos::PreVote& m) const { return ballot(m.ballot) && owns(m.ballot); }
  bool operator()(const paxos::PreVoteReply& m) const {
    return ballot(m.ballot) && ballot(m.promised);
  }
  bool operator()(const paxos::Prepare& m) const {
    return ballot(m.ballot) && owns(m.ballot) && position(m.first) && m.first > Slot(0);
  }
  bool operator()(const paxos::Promise& m) const {
    // An incomplete part must get on, or the question for the next one is asked for ever.
    const bool gets_on = m.complete || (!m.accepted.empty() && m.through >= m.first);
    return ballot(m.ballot) && position(m.first) && position(m.through) && position(m.decided) &&
           gets_on && generations(m.generations) && accepted(m);
  }
  bool operator()(const paxos::Accept& m) const {
    return ballot(m.ballot) && owns(m.ballot) && position(m.slot) && position(m.decided) &&
           m.decided < m.slot;
  }
  bool operator()(const paxos::Accepted& m) const {
    return ballot(m.ballot) && generations(m.generations);
  }
  bool operator()(const paxos::Nack& m) const { return ballot(m.promised); }
  bool operator()(const paxos::ReadIndexReply& m) const { return position(m.index); }
  bool operator()(const paxos::ReadProbe& m) const { return ballot(m.ballot) && owns(m.ballot); }
  bool operator()(const paxos::ReadProbeAck& m) const {
    return ballot(m.ballot) && generations(m.generations);
  }
  bool operator()(const paxos::FetchBlocks& m) const { return position(m.first); }
  bool operator()(const paxos::Blocks& m) const {
    return position(m.first) && position(m.head.height);
  }
  bool operator()(const paxos::RejoinRequest& m) const { return m.generation <= kGenerationMax; }
  bool operator()(const paxos::RejoinReply& m) const {
    return m.generation <= kGenerationMax && ballot(m.promised) && position(m.highest_slot) &&
           generations(m.generations);
  }

 private:
  [[nodiscard]] bool ballot(const paxos::Ballot& b) const {
    return b.is_none() || (b.round <= kRoundMax && membership.contains(b.node));
  }
  [[nodiscard]] bool owns(const paxos::Ballot& b) const { return b.node == from && !b.is_none(); }
  template <class Position>
  [[nodiscard]] static bool position(Position p) {
    return p.value() <= kPositionMax;
  }
  [[nodiscard]] bool generations(const paxos::Generations& entries) const {
    return std::all_of(entries.begin(), entries.end(), [this](const auto& entry) {
      return membership.contains(entry.node) && entry.generation <= kGenerationMax;
    });
  }
  [[nodiscard]] bool accepted(const paxos::Promise& m) const {
    Slot above = m.first.value() == 0 ? Slot(0) : Slot(m.first.value() - 1);
    const std::uint64_t open_max = std::max(m.first, m.decided).value() + kOpenSlotsMax;
    return std::all_of(m.accepted.begin(), m.accepted.end(), [&](const auto& value) {
      const bool rises = value.slot > above;
      above = value.slot;
      return rises && value.slot <= m.through && value.slot.value() <= open_max &&
             ballot(value.ballot) && !value.ballot.is_none() && value.ballot <= m.ballot;
    });
  }
};

}  // namespace

bool is_plausible(const paxos::Message& message, NodeId from, const paxos::Membership& membership) {
  return std::visit(Judge{from, membership}, message);
}

}  // namespace paxledger::engine
