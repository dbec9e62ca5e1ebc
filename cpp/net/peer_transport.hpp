// A node's way to its peers.
//
// One bound ROUTER that only receives and one DEALER per peer that only sends, so that routing ids
// decide nothing: who speaks stands in the packet's header. Delivery is best effort; what cannot be
// sent at once is dropped and counted, and the protocol sends again what matters.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "base/ids.hpp"
#include "base/prng.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "net/context.hpp"
#include "net/drop_counter.hpp"
#include "net/frames.hpp"
#include "net/link_filter.hpp"
#include "net/polled_socket.hpp"
#include "paxos/messages.hpp"
#include "wire/peer_messages.hpp"

namespace paxledger::net {

struct PeerAddress {
  NodeId node;
  std::string endpoint;  // where it listens for peers
};

struct PeerTransportSettings {
  ClusterId cluster;
  NodeId self;
  Incarnation incarnation;
  std::string listen_endpoint;     // checked by check_loopback, as are the peers'
  std::vector<PeerAddress> peers;  // without this node itself
  Seed fault_seed;
};

struct PeerTraffic {
  std::uint64_t packets_sent = 0;
  std::uint64_t messages_sent = 0;  // handed to the link filter; a fault may still drop them
  std::uint64_t bytes_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t bytes_received = 0;
};

// One thread owns it. No call blocks.
class PeerTransport {
 public:
  // Binds and begins to connect. Errors: configuration (not loopback), io (address in use, …).
  static Result<PeerTransport> open(Context& context, PeerTransportSettings settings);

  // Sends the messages, in order, in as few packets as they fit into. Messages to nobody known are
  // dropped.
  void send(NodeId to, std::span<const paxos::Message> messages, Instant now);

  // Sends what the link filter has held back until now. Call it when next_deadline() has come.
  void send_due(Instant now);
  [[nodiscard]] Instant next_deadline() const { return filter_.next_deadline(); }

  // The next packet of a peer that came in, or nothing if none waits. An Error says why one was
  // dropped (it is counted; log it with a LogPacer); there may be more after it.
  Result<std::optional<wire::PeerPacket>> receive();

  // For a Poller. Where it is readable, receive() may have something.
  [[nodiscard]] PolledSocket& pollable() { return router_; }

  [[nodiscard]] LinkFilter& faults() { return filter_; }
  [[nodiscard]] const LinkFilter& faults() const { return filter_; }
  [[nodiscard]] const DropCounter& drops_in() const { return drops_in_; }
  // Without those of the link filter.
  [[nodiscard]] const DropCounter& drops_out() const { return drops_out_; }
  [[nodiscard]] const PeerTraffic& traffic() const { return traffic_; }
  // Where it really listens (port 0 was replaced).
  [[nodiscard]] std::string endpoint() const { return bound_endpoint(router_.raw()); }

  // Connects to a peer that was not known before, or moved. For tests and reconfiguration.
  // Errors: configuration, io.
  Result<void> connect_peer(Context& context, const PeerAddress& peer);

 private:
  PeerTransport(PeerTransportSettings settings, zmq::socket_t router);

  void transmit();  // everything in ready_
  Result<std::optional<wire::PeerPacket>> take(const SharedBytes& octets);
  Error drop(DropReason reason, std::string message);

  PeerTransportSettings settings_;
  PolledSocket router_;
  FrameReader reader_;
  std::map<NodeId, zmq::socket_t> dealers_;
  LinkFilter filter_;
  std::vector<OutgoingPacket> ready_;  // scratch, kept for its capacity
  DropCounter drops_in_;
  DropCounter drops_out_;
  PeerTraffic traffic_;
};

}  // namespace paxledger::net
