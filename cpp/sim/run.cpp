#include "sim/run.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/prng.hpp"
#include "sim/clients.hpp"
#include "sim/describe.hpp"
#include "sim/faults.hpp"
#include "sim/profile.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// Invariant: events are taken in the order of their time, and of their making among equals.
class Run {
 public:
  Run(std::uint64_t seed, PlantedBug bug, bool trace)
      : prng_(Seed{seed}),
        trace_(trace),
        profile_(with_seed(Profile::draw(prng_), seed)),
        clients_(profile_, prng_, bug == PlantedBug::shared_session),
        world_(profile_.options, listeners()),
        faults_(world_, prng_, profile_, bug, [this](Duration delay, std::function<void()> what) {
          after(delay, std::move(what));
        }) {}

  RunResult run();

 private:
  static Profile with_seed(Profile profile, std::uint64_t seed) {
    profile.options.seed = Seed{seed};
    return profile;
  }

  Listeners listeners();
  void at(Instant when, std::function<void()> what) { events_.emplace(when, std::move(what)); }
  void after(Duration delay, std::function<void()> what) {
    at(world_.now() + delay, std::move(what));
  }
  Duration random_us(std::uint64_t max) { return microseconds(prng_.between(1, max)); }

  void sent(const InFlight& flight);
  void arrive(std::uint64_t id);
  void complete(NodeId node);
  void serve(NodeId node);
  void client_turn(std::size_t client);
  void fault();
  void heal();
  bool turn(Instant end);  // false: nothing happens before `end`
  bool check();            // false: something is wrong
  [[nodiscard]] bool serves(std::string* why) const;
  Duration run_until(Duration limit, const std::string& promise,
                     const std::function<bool(std::string*)>& goal);
  void recover();
  void probe_all();

  Prng prng_;
  bool trace_;
  Profile profile_;
  Clients clients_;
  std::multimap<Instant, std::function<void()>> events_;
  std::map<NodeId, Duration> timer_lag_;
  std::map<RequestKey, NodeId> probes_;
  std::set<NodeId> probed_;
  bool calm_ = false;
  RunResult result_;
  World world_;
  Faults faults_;
};

Listeners Run::listeners() {
  Listeners listeners;
  if (trace_) {
    listeners.event = [this](const Event& event) {
      std::printf("%10.3f %s%s\n", static_cast<double>(world_.now().since_origin().count()) / 1e6,
                  event.kind == Event::Kind::lost ? "lost " : "", event.text.c_str());
    };
  }
  listeners.sent = [this](const InFlight& flight) { sent(flight); };
  listeners.write_begun = [this](NodeId node) {
    after(random_us(calm_ ? 300 : profile_.disk_us_max), [this, node] { complete(node); });
  };
  listeners.load_asked = [this](NodeId node) {
    after(random_us(calm_ ? 300 : profile_.disk_us_max), [this, node] { serve(node); });
  };
  listeners.answered = [this](const Answered& answered) {
    const auto probe = probes_.find(answered.request.key);
    if (probe == probes_.end()) {
      clients_.answered(answered, world_);
      return;
    }
    const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
    if (result != nullptr && result->code != ErrorCode::ok &&
        result->code != ErrorCode::not_found) {
      probed_.erase(probe->second);
    }
    probes_.erase(probe);
  };
  return listeners;
}

void Run::sent(const InFlight& flight) {
  const std::uint64_t id = flight.id;
  if (calm_) {
    after(random_us(500), [this, id] { arrive(id); });
    return;
  }
  Duration delay = random_us(profile_.latency_us_max);
  if (prng_.chance(profile_.slow_permille, 1000)) delay *= 20;
  if (prng_.chance(profile_.drop_permille, 1000)) {
    after(Duration::zero(), [this, id] { world_.drop(id); });
    return;
  }
  after(delay, [this, id] { arrive(id); });
  if (prng_.chance(profile_.duplicate_permille, 1000)) {
    const Duration later = random_us(profile_.latency_us_max * 10);
    after(Duration::zero(), [this, id, later] {
      if (!world_.in_flight().contains(id)) return;
      const std::uint64_t copy = world_.duplicate(id);
      after(later, [this, copy] { arrive(copy); });
    });
  }
}

