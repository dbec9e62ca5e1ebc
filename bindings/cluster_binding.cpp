#include "cluster_binding.hpp"

#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <string>
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

py::dict to_python(const node::Configuration& configuration) {
  py::list nodes;
  for (const node::NodeEntry& entry : configuration.nodes) {
    py::dict each;
    each["id"] = entry.id.value();
    each["peer"] = entry.peer.text();
    each["client"] = entry.client.tcp();
    each["http"] = entry.http.http();
    each["directory"] = configuration.node_directory(entry.id).string();
    nodes.append(each);
  }
  py::dict all;
  all["file"] = configuration.file.string();
  all["cluster"] = configuration.cluster;
  all["cluster_id"] = configuration.cluster_id.value();
  all["data_dir"] = configuration.data_dir.string();
  all["nodes"] = nodes;
  all["fault_injection"] = configuration.fault_injection;
  all["warnings"] = configuration.warnings;
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

// Threads: any, each with the GIL; calls run one after another. Every wait of a call hears Ctrl-C.
class ClusterBinding {
 public:
  using Progress = std::function<void(const std::string&)>;

  ClusterBinding(const std::string& file, const std::string& daemon, const Progress& progress)
      : configuration_(value_or_raise(node::read_configuration(file))),
        cluster_(configuration_, daemon,
                 [progress](const std::string& line) { tell(progress, line); }),
        observer_(configuration_, daemon) {
    cluster_.interrupt_when(&has_exception);
    cluster_.on_spawn([this](NodeId, pid_t pid) { report(pid); });
  }

  [[nodiscard]] const node::Configuration& configuration() const { return configuration_; }

  // From now on a line of JSON, ["process", pid], is sent to this socket for each process that is
  // started, at once: Python may not live to do it.
  void report_to(int socket) { guardian_ = socket; }
  [[nodiscard]] std::set<pid_t> spawned() const {
    const std::lock_guard alone(spawned_mutex_);
    return spawned_;
  }

  // Runs `call` on the cluster without the GIL, one at a time, and raises its error.
  template <class Call>
  auto run(Call call) {
    const Waiter counted;
    auto result = [&] {
      const py::gil_scoped_release released;
      const std::unique_lock alone = take_turn();
      using Answer = decltype(call(cluster_));
      return alone ? call(cluster_) : Answer(Error{ErrorCode::shutting_down, "interrupted"});
    }();
    if (PyErr_Occurred() != nullptr) throw py::error_already_set();
    return value_or_raise(std::move(result));
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
  // Runs without the GIL. What Python raises is left pending, which ends the call.
  static void tell(const Progress& progress, const std::string& line) {
    const py::gil_scoped_acquire acquired;
    if (!progress || PyErr_Occurred() != nullptr) return;
    try {
      progress(line);
    } catch (py::error_already_set& raised) {
      raised.restore();
    }
  }

  // Does not own the lock if Python has an exception pending.
  std::unique_lock<std::timed_mutex> take_turn() {
    std::unique_lock turn(mutex_, std::defer_lock);
    while (!turn.try_lock_for(kSignalInterval) && !has_exception()) {
    }
    return turn;
  }

  void report(pid_t pid) {
    const std::string line = "[\"process\", " + std::to_string(pid) + "]\n";
    // If nobody listens any more, the next start notices.
    if (guardian_ >= 0) (void)::send(guardian_, line.data(), line.size(), MSG_NOSIGNAL);
    const std::lock_guard alone(spawned_mutex_);
    spawned_.insert(pid);
  }

  const node::Configuration configuration_;
  std::atomic<int> guardian_ = -1;
  mutable std::mutex spawned_mutex_;
  std::set<pid_t> spawned_;  // by this object, ever; under spawned_mutex_
  std::timed_mutex mutex_;   // never waited for with the GIL
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
      [](const std::string& file) {
        return to_python(value_or_raise(node::read_configuration(file)));
      },
      py::arg("file"), "The content of a cluster.yaml.");
  module.def(
      "find_daemon", [] { return value_or_raise(LocalCluster::find_daemon()).string(); },
      "The path of paxledgerd: on PATH.");

  py::class_<ClusterBinding>(module, "LocalCluster", "The nodes of a cluster.yaml as processes.")
      .def(py::init<const std::string&, const std::string&, const ClusterBinding::Progress&>(),
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
      .def("spawned", &ClusterBinding::spawned, "The pids of all processes started by this object.")
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
