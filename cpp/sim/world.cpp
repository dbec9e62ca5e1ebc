#include "sim/world.hpp"

#include <utility>

#include "base/invariant.hpp"
#include "sim/describe.hpp"
#include "sim/world_node.hpp"

namespace paxledger::sim {

namespace {

constexpr std::int64_t kMillion = 1'000'000;

std::vector<NodeId> voters(std::uint32_t count) {
  std::vector<NodeId> nodes;
  for (std::uint32_t i = 1; i <= count; ++i) nodes.emplace_back(i);
  return nodes;
}

}  // namespace

World::World(Options options, Listeners listeners)
    : options_(options),
      listeners_(std::move(listeners)),
      cluster_(ledger::cluster_id(Node::kClusterName)),
      membership_(voters(options.nodes)),
      safety_(membership_, cluster_),
      promptness_(membership_, options.timing, options.limits.undurable_bytes_max()) {
  Prng prng(options.seed);
  for (const NodeId id : membership_.voters()) {
    auto fresh = std::make_unique<Node>(id, cluster_, options.disk);
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
const NodeDisk& World::disk(NodeId id) const {
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
  return n.replica->status(local_now(n));
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

void World::set_clock_rate(NodeId id, std::int64_t ppm) {
  invariant(ppm >= -kClockRatePpmMax && ppm <= kClockRatePpmMax, "a clock is not that wrong");
  Node& n = node(id);
  n.clock_offset = local_now(n).since_origin();
  n.clock_since = now_;
  n.clock_ppm = ppm;
  n.deadline = n.replica ? n.to_world(n.replica->next_deadline()) : Instant::never();
  for (auto& [key, request] : open_) {
    if (request.node != id || request.deadline == Instant::never()) continue;
    request.deadline = n.to_world(request.patience_ends);
  }
}

Instant World::local_now(const Node& n) const {
  const std::int64_t passed = (now_ - n.clock_since).count();
  const std::int64_t error =
      passed / kMillion * n.clock_ppm + passed % kMillion * n.clock_ppm / kMillion;
  return Instant(n.clock_offset + Duration(passed + error));
}

Instant World::Node::to_world(Instant local) const {
  if (local == Instant::never()) return local;
  const std::int64_t shown = (local.since_origin() - clock_offset).count();
  if (clock_ppm == 0 || shown <= 0) return clock_since + Duration(shown);
  // Rounded up, so that the node's clock has surely come so far.
  const std::int64_t rate = kMillion + clock_ppm;
  const std::int64_t passed = shown / rate * kMillion + shown % rate * kMillion / rate + 1;
  return clock_since + Duration(passed);
}

Instant World::deadline(NodeId id) const {
  return node(id).deadline;
}

void World::fire(NodeId id) {
  Node& n = node(id);
  if (!n.replica) return;
  hash_.add(id.value());
  const bool led = n.role == engine::Role::leader;
  const std::uint64_t life = n.life;
  step(n, {engine::TimerFired{wall(n)}});
  if (n.replica && n.life == life) check_promptness(n, led);
  // A timer that stays due although it was fired would spin the event loop.
  n.overdue_fires = n.replica && deadline(id) <= now_ ? n.overdue_fires + 1 : 0;
  if (n.overdue_fires == 100) safety_.violated("timer", id, "stays due after it was fired");
}

void World::note_fault(NodeId id, std::string_view name, const std::string& text) {
  Event event;
  event.kind = Event::Kind::fault;
  event.node = id;
  event.name = name;
  note(std::move(event), [&] { return text; });
}

void World::note_message(Event::Kind kind, const InFlight& flight, const char* why) {
  Event event;
  event.kind = kind;
  const bool arrived = kind == Event::Kind::arrived;
  event.node = arrived ? flight.to : flight.from;
  event.peer = arrived ? flight.from : flight.to;
  event.id = flight.id;
  event.name = paxos::name_of(flight.message);
  if (kind == Event::Kind::message) add_to(hash_, flight.message);
  if (listeners_.event) {
    const Subject subject = subject_of(flight.message);
    event.ballot = subject.ballot;
    event.slot = subject.slot;
  }
  note(event, [&] {
    return name(flight.from) + "→" + name(flight.to) + " " + describe(flight.message) + why;
  });
}

// --- network --------------------------------------------------------------------------------

void World::leave(Node& n, paxos::Envelope envelope) {
  safety_.message_leaves(n.id, envelope.message, n.disk.durable(), n.disk.trimmed());
  if (envelope.to == n.id || !nodes_.contains(envelope.to)) {
    safety_.violated("message", n.id, "is sent to node " + name(envelope.to));
    return;
  }
  complain(n, promptness_.leaves(n.id, envelope.message, local_now(n)));
  const std::uint64_t id = ++next_message_;
  InFlight flight{id, n.id, envelope.to, std::move(envelope.message), now_};
  if (is_cut(n.id, flight.to)) {
    note_message(Event::Kind::lost, flight, " (link cut)");
    return;
  }
  note_message(Event::Kind::message, flight, "");
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
    if (is_cut(flight.from, flight.to) || !running(flight.to)) {
      note_message(Event::Kind::dropped, flight, running(flight.to) ? " (link cut)" : " (down)");
      continue;
    }
    note_message(Event::Kind::arrived, flight, "");
    inputs.emplace_back(engine::Received{flight.from, std::move(flight.message)});
  }
  if (!inputs.empty()) step(node(to), std::move(inputs));
}

void World::drop(std::uint64_t id) {
  const auto taken = in_flight_.extract(id);
  if (!taken.empty()) note_message(Event::Kind::dropped, taken.mapped(), " (dropped)");
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
  if (!n.disk.writing() || count == 0) return;
  std::optional<Ticket> last;
  std::uint64_t bytes = 0;
  for (engine::Persist& write : n.disk.complete_writes(count)) {
    for (const auto& record : write.records) safety_.record_durable(id, record);
    for (auto& envelope : write.send_after) leave(n, std::move(envelope));
    if (last && write.ticket <= *last) {
      safety_.violated("durable", id, "tickets do not rise");
    }
    last = write.ticket;
    bytes += value_bytes_of(write);
  }
  promptness_.is_durable(id, bytes, !n.disk.writing(), local_now(n));
  if (end_if_failed(n) || !last) return;
  note({.kind = Event::Kind::durable, .node = id, .id = last->value()}, [&] {
    return name(id) + " log is durable through ticket " + std::to_string(last->value());
  });
  if (n.replica) step(n, {engine::Persisted{*last, wall(n)}});
}

void World::serve_load(NodeId id) {
  Node& n = node(id);
  if (n.loads.empty() || !n.replica) return;
  const engine::LoadBlocks load = n.loads.front();
  n.loads.pop_front();
  auto blocks = n.disk.load(load.first, load.bytes_max);
  if (end_if_failed(n)) return;
  if (!blocks) {
    note_fault(n.id, "repair", "node " + name(n.id) + " repairs: " + blocks.error().message);
    return repair(n, blocks.error().message);
  }
  Height height = load.first;
  for (const SharedBytes& block : *blocks) {
    if (!n.forged) safety_.block_read(id, height, block);
    height = height.next();
  }
  step(n, {engine::BlocksLoaded{load.to, load.first, std::move(*blocks)}});
}

void World::serve_sync(NodeId id) {
  Node& n = node(id);
  if (!std::exchange(n.wants_sync, false)) return;
  sync_blocks(id);
  if (n.replica) step(n, {engine::BlocksSynced{n.disk.synced()}});
}

void World::sync_blocks(NodeId id) {
  Node& n = node(id);
  n.disk.sync_blocks();
  static_cast<void>(end_if_failed(n));
}

// What production does with exit code 74.
bool World::end_if_failed(Node& n) {
  if (!n.disk.failure() || !n.replica) return false;
  note_fault(n.id, "disk failed", "node " + name(n.id) + " ends: " + n.disk.failure()->message);
  go_down(n);
  n.disk.kill(nullptr);
  return true;
}

// The duty of the caller: what is not the cluster's history is out of the way, start anew from what
// is left.
void World::repair(Node& n, const std::string& reason) {
  const Height known = n.replica->applied().height();
  note_fault(n.id, "crash", "node " + name(n.id) + " crashes");
  go_down(n);
  n.disk.crash(nullptr);
  start(n, {reason, known});
}

// --- faults ---------------------------------------------------------------------------------

void World::go_down(Node& n) {
  n.replica.reset();
  n.deadline = Instant::never();
  n.loads.clear();
  n.wants_sync = false;
  n.stalled = false;
  n.waiting.clear();
  std::erase_if(open_, [&](const auto& entry) { return entry.second.node == n.id; });
}

void World::crash(NodeId id, Prng* chaos, std::optional<SimulatedDisk::Unsynced> unsynced) {
  Node& n = node(id);
  if (!n.replica) return;
  note_fault(id, "crash", "node " + name(id) + " crashes");
  go_down(n);
  n.disk.crash(chaos, unsynced);
}

void World::kill(NodeId id, Prng* chaos) {
  Node& n = node(id);
  if (!n.replica) return;
  note_fault(id, "kill", "the process of node " + name(id) + " ends");
  go_down(n);
  n.disk.kill(chaos);
}

void World::restart(NodeId id) {
  Node& n = node(id);
  if (!n.replica) start(n, {});
}

void World::start(Node& n, const Repair& repair) {
  const NodeId id = n.id;
  engine::Settings settings;
  settings.self = id;
  settings.cluster = cluster_;
  settings.timing = options_.timing;
  settings.limits = options_.limits;
  settings.work_bits = options_.work_bits;
  const Seed seed{options_.seed.value * 1'000'003 + std::uint64_t{id.value()} * 1009 + n.life};
  n.life += 1;
  n.role = engine::Role::follower;
  n.overdue_fires = 0;
  if (n.life > 1) note_fault(id, "start", "node " + name(id) + " starts");
  auto recovered = n.disk.start();
  if (!recovered) {
    note_fault(id, "cannot start", "node " + name(id) + " ends: " + recovered.error().message);
    return;
  }
  for (const auto& notice : n.disk.notices()) {
    note({.kind = Event::Kind::notice, .node = id, .name = "storage"},
         [&] { return name(id) + " storage: " + notice.text; });
  }
  safety_.recovered(id, n.disk.remembered(), *recovered);
  // Some writes may have become durable without being reported.
  for (const auto& [slot, accepted] : recovered->durable.accepted) {
    safety_.record_durable(id, paxos::AcceptRecord{accepted.ballot, slot, accepted.value});
  }
  if (!repair.reason.empty()) {
    recovered->damage = repair.reason + (recovered->damage.empty() ? "" : "; " + recovered->damage);
    recovered->repair_through = std::max(recovered->repair_through, repair.through);
  }
  n.needs = recovered->repair_through;
  if (recovered->log_complete_above > slot_of(recovered->applied.height())) {
    n.needs = std::max(n.needs, height_of(recovered->log_complete_above));
  }
  promptness_.started(id);
  safety_.started(id, recovered->applied.height(), recovered->durable.promised);
  n.replica.emplace(membership_, settings, std::move(*recovered), seed, local_now(n));
  check_node(n);
  n.deadline = n.to_world(n.replica->next_deadline());
}

void World::wipe(NodeId id) {
  crash(id, nullptr);
  node(id).disk.wipe();
  node(id).forged = false;
  note_fault(id, "lose disk", "node " + name(id) + " loses its disk");
}

void World::forge(NodeId id, Height from) {
  Node& n = node(id);
  invariant(!n.replica, "history is forged while nobody looks");
  n.disk.forge_blocks(from);
  n.forged = true;
  somebody_lies_ = true;
  note_fault(id, "forge", "the blocks of node " + name(id) + " are rewritten");
}

// --- stepping -------------------------------------------------------------------------------

void World::step(Node& n, std::vector<engine::Input> inputs) {
  engine::Output out;
  for (auto& input : inputs) {
    const std::size_t sent = out.send_now.size();
    const PromptnessCheck::Standing before = standing(n);
    if (const auto* received = std::get_if<engine::Received>(&input)) {
      promptness_.arrived(n.id, received->from, received->message, before, local_now(n));
    }
    n.replica->step(std::move(input), local_now(n), out);
    check_forward_replies(n, out, sent);
    for (std::size_t i = sent; i < out.send_now.size(); ++i) {
      complain(n,
               promptness_.says(n.id, out.send_now[i].message, before, standing(n), local_now(n)));
    }
  }
  handle(n, std::move(out));
  if (!n.replica) return;
  check_node(n);
  n.deadline = n.to_world(n.replica->next_deadline());
  settle(n);
}

void World::settle(Node& n) {
  if (!n.instant_disk || n.settling) return;
  n.settling = true;
  while (n.replica && n.instant_disk && (n.disk.writing() || !n.loads.empty() || n.wants_sync)) {
    if (n.disk.writing()) {
      complete_writes(n.id, n.disk.pending_count());
    } else if (!n.loads.empty()) {
      serve_load(n.id);
    } else {
      serve_sync(n.id);
    }
  }
  n.settling = false;
}

void World::check_node(Node& n) {
  n.replica->check_invariants();
  if (!n.forged) safety_.head_seen(n.id, n.replica->applied().head());
  check_repair(n);
}

void World::handle(Node& n, engine::Output out) {
  for (const auto& notice : out.notices) note_notice(n, notice);
  const engine::Role role = n.replica->role();
  if (role != n.role) {
    n.role = role;
    const paxos::Ballot promised = n.replica->promised();
    note({.kind = Event::Kind::role, .node = n.id, .name = to_string(role), .ballot = promised},
         [&] {
           return name(n.id) + " becomes " + std::string(to_string(role)) +
                  (role == engine::Role::leader ? " ballot=" + to_string(promised) : "");
         });
  }
  for (auto& envelope : out.send_now) leave(n, std::move(envelope));
  hand_over(n, std::move(out.persist));
  for (const auto& block : out.decided) {
    const Height height = block.header.height;
    hash_.add(block.hash.view());
    note({.kind = Event::Kind::block, .node = n.id, .slot = slot_of(height)}, [&] {
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
  if (out.sync_blocks) {
    n.wants_sync = true;
    if (listeners_.sync_asked) listeners_.sync_asked(n.id);
  }
  if (out.diverged_at) {
    note_fault(n.id, "diverged",
               name(n.id) + " finds that its chain is not the cluster's, at height " +
                   std::to_string(out.diverged_at->value()));
    n.disk.set_blocks_aside(Height(1));
    if (end_if_failed(n)) return;
    n.forged = false;
    repair(n, "its chain is not that of the majority");
  }
}

void World::hand_over(Node& n, engine::Persist write) {
  if (write.records.empty() && write.send_after.empty()) return;
  for (const auto& record : write.records) {
    safety_.record_handed_over(n.id, record);
    note({.kind = Event::Kind::log, .node = n.id, .id = write.ticket.value()}, [&] {
      return name(n.id) + " log: " + describe(record) +
             (n.instant_disk ? "" : " (not durable yet)");
    });
  }
  check_backlog(n, write);
  n.disk.begin_write(std::move(write));
  if (listeners_.write_begun) listeners_.write_begun(n.id);
}

}  // namespace paxledger::sim
