#include "sim_binding.hpp"

#include <pybind11/stl.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "ledger/block.hpp"
#include "sim/broken_invariant.hpp"
#include "sim/interruption.hpp"
#include "sim/plan_json.hpp"
#include "sim/simulation.hpp"
#include "waiting.hpp"

namespace paxledger::bindings {
namespace py = pybind11;
namespace {

using sim::Event;
using sim::Simulation;

// The longest time that a simulation takes: a day.
constexpr double kSecondsMax = 86'400;

Duration duration_of(double seconds) {
  if (!(seconds >= 0) || seconds > kSecondsMax) {
    throw py::value_error("a simulated time is 0 to 86400 seconds");
  }
  return Duration(std::llround(seconds * 1e9));
}

double seconds_of(Duration duration) {
  return static_cast<double>(duration.count()) / 1e9;
}

// A sample of one node, as Python's table of heights has it.
struct Sample {
  double time = 0;
  std::uint32_t node = 0;
  std::uint64_t height = 0;
  bool running = false;
  bool paused = false;
  engine::Role role = engine::Role::follower;
  bool whole = true;  // neither abstains nor repairs
  NodeId leader = kNobody;
  paxos::Ballot ballot;  // promised
};

// A node became what `role` says; "down" if it ended by itself.
struct Turn {
  double time = 0;
  std::uint32_t node = 0;
  std::string_view role;
  paxos::Ballot ballot;
};

sim::DirectRequest::Kind request_kind_of(const std::string& kind) {
  using Kind = sim::DirectRequest::Kind;
  if (kind == "put") return Kind::put;
  if (kind == "delete") return Kind::remove;
  if (kind == "get") return Kind::get;
  if (kind == "get_local") return Kind::get_local;
  throw py::value_error("a request is put, delete, get or get_local, not " + kind);
}

std::string_view state_of(const Sample& sample) {
  if (!sample.running) return "stopped";
  return sample.paused ? "paused" : "running";
}

// Does `work` on a thread of its own, which never needs the GIL, while this one listens for
// signals. What the handler of a signal raises ends the work early and is thrown. Needs the GIL,
// which is given up meanwhile.
template <class Work>
void interruptibly(const Work& work) {
  const Waiter counted;
  std::atomic<bool> asked = false;
  auto done = std::async(std::launch::async, [&] {
    const sim::Interruptible interruptible(asked);
    work();
  });
  const auto is_done_within = [&done](std::chrono::milliseconds time) {
    const py::gil_scoped_release released;
    return done.wait_for(time) == std::future_status::ready;
  };
  while (!is_done_within(kSignalInterval)) {
    try {
      check_signals();
    } catch (...) {
      asked = true;
      while (!is_done_within(kSignalInterval)) {
      }
      throw;
    }
  }
  done.get();
}

// One simulation and what was recorded of it. Python threads take turns by `mutex_`, which is taken
// without the GIL. What breaks in C++ ends the simulation, and is its verdict.
class Recorded {
 public:
  Recorded(const std::string& plan, bool events) {
    auto parsed = sim::parse_plan(plan);
    if (!parsed) raise_error(parsed.error());
    auto watcher = [this, events](const Event& event) {
      if (event.kind == Event::Kind::role) {
        turns_.push_back({seconds_of(event.at.since_origin() - begin_), event.node.value(),
                          event.name, event.ballot});
      }
      // Nodes end by themselves, too: where their disk refuses, and to repair what is damaged.
      const bool ends = event.name == "disk failed" || event.name == "crash";
      if (event.kind == Event::Kind::fault && ends) {
        turns_.push_back({seconds_of(event.at.since_origin() - begin_), event.node.value(), "down",
                          paxos::Ballot()});
      }
      if (events) events_.push_back(event);
    };
    begin_ = std::chrono::seconds(1);
    const sim::CatchInvariants catching;
    simulation_ = std::make_unique<Simulation>(std::move(*parsed), std::move(watcher), events);
  }

  // Runs until `until`, looking at every node each `interval` seconds (0: never). False if the
  // simulation has failed.
  bool run_until(double until, double interval) {
    const Duration end = duration_of(until);
    const Duration step = duration_of(interval);
    const py::gil_scoped_release released;
    const std::lock_guard lock(mutex_);
    return guarded([&] {
      while (step > Duration::zero() && next_sample_ <= end && !simulation_->failed()) {
        simulation_->run_until(next_sample_);
        sample();
        next_sample_ += step;
      }
      simulation_->run_until(end);
    });
  }

