// The rules on several nodes of a small world.

#include <algorithm>
#include <map>
#include <set>

#include "engine/batch.hpp"
#include "sim/describe.hpp"
#include "sim/small_world.hpp"

namespace paxledger::sim {

void SmallWorld::violated(const std::string& rule, const SmallNode& node, const std::string& text) {
  if (violation_.empty()) violation_ = rule + ": node " + name(node.self()) + ": " + text;
}

void SmallWorld::check_answers(const SmallState& state, const SmallNode& node,
                               const LocalStep& step) {
  for (const auto& [command, revision] : step.answers) {
    const bool is_so = std::any_of(state.nodes.begin(), state.nodes.end(), [&](std::uint32_t each) {
      return nodes_[each].outcomes()[command] == revision;
    });
    if (is_so && revision != Revision(0)) continue;
    violated("answer", node,
             "says that " + describe_command(settings_->commands[command].view()) +
                 " came to revision " + std::to_string(revision.value()) +
                 ", and no node decided that");
  }
}

void SmallWorld::check_values(const SmallState& state, const SmallNode& node) {
  for (const auto& [place, value] : node.votes()) {
    const SmallNode& owner = nodes_[state.nodes[place.second.node.value() - 1]];
    const auto proposed = owner.proposed().find(place);
    if (proposed == owner.proposed().end() || !(proposed->second == value)) {
      violated("value", node,
               "accepted " + describe_value(value) + " under ballot " + to_string(place.second) +
                   " at slot " + std::to_string(place.first.value()) +
                   ", which its owner did not propose");
    }
  }
}

void SmallWorld::check_blocks(const SmallState& state, const SmallNode& node) {
  const auto& own = node.decided();
  for (const std::uint32_t other : state.nodes) {
    const auto& blocks = nodes_[other].decided();
    for (std::size_t i = 0; i < std::min(own.size(), blocks.size()); ++i) {
      if (own[i].hash == blocks[i].hash) continue;
      violated("chain", node,
               "decided " + describe_block(own[i]) + " at height " + std::to_string(i + 1) +
                   ", and node " + name(nodes_[other].self()) + " decided " +
                   describe_block(blocks[i]));
      return;
    }
  }
  for (std::size_t i = 1; i < own.size(); ++i) {
    if (is_chosen(state, own[i])) continue;
    violated("chosen", node,
             "decided " + describe_block(own[i]) + " at height " + std::to_string(i + 1) +
                 " without a quorum that accepted it durably");
  }
}

bool SmallWorld::is_chosen(const SmallState& state, const ledger::Block& block) const {
  const Slot slot = slot_of(block.header.height);
  std::map<paxos::Ballot, std::set<NodeId>> voters;
  for (const std::uint32_t each : state.nodes) {
    const SmallNode& node = nodes_[each];
    for (const auto& [place, value] : node.votes()) {
      if (place.first != slot) continue;
      const auto batch = engine::decode_batch(value);
      if (batch && batch->ops == block.ops && batch->timestamp <= block.header.timestamp) {
        voters[place.second].insert(node.self());
      }
    }
  }
  return std::any_of(voters.begin(), voters.end(), [&](const auto& entry) {
    return settings_->membership.is_quorum(entry.second);
  });
}

}  // namespace paxledger::sim
