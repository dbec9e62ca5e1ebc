// The first fields of the peers' messages; docs/reference/peer-protocol.md lists them.
#pragma once

#include <cstdint>

namespace paxledger::wire {

// The first field of a message. The numbers stand on the wire and are never used again for another
// meaning.
enum class PeerKind : std::uint8_t {
  heartbeat = 1,
  pre_vote = 2,
  pre_vote_reply = 3,
  prepare = 4,
  promise = 5,
  accept = 6,
  accepted = 7,
  nack = 8,
  forward = 9,
  forward_reply = 10,
  read_index_request = 11,
  read_index_reply = 12,
  read_probe = 13,
  read_probe_ack = 14,
  fetch_blocks = 15,
  blocks = 16,
  rejoin_request = 17,
  rejoin_reply = 18,
};

}  // namespace paxledger::wire
