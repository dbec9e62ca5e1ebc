// One node of the simulated cluster, as the world sees it. Private to world*.cpp.
#pragma once

#include <deque>
#include <optional>

#include "sim/world.hpp"

namespace paxledger::sim {

struct World::Node {
  NodeId id;
  NodeDisk disk;
  std::optional<engine::Replica> replica;  // nothing while the node is down
  std::uint64_t life = 0;
  Duration clock_offset{0};
  std::int64_t wall_shift_us = 0;
  bool instant_disk = true;
  bool settling = false;
  bool forged = false;  // its history is not the cluster's, and it does not know
  std::deque<engine::LoadBlocks> loads;
  engine::Role role = engine::Role::follower;
  std::size_t overdue_fires = 0;
};

}  // namespace paxledger::sim