void Run::arrive(std::uint64_t id) {
  const auto flight = world_.in_flight().find(id);
  if (flight == world_.in_flight().end()) return;
  const NodeId to = flight->second.to;
  if (const Instant until = faults_.paused_until(to); until > world_.now()) {
    at(until, [this, id] { arrive(id); });
    return;
  }
  std::vector<std::uint64_t> turn{id};
  if (prng_.chance(1, 4)) {
    // An event loop takes what is there: several messages in one turn, in any order.
    for (const auto& [other, waiting] : world_.in_flight()) {
      if (turn.size() >= 4) break;
      if (other != id && waiting.to == to && prng_.chance(1, 3)) turn.push_back(other);
    }
  }
  world_.deliver_together(turn);
}

void Run::complete(NodeId node) {
  if (!world_.running(node) || !world_.disk(node).writing()) return;
  if (const Instant stuck = faults_.disk_stuck_until(node); stuck > world_.now()) {
    at(stuck, [this, node] { complete(node); });
    return;
  }
  world_.complete_writes(node, prng_.between(1, world_.disk(node).pending_count()));
  // A completed group may leave others behind whose own event found nothing to do.
  if (world_.running(node) && world_.disk(node).writing()) {
    after(random_us(profile_.disk_us_max), [this, node] { complete(node); });
  }
  if (world_.running(node) && prng_.chance(1, 50)) world_.disk(node).sync_blocks();
  if (world_.running(node) && prng_.chance(1, 100)) world_.disk(node).trim_log();
}

void Run::serve(NodeId node) {
  if (world_.running(node)) world_.serve_load(node);
}

