// The part of the world that plays the clients: requests, replies, and what they promise.
#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "sim/describe.hpp"
#include "sim/world_node.hpp"

namespace paxledger::sim {

Request& World::open_request(Node& n, Duration patience) {
  const RequestKey key(++next_request_);
  Request& request = open_[key];
  request.key = key;
  request.node = n.id;
  request.life = n.life;
  request.invoked = now_;
  request.patience_ends = local_now(n) + patience;
  request.deadline = n.to_world(request.patience_ends);
  request.invoked_at = tick();
  return request;
}

RequestKey World::propose(NodeId id, const kv::Command& command, Duration patience) {
  return propose(id, std::vector<kv::Command>{command}, patience).front();
}

std::vector<RequestKey> World::propose(NodeId id, const std::vector<kv::Command>& commands,
                                       Duration patience) {
  Node& n = node(id);
  invariant(n.replica.has_value(), "requests go to a node that runs");
  engine::Proposed proposed;
  proposed.wall = wall(n);
  std::vector<RequestKey> keys;
  for (const auto& command : commands) {
    Request& request = open_request(n, patience);
    request.session = command.session;
    request.sequence = command.sequence;
    proposed.commands.push_back(
        {request.key, SharedBytes(kv::encode_command(command)), request.patience_ends});
    keys.push_back(request.key);
  }
  step(n, {std::move(proposed)});
  return keys;
}

RequestKey World::read(NodeId id, const std::string& key, engine::ReadConsistency consistency,
                       Duration patience) {
  Node& n = node(id);
  invariant(n.replica.has_value(), "requests go to a node that runs");
  Request& request = open_request(n, patience);
  const RequestKey name = request.key;
  request.read_key = key;
  request.linearizable = consistency == engine::ReadConsistency::linearizable;
  engine::ClientRead read{name, consistency, engine::Lookup{SharedBytes(key)},
                          request.patience_ends};
  step(n, {engine::ReadsRequested{{std::move(read)}}});
  return name;
}

RequestKey World::scan(NodeId id, const std::string& prefix, const std::string& after,
                       std::size_t count_max, engine::ReadConsistency consistency,
                       Duration patience) {
  Node& n = node(id);
  invariant(n.replica.has_value(), "requests go to a node that runs");
  Request& request = open_request(n, patience);
  const RequestKey name = request.key;
  request.read_key = prefix;
  request.scan = true;
  request.scan_after = after;
  request.scan_max = count_max;
  request.linearizable = consistency == engine::ReadConsistency::linearizable;
  engine::ClientRead read{
      name, consistency,
      engine::Scan{SharedBytes(prefix), SharedBytes(after), count_max, std::size_t{1} << 20},
      request.patience_ends};
  step(n, {engine::ReadsRequested{{std::move(read)}}});
  return name;
}

void World::answer(Node& n, engine::Reply reply) {
  auto taken = open_.extract(reply.request);
  if (taken.empty() || taken.mapped().node != n.id || taken.mapped().life != n.life) {
    safety_.violated("reply", n.id,
                     "answers request " + std::to_string(reply.request.value()) +
                         " that is not open here: " + describe(reply));
    return;
  }
  const Answered answered{std::move(taken.mapped()), std::move(reply), tick()};
  note({.kind = Event::Kind::reply, .node = n.id, .id = answered.request.key.value()}, [&] {
    return name(n.id) + " answers #" + std::to_string(answered.request.key.value()) + ": " +
           describe(answered.reply);
  });
  if (!n.forged) check_reply(answered);
  if (listeners_.answered) listeners_.answered(answered);
}

void World::check_reply(const Answered& answered) {
  const Request& request = answered.request;
  const engine::Reply& reply = answered.reply;
  const auto* result = std::get_if<kv::CommandResult>(&reply.what);
  const auto* page = std::get_if<kv::ScanPage>(&reply.what);
  if (request.session) {
    if (result == nullptr) {
      safety_.violated("reply", request.node, "answers a command with a page");
    } else {
      safety_.result_given(request.node, *request.session, request.sequence, *result);
    }
    return;
  }
  if (page != nullptr && request.scan) {
    safety_.scan_answered(request.node, request.read_key, request.scan_after, request.scan_max,
                          reply.height, *page);
  } else if (result != nullptr && !request.scan) {
    safety_.read_answered(request.node, request.read_key, reply.height, *result);
  } else if (result == nullptr || result->code == ErrorCode::ok) {
    safety_.violated("reply", request.node, "answers a scan without a page, or a lookup with one");
  }
}

void World::check_overdue(Duration slack, const std::map<NodeId, Instant>& undriven) {
  for (const auto& [key, request] : open_) {
    if (now_ <= request.deadline + slack) continue;
    const auto until = undriven.find(request.node);
    if (until != undriven.end() && now_ <= until->second + slack) continue;
    safety_.violated("reply", request.node,
                     "has not answered request " + std::to_string(key.value()) +
                         " though its deadline has passed");
  }
}

}  // namespace paxledger::sim
