// A cluster, its network, disks, clocks and clients in one thread and one virtual time: everything
// that happens follows from a plan, and equal plans give equal runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "base/time.hpp"
#include "sim/clients.hpp"
#include "sim/direct_requests.hpp"
#include "sim/event_queue.hpp"
#include "sim/fault.hpp"
#include "sim/faults.hpp"
#include "sim/network.hpp"
#include "sim/profile.hpp"
#include "sim/run.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

// Not thread-safe; many simulations may run in one process, each on a thread of its own. Every
// function but the looking ones may throw BrokenInvariant (sim/broken_invariant.hpp) if it runs
// within a CatchInvariants; the simulation is good for nothing but its result then.
class Simulation {
 public:
  using Watcher = std::function<void(const Event&)>;

  // `texts`: whether the watcher hears of events with their text, which costs time.
  explicit Simulation(Plan plan, Watcher watcher = {}, bool texts = true);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Does `fault` when the time comes. Times are counted from the beginning of the run.
  void at(Duration when, Fault fault);
  // Now.
  void apply(const Fault& fault);
  // Hands a request to a node, now; one that is paused takes it when it goes on. Returns the place
  // of the request in the clients' history. Precondition: the node runs.
  std::size_t request(NodeId node, DirectRequest request, Duration patience);

  // One more event, if there is one up to `end`; else false. `end` counts from the beginning.
  bool step(Duration end);
  // All events up to `end`, or until something is found wrong.
  void run_until(Duration end);
  [[nodiscard]] Duration now() const { return world_->now() - began_; }

  // Heals everything, demands progress, waits for the clients and judges. Once; but after it has
  // thrown Interrupted (sim/interruption.hpp) another call goes on where it was.
  RunResult finish();

  [[nodiscard]] bool failed() const { return !result_.failure.empty(); }
  [[nodiscard]] const std::string& failure() const { return result_.failure; }
  [[nodiscard]] const World& world() const { return *world_; }
  [[nodiscard]] World& world() { return *world_; }
  [[nodiscard]] const Clients& clients() const { return clients_; }
  // What was done to the cluster so far, by the script and by chance.
  [[nodiscard]] const std::vector<TimedFault>& faults() const { return done_; }
  // Whether one of them was more than a cluster is promised to stand.
  [[nodiscard]] bool beyond_limits() const { return beyond_limits_; }
  [[nodiscard]] bool paused(NodeId node) const;
  [[nodiscard]] const Plan& plan() const { return plan_; }

 private:
  Listeners listeners();
  void at_time(Instant when, std::function<void()> what) { events_.add(when, std::move(what)); }
  void after(Duration delay, std::function<void()> what) {
    at_time(world_->now() + delay, std::move(what));
  }
  [[nodiscard]] Instant time_of(Duration since_begin) const { return began_ + since_begin; }

  void sent(const InFlight& flight);
  void arrive(std::uint64_t id);
  void complete(NodeId node);
  void serve(NodeId node);
  void serve_sync(NodeId node);
  void client_turn(std::size_t client);
  void hand_over(DirectRequests::Sent sent);
  void answered(const Answered& answered);
  void misfortune();
  void act(const Fault& fault);
  void carry_out(const Fault& fault);
  void stop_node(const Fault& fault);
  void trouble_disk(const Fault& fault);
  void sync_others(NodeId node);
  void make_room(NodeId node);
  void look_through_disks();
  void end_pause(NodeId node);
  void heal();
  [[nodiscard]] Duration disk_time();
  [[nodiscard]] Instant paused_until(NodeId node) const;
  void pass_to(Instant time);
  bool turn(Instant end);
  bool check();
  [[nodiscard]] bool serves(std::string* why) const;
  Duration wait_for(const std::string& promise, const std::function<bool(std::string*)>& goal);
  void begin_to_end();
  void await_recovery();
  void await_clients();
  void await_quiet();
  void forge_some_blocks();
  void look_at_forgery();
  void await_exposure();
  void probe_all();
  void fail(RunVerdict verdict, std::string text);

  // How far finish() has come.
  struct Ending {
    enum class Phase : std::uint8_t { recovery, clients, quiet, exposure, verdict };
    Phase phase = Phase::recovery;
    Instant phase_began;
    Duration phase_limit{0};
    NodeId forged;  // in the phase exposure: the node whose blocks were rewritten
  };

  Plan plan_;
  Watcher watcher_;
  bool texts_;
  Prng timing_;  // of the event loops: lags, and what comes in one turn
  Prng disks_;
  Network network_;
  Clients clients_;
  EventQueue events_;
  std::map<NodeId, Duration> timer_lag_;
  std::map<NodeId, Instant> paused_until_;  // or, if that has passed, when the last pause ended
  std::map<NodeId, Instant> disk_slow_until_;
  std::map<NodeId, Instant> disk_full_until_;
  std::map<NodeId, Instant> lied_until_;  // what is altered of the blocks that the node sends
  std::map<NodeId, std::vector<std::function<void()>>> held_;  // until the node goes on
  std::map<RequestKey, NodeId> probes_;
  std::set<NodeId> probed_;
  DirectRequests direct_;
  bool calm_ = false;
  bool deserted_ = false;  // the clients have gone
  bool duplicated_ = false;
  std::vector<TimedFault> done_;
  bool beyond_limits_ = false;
  RunResult result_;
  std::optional<Ending> ending_;
  std::unique_ptr<World> world_;
  std::unique_ptr<Faults> faults_;
  Instant began_;
};

}  // namespace paxledger::sim
