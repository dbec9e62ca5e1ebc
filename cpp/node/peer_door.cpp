#include "node/peer_door.hpp"

#include <spdlog/spdlog.h>

#include <random>
#include <utility>

namespace paxledger::node {
namespace {

std::uint64_t random_number() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace

Result<PeerDoor> PeerDoor::open(net::Context& context, const Configuration& configuration,
                                NodeId self) {
  net::PeerTransportSettings settings;
  settings.cluster = configuration.cluster_id;
  settings.self = self;
  settings.incarnation = Incarnation(random_number());
  settings.fault_seed = Seed{random_number()};
  std::vector<NodeId> peers;
  for (const NodeEntry& entry : configuration.nodes) {
    if (entry.id == self) {
      settings.listen_endpoint = entry.peer.tcp();
    } else {
      settings.peers.push_back({entry.id, entry.peer.tcp()});
      peers.push_back(entry.id);
    }
  }
  auto transport = net::PeerTransport::open(context, std::move(settings));
  if (!transport.ok()) return transport.error();
  return PeerDoor(std::move(*transport), std::move(peers));
}

void PeerDoor::drain(std::size_t packets_max, std::size_t bytes_max, Instant now,
                     const Handler& handler) {
  const std::uint64_t bytes_end = transport_.traffic().bytes_received + bytes_max;
  for (std::size_t taken = 0; taken < packets_max; ++taken) {
    if (transport_.traffic().bytes_received >= bytes_end) return;
    auto packet = transport_.receive();
    if (!packet.ok()) {
      if (const auto held_back = pacer_.allow(now)) {
        spdlog::warn("refused a message on the peers' port: {} ({} more since the last line)",
                     packet.error().message, *held_back);
      }
      continue;
    }
    if (!packet->has_value()) return;
    for (paxos::Message& message : (*packet)->messages) {
      handler((*packet)->header.from, std::move(message));
    }
  }
}

void PeerDoor::post(std::vector<paxos::Envelope> envelopes) {
  for (paxos::Envelope& envelope : envelopes) {
    outbox_[envelope.to].push_back(std::move(envelope.message));
  }
}

void PeerDoor::flush(Instant now) {
  for (auto& [to, messages] : outbox_) {
    if (messages.empty()) continue;
    transport_.send(to, messages, now);
    messages.clear();
  }
  if (transport_.next_deadline() <= now) transport_.send_due(now);
}

}  // namespace paxledger::node
