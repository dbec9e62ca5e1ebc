// The part of the world that watches what nodes say of each other, and alters what they say.
#include <algorithm>
#include <set>
#include <utility>

#include "base/invariant.hpp"
#include "ledger/block.hpp"
#include "sim/describe.hpp"
#include "sim/world_node.hpp"

namespace paxledger::sim {

void World::complain(const Node& n, const std::string& text) {
  const std::size_t colon = text.find(": ");
  if (colon == std::string::npos) return;
  safety_.violated(text.substr(0, colon), n.id, text.substr(colon + 2));
}

void World::check_promptness(const Node& n, bool led) {
  const engine::Role role = n.replica->role();
  if (led && role == engine::Role::leader) {
    complain(n, promptness_.leads(n.id, n.replica->promised(), local_now(n)));
  }
  if (role == engine::Role::candidate) {
    complain(n, promptness_.runs(n.id, n.replica->promised(), local_now(n)));
  }
}

PromptnessCheck::Standing World::standing(const Node& n) {
  return {n.replica->promised(), n.replica->role() == engine::Role::leader,
          n.replica->abstaining()};
}

std::uint64_t World::value_bytes_of(const engine::Persist& write) {
  std::uint64_t bytes = 0;
  for (const auto& record : write.records) {
    const auto* accept = std::get_if<paxos::AcceptRecord>(&record);
    if (accept != nullptr) bytes += accept->value.size();
  }
  return bytes;
}

void World::check_backlog(const Node& n, const engine::Persist& write) {
  const auto last = std::find_if(write.records.rbegin(), write.records.rend(), [](const auto& r) {
    return std::holds_alternative<paxos::AcceptRecord>(r);
  });
  const std::uint64_t last_bytes =
      last == write.records.rend() ? 0 : std::get<paxos::AcceptRecord>(*last).value.size();
  complain(n, promptness_.waits(n.id, value_bytes_of(write), last_bytes, local_now(n)));
}

// Who says that he is whole may be counted on when another one loses his disk.
void World::check_repair(const Node& n) {
  const Height needs = std::max(n.needs, height_of(n.disk.durable().abstain.through));
  if (n.disk.synced() >= needs) return;
  const auto status = n.replica->status(local_now(n));
  if (status.abstaining || status.repairing) return;
  safety_.violated("repair", n.id,
                   "says that it is whole, and of the blocks up to height " +
                       std::to_string(needs.value()) + " that it lacked those above " +
                       std::to_string(n.disk.synced().value()) + " are not durable");
}

// Of an error of its own a node tells its operator in other ways; what it gives notice of as an
// error is what another node did that no correct one does.
void World::note_notice(Node& n, const engine::Notice& notice) {
  static constexpr const char* kLevels[] = {"info", "warning", "error"};
  note({.kind = Event::Kind::notice, .node = n.id}, [&] {
    return name(n.id) + " " + kLevels[static_cast<std::size_t>(notice.level)] + ": " + notice.text;
  });
  if (notice.level == engine::Notice::Level::error && !somebody_lies_) {
    safety_.violated("accusation", n.id, "accuses where nobody lies: " + notice.text);
  }
}

// One input answers one Forward once: a copy of a Forward whose request is open is no new request.
void World::check_forward_replies(const Node& n, const engine::Output& out, std::size_t first) {
  std::set<std::pair<NodeId, std::uint64_t>> answered;
  for (std::size_t i = first; i < out.send_now.size(); ++i) {
    const auto* reply = std::get_if<paxos::ForwardReply>(&out.send_now[i].message);
    if (reply == nullptr || answered.insert({out.send_now[i].to, reply->id}).second) continue;
    safety_.violated("forward", n.id,
                     "answers Forward " + std::to_string(reply->id) + " of node " +
                         name(out.send_now[i].to) + " twice at once");
  }
}

bool World::forged(NodeId id) const {
  return node(id).forged;
}

void World::tamper(std::uint64_t id) {
  const auto flight = in_flight_.find(id);
  if (flight == in_flight_.end()) return;
  auto* message = std::get_if<paxos::Blocks>(&flight->second.message);
  if (message == nullptr || !running(flight->second.to)) return;
  const Height next = replica(flight->second.to).applied().height().next();
  if (next < message->first || next.value() - message->first.value() >= message->blocks.size()) {
    return;
  }
  SharedBytes& octets = message->blocks[next.value() - message->first.value()];
  auto block = ledger::decode_block(octets);
  invariant(block.ok(), "nodes send blocks that are whole");
  block->header.previous = block->hash;
  block->hash = ledger::hash_header(block->header);
  octets = SharedBytes(ledger::encode_block(*block));
  somebody_lies_ = true;
  note_fault(flight->second.from, "tamper",
             "block " + std::to_string(next.value()) + " of node " + name(flight->second.from) +
                 " is altered on its way");
}

}  // namespace paxledger::sim
