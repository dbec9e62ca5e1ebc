#include "sim/faults.hpp"

#include <set>
#include <utility>
#include <vector>

namespace paxledger::sim {

using std::chrono::milliseconds;

Faults::Faults(World& world, Prng& prng, const Profile& profile, PlantedBug bug, After after)
    : world_(world),
      prng_(prng),
      profile_(profile),
      bug_(bug),
      after_([this, after = std::move(after)](Duration delay, std::function<void()> what) {
        // What was planned does not happen any more once everything is healed.
        after(delay, [this, what = std::move(what)] {
          if (!ceased_) what();
        });
      }) {}

bool Faults::whole(NodeId node) const {
  if (!world_.running(node)) return false;
  const auto status = world_.status(node);
  return !status.abstaining && !status.repairing;
}

// Half of all misfortune hits a leader, if there is one: that is where it hurts.
NodeId Faults::victim() {
  const auto nodes = world_.nodes();
  if (prng_.chance(1, 2)) {
    for (const NodeId node : nodes) {
      if (world_.running(node) && world_.status(node).role == engine::Role::leader) return node;
    }
  }
  return nodes[prng_.below(nodes.size())];
}

void Faults::inject() {
  const NodeId node = victim();
  count_ += 1;
  if (profile_.wipes && prng_.chance(profile_.disasters_in_ten, 10)) {
    disaster();
    return;
  }
  switch (prng_.below(8)) {
    case 0:
      if (profile_.partitions) cut_links();
      break;
    case 1:
      world_.mend_all();
      break;
    case 2:
      if (profile_.crashes) crash_some();
      break;
    case 3:
      if (profile_.wipes) wipe_one();
      break;
    case 4:
      if (profile_.pauses) {
        paused_until_[node] = world_.now() + milliseconds(prng_.between(1, 600));
      }
      break;
    case 5:
      if (profile_.slow_disks) {
        disk_stuck_until_[node] = world_.now() + milliseconds(prng_.between(1, 500));
      }
      break;
    case 6:
      if (profile_.pauses && profile_.partitions) leave_behind();
      break;
    default:
      if (profile_.clock_jumps) {
        world_.shift_wall(node,
                          static_cast<std::int64_t>(prng_.below(1'200'000'000)) - 600'000'000);
      }
      break;
  }
}

void Faults::cut_links() {
  const auto nodes = world_.nodes();
  const auto any = [&] { return nodes[prng_.below(nodes.size())]; };
  const auto cut_both = [this](NodeId a, NodeId b) {
    world_.cut(a, b);
    world_.cut(b, a);
  };
  switch (prng_.below(5)) {
    case 0: {  // one link, one way
      const NodeId a = any();
      const NodeId b = any();
      if (a != b) world_.cut(a, b);
      break;
    }
    case 1: {  // one node, fully or one way
      const NodeId alone = victim();
      const std::uint64_t how = prng_.below(3);
      for (const NodeId other : nodes) {
        if (other == alone) continue;
        if (how != 1) world_.cut(alone, other);
        if (how != 2) world_.cut(other, alone);
      }
      break;
    }
    case 2: {  // two sides
      std::set<NodeId> side;
      for (const NodeId n : nodes) {
        if (prng_.chance(1, 2)) side.insert(n);
      }
      for (const NodeId a : nodes) {
        for (const NodeId b : nodes) {
          if (side.contains(a) && !side.contains(b)) cut_both(a, b);
        }
      }
      break;
    }
    case 3: {  // a chain: only neighbours hear each other
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        for (std::size_t j = i + 2; j < nodes.size(); ++j) cut_both(nodes[i], nodes[j]);
      }
      break;
    }
    default: {  // everybody hears only one node
      const NodeId hub = any();
      for (const NodeId a : nodes) {
        for (const NodeId b : nodes) {
          if (a < b && a != hub && b != hub) cut_both(a, b);
        }
      }
      break;
    }
  }
}

// A leader stands still until another one is elected, and goes on out of earshot of some others:
// those who can still hear it must not make it believe that it leads.
void Faults::leave_behind() {
  for (const NodeId node : world_.nodes()) {
    if (!world_.running(node) || world_.status(node).role != engine::Role::leader) continue;
    const auto timeouts = static_cast<std::int64_t>(prng_.between(2, 4));
    paused_until_[node] = world_.now() + timeouts * profile_.options.timing.election_timeout;
    for (const NodeId other : world_.nodes()) {
      if (other == node || prng_.chance(1, 2)) continue;
      world_.cut(node, other);
      world_.cut(other, node);
    }
    return;
  }
}

void Faults::crash_some() {
  const bool all = prng_.chance(1, 8);
  const auto nodes = world_.nodes();
  const NodeId chosen = victim();
  for (const NodeId node : nodes) {
    if (!all && node != chosen) continue;
    const bool lying = bug_ == PlantedBug::lying_disk;
    if (lying) world_.disk(node).lie();
    world_.crash(node, lying ? nullptr : &prng_);
    if (bug_ == PlantedBug::forgetful_log) world_.disk(node).forget_acceptances();
    after_(milliseconds(prng_.between(1, 1500)), [this, node] { world_.restart(node); });
  }
}

// A minority of disks may be lost at a time: everything decided must stay on the others.
bool Faults::may_lose(NodeId chosen) const {
  const auto nodes = world_.nodes();
  std::size_t others = 0;
  for (const NodeId node : nodes) others += node != chosen && whole(node) ? 1 : 0;
  return others >= nodes.size() - (nodes.size() - 1) / 2;
}

void Faults::lose_disk(NodeId chosen) {
  if (!may_lose(chosen)) return;
  for (const NodeId node : world_.nodes()) {
    if (node != chosen && whole(node)) world_.disk(node).sync_blocks();
  }
  if (prng_.chance(1, 2)) {
    // Not all is lost: the log is whole, but block files are damaged, perhaps below its start.
    if (prng_.chance(1, 2)) world_.disk(chosen).trim_log();
    world_.crash(chosen, &prng_);
    world_.disk(chosen).damage_blocks(Height(prng_.below(world_.disk(chosen).block_count() + 1)));
  } else {
    world_.wipe(chosen);
  }
}

void Faults::wipe_one() {
  const NodeId chosen = victim();
  lose_disk(chosen);
  after_(milliseconds(prng_.between(1, 500)), [this, chosen] { world_.restart(chosen); });
}

// The worst that may happen, in this order: a bare majority decides, one of it loses its disk and
// comes back, and the others of it go down. The one that came back must not help those that know
// nothing to decide something else.
void Faults::disaster() {
  const auto nodes = world_.nodes();
  std::vector<NodeId> majority{victim()};
  if (!whole(majority.front()) || nodes.size() < 3) return;
  std::vector<NodeId> ignorant;
  for (const NodeId node : nodes) {
    if (node == majority.front()) continue;
    (majority.size() < nodes.size() / 2 + 1 ? majority : ignorant).push_back(node);
  }
  for (const NodeId a : majority) {
    for (const NodeId b : ignorant) {
      world_.cut(a, b);
      if (prng_.chance(1, 2)) world_.cut(b, a);
    }
  }
  const NodeId forgetful = majority.back();
  const Duration soon = milliseconds(prng_.between(10, 150));
  const Duration back = soon + milliseconds(prng_.between(1, 20));
  const Duration down = soon + milliseconds(prng_.between(0, 100));
  const Duration again = back + milliseconds(prng_.between(150, 1200));
  after_(soon, [this, forgetful] {
    lose_disk(forgetful);
    world_.mend_all();
  });
  after_(back, [this, forgetful] { world_.restart(forgetful); });
  for (const NodeId node : majority) {
    if (node == forgetful) continue;
    after_(down, [this, node] { world_.crash(node, &prng_); });
    after_(again, [this, node] { world_.restart(node); });
  }
}

void Faults::cease() {
  ceased_ = true;
  world_.mend_all();
}

Instant Faults::paused_until(NodeId node) const {
  const auto found = paused_until_.find(node);
  return ceased_ || found == paused_until_.end() ? Instant() : found->second;
}

Instant Faults::disk_stuck_until(NodeId node) const {
  const auto found = disk_stuck_until_.find(node);
  return ceased_ || found == disk_stuck_until_.end() ? Instant() : found->second;
}

}  // namespace paxledger::sim
