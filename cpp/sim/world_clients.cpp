// The part of the world that plays the clients: requests, replies, and what they promise.
#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "sim/describe.hpp"
#include "sim/world_node.hpp"

namespace paxledger::sim {

Request& World::open_request(Node& n) {
  const RequestKey key(++next_request_);
  Request& request = open_[key];
  request.key = key;
  request.node = n.id;
  request.life = n.life;
  request.invoked = now_;
  request.deadline = Instant::never();
  request.invoked_at = tick();
  return request;
}

// From here on the node has the request, and says itself when it takes too long.
Instant World::begin_patience(Node& n, RequestKey key, Duration patience) {
  Request& request = open_.at(key);
  request.patience_ends = local_now(n) + patience;
  request.deadline = n.to_world(request.patience_ends);
  return request.patience_ends;
}

void World::hand_in(Node& n, std::function<engine::Input()> input) {
  if (n.stalled) {
    n.waiting.push_back(std::move(input));
  } else {
    step(n, {input()});
  }
}

void World::set_stalled(NodeId id, bool stalled) {
  Node& n = node(id);
  n.stalled = stalled;
  while (!n.stalled && n.replica && !n.waiting.empty()) {
    const auto input = std::move(n.waiting.front());
    n.waiting.pop_front();
    step(n, {input()});
  }
}

RequestKey World::propose(NodeId id, const kv::Command& command, Duration patience) {
  return propose(id, std::vector<kv::Command>{command}, patience).front();
}

std::vector<RequestKey> World::propose(NodeId id, const std::vector<kv::Command>& commands,
                                       Duration patience) {
  Node& n = node(id);
  invariant(n.replica.has_value(), "requests go to a node that runs");
  std::vector<RequestKey> keys;
  std::vector<SharedBytes> encoded;
  for (const auto& command : commands) {
    Request& request = open_request(n);
    request.session = command.session;
    request.sequence = command.sequence;
    encoded.emplace_back(kv::encode_command(command));
    keys.push_back(request.key);
  }
  hand_in(n, [this, &n, keys, encoded = std::move(encoded), patience]() -> engine::Input {
    engine::Proposed proposed;
    proposed.wall = wall(n);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      proposed.commands.push_back({keys[i], encoded[i], begin_patience(n, keys[i], patience)});
    }
    return proposed;
  });
  return keys;
}

RequestKey World::read(NodeId id, const std::string& key, engine::ReadConsistency consistency,
                       Duration patience) {
  Node& n = node(id);
  invariant(n.replica.has_value(), "requests go to a node that runs");
  Request& request = open_request(n);
  const RequestKey name = request.key;
  request.read_key = key;
  request.linearizable = consistency == engine::ReadConsistency::linearizable;
  hand_in(n, [this, &n, name, key, consistency, patience]() -> engine::Input {
    const Instant ends = begin_patience(n, name, patience);
    return engine::ReadsRequested{{{name, consistency, engine::Lookup{SharedBytes(key)}, ends}}};
  });
  return name;
}

RequestKey World::scan(NodeId id, const std::string& prefix, const std::string& after,
                       std::size_t count_max, engine::ReadConsistency consistency,
                       Duration patience) {
  Node& n = node(id);
  invariant(n.replica.has_value(), "requests go to a node that runs");
  Request& request = open_request(n);
  const RequestKey name = request.key;
  request.read_key = prefix;
  request.scan = true;
  request.scan_after = after;
  request.scan_max = count_max;
  request.linearizable = consistency == engine::ReadConsistency::linearizable;
  hand_in(n, [this, &n, name, prefix, after, count_max, consistency, patience]() -> engine::Input {
    const Instant ends = begin_patience(n, name, patience);
    engine::Scan scan{SharedBytes(prefix), SharedBytes(after), count_max, std::size_t{1} << 20};
    return engine::ReadsRequested{{{name, consistency, std::move(scan), ends}}};
  });
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
  if (n.forged) {
    check_forged_reply(n, answered);
  } else {
    check_reply(answered);
  }
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

// Its history is that of nobody else, so that no peer can have confirmed it. What it serves before
// it has heard of another one nobody can help.
void World::check_forged_reply(const Node& n, const Answered& answered) {
  const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
  const bool served =
      result == nullptr || result->code == ErrorCode::ok || result->code == ErrorCode::not_found;
  if (answered.request.session || !served) return;
  const auto peers = n.replica->status(local_now(n)).peers;
  for (const engine::PeerStatus& peer : peers) {
    if (!peer.conflicting) continue;
    safety_.violated("read", n.id,
                     "serves a read though node " + name(peer.node) +
                         " has another history and nobody confirms its own");
    return;
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
