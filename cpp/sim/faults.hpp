// The misfortunes of a random run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "base/prng.hpp"
#include "sim/profile.hpp"
#include "sim/run.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

// Invariant: at no time is more than a minority of disks lost or damaged. Everything else may
// happen to everybody at once.
class Faults {
 public:
  // Runs something after a while, in the world's time.
  using After = std::function<void(Duration, std::function<void()>)>;

  Faults(World& world, Prng& prng, const Profile& profile, PlantedBug bug, After after);

  // One misfortune, now or beginning now.
  void inject();
  // No more of it, and links and nodes are as they should be, but for nodes that are down.
  void cease();

  [[nodiscard]] Instant paused_until(NodeId node) const;
  [[nodiscard]] Instant disk_stuck_until(NodeId node) const;
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  NodeId victim();
  void cut_links();
  void leave_behind();
  void crash_some();
  void wipe_one();
  void disaster();
  void lose_disk(NodeId chosen);
  [[nodiscard]] bool may_lose(NodeId chosen) const;
  [[nodiscard]] bool whole(NodeId node) const;

  World& world_;
  Prng& prng_;
  const Profile& profile_;
  PlantedBug bug_;
  After after_;
  std::map<NodeId, Instant> paused_until_;
  std::map<NodeId, Instant> disk_stuck_until_;
  std::uint64_t count_ = 0;
  bool ceased_ = false;
};

}  // namespace paxledger::sim
