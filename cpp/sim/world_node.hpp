// One node of the simulated cluster, as the world sees it. Private to world*.cpp.
#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "sim/world.hpp"

namespace paxledger::sim {

struct World::Node {
  Node(NodeId self, ClusterId cluster, const DiskOptions& options)
      : id(self), disk(kClusterName, cluster, self, options) {}

  static constexpr const char* kClusterName = "a simulated cluster";

  NodeId id;
  NodeDisk disk;
  std::optional<engine::Replica> replica;  // nothing while the node is down
  std::uint64_t life = 0;
  // The node's own time is clock_offset + (time - clock_since) * (1 + clock_ppm / 1,000,000).
  Duration clock_offset{0};
  Instant clock_since;
  std::int64_t clock_ppm = 0;
  Instant deadline = Instant::never();  // of the replica, in the world's time
  std::int64_t wall_shift_us = 0;
  bool instant_disk = true;
  bool settling = false;
  bool stalled = false;
  std::deque<std::function<engine::Input()>> waiting;  // requests that it takes when it goes on
  bool forged = false;  // its history is not the cluster's, and it does not know
  std::deque<engine::LoadBlocks> loads;
  bool wants_sync = false;  // of its blocks, and to be told of it
  Height needs;             // the blocks that were missing when it started, or more
  engine::Role role = engine::Role::follower;
  std::size_t overdue_fires = 0;

  // When the node's clock will show `local`, in the world's time.
  [[nodiscard]] Instant to_world(Instant local) const;
};

}  // namespace paxledger::sim
