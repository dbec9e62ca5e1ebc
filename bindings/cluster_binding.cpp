#include "cluster_binding.hpp"

#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "control/local_cluster.hpp"
#include "errors.hpp"
#include "node/configuration.hpp"
#include "waiting.hpp"

namespace paxledger::bindings {
namespace py = pybind11;
namespace {

using control::FaultRecord;
using control::LinkFault;
using control::LocalCluster;
using control::ProcessStatus;

Duration seconds(double count) {
  if (!(count >= 0) || count > 86400) throw py::value_error("a wait is 0 to 86400 seconds");
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count));
}

// A path as Python's os functions give it: octets that are no text stand as lone surrogates.
py::str path_text(const std::filesystem::path& path) {
  const std::string& octets = path.native();
  PyObject* const decoded =
      PyUnicode_DecodeFSDefaultAndSize(octets.data(), static_cast<Py_ssize_t>(octets.size()));
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

py::dict to_python(const node::Configuration& configuration) {
  py::list nodes;
  for (const node::NodeEntry& entry : configuration.nodes) {
    py::dict each;
    each["id"] = entry.id.value();
    each["peer"] = entry.peer.text();
    each["client"] = entry.client.tcp();
    each["http"] = entry.http.http();
    each["directory"] = path_text(configuration.node_directory(entry.id));
    nodes.append(each);
  }
  py::dict all;
  all["file"] = path_text(configuration.file);
  all["cluster"] = configuration.cluster;
  all["cluster_id"] = configuration.cluster_id.value();
  all["data_dir"] = path_text(configuration.data_dir);
  all["nodes"] = nodes;
  all["fault_injection"] = configuration.fault_injection;
  py::list warnings;
  for (const std::string& each : configuration.warnings) warnings.append(text_for_people(each));
  all["warnings"] = warnings;
  return all;
}

py::dict to_python(const LinkFault& fault) {
  py::dict all;
  all["from"] = fault.from.value();
  all["to"] = fault.to.value();
  all["block"] = fault.block;
  all["drop"] = fault.drop;
  all["delay_ms"] = fault.delay_ms;
  all["jitter_ms"] = fault.jitter_ms;
  all["duplicate"] = fault.duplicate;
  all["reorder"] = fault.reorder;
  all["text"] = fault.text();
  return all;
}

std::set<std::uint32_t> values_of(const std::set<NodeId>& nodes) {
  std::set<std::uint32_t> values;
  for (const NodeId node : nodes) values.insert(node.value());
  return values;
}

py::dict to_python(const FaultRecord& record) {
  py::list links;
  for (const LinkFault& fault : record.links) links.append(to_python(fault));
  py::dict all;
  all["links"] = links;
  all["killed"] = values_of(record.killed);
  all["paused"] = values_of(record.paused);
  return all;
}

// Whether Python has an exception pending: what a signal's handler raised, e.g. KeyboardInterrupt,
// or what was pending before. Called without the GIL.
bool has_exception() {
  const py::gil_scoped_acquire acquired;
  return PyErr_Occurred() != nullptr || PyErr_CheckSignals() != 0;
}

// Whose the nodes of a cluster are. A node that is seen to run as a process that was not started
// here is somebody else's, and stays theirs when it is started here again: it outlives this
// interpreter. Every other node that is started here is ours, and does not.
//
// Threads: any.
class Owners {
 public:
  struct Process {
    NodeId node;
    pid_t pid = 0;
    std::uint64_t birth = 0;  // with the pid it names the process, though the number be given again
  };

  // From now on all nodes are ours, whoever starts them.
  void claim_all() { all_are_ours_ = true; }

  // Takes notice of what runs.
  void look_at(const std::vector<ProcessStatus>& processes) {
    const std::lock_guard alone(mutex_);
    for (const ProcessStatus& each : processes) {
      if (each.state == control::ProcessState::stopped) continue;
      const bool started_here =
          std::any_of(started_.begin(), started_.end(), [&](const Process& known) {
            return known.pid == each.pid && known.birth == control::birth_of(each.pid);
          });
      if (!started_here) theirs_.insert(each.node);
    }
  }

  // A process that was started here a moment ago. Returns whether it is ours.
  bool add(const Process& process) {
    const std::lock_guard alone(mutex_);
    started_.push_back(process);
    return is_ours(process.node);
  }

  // Our processes that have not ended.
  std::vector<Process> ours() {
    const std::lock_guard alone(mutex_);
    std::erase_if(started_, [](const Process& each) {
      return control::birth_of(each.pid) != each.birth ||
             control::state_of(each.pid) == control::ProcessState::stopped;
    });
    std::vector<Process> found;
    std::copy_if(started_.begin(), started_.end(), std::back_inserter(found),
                 [&](const Process& each) { return is_ours(each.node); });
    return found;
  }

  [[nodiscard]] std::set<NodeId> theirs() const {
    const std::lock_guard alone(mutex_);
    return all_are_ours_ ? std::set<NodeId>() : theirs_;
  }

 private:
  [[nodiscard]] bool is_ours(NodeId node) const { return all_are_ours_ || !theirs_.contains(node); }

  std::atomic<bool> all_are_ours_ = false;
  mutable std::mutex mutex_;
  std::vector<Process> started_;  // here, and not seen to have ended
  std::set<NodeId> theirs_;
};

// Threads: any, each with the GIL; calls run one after another. Every wait of a call hears Ctrl-C.
//
// Invariant: once end() has begun no other call goes on for long, nor does one begin.
class ClusterBinding {
 public:
  using Progress = std::function<void(const py::str&)>;

  ClusterBinding(const std::filesystem::path& file, const std::filesystem::path& daemon,
                 const Progress& progress)
      : configuration_(value_or_raise(node::read_configuration(file))),
        cluster_(configuration_, daemon,
                 [progress](const std::string& line) { tell(progress, line); }),
        observer_(configuration_, daemon) {
    cluster_.interrupt_when([this] { return is_interrupted(); });
    cluster_.on_spawn([this](NodeId node, pid_t pid) { report(node, pid); });
    owners_.look_at(observer_.processes());
  }

  [[nodiscard]] const node::Configuration& configuration() const { return configuration_; }
  [[nodiscard]] Owners& owners() { return owners_; }

  // From now on a line of JSON, ["process", pid, birth], is sent to this socket for each process of
  // ours that is started, at once: Python may not live to do it.
  void report_to(int socket) { guardian_ = socket; }

  // Runs `call` on the cluster without the GIL, one at a time, and raises its error.
  template <class Call>
  auto run(Call call) {
    const Waiter counted;
    refuse_nested();
    auto result = [&] {
      const py::gil_scoped_release released;
      const Turn turn(*this, [this] { return is_interrupted(); });
      using Answer = decltype(call(cluster_));
      if (!turn.is_ours() || ended_) return Answer(Error{ErrorCode::shutting_down, "interrupted"});
      owners_.look_at(cluster_.processes());
      return call(cluster_);
    }();
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (!result && ended_) raise_named("ClosedError", "the cluster was closed meanwhile");
    return value_or_raise(std::move(result));
  }

  // Ends the calls under way, refuses later ones, and then ends all nodes that are ours. May be
  // called again, after an interruption too. If `deaf`, Ctrl-C has to wait, and what does not end
  // soon is left.
  void end(bool kill, bool deaf) {
    ended_ = true;
    const Waiter counted;
    refuse_nested();
    auto result = [&] {
      const py::gil_scoped_release released;
      const auto until = Clock::now() + kDeafPatience;
      const auto hears = [&] { return deaf ? Clock::now() >= until : has_exception(); };
      const Turn turn(*this, hears);
      if (!turn.is_ours()) return Result<void>();
      cluster_.interrupt_when(hears);
      std::set<NodeId> nodes;
      for (const NodeId node : configuration_.node_ids()) nodes.insert(node);
      owners_.look_at(cluster_.processes());
      for (const NodeId node : owners_.theirs()) nodes.erase(node);
      auto ended = cluster_.end(nodes, kill);
      cluster_.interrupt_when([this] { return is_interrupted(); });
      return ended;
    }();
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    value_or_raise(std::move(result));
  }

  // Looks at the cluster, which may be done while a call that changes it is under way.
  template <class Look>
  auto look(Look look) {
    const Waiter counted;
    auto seen = [&] {
      const py::gil_scoped_release released;
      const std::lock_guard alone(observer_mutex_);
      return look(std::as_const(observer_));
    }();
    return value_or_raise(std::move(seen));
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kDeafPatience = std::chrono::seconds(1);

  // Runs without the GIL. What Python raises is left pending, which ends the call.
  static void tell(const Progress& progress, const std::string& line) {
    const py::gil_scoped_acquire acquired;
    if (!progress || PyErr_Occurred() != nullptr) return;
    try {
      progress(text_for_people(line));
    } catch (py::error_already_set& raised) {
      raised.restore();
    }
  }

  [[nodiscard]] bool is_interrupted() const { return ended_ || has_exception(); }

  // The right to use cluster_, waited for without the GIL; not given to who is interrupted.
  class Turn {
   public:
    template <class Interrupted>
    Turn(ClusterBinding& of, Interrupted interrupted) : of_(of), lock_(of.mutex_, std::defer_lock) {
      while (!lock_.try_lock_for(kSignalInterval) && !interrupted()) {
      }
      if (lock_) of_.whose_turn_ = std::this_thread::get_id();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (lock_) of_.whose_turn_ = std::thread::id();
    }
    [[nodiscard]] bool is_ours() const { return lock_.owns_lock(); }

   private:
    ClusterBinding& of_;
    std::unique_lock<std::timed_mutex> lock_;
  };

  // The handler of a signal runs within the wait that it interrupted, whose turn it cannot take.
  void refuse_nested() const {
    if (whose_turn_ != std::this_thread::get_id()) return;
    raise_error({ErrorCode::bad_request,
                 "another call of this thread to the cluster is under way: the handler of a signal "
                 "ends it by raising an exception"});
  }

  void report(NodeId node, pid_t pid) {
    const Owners::Process process{node, pid, control::birth_of(pid)};
    if (!owners_.add(process) || guardian_ < 0) return;
    const std::string line =
        "[\"process\", " + std::to_string(pid) + ", " + std::to_string(process.birth) + "]\n";
    // If nobody listens any more, the next start notices.
    (void)::send(guardian_, line.data(), line.size(), MSG_NOSIGNAL);
  }

  const node::Configuration configuration_;
  std::atomic<int> guardian_ = -1;
  std::atomic<bool> ended_ = false;
  Owners owners_;
  std::timed_mutex mutex_;  // never waited for with the GIL
  std::atomic<std::thread::id> whose_turn_;
  LocalCluster cluster_;
  std::mutex observer_mutex_;  // never held for long
  LocalCluster observer_;
};

NodeId id(std::uint32_t node) {
  return NodeId(node);
}

std::set<NodeId> ids(const std::set<std::uint32_t>& nodes) {
  std::set<NodeId> all;
  for (const std::uint32_t node : nodes) all.insert(NodeId(node));
  return all;
}

// A method of LocalCluster that takes a node and returns Result<void>.
template <Result<void> (LocalCluster::*Method)(NodeId)>
void on_node(ClusterBinding& self, std::uint32_t node) {
  self.run([&](LocalCluster& cluster) { return (cluster.*Method)(id(node)); });
}

py::list processes(ClusterBinding& self) {
  const auto all = self.look([](const LocalCluster& cluster) {
    return Result<std::vector<ProcessStatus>>(cluster.processes());
  });
  py::list list;
  for (const ProcessStatus& each : all) {
    list.append(py::make_tuple(each.node.value(), std::string(to_string(each.state)), each.pid));
  }
  return list;
}

py::list ours(ClusterBinding& self) {
  py::list list;
  for (const Owners::Process& each : self.owners().ours()) {
    list.append(py::make_tuple(each.node.value(), each.pid, each.birth));
  }
  return list;
}

std::set<std::uint32_t> theirs(ClusterBinding& self) {
  self.owners().look_at(self.look([](const LocalCluster& cluster) {
    return Result<std::vector<ProcessStatus>>(cluster.processes());
  }));
  return values_of(self.owners().theirs());
}

using Link = std::tuple<std::uint32_t, std::uint32_t, bool, double, double, double, double, double>;

LinkFault fault_of(const Link& link) {
  const auto& [from, to, block, drop, delay_ms, jitter_ms, duplicate, reorder] = link;
  return {id(from), id(to), block, drop, delay_ms, jitter_ms, duplicate, reorder};
}

void inject(ClusterBinding& self, const std::vector<Link>& links) {
  std::vector<LinkFault> faults;
  faults.reserve(links.size());
  for (const Link& link : links) faults.push_back(fault_of(link));
  self.run([&](LocalCluster& cluster) { return cluster.inject(faults); });
}

}  // namespace

void define_cluster(py::module_& module) {
  module.def(
      "read_configuration",
      [](const std::filesystem::path& file) {
        return to_python(value_or_raise(node::read_configuration(file)));
      },
      py::arg("file"), "The content of a cluster.yaml.");
  module.def(
      "find_daemon", [] { return path_text(value_or_raise(LocalCluster::find_daemon())); },
      "The path of paxledgerd: on PATH.");

  py::class_<ClusterBinding>(module, "LocalCluster", "The nodes of a cluster.yaml as processes.")
      .def(py::init<const std::filesystem::path&, const std::filesystem::path&,
                    const ClusterBinding::Progress&>(),
           py::arg("file"), py::arg("daemon"), py::arg("progress"))
      .def("configuration",
           [](const ClusterBinding& self) { return to_python(self.configuration()); })
      .def(
          "up",
          [](ClusterBinding& self, const std::set<std::uint32_t>& rejoin, double patience) {
            self.run(
                [&](LocalCluster& cluster) { return cluster.up(ids(rejoin), seconds(patience)); });
          },
          py::arg("rejoin"), py::arg("patience"))
      .def("down",
           [](ClusterBinding& self) {
             return self.run([](LocalCluster& cluster) { return cluster.down(); });
           })
      .def(
          "start",
          [](ClusterBinding& self, std::uint32_t node, bool rejoin) {
            self.run([&](LocalCluster& cluster) { return cluster.start(id(node), rejoin); });
          },
          py::arg("node"), py::arg("rejoin"))
      .def("stop", &on_node<&LocalCluster::stop>, py::arg("node"))
      .def("kill", &on_node<&LocalCluster::kill>, py::arg("node"))
      .def("pause", &on_node<&LocalCluster::pause>, py::arg("node"))
      .def("resume", &on_node<&LocalCluster::resume>, py::arg("node"))
      .def("restart", &on_node<&LocalCluster::restart>, py::arg("node"))
      .def("wipe", &on_node<&LocalCluster::wipe>, py::arg("node"))
      .def("inject", &inject, py::arg("links"),
           "All at once: [(from, to, block, drop, delay_ms, jitter_ms, duplicate, reorder)…]")
      .def("report_to", &ClusterBinding::report_to, py::arg("socket"),
           "Where every started process is reported, as a line of JSON.")
      .def(
          "claim_all", [](ClusterBinding& self) { self.owners().claim_all(); },
          "All nodes are ours from now on, whoever starts them.")
      .def("ours", &ours, "[(node, pid, birth)…]: started here, not ended, nobody else's node.")
      .def("theirs", &theirs, "The nodes that are somebody else's.")
      .def("end", &ClusterBinding::end, py::arg("kill"), py::arg("deaf") = false,
           "Ends every call, and the nodes that are ours.")
      .def(
          "heal",
          [](ClusterBinding& self, double patience) {
            self.run([&](LocalCluster& cluster) { return cluster.heal(seconds(patience)); });
          },
          py::arg("patience"))
      .def("faults",
           [](ClusterBinding& self) {
             return to_python(
                 self.look([](const LocalCluster& cluster) { return cluster.faults(); }));
           })
      .def("processes", &processes, "[(node, \"stopped\" | \"running\" | \"paused\", pid)…]")
      .def(
          "wait_until_serving",
          [](ClusterBinding& self, double patience) {
            self.run([&](LocalCluster& cluster) {
              return cluster.wait_until_serving(seconds(patience));
            });
          },
          py::arg("patience"));
}

}  // namespace paxledger::bindings