  // One event, if there is one up to `until`.
  bool step(double until) {
    const Duration end = duration_of(until);
    const py::gil_scoped_release released;
    const std::lock_guard lock(mutex_);
    bool happened = false;
    guarded([&] { happened = simulation_->step(end); });
    return happened;
  }

  void apply(std::optional<double> at, const std::string& text) {
    auto fault = sim::parse_fault(text, simulation_->plan().profile.options.nodes);
    if (!fault) raise_error(fault.error());
    std::optional<Duration> when;
    if (at) when = duration_of(*at);
    const py::gil_scoped_release released;
    const std::lock_guard lock(mutex_);
    guarded([&] {
      if (when) {
        simulation_->at(*when, std::move(*fault));
      } else {
        simulation_->apply(*fault);
      }
    });
  }

  // Returns the place of the request in operations().
  std::size_t request(std::uint32_t number, const std::string& kind, const py::bytes& key,
                      const py::bytes& value, double patience) {
    const NodeId node = checked(number);
    const sim::DirectRequest request{request_kind_of(kind), key, value};
    const Duration wait = duration_of(patience);
    if (auto parsed = check(request); !parsed) raise_error(parsed.error());
    const py::gil_scoped_release released;
    const std::lock_guard lock(mutex_);
    std::size_t place = 0;
    guarded([&] { place = simulation_->request(node, request, wait); });
    return place;
  }

  // Ctrl-C ends it; another call goes on where it was.
  std::string finish() {
    std::string found;
    interruptibly([&] {
      const std::lock_guard lock(mutex_);
      if (!result_) judge();
      found = sim::to_json(*result_);
    });
    return found;
  }

  // Looking. Whoever looks while another thread runs the simulation waits for it, with the GIL:
  // that thread needs it only when it is done.
  [[nodiscard]] double now() const {
    const std::lock_guard lock(mutex_);
    return seconds_of(simulation_->now());
  }
  [[nodiscard]] std::string failure() const {
    const std::lock_guard lock(mutex_);
    return crash_.empty() ? simulation_->failure() : "invariant: " + crash_;
  }
  [[nodiscard]] std::string plan() const { return sim::to_json(simulation_->plan()); }
  [[nodiscard]] std::uint64_t trace_hash() const {
    const std::lock_guard lock(mutex_);
    return simulation_->world().trace_hash();
  }

  py::dict status(std::uint32_t number) const {
    const std::lock_guard lock(mutex_);
    const NodeId node = checked(number);
    py::dict all;
    const bool running = simulation_->world().running(node);
    all["node"] = number;
    all["state"] = !running ? "stopped" : simulation_->paused(node) ? "paused" : "running";
    if (!running) return all;
    const engine::Status status = simulation_->world().status(node);
    all["role"] = std::string(to_string(status.role));
    all["leader"] = status.leader == kNobody ? py::none() : py::cast(status.leader.value());
    all["ballot"] = to_string(status.promised);
    all["height"] = status.head.height.value();
    all["head"] = status.head.hash.hex();
    all["decided"] = status.decided.value();
    all["revision"] = status.revision.value();
    all["keys"] = status.keys;
    all["abstaining"] = status.abstaining;
    all["repairing"] = status.repairing;
    all["hears_quorum"] = status.hears_quorum;
    all["queued"] = status.queued_commands;
    all["in_flight"] = status.slots_in_flight;
    all["elections"] = status.elections_started;
    return all;
  }

  py::dict keys_of(std::uint32_t number) const {
    const std::lock_guard lock(mutex_);
    const NodeId node = checked(number);
    py::dict all;
    if (!simulation_->world().running(node)) return all;
    const auto page =
        simulation_->world().replica(node).applied().store().scan("", "", SIZE_MAX, SIZE_MAX);
    for (const auto& item : page.items) {
      all[py::bytes(item.key)] = py::bytes(std::string(item.value.view()));
    }
    return all;
  }

