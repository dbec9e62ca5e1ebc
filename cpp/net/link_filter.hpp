// Faults of the links between this node and its peers, made on purpose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/prng.hpp"
#include "base/time.hpp"
#include "net/drop_counter.hpp"

namespace paxledger::net {

// What is wrong with the link to one peer. Probabilities are parts per million of packets.
struct LinkFault {
  bool blocked = false;           // nothing leaves for the peer
  bool blocked_incoming = false;  // nothing of the peer is taken in
  std::uint32_t drop_ppm = 0;
  std::uint32_t duplicate_ppm = 0;
  std::uint32_t reorder_ppm = 0;  // held back so that later packets overtake it
  Duration delay{0};
  Duration jitter{0};  // a uniform part of this is added to delay; order is kept

  bool operator==(const LinkFault&) const = default;
  [[nodiscard]] bool is_none() const { return *this == LinkFault{}; }
};

// 0.25 → 250,000; clamped to [0, 1].
[[nodiscard]] std::uint32_t parts_per_million(double probability);

struct OutgoingPacket {
  NodeId to;
  std::string octets;
};

// Decides what becomes of each outgoing packet: it leaves now, later, twice or never.
//
// Deterministic: equal seeds, faults, packets and instants give equal outcomes. Not thread-safe.
// Invariants:
//  1. At most kHeldPacketsMax packets and kHeldBytesMax octets are held; more are dropped, counted.
//  2. Packets to one peer leave in the order of their coming, unless `reorder_ppm` chose one or the
//     fault was changed in between.
//  3. Without a fault a packet passes at once and draws no random number.
class LinkFilter {
 public:
  static constexpr std::size_t kHeldPacketsMax = 16'384;
  static constexpr std::size_t kHeldBytesMax = std::size_t{64} << 20;

  explicit LinkFilter(Seed seed) : prng_(seed) {}

  // Replaces the fault of the link to `peer`; an empty fault heals it. Packets that are held keep
  // their time, but those to a peer that is blocked now are dropped.
  void set(NodeId peer, const LinkFault& fault);
  void clear();
  [[nodiscard]] const std::map<NodeId, LinkFault>& faults() const { return faults_; }

  // Appends to `ready` what may leave now.
  void offer(OutgoingPacket packet, Instant now, std::vector<OutgoingPacket>& ready);
  // Appends what was held until `now`, in the order of the times.
  void take_due(Instant now, std::vector<OutgoingPacket>& ready);
  // When take_due() has something next; Instant::never() if nothing is held.
  [[nodiscard]] Instant next_deadline() const;

  [[nodiscard]] bool takes_in(NodeId from) const;

  [[nodiscard]] std::size_t held_packets() const { return held_.size(); }
  [[nodiscard]] std::size_t held_bytes() const { return held_bytes_; }
  [[nodiscard]] const DropCounter& drops() const { return drops_; }

 private:
  bool happens(std::uint32_t ppm);
  Duration up_to(Duration most);
  void hold(OutgoingPacket packet, Instant due);

  Prng prng_;
  std::map<NodeId, LinkFault> faults_;
  std::map<NodeId, Instant> last_due_;  // of the packets held in order
  std::multimap<Instant, OutgoingPacket> held_;
  std::size_t held_bytes_ = 0;
  DropCounter drops_;
};

}  // namespace paxledger::net
