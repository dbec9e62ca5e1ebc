// A cluster whose nodes are processes of this machine, as cluster.yaml describes it.
//
// Under the data directory stand, for each node N: node-N/ (the node's own), node-N.pid,
// node-N.log, until it begins node-N.unbegun, and node-N.ending while it ends; and faults.json. The
// nodes outlive the LocalCluster: another one, in this process or in another, finds them again.
//
// Threads: one at a time. Two processes that start and stop the same cluster at once are kept
// apart by the nodes' own directory locks only.
#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "client/client.hpp"
#include "control/fault_record.hpp"
#include "control/process.hpp"
#include "control/start_plan.hpp"
#include "node/configuration.hpp"

namespace paxledger::control {

struct ProcessStatus {
  NodeId node;
  ProcessState state = ProcessState::stopped;
  pid_t pid = 0;  // 0 if stopped
};

// Invariants:
//  1. No process is signalled that is not recognised as the daemon of the node meant, nor one
//     whose data directory says that it is of another cluster than the configuration names; but
//     end() signals what this object itself started, recognised or not.
//  2. A node whose directory is empty is started with --initialise only if it is known never to
//     have voted, and with --rejoin only if that was asked for by name (control/start_plan.hpp).
class LocalCluster {
 public:
  // Called with one line of text whenever something is worth telling a waiting person.
  using Progress = std::function<void(const std::string&)>;

  LocalCluster(node::Configuration configuration, std::filesystem::path daemon,
               Progress progress = {});
  ~LocalCluster();

  // Is asked in every wait, about every 10 ms, and ends the call with the error shutting_down when
  // it says true. Once it has, it must say so until the call has ended.
  void interrupt_when(std::function<bool()> interrupted) { interrupted_ = std::move(interrupted); }
  // Is told each process that was started, before anything else is done.
  void on_spawn(std::function<void(NodeId, pid_t)> spawned) { spawned_ = std::move(spawned); }

  [[nodiscard]] const node::Configuration& configuration() const { return configuration_; }

  // The paxledgerd beside the running executable, or on PATH. Errors: io, with where it looked.
  [[nodiscard]] static Result<std::filesystem::path> find_daemon();

  // Starts every node that does not run, once it has ended where it was told to, the nodes of
  // `rejoin` with --rejoin, and waits until the cluster serves. Errors, which name every node that
  // they are about: io (nodes ended: which, how, and what they wrote last; directories are empty
  // while others have data), no_quorum (it does not serve within `patience`, or too few nodes run
  // for that), bad_request (nodes of another cluster answer at these addresses).
  [[nodiscard]] Result<void> up(const std::set<NodeId>& rejoin, Duration patience);
  // Stops every node: SIGTERM, and SIGKILL after 10 s. Forgets the faults. Returns how many ran.
  [[nodiscard]] Result<std::size_t> down();
  // Ends these nodes and no other: whatever runs as one of them, and what this object started as
  // one, be it so young that it is not recognised yet. All at the same time; SIGTERM, and SIGKILL
  // after 10 s or, if `kill`, at once. Forgets the faults if nothing runs any more. Errors: io.
  [[nodiscard]] Result<void> end(const std::set<NodeId>& nodes, bool kill);

  // Starts one node, by the same rules as up(), and waits until it answers its client port.
  [[nodiscard]] Result<void> start(NodeId node, bool rejoin = false);
  // SIGTERM; SIGKILL after 10 s. A node that does not run is no error.
  [[nodiscard]] Result<void> stop(NodeId node);
  // SIGKILL, recorded as a fault that heal() takes back.
  [[nodiscard]] Result<void> kill(NodeId node);
  // SIGSTOP, recorded likewise.
  [[nodiscard]] Result<void> pause(NodeId node);
  [[nodiscard]] Result<void> resume(NodeId node);
  [[nodiscard]] Result<void> restart(NodeId node);
  // Removes the directory of a stopped node. Errors: bad_request if it runs, or if the directory is
  // of another cluster.
  [[nodiscard]] Result<void> wipe(NodeId node);

  // Injects faults into what `from` sends to `to`, by an order to `from`; a node that does not run
  // gets it when it is started or resumed. Errors: those of the order, e.g. unauthorized where
  // cluster.yaml lacks fault_injection.
  [[nodiscard]] Result<void> inject(const LinkFault& fault);
  // All at the same time. The first error is returned; the faults of other nodes are injected.
  [[nodiscard]] Result<void> inject(const std::vector<LinkFault>& faults);
  // Clears all link faults, resumes every paused node, whoever paused it, restarts what was killed,
  // and waits until the cluster serves. What could not be healed stays in the record, and the error
  // names all of it.
  [[nodiscard]] Result<void> heal(Duration patience);
  [[nodiscard]] Result<FaultRecord> faults() const;

  [[nodiscard]] std::vector<ProcessStatus> processes() const;
  [[nodiscard]] ProcessStatus process(NodeId node) const;

