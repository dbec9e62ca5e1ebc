// What befalls the nodes, links and disks of a simulation.
#include <algorithm>
#include <utility>

#include "sim/simulation.hpp"

namespace paxledger::sim {

using std::chrono::milliseconds;

void Simulation::at(Duration when, Fault fault) {
  at_time(std::max(time_of(when), world_->now()), [this, fault = std::move(fault)] {
    if (!calm_) act(fault);
  });
}

void Simulation::misfortune() {
  if (calm_) return;
  faults_->inject();
  after(milliseconds(timing_.between(1, plan_.profile.faults.every_ms)), [this] { misfortune(); });
}

bool Simulation::paused(NodeId node) const {
  return paused_until(node) > world_->now();
}

Instant Simulation::paused_until(NodeId node) const {
  const auto found = paused_until_.find(node);
  return found == paused_until_.end() ? Instant() : found->second;
}

void Simulation::end_pause(NodeId node) {
  if (paused(node)) return;
  world_->set_stalled(node, false);
  for (auto& what : std::exchange(held_[node], {})) what();
}

void Simulation::apply(const Fault& fault) {
  act(fault);
}

std::size_t Simulation::request(NodeId node, DirectRequest request, Duration patience) {
  const std::size_t place = direct_.record(node, request, *world_, clients_);
  hand_over({node, std::move(request), place, patience});
  return place;
}

void Simulation::hand_over(DirectRequests::Sent sent) {
  const NodeId node = sent.node;
  if (paused(node)) {
    held_[node].emplace_back([this, sent = std::move(sent)] { hand_over(sent); });
  } else if (world_->running(node)) {
    direct_.send(std::move(sent), *world_);
  }
}

void Simulation::act(const Fault& fault) {
  result_.faults += 1;
  done_.push_back({world_->now(), fault});
  beyond_limits_ = !faults_->allows(fault) || beyond_limits_;
  const auto kind = fault.kind;
  // What takes a node down or up says so itself.
  if (kind != FaultKind::crash && kind != FaultKind::kill && kind != FaultKind::start) {
    world_->note_fault(fault.node, to_string(kind), describe(fault));
  }
  carry_out(fault);
}

void Simulation::carry_out(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::cut:
      for (const Link& link : fault.links) world_->cut(link.from, link.to);
      break;
    case FaultKind::mend:
      for (const Link& link : fault.links) world_->mend(link.from, link.to);
      if (fault.links.empty()) world_->mend_all();
      break;
    case FaultKind::disturb:
      for (const Link& link : fault.links) network_.disturb(link, fault.effect);
      break;
    case FaultKind::crash:
    case FaultKind::kill:
    case FaultKind::lose_disk:
    case FaultKind::damage:
      stop_node(fault);
      break;
    case FaultKind::start:
      world_->restart(fault.node);
      break;
    case FaultKind::pause: {
      const bool open_ended = fault.duration == Duration::zero();
      const Instant until = open_ended ? Instant::never() : world_->now() + fault.duration;
      paused_until_[fault.node] = until;
      world_->set_stalled(fault.node, true);
      if (!open_ended) at_time(until, [this, node = fault.node] { end_pause(node); });
      break;
    }
    case FaultKind::resume:
      paused_until_[fault.node] = world_->now();
      end_pause(fault.node);
      break;
    case FaultKind::flip_bit:
    case FaultKind::fail_sync:
    case FaultKind::fail_write:
    case FaultKind::full_disk:
      trouble_disk(fault);
      break;
    case FaultKind::slow_disk:
      disk_slow_until_[fault.node] = world_->now() + fault.duration;
      break;
    case FaultKind::tamper:
      lied_until_[fault.node] = world_->now() + fault.duration;
      break;
    case FaultKind::clock_jump:
      world_->shift_wall(fault.node, fault.amount);
      break;
    case FaultKind::clock_rate:
      world_->set_clock_rate(fault.node, fault.amount);
      break;
    case FaultKind::heal:
      heal();
      break;
  }
}

// What a disk holds that is about to be damaged is safe with a majority of the others.
void Simulation::sync_others(NodeId node) {
  for (const NodeId other : world_->nodes()) {
    if (other != node && world_->running(other)) world_->sync_blocks(other);
  }
}

void Simulation::trouble_disk(const Fault& fault) {
  static constexpr const char* kParts[] = {"/log/", "/blocks/", "/"};
  Prng chance(Seed{fault.draw});
  NodeDisk& node = world_->disk(fault.node);
  SimulatedDisk& disk = node.disk();
  switch (fault.kind) {
    case FaultKind::flip_bit:
      sync_others(fault.node);
      node.flip_bit(chance);
      break;
    case FaultKind::fail_sync:
      disk.fail_sync_of(kParts[chance.below(3)]);
      break;
    case FaultKind::fail_write:
      disk.fail_write_of(kParts[chance.below(3)]);
      break;
    default: {
      disk.limit_bytes(disk.bytes_used() + static_cast<std::uint64_t>(fault.amount));
      const bool open_ended = fault.duration == Duration::zero();
      const Instant until = open_ended ? Instant::never() : world_->now() + fault.duration;
      disk_full_until_[fault.node] = until;
      if (!open_ended) at_time(until, [this, id = fault.node] { make_room(id); });
      break;
    }
  }
}

void Simulation::make_room(NodeId node) {
  if (disk_full_until_[node] > world_->now()) return;
  world_->disk(node).disk().limit_bytes(UINT64_MAX);
}

void Simulation::stop_node(const Fault& fault) {
  Prng chance(Seed{fault.draw});
  const NodeId node = fault.node;
  paused_until_[node] = world_->now();
  held_[node].clear();
  // One that runs forgets the requests that wait for it when it ends.
  if (!world_->running(node)) world_->set_stalled(node, false);
  if (fault.kind == FaultKind::lose_disk || fault.kind == FaultKind::damage) sync_others(node);
  if (fault.kind == FaultKind::lose_disk) {
    world_->wipe(node);
    return;
  }
  NodeDisk& disk = world_->disk(node);
  if (fault.kind == FaultKind::damage && chance.chance(1, 2)) disk.trim_log();
  const bool lying = plan_.bug == PlantedBug::lying_disk && world_->running(node);
  if (lying) disk.lie();
  if (fault.kind == FaultKind::kill) {
    world_->kill(node, lying ? nullptr : &chance);
  } else {
    world_->crash(node, lying ? nullptr : &chance, fault.unsynced);
  }
  if (plan_.bug == PlantedBug::forgetful_log) disk.forget_acceptances();
  if (fault.kind == FaultKind::damage) {
    // The log is whole, but block files are damaged, perhaps below its start.
    disk.damage_blocks(Height(chance.below(disk.block_count() + 1)));
  }
}

void Simulation::heal() {
  world_->mend_all();
  network_.clear_effects();
  disk_slow_until_.clear();
  lied_until_.clear();
  for (const NodeId node : world_->nodes()) {
    paused_until_[node] = world_->now();
    end_pause(node);
    world_->set_clock_rate(node, 0);
    disk_full_until_[node] = world_->now();
    make_room(node);
    world_->disk(node).disk().fail_no_more();
    world_->restart(node);
    // A write that waits for the end of a slow time is fast from now on, like any other.
    after(disk_time(), [this, node] {
      complete(node);
      serve_sync(node);
    });
  }
}

}  // namespace paxledger::sim
