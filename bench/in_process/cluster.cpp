#include "in_process/cluster.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/invariant.hpp"
#include "wire/client_codec.hpp"

namespace paxledger::bench {
namespace {

constexpr std::uint64_t kKeys = 10'000;
constexpr std::size_t kValueBytes = 256;
constexpr SessionId kSession{42};
constexpr Duration kTick = std::chrono::milliseconds(1);
constexpr std::uint64_t kSessionMilliseconds = 30'000;

}  // namespace

InProcessCluster::InProcessCluster() : cluster_(ledger::cluster_id("in-process")) {
  const std::vector<NodeId> ids{NodeId(1), NodeId(2), NodeId(3)};
  for (const NodeId id : ids) {
    nodes_.push_back(std::make_unique<InProcessNode>(id, ids, cluster_, now_));
  }
  while (leader_ == nullptr) {
    now_ = now_ + kTick;
    work();
    for (const auto& node : nodes_) {
      if (node->replica().role() == engine::Role::leader) leader_ = node.get();
    }
  }
  wire::RequestWriter writer(cluster_);
  const bool added = writer.add(wire::ExecuteRequest{
      ++last_id_, 0,
      SharedBytes(command(kv::CommandKind::open_session, {}, {}, kSessionMilliseconds))});
  invariant(added, "an empty packet takes any request");
  serve({{net::ConnectionId(1), writer.finish()}});
  invariant(take_successes() == 1, "a session can be opened");
}

std::string InProcessCluster::command(kv::CommandKind kind, std::string_view key,
                                      std::string_view value, std::uint64_t argument) {
  kv::Command command;
  command.kind = kind;
  command.session = kSession;
  if (kind != kv::CommandKind::open_session) command.sequence = Sequence(++last_sequence_);
  command.acknowledged = Sequence(acknowledged_);
  command.argument = argument;
  command.key = key;
  command.value = value;
  return kv::encode_command(command);
}

std::vector<InProcessCluster::Request> InProcessCluster::encode_puts(std::size_t count,
                                                                     std::size_t connections) {
  std::vector<wire::RequestWriter> writers(std::min(count, connections),
                                           wire::RequestWriter(cluster_));
  acknowledged_ = last_sequence_;
  std::string value(kValueBytes, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    char key[32];
    // A step that is prime to the number of keys visits all of them, far apart.
    const std::uint64_t number = last_sequence_ * 7919 % kKeys;
    std::snprintf(key, sizeof key, "bench/%08llu", static_cast<unsigned long long>(number));
    for (std::size_t at = 0; at < value.size(); ++at) {
      value[at] = static_cast<char>(last_sequence_ + at);
    }
    const bool added = writers[i % writers.size()].add(wire::ExecuteRequest{
        ++last_id_, 5000, SharedBytes(command(kv::CommandKind::put, key, value, 0))});
    invariant(added, "the puts of a connection fit into a packet");
  }
  std::vector<Request> requests;
  for (std::size_t i = 0; i < writers.size(); ++i) {
    requests.push_back({net::ConnectionId(i + 1), writers[i].finish()});
  }
  return requests;
}

void InProcessCluster::serve(std::vector<Request> requests) {
  now_ = now_ + kTick;
  for (Request& request : requests) {
    leader_->take_from_client(request.connection, std::move(request.octets));
  }
  work();
}

void InProcessCluster::work() {
  for (bool idle = false; !idle;) {
    idle = true;
    for (const auto& node : nodes_) {
      if (!node->has_work(now_)) continue;
      idle = false;
      node->turn(now_);
      for (auto& packet : node->take_packets()) {
        ++traffic_.peer_packets;
        traffic_.peer_bytes += packet.octets.size();
        nodes_[packet.to.value() - 1]->take_from_peer(std::move(packet.octets));
      }
      for (auto& packet : node->take_replies()) {
        ++traffic_.reply_packets;
        traffic_.reply_bytes += packet.octets.size();
        replies_.push_back(std::move(packet.octets));
      }
    }
  }
}

std::size_t InProcessCluster::take_successes() {
  std::size_t successes = 0;
  for (std::string& octets : std::exchange(replies_, {})) {
    const auto packet = wire::decode_replies(SharedBytes(std::move(octets)));
    invariant(packet.ok(), "a client understands the nodes");
    for (const wire::ClientReply& reply : packet->replies) {
      const auto* value = std::get_if<wire::ValueReply>(&reply);
      if (value != nullptr && value->code == ErrorCode::ok) ++successes;
    }
  }
  return successes;
}

Traffic InProcessCluster::traffic() const {
  Traffic traffic = traffic_;
  for (const auto& node : nodes_) {
    traffic.disks.writes += node->disk_traffic().writes;
    traffic.disks.bytes_written += node->disk_traffic().bytes_written;
    traffic.disks.syncs += node->disk_traffic().syncs;
  }
  return traffic;
}

}  // namespace paxledger::bench