  // The history that the nodes have agreed on, as encoded blocks.
  py::list blocks() const {
    const std::lock_guard lock(mutex_);
    py::list all;
    const auto& history = simulation_->world().history();
    for (std::uint64_t h = 1; h <= history.height().value(); ++h) {
      all.append(py::bytes(ledger::encode_block(history.block(Height(h)))));
    }
    return all;
  }

  // (at, event, node, peer, id, name, ballot, slot, text) of what happened since the last call.
  py::list take_events() {
    const std::lock_guard lock(mutex_);
    py::list all;
    for (const Event& event : std::exchange(events_, {})) {
      all.append(py::make_tuple(seconds_of(event.at.since_origin() - begin_),
                                std::string(to_string(event.kind)), event.node.value(),
                                event.peer.value(), event.id, std::string(event.name),
                                event.ballot.is_none() ? std::string() : to_string(event.ballot),
                                event.slot.value(), event.text));
    }
    return all;
  }

  py::dict operations() const {
    const std::lock_guard lock(mutex_);
    py::list client, kind, key, start, end, outcome, node, attempts, revision, height;
    for (const sim::Recorded& each : simulation_->clients().history()) {
      client.append(each.client);
      kind.append(std::string(each.what));
      key.append(each.key);
      start.append(seconds_of(each.begun.since_origin() - begin_));
      end.append(each.ended ? py::cast(seconds_of(each.ended->since_origin() - begin_))
                            : py::object(py::none()));
      outcome.append(each.ended ? std::string(to_string(each.code)) : std::string("unfinished"));
      node.append(each.node.value());
      attempts.append(each.attempts);
      revision.append(each.revision.value());
      height.append(each.height.value());
    }
    py::dict all;
    all["client"] = client;
    all["kind"] = kind;
    all["key"] = key;
    all["start"] = start;
    all["end"] = end;
    all["outcome"] = outcome;
    all["node"] = node;
    all["attempts"] = attempts;
    all["revision"] = revision;
    all["height"] = height;
    return all;
  }

  // (start, end or None, outcome, value or None, revision, height) of one request.
  py::tuple outcome_of(std::size_t place) const {
    const std::lock_guard lock(mutex_);
    const auto& history = simulation_->clients().history();
    if (place >= history.size()) throw py::index_error("there is no such request");
    const sim::Recorded& each = history[place];
    const auto& operation = each.operation;
    const bool read = operation.kind == sim::RegisterOperation::Kind::read;
    const bool found = read && operation.known && operation.succeeded && operation.value;
    return py::make_tuple(seconds_of(each.begun.since_origin() - begin_),
                          each.ended ? py::cast(seconds_of(each.ended->since_origin() - begin_))
                                     : py::object(py::none()),
                          each.ended ? std::string(to_string(each.code)) : std::string(),
                          found ? py::object(py::bytes(*operation.value)) : py::object(py::none()),
                          each.revision.value(), each.height.value());
  }

  // (time, node, role, ballot) of every change of a role so far.
  py::list turns() const {
    const std::lock_guard lock(mutex_);
    py::list all;
    for (const Turn& each : turns_) {
      all.append(py::make_tuple(each.time, each.node, std::string(each.role),
                                each.ballot.is_none() ? std::string() : to_string(each.ballot)));
    }
    return all;
  }

  py::dict heights() const {
    const std::lock_guard lock(mutex_);
    py::list time, node, height, role, state, whole, leader, ballot;
    for (const Sample& each : samples_) {
      time.append(each.time);
      node.append(each.node);
      height.append(each.height);
      role.append(each.running ? std::string(to_string(each.role)) : std::string());
      state.append(std::string(state_of(each)));
      whole.append(each.whole);
      leader.append(each.leader.value());
      ballot.append(each.ballot.is_none() ? std::string() : to_string(each.ballot));
    }
    py::dict all;
    all["time"] = time;
    all["node"] = node;
    all["height"] = height;
    all["role"] = role;
    all["state"] = state;
    all["whole"] = whole;
    all["leader"] = leader;
    all["ballot"] = ballot;
    return all;
  }

  // (at, JSON of the fault, text).
  py::list faults() const {
    const std::lock_guard lock(mutex_);
    py::list all;
    for (const sim::TimedFault& timed : simulation_->faults()) {
      all.append(py::make_tuple(seconds_of(timed.at.since_origin() - begin_),
                                sim::to_json(timed.fault), sim::describe(timed.fault)));
    }
    return all;
  }

