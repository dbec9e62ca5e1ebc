// Where the node's messages to and from its peers pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "net/drop_counter.hpp"
#include "net/peer_transport.hpp"
#include "node/configuration.hpp"
#include "paxos/messages.hpp"

namespace paxledger::node {

// Collects what one turn of the event loop has to say to each peer, so that it leaves in as few
// packets as possible. Bad input is counted, and logged at most once a second.
class PeerDoor {
 public:
  // Errors: io, configuration; the message names the address.
  static Result<PeerDoor> open(net::Context& context, const Configuration& configuration,
                               NodeId self);

  using Handler = std::function<void(NodeId from, paxos::Message message)>;
  // Takes in at most `packets_max` packets and about `bytes_max` octets; the rest keeps waiting.
  void drain(std::size_t packets_max, std::size_t bytes_max, Instant now, const Handler& handler);

  void post(std::vector<paxos::Envelope> envelopes);
  // Sends what was posted, peer by peer in the order of posting, and what the link filter held
  // back until now.
  void flush(Instant now);

  [[nodiscard]] Instant next_deadline() const { return transport_.next_deadline(); }
  [[nodiscard]] net::PeerTransport& transport() { return transport_; }
  [[nodiscard]] const net::PeerTransport& transport() const { return transport_; }
  [[nodiscard]] const std::vector<NodeId>& peers() const { return peers_; }

 private:
  PeerDoor(net::PeerTransport transport, std::vector<NodeId> peers)
      : transport_(std::move(transport)), peers_(std::move(peers)) {}

  net::PeerTransport transport_;
  std::vector<NodeId> peers_;
  std::map<NodeId, std::vector<paxos::Message>> outbox_;
  net::LogPacer pacer_;
};

}  // namespace paxledger::node
