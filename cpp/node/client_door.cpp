#include "node/client_door.hpp"

#include <spdlog/spdlog.h>

#include <cstdint>
#include <string>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::node {
namespace {

ErrorCode outcome_of(const wire::ClientReply& reply) {
  const auto* value = std::get_if<wire::ValueReply>(&reply);
  return value == nullptr ? ErrorCode::ok : value->code;
}

net::DropReason reason_of(wire::Defect defect) {
  switch (defect) {
    case wire::Defect::other_version:
      return net::DropReason::other_version;
    case wire::Defect::other_cluster:
      return net::DropReason::other_cluster;
    case wire::Defect::none:
    case wire::Defect::malformed:
      break;
  }
  return net::DropReason::malformed;
}

}  // namespace

Result<ClientDoor> ClientDoor::open(net::Context& context, const Configuration& configuration,
                                    NodeId self, Counters& counters) {
  auto listener = net::ClientListener::open(context, configuration.find(self)->client.tcp());
  if (!listener.ok()) return listener.error();
  return ClientDoor(std::move(*listener), configuration, self, counters);
}

void ClientDoor::refuse(const Error& error, Instant now) {
  if (const auto held_back = pacer_.allow(now)) {
    spdlog::warn("refused a message on the clients' port: {} ({} more since the last line)",
                 error.message, *held_back);
  }
}

void ClientDoor::drain(std::size_t packets_max, std::size_t requests_max, std::size_t bytes_max,
                       Instant now, const Handler& handler) {
  std::size_t requests = 0;
  const std::uint64_t bytes_end = listener_.traffic().bytes_received + bytes_max;
  for (std::size_t taken = 0; taken < packets_max; ++taken) {
    if (listener_.traffic().bytes_received >= bytes_end || requests >= requests_max) return;
    auto frame = listener_.receive();
    if (!frame.ok()) {
      refuse(frame.error(), now);
      continue;
    }
    if (!frame->has_value()) return;
    const net::ConnectionId connection = (*frame)->connection;
    auto packet = wire::decode_requests((*frame)->payload, cluster_);
    if (!packet.ok()) {
      listener_.count_bad(net::DropReason::malformed);
      refuse(packet.error(), now);
      continue;
    }
    if (packet->defect != wire::Defect::none) {
      listener_.count_bad(reason_of(packet->defect));
      refuse(Error{ErrorCode::bad_request, packet->refusals.empty()
                                               ? std::string("a malformed request")
                                               : packet->refusals.front().message},
             now);
    }
    if (packet->defect == wire::Defect::other_cluster) {
      // The client knows its own cluster's name; it cannot know this one's from its id.
      for (wire::ValueReply& refusal : packet->refusals) {
        refusal.message = "it belongs to cluster \"" + cluster_name_ + "\"";
      }
    }
    requests += packet->refusals.size() + packet->requests.size();
    for (wire::ValueReply& refusal : packet->refusals) reply(connection, std::move(refusal));
    for (wire::ClientRequest& request : packet->requests) handler(connection, std::move(request));
  }
}

void ClientDoor::reply(net::ConnectionId connection, wire::ClientReply reply) {
  ++counters_->replies[std::string(to_string(outcome_of(reply)))];
  outbox_[connection].push_back(std::move(reply));
}

void ClientDoor::flush(const std::function<NodeId()>& leader) {
  for (auto& [connection, replies] : outbox_) {
    wire::ReplyWriter writer(cluster_, self_);
    for (wire::ClientReply& each : replies) {
      if (!listener_.accepts(connection)) break;
      if (outcome_of(each) != ErrorCode::ok) std::get<wire::ValueReply>(each).leader = leader();
      if (writer.add(each)) continue;
      listener_.send(connection, writer.finish());
      const bool added = writer.add(each);
      invariant(added, "an empty packet takes any reply");
    }
    // Where nothing more is accepted this counts the drop, of an empty packet if need be.
    if (!writer.empty() || !listener_.accepts(connection)) {
      listener_.send(connection, writer.finish());
    }
  }
  outbox_.clear();
}

}  // namespace paxledger::node
