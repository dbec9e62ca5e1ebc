#include "in_process/node.hpp"

#include <variant>

#include "base/invariant.hpp"
#include "wire/client_codec.hpp"
#include "wire/peer_messages.hpp"

namespace paxledger::bench {
namespace {

constexpr std::size_t kPendingMax = 32'768;
constexpr std::size_t kOutstandingMax = 8192;
// The origin of the nodes' clocks in wall time; any moment will do.
constexpr std::uint64_t kWallOrigin = 1'700'000'000'000'000;

}  // namespace

InProcessNode::InProcessNode(NodeId self, const std::vector<NodeId>& nodes, ClusterId cluster,
                             Instant now)
    : self_(self), cluster_(cluster), desk_(kPendingMax, kOutstandingMax) {
  storage::StorageOptions options;
  options.directory = "data";
  options.cluster_name = "in-process";
  options.cluster = cluster;
  options.node = self;
  options.mode = storage::OpenMode::initialise;
  auto opened = storage::recover_storage(
      disk_, options, [](const ledger::Block&) -> Result<void> { return {}; },
      [](std::uint64_t, std::uint64_t) {});
  invariant(opened.ok(), "an empty directory in memory can be begun");
  storage_.emplace(std::move(*opened));
  engine::Settings settings;
  settings.self = self;
  settings.cluster = cluster;
  engine::Recovered recovered(cluster);
  recovered.durable = std::move(storage_->durable);
  recovered.log_complete_above = storage_->log_complete_above;
  replica_.emplace(paxos::Membership(nodes), settings, std::move(recovered), Seed{self.value()},
                   now);
}

Timestamp InProcessNode::wall(Instant now) {
  const auto since = std::chrono::duration_cast<std::chrono::microseconds>(now.since_origin());
  return Timestamp(kWallOrigin + static_cast<std::uint64_t>(since.count()));
}

bool InProcessNode::has_work(Instant now) const {
  return durable_ > reported_ || !from_peers_.empty() || !from_clients_.empty() ||
         replica_->next_deadline() <= now;
}

void InProcessNode::turn(Instant now) {
  engine::Output out;
  if (durable_ > reported_) release_durable(now, out);
  drain_peers(now, out);
  drain_clients(now, out);
  if (replica_->next_deadline() <= now) replica_->step(engine::TimerFired{wall(now)}, now, out);
  hand_out(out, now);
  flush_replies();
  flush_peers();
}

void InProcessNode::release_durable(Instant now, engine::Output& out) {
  reported_ = durable_;
  post(held_.release(durable_));
  replica_->step(engine::Persisted{durable_, wall(now)}, now, out);
}

void InProcessNode::drain_peers(Instant now, engine::Output& out) {
  for (const SharedBytes& octets : std::exchange(from_peers_, {})) {
    auto packet = wire::decode_packet(octets);
    invariant(packet.ok(), "a node understands its peers");
    for (paxos::Message& message : packet->messages) {
      replica_->step(engine::Received{packet->header.from, std::move(message)}, now, out);
    }
  }
}

void InProcessNode::drain_clients(Instant now, engine::Output& out) {
  for (auto& [connection, octets] : std::exchange(from_clients_, {})) {
    auto packet = wire::decode_requests(octets, cluster_);
    invariant(packet.ok() && packet->defect == wire::Defect::none, "a node understands its client");
    for (wire::ClientRequest& request : packet->requests) {
      auto& execute = std::get<wire::ExecuteRequest>(request);
      auto key = desk_.admit(connection, execute.id, node::ClientDesk::Kind::execute);
      invariant(key.ok(), "the client keeps within the limits");
      commands_.push_back(
          {*key, std::move(execute.command), node::deadline_of(execute.budget_ms, now)});
    }
  }
  if (commands_.empty()) return;
  const std::size_t room = commands_.size();
  replica_->step(engine::Proposed{std::exchange(commands_, {}), wall(now)}, now, out);
  commands_.reserve(room);
}

void InProcessNode::hand_out(engine::Output& out, Instant now) {
  if (!out.persist.empty()) {
    durable_ = out.persist.ticket;
    held_.hold(out.persist.ticket, std::move(out.persist.send_after), now);
    const auto appended = storage_->log->append(out.persist.records);
    invariant(appended.ok(), "a disk in memory takes every record");
  }
  post(std::move(out.send_now));
  if (!out.decided.empty()) {
    const auto appended = storage_->blocks->append(out.decided);
    invariant(appended.ok(), "a disk in memory takes every block");
  }
  for (engine::Reply& reply : out.replies) {
    if (const auto origin = desk_.settle(reply.request)) {
      client_outbox_[origin->connection].push_back(
          node::to_client_reply(*origin, std::move(reply)));
    }
  }
  invariant(!out.diverged_at && out.loads.empty(), "nobody is behind, and nobody lies");
}

void InProcessNode::post(std::vector<paxos::Envelope> envelopes) {
  for (paxos::Envelope& envelope : envelopes) {
    peer_outbox_[envelope.to].push_back(std::move(envelope.message));
  }
}

void InProcessNode::flush_replies() {
  for (auto& [connection, replies] : client_outbox_) {
    wire::ReplyWriter writer(cluster_, self_);
    for (const wire::ClientReply& each : replies) {
      if (writer.add(each)) continue;
      replies_.push_back({connection, writer.finish()});
      const bool added = writer.add(each);
      invariant(added, "an empty packet takes any reply");
    }
    if (!writer.empty()) replies_.push_back({connection, writer.finish()});
  }
  client_outbox_.clear();
}

void InProcessNode::flush_peers() {
  for (auto& [to, messages] : peer_outbox_) {
    if (messages.empty()) continue;
    for (std::string& packet :
         wire::encode_packets({cluster_, self_, to, Incarnation(1)}, messages)) {
      packets_.push_back({to, std::move(packet)});
    }
    messages.clear();
  }
}

}  // namespace paxledger::bench
