#include "sim/world.hpp"

#include <utility>

#include "base/invariant.hpp"
#include "sim/describe.hpp"
#include "sim/world_node.hpp"

namespace paxledger::sim {

namespace {

std::vector<NodeId> voters(std::uint32_t count) {
  std::vector<NodeId> nodes;
  for (std::uint32_t i = 1; i <= count; ++i) nodes.emplace_back(i);
  return nodes;
}

}  // namespace

World::World(Options options, Listeners listeners)
    : options_(options),
      listeners_(std::move(listeners)),
      cluster_(ledger::cluster_id("a simulated cluster")),
      membership_(voters(options.nodes)),
      safety_(membership_, cluster_) {
  Prng prng(options.seed);
  for (const NodeId id : membership_.voters()) {
    auto fresh = std::make_unique<Node>();
    fresh->id = id;
    fresh->clock_offset = std::chrono::milliseconds(prng.below(1'000'000));
    nodes_[id] = std::move(fresh);
  }
  for (const NodeId id : membership_.voters()) restart(id);
}

World::~World() = default;

World::Node& World::node(NodeId id) {
  return *nodes_.at(id);
}
const World::Node& World::node(NodeId id) const {
  return *nodes_.at(id);
}
NodeDisk& World::disk(NodeId id) {
  return node(id).disk;
}
bool World::running(NodeId id) const {
  return node(id).replica.has_value();
}
std::vector<NodeId> World::nodes() const {
  return membership_.voters();
}
const engine::Replica& World::replica(NodeId id) const {
  return *node(id).replica;
}

engine::Status World::status(NodeId id) const {
  const Node& n = node(id);
  return n.replica->status(now_ + n.clock_offset);
}

void World::set_now(Instant time) {
  invariant(time >= now_, "time does not fall");
  now_ = time;
}

void World::shift_wall(NodeId id, std::int64_t microseconds) {
  node(id).wall_shift_us += microseconds;
}

Timestamp World::wall(const Node& n) const {
  const auto base = std::int64_t{1'800'000'000} * 1'000'000;
  const auto passed =
      std::chrono::duration_cast<std::chrono::microseconds>(now_.since_origin()).count();
  return Timestamp(static_cast<std::uint64_t>(base + passed + n.wall_shift_us));
}

Instant World::deadline(NodeId id) const {
  const Node& n = node(id);
  if (!n.replica) return Instant::never();
  const Instant local = n.replica->next_deadline();
  return local == Instant::never() ? local : local - n.clock_offset;
}

void World::fire(NodeId id) {
  Node& n = node(id);
  if (!n.replica) return;
  step(n, {engine::TimerFired{wall(n)}});
  // A timer that stays due although it was fired would spin the event loop.
  n.overdue_fires = n.replica && deadline(id) <= now_ ? n.overdue_fires + 1 : 0;
  if (n.overdue_fires == 100) safety_.violated("timer", id, "stays due after it was fired");
}

void World::note(Event::Kind kind, const std::function<std::string()>& text,
                 const char* message_name) {
  if (listeners_.event) listeners_.event({kind, text(), message_name});
}

// --- network --------------------------------------------------------------------------------

void World::leave(Node& n, paxos::Envelope envelope) {
  safety_.message_leaves(n.id, envelope.message, n.disk.durable(), n.disk.trimmed());
  if (envelope.to == n.id || !nodes_.contains(envelope.to)) {
    safety_.violated("message", n.id, "is sent to node " + name(envelope.to));
    return;
  }
  const bool lost = is_cut(n.id, envelope.to);
  note(
      lost ? Event::Kind::lost : Event::Kind::message,
      [&] {
        return name(n.id) + "→" + name(envelope.to) + " " + describe(envelope.message) +
               (lost ? " (link cut)" : "");
      },
      paxos::name_of(envelope.message));
  if (lost) return;
  const std::uint64_t id = ++next_message_;
  InFlight flight{id, n.id, envelope.to, std::move(envelope.message), now_};
  if (listeners_.sent) listeners_.sent(flight);
  in_flight_.emplace(id, std::move(flight));
}

void World::deliver(std::uint64_t id) {
  deliver_together({id});
}

void World::deliver_together(const std::vector<std::uint64_t>& ids) {
  std::vector<engine::Input> inputs;
  NodeId to = kNobody;
  for (const std::uint64_t id : ids) {
    auto taken = in_flight_.extract(id);
    if (taken.empty()) continue;
    InFlight& flight = taken.mapped();
    invariant(to == kNobody || to == flight.to, "one turn is the turn of one node");
    to = flight.to;
    if (is_cut(flight.from, flight.to) || !running(flight.to)) continue;
    inputs.emplace_back(engine::Received{flight.from, std::move(flight.message)});
  }
  if (!inputs.empty()) step(node(to), std::move(inputs));
}

void World::drop(std::uint64_t id) {
  in_flight_.erase(id);
}

std::uint64_t World::duplicate(std::uint64_t id) {
  InFlight copy = in_flight_.at(id);
  copy.id = ++next_message_;
  in_flight_.emplace(copy.id, copy);
  return copy.id;
}

InFlight World::withdraw(std::uint64_t id) {
  return std::move(in_flight_.extract(id).mapped());
}

void World::resubmit(InFlight flight) {
  flight.id = ++next_message_;
  in_flight_.emplace(flight.id, std::move(flight));
}

// --- disks ----------------------------------------------------------------------------------

void World::set_instant_disk(NodeId id, bool instant) {
  node(id).instant_disk = instant;
  if (instant && running(id)) settle(node(id));
}

void World::complete_writes(NodeId id, std::size_t count) {
  Node& n = node(id);
  std::optional<Ticket> last;
  for (; count > 0 && n.disk.writing(); --count) {
    engine::Persist write = n.disk.complete_write();
    for (const auto& record : write.records) safety_.record_durable(id, record);
    for (auto& envelope : write.send_after) leave(n, std::move(envelope));
    if (last && write.ticket <= *last) {
      safety_.violated("durable", id, "tickets do not rise");
    }
    last = write.ticket;
  }
  if (last && n.replica) step(n, {engine::Persisted{*last, wall(n)}});
}

void World::serve_load(NodeId id) {
  Node& n = node(id);
  if (n.loads.empty() || !n.replica) return;
  const engine::LoadBlocks load = n.loads.front();
  n.loads.pop_front();
  step(n, {engine::BlocksLoaded{load.to, load.first, n.disk.load(load.first, load.bytes_max)}});
}

// --- faults ---------------------------------------------------------------------------------

void World::crash(NodeId id, Prng* chaos) {
  Node& n = node(id);
  if (!n.replica) return;
  note(Event::Kind::fault, [&] { return "node " + name(id) + " crashes"; });
  n.replica.reset();
  n.loads.clear();
  n.disk.crash(chaos);
  // Some writes may have become durable without being reported.
  for (const auto& [slot, accepted] : n.disk.durable().accepted) {
    safety_.record_durable(id, paxos::AcceptRecord{accepted.ballot, slot, accepted.value});
  }
  std::erase_if(open_, [&](const auto& entry) { return entry.second.node == id; });
}

void World::restart(NodeId id) {
  Node& n = node(id);
  if (n.replica) return;
  engine::Settings settings;
  settings.self = id;
  settings.cluster = cluster_;
  settings.timing = options_.timing;
  settings.limits = options_.limits;
  settings.work_bits = options_.work_bits;
  const Seed seed{options_.seed.value * 1'000'003 + id.value() * 1009 + n.life};
  n.life += 1;
  n.role = engine::Role::follower;
  n.overdue_fires = 0;
  if (n.life > 1) note(Event::Kind::fault, [&] { return "node " + name(id) + " starts"; });
  auto recovered = n.disk.recover(cluster_);
  safety_.started(id, recovered.applied.height(), recovered.durable.promised);
  n.replica.emplace(membership_, settings, std::move(recovered), seed, now_ + n.clock_offset);
  check_node(n);
}

void World::wipe(NodeId id) {
  crash(id, nullptr);
  node(id).disk.wipe();
  node(id).forged = false;
  note(Event::Kind::fault, [&] { return "node " + name(id) + " loses its disk"; });
}

void World::forge(NodeId id, Height from) {
  Node& n = node(id);
  invariant(!n.replica, "history is forged while nobody looks");
  n.disk.forge_blocks(cluster_, from);
  n.forged = true;
  note(Event::Kind::fault, [&] { return "the blocks of node " + name(id) + " are rewritten"; });
}

// --- stepping -------------------------------------------------------------------------------

void World::step(Node& n, std::vector<engine::Input> inputs) {
  engine::Output out;
  for (auto& input : inputs) n.replica->step(std::move(input), now_ + n.clock_offset, out);
  handle(n, std::move(out));
  if (!n.replica) return;
  check_node(n);
  settle(n);
}

void World::settle(Node& n) {
  if (!n.instant_disk || n.settling) return;
  n.settling = true;
  while (n.replica && n.instant_disk && (n.disk.writing() || !n.loads.empty())) {
    if (n.disk.writing()) {
      complete_writes(n.id, n.disk.pending_count());
    } else {
      serve_load(n.id);
    }
  }
  n.settling = false;
}

void World::check_node(Node& n) {
  n.replica->check_invariants();
  if (!n.forged) safety_.head_seen(n.id, n.replica->applied().head());
}

void World::handle(Node& n, engine::Output out) {
  for (const auto& notice : out.notices) {
    static constexpr const char* kLevels[] = {"info", "warning", "error"};
    note(Event::Kind::notice, [&] {
      return name(n.id) + " " + kLevels[static_cast<std::size_t>(notice.level)] + ": " +
             notice.text;
    });
  }
  const engine::Role role = status(n.id).role;
  if (role != n.role) {
    n.role = role;
    note(Event::Kind::role, [&] {
      return name(n.id) + " becomes " + std::string(to_string(role)) +
             (role == engine::Role::leader ? " ballot=" + to_string(status(n.id).promised) : "");
    });
  }
  for (auto& envelope : out.send_now) leave(n, std::move(envelope));
  hand_over(n, std::move(out.persist));
  for (const auto& block : out.decided) {
    note(Event::Kind::block, [&] {
      return name(n.id) + " block " + std::to_string(block.header.height.value()) + " " +
             describe_block(block);
    });
    if (!n.forged) safety_.block_decided(n.id, block);
    if (block.header.height.value() == n.disk.block_count() + 1) n.disk.append_block(block);
  }
  for (auto& reply : out.replies) answer(n, std::move(reply));
  for (const auto& load : out.loads) {
    n.loads.push_back(load);
    if (listeners_.load_asked) listeners_.load_asked(n.id);
  }
  if (out.diverged_at) {
    note(Event::Kind::fault, [&] {
      return name(n.id) + " finds that its chain is not the cluster's, at height " +
             std::to_string(out.diverged_at->value());
    });
    // The duty of the caller: set the blocks aside, start anew from what is left.
    crash(n.id, nullptr);
    n.disk.damage_blocks(Height(0));
    n.forged = false;
    restart(n.id);
  }
}

void World::hand_over(Node& n, engine::Persist write) {
  if (write.records.empty() && write.send_after.empty()) return;
  for (const auto& record : write.records) {
    safety_.record_handed_over(n.id, record);
    note(Event::Kind::log, [&] {
      return name(n.id) + " log: " + describe(record) +
             (n.instant_disk ? "" : " (not durable yet)");
    });
  }
  n.disk.begin_write(std::move(write));
  if (listeners_.write_begun) listeners_.write_begun(n.id);
}

}  // namespace paxledger::sim
