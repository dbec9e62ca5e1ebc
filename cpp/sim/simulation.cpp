#include "sim/simulation.hpp"

#include <algorithm>
#include <utility>

#include "sim/broken_invariant.hpp"
#include "sim/describe.hpp"

namespace paxledger::sim {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::uint64_t kTimerLagUsMax = 5000;  // the most that an event loop comes late
constexpr std::uint64_t kCalmDiskUsMax = 300;
constexpr std::uint64_t kCalmThinkUsMax = 20'000;

// One stream of chance for each thing that draws, so that one of them drawing more or less does
// not change what the others draw.
Prng stream(std::uint64_t seed, std::uint64_t number) {
  TraceHash hash;
  hash.add(seed);
  hash.add(number);
  return Prng(Seed{hash.value()});
}

}  // namespace

Simulation::Simulation(Plan plan, Watcher watcher, bool texts)
    : plan_(std::move(plan)),
      watcher_(std::move(watcher)),
      texts_(texts),
      timing_(stream(plan_.seed, 1)),
      disks_(stream(plan_.seed, 2)),
      network_(plan_.profile.network, stream(plan_.seed, 3)),
      clients_(plan_.profile.work, stream(plan_.seed, 4), plan_.bug == PlantedBug::shared_session),
      direct_([this](DirectRequests::Sent sent) {
        after(Duration::zero(), [this, sent = std::move(sent)] { hand_over(sent); });
      }) {
  plan_.profile.options.seed = Seed{plan_.seed};
  world_ = std::make_unique<World>(plan_.profile.options, listeners());
  began_ = world_->now();
  faults_ = std::make_unique<Faults>(
      *world_, stream(plan_.seed, 5), plan_.profile,
      [this](Duration delay, std::function<void()> what) { after(delay, std::move(what)); },
      [this](const Fault& fault) { act(fault); });
  for (const NodeId node : world_->nodes()) world_->set_instant_disk(node, false);
  for (std::size_t i = 0; i < clients_.count(); ++i) {
    after(microseconds(timing_.between(1, plan_.profile.work.think_us_max)),
          [this, i] { client_turn(i); });
  }
  for (const TimedFault& timed : plan_.script) {
    at_time(timed.at, [this, fault = timed.fault] {
      if (!calm_) act(fault);
    });
  }
  if (plan_.misfortunes && plan_.profile.faults.any()) {
    after(milliseconds(timing_.between(1, 500)), [this] { misfortune(); });
  }
}

Simulation::~Simulation() = default;

Listeners Simulation::listeners() {
  Listeners listeners;
  listeners.event = watcher_;
  listeners.texts = texts_;
  listeners.sent = [this](const InFlight& flight) { sent(flight); };
  listeners.write_begun = [this](NodeId node) {
    after(disk_time(), [this, node] { complete(node); });
  };
  listeners.load_asked = [this](NodeId node) { after(disk_time(), [this, node] { serve(node); }); };
  listeners.sync_asked = [this](NodeId node) {
    after(disk_time(), [this, node] { serve_sync(node); });
  };
  listeners.answered = [this](const Answered& reply) { answered(reply); };
  return listeners;
}

void Simulation::answered(const Answered& answered) {
  if (direct_.answered(answered, *world_, clients_)) return;
  const auto probe = probes_.find(answered.request.key);
  if (probe == probes_.end()) {
    clients_.answered(answered, *world_);
    return;
  }
  const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
  if (result != nullptr && result->code != ErrorCode::ok && result->code != ErrorCode::not_found) {
    probed_.erase(probe->second);
  }
  probes_.erase(probe);
}

Duration Simulation::disk_time() {
  return microseconds(disks_.between(1, calm_ ? kCalmDiskUsMax : plan_.profile.disk_us_max));
}

// --- network --------------------------------------------------------------------------------

void Simulation::sent(const InFlight& flight) {
  const std::uint64_t id = flight.id;
  const Network::Fate fate = network_.fate_of({flight.from, flight.to}, world_->now());
  if (!fate.arrives_after) {
    after(Duration::zero(), [this, id] { world_->drop(id); });
    return;
  }
  after(*fate.arrives_after, [this, id] { arrive(id); });
  if (!fate.copy_after) return;
  const Duration later = *fate.copy_after;
  after(Duration::zero(), [this, id, later] {
    if (!world_->in_flight().contains(id)) return;
    duplicated_ = true;
    const std::uint64_t copy = world_->duplicate(id);
    after(later, [this, copy] { arrive(copy); });
  });
}

