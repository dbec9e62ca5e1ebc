// The encoding of what nodes say to each other; docs/reference/peer-protocol.md shows every field.
//
//   packet  := [version, cluster, from, to, incarnation, [message…]]
//   message := [kind, field…]
//
// All of it is msgpack with fixed arities. A packet is one ZeroMQ frame.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "paxos/messages.hpp"
#include "wire/unpack.hpp"

namespace paxledger::wire {

inline constexpr std::uint64_t kPeerProtocolVersion = 1;
inline constexpr std::size_t kPeerPacketMessagesMax = 1024;
// A packet is closed when another message would take it over this; one message alone may be larger,
// up to kFrameBytesMax.
inline constexpr std::size_t kPeerPacketBytesGoal = std::size_t{1} << 20;

struct PeerHeader {
  ClusterId cluster;
  NodeId from;
  NodeId to;
  Incarnation incarnation;  // of `from`
  bool operator==(const PeerHeader&) const = default;
};

struct PeerPacket {
  PeerHeader header;
  std::vector<paxos::Message> messages;
};

// Collects messages for one peer until the packet is full.
class PeerPacketWriter {
 public:
  enum class Added : std::uint8_t {
    yes,
    full,       // finish this packet and add the message to the next one
    too_large,  // no packet can carry this message
  };

  explicit PeerPacketWriter(const PeerHeader& header);

  // Of a `Blocks` message, blocks past kArrayItemsMax are left out: the receiver asks again for
  // what comes after those that it got. Other messages with more items than that are too_large.
  Added add(const paxos::Message& message);

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::size_t size() const { return octets_.size(); }

  // The packet. The writer is then empty and ready for the next one to the same peer.
  [[nodiscard]] std::string finish();

 private:
  void begin();

  PeerHeader header_;
  std::string octets_;
  std::size_t count_at_ = 0;  // where the number of messages stands in octets_
  std::size_t count_ = 0;
};

// Encodes as many packets as it takes. Messages that no packet can carry are left out.
[[nodiscard]] std::vector<std::string> encode_packets(const PeerHeader& header,
                                                      std::span<const paxos::Message> messages);
// Encodes one packet. Precondition: the messages fit into one.
[[nodiscard]] std::string encode_packet(const PeerHeader& header,
                                        std::span<const paxos::Message> messages);

// What stands before the messages. `version` is read first; if it is not ours, the rest stays
// empty.
struct PeerPreamble {
  std::uint64_t version = 0;
  PeerHeader header;
};
// Errors: bad_request.
[[nodiscard]] Result<PeerPreamble> decode_preamble(const SharedBytes& frame);

// Large values become slices of the frame. Besides the encoding it checks that the items of a
// message are in the order that paxos/messages.hpp promises. Errors: bad_request, with the offset.
[[nodiscard]] Result<PeerPacket> decode_packet(const SharedBytes& frame);

}  // namespace paxledger::wire
