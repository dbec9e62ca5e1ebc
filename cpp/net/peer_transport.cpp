#include "net/peer_transport.hpp"

#include <utility>

namespace paxledger::net {

namespace {

DropReason reason_of(Sent outcome) {
  return outcome == Sent::queue_full ? DropReason::queue_full : DropReason::not_connected;
}

}  // namespace

PeerTransport::PeerTransport(PeerTransportSettings settings, zmq::socket_t router)
    : settings_(std::move(settings)), router_(std::move(router)), filter_(settings_.fault_seed) {}

Result<PeerTransport> PeerTransport::open(Context& context, PeerTransportSettings settings) {
  if (auto allowed = check_loopback(settings.listen_endpoint); !allowed) return allowed.error();
  auto router = context.open(zmq::socket_type::router, {});
  if (!router) return router.error();
  if (auto bound = net::bind(*router, settings.listen_endpoint); !bound) return bound.error();
  const std::vector<PeerAddress> peers = settings.peers;
  PeerTransport transport(std::move(settings), std::move(*router));
  for (const PeerAddress& peer : peers) {
    if (auto connected = transport.connect_peer(context, peer); !connected) {
      return connected.error();
    }
  }
  return transport;
}

Result<void> PeerTransport::connect_peer(Context& context, const PeerAddress& peer) {
  if (auto allowed = check_loopback(peer.endpoint); !allowed) return allowed.error();
  auto dealer = context.open(zmq::socket_type::dealer, {});
  if (!dealer) return dealer.error();
  if (auto connected = net::connect(*dealer, peer.endpoint); !connected) return connected.error();
  dealers_.insert_or_assign(peer.node, std::move(*dealer));
  return {};
}

void PeerTransport::send(NodeId to, std::span<const paxos::Message> messages, Instant now) {
  if (!dealers_.contains(to)) {
    drops_out_.count(DropReason::not_connected, messages.size());
    return;
  }
  using Added = wire::PeerPacketWriter::Added;
  wire::PeerPacketWriter writer({settings_.cluster, settings_.self, to, settings_.incarnation});
  const auto finish = [&] {
    traffic_.messages_sent += writer.count();
    filter_.offer({to, writer.finish()}, now, ready_);
  };
  for (const auto& message : messages) {
    Added added = writer.add(message);
    if (added == Added::full) {
      finish();
      added = writer.add(message);
    }
    if (added == Added::too_large) drops_out_.count(DropReason::too_large);
  }
  if (!writer.empty()) finish();
  transmit();
}

void PeerTransport::send_due(Instant now) {
  filter_.take_due(now, ready_);
  transmit();
}

void PeerTransport::transmit() {
  for (OutgoingPacket& packet : ready_) {
    const std::size_t bytes = packet.octets.size();
    const auto dealer = dealers_.find(packet.to);
    const Sent sent = dealer == dealers_.end()
                          ? Sent::not_connected
                          : send_packet(dealer->second, {}, std::move(packet.octets));
    if (sent == Sent::yes) {
      ++traffic_.packets_sent;
      traffic_.bytes_sent += bytes;
    } else {
      drops_out_.count(reason_of(sent));
    }
  }
  ready_.clear();
}

Error PeerTransport::drop(DropReason reason, std::string message) {
  drops_in_.count(reason);
  return Error{ErrorCode::bad_request, "peer packet dropped, " + std::string(to_string(reason)) +
                                           ": " + std::move(message)};
}

Result<std::optional<wire::PeerPacket>> PeerTransport::receive() {
  while (true) {
    switch (router_.read(reader_)) {
      case FrameReader::Got::nothing:
      case FrameReader::Got::failed:
        return std::optional<wire::PeerPacket>();
      case FrameReader::Got::discarding:
        return Error{ErrorCode::bad_request, "still dropping a peer packet of very many frames"};
      case FrameReader::Got::too_many:
        return drop(DropReason::too_many_frames,
                    "more than " + std::to_string(kFramesMax) + " frames");
      case FrameReader::Got::message:
        break;
    }
    // The router puts the connection's routing id, which decides nothing, before the packet.
    if (reader_.count() != 2) {
      return drop(DropReason::too_many_frames,
                  "expected 1 frame, found " + std::to_string(reader_.count() - 1));
    }
    auto packet = take(octets_of(reader_.frame(1)));
    if (packet && !packet->has_value()) continue;  // dropped on purpose
    return packet;
  }
}

Result<std::optional<wire::PeerPacket>> PeerTransport::take(const SharedBytes& octets) {
  const auto preamble = wire::decode_preamble(octets);
  if (!preamble) return drop(DropReason::malformed, preamble.error().message);
  if (preamble->version != wire::kPeerProtocolVersion) {
    return drop(DropReason::other_version, "protocol version " + std::to_string(preamble->version));
  }
  const wire::PeerHeader& header = preamble->header;
  if (header.cluster != settings_.cluster) {
    return drop(DropReason::other_cluster, "cluster " + std::to_string(header.cluster.value()) +
                                               ", this is a node of " +
                                               std::to_string(settings_.cluster.value()));
  }
  if (header.to != settings_.self) {
    return drop(DropReason::other_recipient, "meant for node " + std::to_string(header.to.value()));
  }
  if (!dealers_.contains(header.from)) {
    return drop(DropReason::unknown_sender, "from node " + std::to_string(header.from.value()));
  }
  if (!filter_.takes_in(header.from)) {
    drops_in_.count(DropReason::fault_injected);
    return std::optional<wire::PeerPacket>();
  }
  auto packet = wire::decode_packet(octets);
  if (!packet) {
    return drop(DropReason::malformed,
                "from node " + std::to_string(header.from.value()) + ", " + packet.error().message);
  }
  ++traffic_.packets_received;
  traffic_.messages_received += packet->messages.size();
  traffic_.bytes_received += octets.size();
  return std::optional<wire::PeerPacket>(std::move(*packet));
}

}  // namespace paxledger::net