 private:
  // Whether nothing is wrong.
  template <class Work>
  bool guarded(const Work& work) {
    if (!crash_.empty()) return false;
    const sim::CatchInvariants catching;
    try {
      work();
    } catch (const sim::BrokenInvariant& broken) {
      crash_ = broken.what();
    }
    return crash_.empty() && !simulation_->failed();
  }

  void judge() {
    sim::RunResult result;
    const bool whole = guarded([&] { result = simulation_->finish(); });
    if (!whole && !crash_.empty()) {
      result = {};
      result.verdict = sim::RunVerdict::crash;
      result.failure = "invariant: " + crash_;
      result.profile = simulation_->plan().profile.describe();
      result.simulated = simulation_->now();
      result.trace_hash = simulation_->world().trace_hash();
    }
    result_ = std::move(result);
  }

  void sample() {
    const sim::World& world = simulation_->world();
    for (const NodeId node : world.nodes()) {
      Sample each;
      each.time = seconds_of(simulation_->now());
      each.node = node.value();
      each.running = world.running(node);
      if (each.running) {
        const engine::Status status = world.status(node);
        each.height = status.head.height.value();
        each.paused = simulation_->paused(node);
        each.role = status.role;
        each.whole = !status.abstaining && !status.repairing;
        each.leader = status.leader;
        each.ballot = status.promised;
      }
      samples_.push_back(each);
    }
  }

  // Errors: bad_request, too_large.
  [[nodiscard]] static Result<void> check(const sim::DirectRequest& request) {
    kv::Command command;
    command.kind = kv::CommandKind::put;
    command.session = SessionId(1);
    command.sequence = Sequence(1);
    command.key = request.key;
    command.value = request.value;
    auto parsed = kv::parse_command(kv::encode_command(command));
    if (!parsed) return parsed.error();
    return {};
  }

  [[nodiscard]] NodeId checked(std::uint32_t number) const {
    const auto nodes = simulation_->plan().profile.options.nodes;
    if (number < 1 || number > nodes) {
      throw py::value_error("there is no node " + std::to_string(number) + "; the nodes are 1 to " +
                            std::to_string(nodes));
    }
    return NodeId(number);
  }

  mutable std::mutex mutex_;
  std::unique_ptr<Simulation> simulation_;
  Duration begin_{0};
  Duration next_sample_{0};
  std::vector<Event> events_;
  std::vector<Turn> turns_;
  std::vector<Sample> samples_;
  std::optional<sim::RunResult> result_;
  std::string crash_;
};

}  // namespace

void define_sim(py::module_& module) {
  py::class_<Recorded>(module, "Simulation",
                       "A simulated cluster; its plan is JSON, its times are seconds.")
      .def(py::init<const std::string&, bool>(), py::arg("plan"), py::arg("events"))
      .def("run_until", &Recorded::run_until, py::arg("until"), py::arg("interval"))
      .def("step", &Recorded::step, py::arg("until"))
      .def("apply", &Recorded::apply, py::arg("at"), py::arg("fault"))
      .def("request", &Recorded::request, py::arg("node"), py::arg("kind"), py::arg("key"),
           py::arg("value"), py::arg("patience"))
      .def("outcome_of", &Recorded::outcome_of, py::arg("place"))
      .def("turns", &Recorded::turns)
      .def("finish", &Recorded::finish)
      .def("now", &Recorded::now)
      .def("failure", &Recorded::failure)
      .def("plan", &Recorded::plan)
      .def("trace_hash", &Recorded::trace_hash)
      .def("status", &Recorded::status, py::arg("node"))
      .def("keys_of", &Recorded::keys_of, py::arg("node"))
      .def("blocks", &Recorded::blocks)
      .def("take_events", &Recorded::take_events)
      .def("operations", &Recorded::operations)
      .def("heights", &Recorded::heights)
      .def("faults", &Recorded::faults);
  module.def(
      "draw_plan", [](std::uint64_t seed) { return sim::to_json(sim::Plan::draw(seed)); },
      py::arg("seed"), "What a seed stands for, as JSON.");
}

}  // namespace paxledger::bindings
