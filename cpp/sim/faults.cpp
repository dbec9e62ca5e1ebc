#include "sim/faults.hpp"

#include <set>
#include <utility>

namespace paxledger::sim {

using std::chrono::milliseconds;

namespace {

std::string list_of(const std::vector<NodeId>& nodes) {
  std::string text;
  for (const NodeId node : nodes) text += (text.empty() ? "" : " ") + std::to_string(node.value());
  return text;
}

void add_both(std::vector<Link>& links, NodeId a, NodeId b) {
  links.push_back({a, b});
  links.push_back({b, a});
}

}  // namespace

Faults::Faults(const World& world, Prng prng, const Profile& profile, After after, Act act)
    : world_(world),
      prng_(prng),
      profile_(profile),
      after_([this, after = std::move(after)](Duration delay, std::function<void()> what) {
        // What was planned does not happen any more once everything is healed.
        after(delay, [this, what = std::move(what)] {
          if (!ceased_) what();
        });
      }),
      act_(std::move(act)) {}

void Faults::act(FaultKind kind, NodeId node) {
  Fault fault;
  fault.kind = kind;
  fault.node = node;
  fault.draw = prng_.next();
  act_(fault);
}

void Faults::act_for(FaultKind kind, NodeId node, Duration duration) {
  Fault fault;
  fault.kind = kind;
  fault.node = node;
  fault.duration = duration;
  act_(fault);
}

bool Faults::whole(NodeId node) const {
  if (!world_.running(node) || world_.disk(node).flawed()) return false;
  const auto status = world_.status(node);
  return !status.abstaining && !status.repairing;
}

// Half of all misfortune hits a leader, if there is one: that is where it hurts.
NodeId Faults::victim() {
  const auto nodes = world_.nodes();
  if (prng_.chance(1, 2)) {
    if (const NodeId leads = leader(); leads != kNobody) return leads;
  }
  return nodes[prng_.below(nodes.size())];
}

void Faults::inject() {
  const NodeId node = victim();
  const FaultProfile& faults = profile_.faults;
  if (faults.disks && prng_.chance(faults.disasters_in_ten, 10)) {
    prng_.chance(1, 2) ? disaster() : forget_a_vote();
    return;
  }
  if (trouble_a_disk(node)) return;
  switch (prng_.below(11)) {
    case 0:
      if (faults.partitions) cut_links();
      break;
    case 1:
      if (faults.partitions) act(FaultKind::mend, kNobody);
      break;
    case 2:
      if (faults.crashes || faults.kills) crash_some();
      break;
    case 3:
      if (faults.disks) lose_one();
      break;
    case 4:
      if (faults.pauses) act_for(FaultKind::pause, node, milliseconds(prng_.between(1, 600)));
      break;
    case 5:
      if (faults.slow_disks) {
        act_for(FaultKind::slow_disk, node, milliseconds(prng_.between(1, 500)));
      }
      break;
    case 6:
      if (faults.pauses && faults.partitions) leave_behind();
      break;
    case 7:
      if (faults.links) disturb_link();
      break;
    case 8:
      if (faults.kills && faults.partitions) fall_mute();
      break;
    case 9:
      if (faults.tampering) corrupt_a_link();
      break;
    default:
      if (faults.clocks) turn_a_clock(node);
      break;
  }
}

void Faults::turn_a_clock(NodeId node) {
  Fault fault;
  fault.node = node;
  if (prng_.chance(1, 2)) {
    fault.kind = FaultKind::clock_jump;
    fault.amount = static_cast<std::int64_t>(prng_.below(1'200'000'000)) - 600'000'000;
  } else {
    fault.kind = FaultKind::clock_rate;
    fault.amount = static_cast<std::int64_t>(prng_.below(100'000)) - 50'000;
  }
  act_(fault);
}

void Faults::disturb_link() {
  const auto nodes = world_.nodes();
  const NodeId a = victim();
  const NodeId b = nodes[prng_.below(nodes.size())];
  if (a == b) return;
  Fault fault;
  fault.kind = FaultKind::disturb;
  fault.links.push_back({a, b});
  if (prng_.chance(1, 2)) fault.links.push_back({b, a});
  LinkEffect& effect = fault.effect;
  if (prng_.chance(1, 2)) effect.drop_permille = static_cast<std::uint32_t>(prng_.below(900));
  if (prng_.chance(1, 3)) effect.duplicate_permille = static_cast<std::uint32_t>(prng_.below(500));
  if (prng_.chance(1, 3)) effect.reorder_permille = static_cast<std::uint32_t>(prng_.below(500));
  if (prng_.chance(1, 2)) effect.delay = milliseconds(prng_.below(200));
  if (prng_.chance(1, 2)) effect.jitter = milliseconds(prng_.below(100));
  const std::vector<Link> links = fault.links;
  act_(fault);
  after_(milliseconds(prng_.between(50, 2000)), [this, links] {
    Fault over;
    over.kind = FaultKind::disturb;
    over.links = links;
    act_(over);
  });
}

void Faults::cut(std::vector<Link> links, std::string label) {
  if (links.empty()) return;
  Fault fault;
  fault.kind = FaultKind::cut;
  fault.links = std::move(links);
  fault.label = std::move(label);
  act_(fault);
}

void Faults::cut_links() {
  const auto nodes = world_.nodes();
  std::vector<Link> links;
  switch (prng_.below(5)) {
    case 0: {  // one link, one way
      const NodeId a = nodes[prng_.below(nodes.size())];
      const NodeId b = nodes[prng_.below(nodes.size())];
      if (a != b) cut({{a, b}}, "");
      break;
    }
    case 1: {  // one node, fully or one way
      const NodeId alone = victim();
      const std::uint64_t how = prng_.below(3);
      static constexpr const char* kHow[] = {"", " from hearing others", " from being heard"};
      for (const NodeId other : nodes) {
        if (other == alone) continue;
        if (how != 1) links.push_back({alone, other});
        if (how != 2) links.push_back({other, alone});
      }
      cut(std::move(links), "isolate " + std::to_string(alone.value()) + kHow[how]);
      break;
    }
    case 2: {  // two sides
      std::vector<NodeId> side;
      std::vector<NodeId> rest;
      for (const NodeId n : nodes) (prng_.chance(1, 2) ? side : rest).push_back(n);
      for (const NodeId a : side) {
        for (const NodeId b : rest) add_both(links, a, b);
      }
      cut(std::move(links), "partition " + list_of(side) + " | " + list_of(rest));
      break;
    }
    case 3: {  // a chain: only neighbours hear each other
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        for (std::size_t j = i + 2; j < nodes.size(); ++j) add_both(links, nodes[i], nodes[j]);
      }
      cut(std::move(links), "chain of all nodes");
      break;
    }
    default: {  // everybody hears only one node
      const NodeId hub = nodes[prng_.below(nodes.size())];
      for (const NodeId a : nodes) {
        for (const NodeId b : nodes) {
          if (a < b && a != hub && b != hub) add_both(links, a, b);
        }
      }
      cut(std::move(links), "star around " + std::to_string(hub.value()));
      break;
    }
  }
}

// A leader stands still until another one is elected, and goes on out of earshot of some others:
// those who can still hear it must not make it believe that it leads.
void Faults::leave_behind() {
  for (const NodeId node : world_.nodes()) {
    if (!world_.running(node) || world_.replica(node).role() != engine::Role::leader) continue;
    const auto timeouts = static_cast<std::int64_t>(prng_.between(2, 4));
    act_for(FaultKind::pause, node, timeouts * profile_.options.timing.election_timeout);
    std::vector<Link> links;
    for (const NodeId other : world_.nodes()) {
      if (other != node && !prng_.chance(1, 2)) add_both(links, node, other);
    }
    cut(std::move(links), "");
    return;
  }
}

void Faults::crash_some() {
  const FaultProfile& faults = profile_.faults;
  const bool power = faults.crashes && (!faults.kills || prng_.chance(1, 2));
  const bool all = prng_.chance(1, 8);
  const NodeId chosen = victim();
  for (const NodeId node : world_.nodes()) {
    if (!all && node != chosen) continue;
    act(power ? FaultKind::crash : FaultKind::kill, node);
    after_(milliseconds(prng_.between(1, 1500)), [this, node] { act(FaultKind::start, node); });
  }
}

// A minority of disks may be lost at a time: everything decided must stay on the others.
bool Faults::may_lose(NodeId chosen) const {
  const auto nodes = world_.nodes();
  std::size_t others = 0;
  for (const NodeId node : nodes) others += node != chosen && whole(node) ? 1 : 0;
  return others >= nodes.size() - (nodes.size() - 1) / 2;
}

bool Faults::allows(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::lose_disk:
    case FaultKind::damage:
      return may_lose(fault.node);
    case FaultKind::flip_bit:
      return world_.disk(fault.node).flawed() || may_lose(fault.node);
    case FaultKind::tamper:
      if (liar_ == kNobody) liar_ = fault.node;
      return liar_ == fault.node && world_.nodes().size() >= 3;
    default:
      return true;
  }
}

void Faults::lose_disk(NodeId chosen) {
  if (!may_lose(chosen)) return;
  act(prng_.chance(1, 2) ? FaultKind::damage : FaultKind::lose_disk, chosen);
}

void Faults::lose_one() {
  const NodeId chosen = victim();
  lose_disk(chosen);
  after_(milliseconds(prng_.between(1, 500)), [this, chosen] { act(FaultKind::start, chosen); });
}

// Disks that flip bits, refuse, or are full. False if there are none of these.
bool Faults::trouble_a_disk(NodeId node) {
  const FaultProfile& faults = profile_.faults;
  const bool refuse = faults.disk_errors || faults.full_disks;
  if (!refuse && !faults.bit_flips) return false;
  if (refuse) start_some();
  if (!prng_.chance(1, 3)) return false;
  switch (prng_.below(3)) {
    case 0:
      if (faults.bit_flips) flip_bits();
      break;
    case 1:
      if (faults.disk_errors) {
        act(prng_.chance(2, 3) ? FaultKind::fail_sync : FaultKind::fail_write, node);
      }
      break;
    default:
      if (faults.full_disks) fill_disk(node);
      break;
  }
  return true;
}

// Of a disk that was whole. Half of them are found soon, for the node starts anew; the others lie
// in wait.
void Faults::flip_bits() {
  const NodeId chosen = victim();
  if (!may_lose(chosen)) return;
  for (std::uint64_t count = prng_.between(1, 3); count > 0; --count) {
    act(FaultKind::flip_bit, chosen);
  }
  if (prng_.chance(1, 2)) return;
  act(prng_.chance(1, 2) ? FaultKind::crash : FaultKind::kill, chosen);
  after_(milliseconds(prng_.between(1, 500)), [this, chosen] { act(FaultKind::start, chosen); });
}

void Faults::fill_disk(NodeId node) {
  Fault fault;
  fault.kind = FaultKind::full_disk;
  fault.node = node;
  fault.duration = milliseconds(prng_.between(10, 1500));
  fault.amount = static_cast<std::int64_t>(prng_.below(prng_.chance(1, 2) ? 1000 : 50'000));
  act_(fault);
}

// Somebody looks after nodes that their disks have ended.
void Faults::start_some() {
  for (const NodeId node : world_.nodes()) {
    if (!world_.running(node) && prng_.chance(1, 3)) act(FaultKind::start, node);
  }
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
  std::vector<Link> links;
  for (const NodeId a : majority) {
    for (const NodeId b : ignorant) {
      links.push_back({a, b});
      if (prng_.chance(1, 2)) links.push_back({b, a});
    }
  }
  cut(std::move(links), "partition " + list_of(majority) + " | " + list_of(ignorant));
  const NodeId forgetful = majority.back();
  const Duration soon = milliseconds(prng_.between(10, 150));
  const Duration back = soon + milliseconds(prng_.between(1, 20));
  const Duration down = soon + milliseconds(prng_.between(0, 100));
  const Duration again = back + milliseconds(prng_.between(150, 1200));
  after_(soon, [this, forgetful] {
    lose_disk(forgetful);
    act(FaultKind::mend, kNobody);
  });
  after_(back, [this, forgetful] { act(FaultKind::start, forgetful); });
  for (const NodeId node : majority) {
    if (node == forgetful) continue;
    after_(down, [this, node] { act(FaultKind::crash, node); });
    after_(again, [this, node] { act(FaultKind::start, node); });
  }
}

}  // namespace paxledger::sim
