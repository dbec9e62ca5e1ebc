// The misfortunes of a random run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "sim/fault.hpp"
#include "sim/profile.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

// Draws faults, looks at the world, and changes nothing itself: what it draws it hands to `act`.
//
// Invariant: at no time is more than a minority of disks lost or damaged, known or not. Everything
// else may happen to everybody at once.
class Faults {
 public:
  // Runs something after a while, in the world's time.
  using After = std::function<void(Duration, std::function<void()>)>;
  using Act = std::function<void(const Fault&)>;

  Faults(const World& world, Prng prng, const Profile& profile, After after, Act act);

  // One misfortune, now or beginning now.
  void inject();
  // No more of it; what was planned does not happen any more.
  void cease() { ceased_ = true; }
  // To be asked of every fault before it is done, whoever wants it: whether no more than a minority
  // of disks is lost or damaged with it, and no more than one node's blocks were ever altered.
  [[nodiscard]] bool allows(const Fault& fault);

 private:
  NodeId victim();
  void cut_links();
  void cut(std::vector<Link> links, std::string label);
  void disturb_link();
  void leave_behind();
  void crash_some();
  void lose_one();
  bool trouble_a_disk(NodeId node);
  void flip_bits();
  void fill_disk(NodeId node);
  void start_some();
  void disaster();
  void forget_a_vote();
  void once_rejoined(NodeId node, int looks, std::function<void()> what);
  void fall_mute();
  void corrupt_a_link();
  [[nodiscard]] NodeId leader() const;
  void lose_disk(NodeId chosen);
  void turn_a_clock(NodeId node);
  void act(FaultKind kind, NodeId node);
  void act_for(FaultKind kind, NodeId node, Duration duration);
  [[nodiscard]] bool may_lose(NodeId chosen) const;
  [[nodiscard]] bool whole(NodeId node) const;

  const World& world_;
  Prng prng_;
  const Profile& profile_;
  After after_;
  Act act_;
  NodeId liar_;  // the one node whose blocks are altered on their way
  bool ceased_ = false;
};

}  // namespace paxledger::sim