void Run::client_turn(std::size_t client) {
  clients_.wake(client, world_);
  after(random_us(calm_ ? 20'000 : profile_.think_us_max), [this, client] { client_turn(client); });
}

// --- faults ---------------------------------------------------------------------------------

void Run::fault() {
  if (calm_) return;
  faults_.inject();
  after(milliseconds(prng_.between(1, profile_.fault_every_ms)), [this] { fault(); });
}

void Run::heal() {
  calm_ = true;
  faults_.cease();
  for (const NodeId node : world_.nodes()) world_.restart(node);
  clients_.settle_down();
}

// --- running --------------------------------------------------------------------------------

bool Run::turn(Instant end) {
  NodeId ringing = kNobody;
  Instant earliest = Instant::never();
  for (const NodeId node : world_.nodes()) {
    Instant due = world_.deadline(node);
    if (due == Instant::never()) continue;
    due = due + timer_lag_[node];  // an event loop is never quite on time
    due = std::max(due, faults_.paused_until(node));
    if (due < earliest) {
      earliest = due;
      ringing = node;
    }
  }
  const Instant next = events_.empty() ? Instant::never() : events_.begin()->first;
  if (std::min(next, earliest) > end) return false;
  if (next <= earliest) {
    auto event = events_.extract(events_.begin());
    world_.set_now(std::max(world_.now(), next));
    event.mapped()();
  } else {
    world_.set_now(std::max(world_.now(), earliest));
    timer_lag_[ringing] = microseconds(prng_.chance(1, 10) ? prng_.below(5000) : prng_.below(50));
    world_.fire(ringing);
  }
  return true;
}

bool Run::check() {
  if (!world_.violations().empty()) {
    result_.failure = world_.violations().front();
  } else if (!clients_.violations().empty()) {
    result_.failure = clients_.violations().front();
  }
  return result_.failure.empty();
}

void Run::probe_all() {
  for (const NodeId node : world_.nodes()) {
    if (!world_.running(node) || probed_.contains(node)) continue;
    probed_.insert(node);
    const RequestKey key = world_.next_request();
    probes_[key] = node;
    (void)world_.read(node, "key0", engine::ReadConsistency::linearizable, milliseconds(1500));
  }
}

// Whether the whole cluster serves: one leader, every node whole, at one height, and answering.
bool Run::serves(std::string* why) const {
  const auto nodes = world_.nodes();
  const auto first = world_.status(nodes.front());
  std::size_t leaders = 0;
  for (const NodeId node : nodes) {
    const auto status = world_.status(node);
    leaders += status.role == engine::Role::leader ? 1 : 0;
    if (status.abstaining || status.repairing) *why = "node " + name(node) + " is not whole";
    if (!(status.head == first.head)) *why = "node " + name(node) + " stands at another height";
  }
  if (leaders != 1) *why = std::to_string(leaders) + " nodes lead";
  if (!probes_.empty() || probed_.size() != nodes.size()) *why = "a node does not serve reads";
  return why->empty();
}

// Runs until `goal` holds; the failure says what was missing if it never does.
Duration Run::run_until(Duration limit, const std::string& promise,
                        const std::function<bool(std::string*)>& goal) {
  const Instant begin = world_.now();
  std::string why = "nothing happened";
  while (world_.now() < begin + limit) {
    const Instant until = world_.now() + milliseconds(5);
    while (turn(until) && check()) {
    }
    if (!result_.failure.empty()) return limit;
    world_.set_now(std::max(world_.now(), until));
    why.clear();
    if (goal(&why)) return world_.now() - begin;
  }
  result_.failure = "progress: " + promise + ", " + why;
  for (const NodeId node : world_.nodes()) {
    result_.failure += "\n  " + name(node) + ": " + describe(world_.status(node));
  }
  return limit;
}

void Run::recover() {
  heal();
  clients_.begin_no_more();
  const Duration election = profile_.options.timing.election_timeout;
  const Duration limit = 10 * election + milliseconds(100);
  const Duration taken =
      run_until(limit, "10 election timeouts after everything was healed", [this](auto* why) {
        probe_all();
        return serves(why);
      });
  result_.recovery_ms = static_cast<std::uint64_t>(duration_cast<milliseconds>(taken).count());
  result_.recovery_election_timeouts =
      static_cast<double>(taken.count()) / static_cast<double>(election.count());
  if (!result_.failure.empty()) return;
  // Clients whose request went down with a node notice it only at their deadline.
  run_until(std::chrono::seconds(20), "long after everything was healed", [this](auto* why) {
    if (!clients_.idle()) *why = "clients still wait";
    return why->empty();
  });
}

RunResult Run::run() {
  result_.profile = profile_.describe();
  for (const NodeId node : world_.nodes()) world_.set_instant_disk(node, false);
  for (std::size_t i = 0; i < clients_.count(); ++i) {
    after(random_us(profile_.think_us_max), [this, i] { client_turn(i); });
  }
  after(milliseconds(prng_.between(1, 500)), [this] { fault(); });
  const Instant end = world_.now() + profile_.safety_phase;
  while (check() && turn(end)) {
    if (!profile_.pauses) world_.check_overdue(milliseconds(20));
  }
  if (result_.failure.empty()) {
    world_.set_now(end);
    recover();
  }
  if (check()) result_.failure = clients_.verdict(world_.history(), &result_.undecided_histories);
  result_.faults = faults_.count();
  result_.height = world_.history().height().value();
  result_.answered = clients_.answered_count();
  for (const NodeId node : world_.nodes()) {
    if (world_.running(node)) result_.elections += world_.status(node).elections_started;
  }
  result_.passed = result_.failure.empty();
  return result_;
}

}  // namespace

RunResult run(std::uint64_t seed, PlantedBug bug, bool trace) {
  return Run(seed, bug, trace).run();
}

}  // namespace paxledger::sim