void Simulation::arrive(std::uint64_t id) {
  const auto flight = world_->in_flight().find(id);
  if (flight == world_->in_flight().end()) return;
  const NodeId to = flight->second.to;
  if (paused(to)) {
    held_[to].emplace_back([this, id] { arrive(id); });
    return;
  }
  std::vector<std::uint64_t> turn{id};
  if (!plan_.profile.network.in_order && timing_.chance(1, 4)) {
    // An event loop takes what is there: several messages in one turn, in any order.
    for (const auto& [other, waiting] : world_->in_flight()) {
      if (turn.size() >= 4) break;
      if (other != id && waiting.to == to && timing_.chance(1, 3)) turn.push_back(other);
    }
  }
  for (const std::uint64_t each : turn) {
    const auto& coming = world_->in_flight().at(each);
    const auto lies = lied_until_.find(coming.from);
    if (lies != lied_until_.end() && lies->second > world_->now()) world_->tamper(each);
  }
  world_->deliver_together(turn);
}

// --- disks ----------------------------------------------------------------------------------

void Simulation::complete(NodeId node) {
  if (!world_->running(node) || !world_->disk(node).writing()) return;
  if (paused(node)) {
    held_[node].emplace_back([this, node] { complete(node); });
    return;
  }
  if (const Instant slow = disk_slow_until_[node]; slow > world_->now()) {
    at_time(slow, [this, node] { complete(node); });
    return;
  }
  world_->complete_writes(node, disks_.between(1, world_->disk(node).pending_count()));
  // A completed group may leave others behind whose own event found nothing to do.
  if (world_->running(node) && world_->disk(node).writing()) {
    after(disk_time(), [this, node] { complete(node); });
  }
  if (world_->running(node) && disks_.chance(1, 50)) world_->sync_blocks(node);
}

void Simulation::serve(NodeId node) {
  if (paused(node)) {
    held_[node].emplace_back([this, node] { serve(node); });
  } else if (world_->running(node)) {
    world_->serve_load(node);
  }
}

void Simulation::serve_sync(NodeId node) {
  if (paused(node)) {
    held_[node].emplace_back([this, node] { serve_sync(node); });
  } else if (const Instant slow = disk_slow_until_[node]; slow > world_->now()) {
    at_time(slow, [this, node] { serve_sync(node); });
  } else if (world_->running(node)) {
    world_->serve_sync(node);
  }
}

// --- clients --------------------------------------------------------------------------------

void Simulation::client_turn(std::size_t client) {
  if (deserted_) return;
  clients_.wake(client, *world_);
  const std::uint64_t most = calm_ ? kCalmThinkUsMax : plan_.profile.work.think_us_max;
  after(microseconds(timing_.between(1, most)), [this, client] { client_turn(client); });
}

// --- running --------------------------------------------------------------------------------

void Simulation::pass_to(Instant time) {
  world_->set_now(std::max(world_->now(), time));
  world_->check_overdue(microseconds(kTimerLagUsMax), paused_until_);
}

bool Simulation::turn(Instant end) {
  NodeId ringing = kNobody;
  Instant earliest = Instant::never();
  for (const NodeId node : world_->nodes()) {
    Instant due = world_->deadline(node);
    if (due == Instant::never()) continue;
    due = due + timer_lag_[node];  // an event loop is never quite on time
    due = std::max(due, paused_until(node));
    if (due < earliest) {
      earliest = due;
      ringing = node;
    }
  }
  const Instant next = events_.next();
  if (std::min(next, earliest) > end) return false;
  if (next <= earliest) {
    const auto what = events_.take();
    pass_to(next);
    what();
  } else {
    pass_to(earliest);
    timer_lag_[ringing] =
        microseconds(timing_.chance(1, 10) ? timing_.below(kTimerLagUsMax) : timing_.below(50));
    world_->fire(ringing);
  }
  return true;
}

bool Simulation::step(Duration end) {
  if (failed() || !turn(time_of(end))) return false;
  check();
  return !failed();
}

void Simulation::run_until(Duration end) {
  while (check() && turn(time_of(end))) {
  }
  if (!failed()) world_->set_now(std::max(world_->now(), time_of(end)));
}

void Simulation::fail(RunVerdict verdict, std::string text) {
  if (failed()) return;
  result_.verdict = verdict;
  result_.failure = std::move(text);
}

bool Simulation::check() {
  if (!world_->violations().empty()) {
    fail(RunVerdict::correctness, world_->violations().front());
  } else if (!clients_.violations().empty()) {
    fail(RunVerdict::correctness, clients_.violations().front());
  }
  return !failed();
}

}  // namespace paxledger::sim