  // Waits until a linearizable read through any node succeeds, as long as enough nodes run for
  // that. Errors: no_quorum; bad_request (of another cluster); io if a node that this object
  // started has ended.
  [[nodiscard]] Result<void> wait_until_serving(Duration patience);

  [[nodiscard]] std::filesystem::path pid_file(NodeId node) const;
  [[nodiscard]] std::filesystem::path log_file(NodeId node) const;
  [[nodiscard]] std::filesystem::path fault_file() const;

  // A client that knows all nodes, and asks the next one if one is silent for `attempt_timeout`.
  // Errors: those of connect.
  [[nodiscard]] Result<std::unique_ptr<client::Client>> client(
      Duration attempt_timeout = client::Options{}.attempt_timeout) const;

 private:
  // A process that this object started and has not seen to end.
  struct Started {
    NodeId node;
    pid_t pid = 0;
    std::uint64_t birth = 0;       // with the pid it names the process
    std::uintmax_t log_begin = 0;  // where its lines begin in its log
  };

  // What is to be started of `wanted`; marks a new cluster's nodes as such first.
  Result<StartPlan> plan(const std::set<NodeId>& wanted, const std::set<NodeId>& rejoin) const;
  // Starts the process only, with the faults of its links: it has them before it says a word.
  Result<void> launch(const StartPlan::Step& step, const FaultRecord& record);
  // Waits until all that this object started are recognised by whoever looks, or have ended: a
  // process that was just made has no command line yet, and would be taken for a stopped node.
  Result<void> recognise_started();
  Result<void> prepare_data_dir() const;
  // Held by whoever decides what to start, until it is started, and by down().
  [[nodiscard]] Result<ControlLock> take_control() const;
  [[nodiscard]] std::filesystem::path lock_file(NodeId node) const;
  // Names the process that was told to end, so that a start does not take it for a running node.
  [[nodiscard]] std::filesystem::path ending_file(NodeId node) const;
  Result<void> known(NodeId node) const;
  // Errors: bad_request, if the node's directory is of another cluster; with both names.
  Result<void> check_identity(NodeId node) const;
  // The end of the log of a run that began at `log_begin`, as the end of a message.
  [[nodiscard]] std::string end_of_log(NodeId node, std::uintmax_t log_begin) const;
  [[nodiscard]] std::size_t endpoint_of(NodeId node) const;
  // An error that names every node that this object started and that has ended; each once.
  Result<void> check_started();
  // Takes notice of the nodes that this object started and that have ended.
  void reap_started();
  [[nodiscard]] bool is_started(NodeId node) const;
  // Why a node does not run any more, waited for until it has ended for good.
  Error ending_of(NodeId node);
  [[nodiscard]] std::size_t count_running() const;
  // Waits a moment until each node that this object started answers or has ended, so that all that
  // fail are named, and not only the first.
  void settle_started(client::Client& db);
  // wait_until_serving() without the nodes that ended, which are left in endings_.
  Result<void> wait_for_service(Duration patience);
  // Nodes that ended before this call are nothing that it failed at. One that ends at this moment
  // is waited for: it holds its locks until it has.
  void forget_ended();
  Result<void> signal(NodeId node, int number);
  // A process that was killed still has its files for a moment, and may still look as if it ran.
  Result<void> wait_for_dying(NodeId node);
  // Ends what an interrupted stop or kill has left ending, if anything.
  Result<void> finish_stop(NodeId node);
  Result<bool> wait_until_stopped(pid_t pid, NodeId node, Duration patience);
  Result<void> wait_until_answering(NodeId node, client::Client& db);
  Result<void> restore_link_faults(NodeId node);
  [[nodiscard]] client::Outcome order(client::Client& db, NodeId node, const std::string& argument);
  // Waits until every node that runs and is not paused serves, and tells of those that do
  // not: they may be catching up, which is no failure.
  Result<void> wait_until_ready(Duration patience);
  // The parts of heal(). Each adds a line to `problems` for whatever it could not do, and keeps
  // that in the record.
  Result<void> resume_all(FaultRecord& record, std::string& problems);
  Result<void> clear_links(FaultRecord& record, std::string& problems);
  Result<void> start_killed(const std::set<NodeId>& killed, std::string& problems);
  void tell(const std::string& line) const;
  // One interval of polling. Errors: shutting_down, when interrupted.
  [[nodiscard]] Result<void> linger() const;
  // The answer to a call; the code shutting_down, when interrupted.
  [[nodiscard]] client::Outcome await(std::future<client::Outcome> answer) const;
  [[nodiscard]] bool is_interrupted() const { return interrupted_ && interrupted_(); }

  node::Configuration configuration_;
  std::filesystem::path daemon_;
  Progress progress_;
  std::function<bool()> interrupted_;
  std::function<void(NodeId, pid_t)> spawned_;
  std::vector<Started> started_;
  std::string endings_;  // of started nodes, not yet told
};

}  // namespace paxledger::control
