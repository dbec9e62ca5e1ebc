#include "node/report.hpp"

#include <nlohmann/json.hpp>

namespace paxledger::node {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

std::string dump(const Json& json) {
  // Bytes that are no UTF-8 (of a key in a text for people) become U+FFFD instead of an exception.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json peer_json(const engine::PeerStatus& peer, const engine::Status& own) {
  const std::uint64_t ours = own.head.height.value();
  const std::uint64_t theirs = peer.head.height.value();
  Json json;
  json["node"] = peer.node.value();
  json["heard"] = peer.heard;
  json["silent_ms"] = peer.ever_heard ? Json(milliseconds(peer.silent_for)) : Json(nullptr);
  json["height"] = theirs;
  json["head"] = peer.head.hash.hex();
  json["lag"] = ours > theirs ? ours - theirs : 0;
  json["conflicting"] = peer.conflicting;
  json["abstaining"] = peer.abstaining;
  return json;
}

Json counters_json(const Report& report) {
  const Counters& counters = report.counters;
  Json json;
  json["commands"] = counters.commands;
  json["reads_linearizable"] = counters.reads_linearizable;
  json["reads_local"] = counters.reads_local;
  json["chain_requests"] = counters.chain_requests;
  json["admin_requests"] = counters.admin_requests;
  json["replies"] = counters.replies;
  json["blocks_decided"] = counters.blocks_decided;
  json["commands_decided"] = counters.commands_decided;
  json["catch_up_blocks_sent"] = counters.catch_up_blocks_sent;
  json["catch_up_blocks_received"] = counters.catch_up_blocks_received;
  json["peer_messages_in"] = counters.peer_messages_in;
  json["peer_messages_out"] = counters.peer_messages_out;
  json["client_messages_in"] = counters.client_messages_in;
  json["client_messages_out"] = counters.client_messages_out;
  json["repairs"] = counters.repairs;
  json["wake_ups"] = counters.wake_ups;
  json["elections"] = report.status.elections_started;
  json["leader_changes"] = report.status.leader_changes;
  json["log_syncs"] = report.log.syncs;
  json["log_bytes"] = report.log.bytes;
  json["block_bytes"] = report.block_bytes;
  json["bytes_sent"] = report.bytes_sent;
  json["bytes_received"] = report.bytes_received;
  json["dropped"] = report.dropped;
  json["malformed"] = report.malformed;
  json["http_requests"] = report.http_requests;
  return json;
}

std::string_view stage_name(engine::QueuedItem::Stage stage) {
  switch (stage) {
    case engine::QueuedItem::Stage::waiting:
      return "waiting";
    case engine::QueuedItem::Stage::queued:
      return "queued";
    case engine::QueuedItem::Stage::in_flight:
      return "in_flight";
    case engine::QueuedItem::Stage::forwarded:
      return "forwarded";
    case engine::QueuedItem::Stage::read:
      break;
  }
  return "read";
}

}  // namespace

std::optional<std::string> not_ready_because(const Report& report) {
  const engine::Status& status = report.status;
  if (status.repairing) return "repairing: " + status.repair_reason;
  if (status.leader == kNobody) {
    return status.hears_quorum ? "no leader is known" : "no quorum: a majority is not heard";
  }
  return std::nullopt;
}

std::string status_json(const Report& report) {
  const engine::Status& status = report.status;
  Json json;
  json["node"] = status.self.value();
  json["cluster"] = report.cluster;
  json["role"] = to_string(status.role);
  json["leader"] = status.leader.value();
  json["ballot"] = paxos::to_string(status.promised);
  json["decided"] = status.decided.value();
  json["height"] = status.head.height.value();
  json["head"] = status.head.hash.hex();
  const auto reason = not_ready_because(report);
  json["ready"] = !reason.has_value();
  json["not_ready_reason"] = reason.value_or("");
  json["hears_quorum"] = status.hears_quorum;
  json["abstaining"] = status.abstaining;
  json["repairing"] = status.repairing;
  json["repair_reason"] = status.repair_reason;
  json["damage"] = report.damage;
  json["revision"] = status.revision.value();
  json["keys"] = status.keys;
  json["sessions"] = status.sessions;
  json["queue"] = {{"commands", status.queued_commands},
                   {"bytes", status.queued_bytes},
                   {"in_flight", status.slots_in_flight},
                   {"pending", status.pending_requests}};
  json["uptime_s"] = static_cast<double>(milliseconds(report.uptime)) / 1000.0;
  json["pid"] = report.process;
  json["version"] = report.version;
  json["peers"] = Json::array();
  for (const engine::PeerStatus& peer : status.peers) {
    json["peers"].push_back(peer_json(peer, status));
  }
  json["counters"] = counters_json(report);
  return dump(json);
}

std::string queue_json(const std::vector<engine::QueuedItem>& items) {
  Json list = Json::array();
  for (const engine::QueuedItem& item : items) {
    Json json;
    json["stage"] = stage_name(item.stage);
    json["slot"] = item.slot.value();
    json["session"] = item.session.value();
    json["sequence"] = item.sequence.value();
    json["what"] = item.what;
    list.push_back(std::move(json));
  }
  return dump(Json{{"items", std::move(list)}});
}

}  // namespace paxledger::node
