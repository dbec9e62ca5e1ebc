// LocalCluster's starting of nodes, and waiting until they serve.
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "control/local_cluster.hpp"
#include "control/unbegun.hpp"

namespace paxledger::control {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kReadyPatience = std::chrono::seconds(10);
constexpr auto kBirthPatience = std::chrono::seconds(10);
constexpr auto kEndPatience = std::chrono::seconds(5);
constexpr auto kSettlePatience = std::chrono::seconds(2);
constexpr auto kAnswerPatience = std::chrono::seconds(30);
constexpr auto kWordInterval = std::chrono::seconds(2);
constexpr auto kProbePatience = milliseconds(400);
constexpr std::size_t kLogLinesShown = 8;
// Any key will do: that it is not there is as good an answer as its value.
constexpr std::string_view kProbeKey = "paxledger/ready";

std::string name(NodeId node) {
  return "node " + std::to_string(node.value());
}

// The answers after which it is no use to ask again: the node that answers is of another cluster.
bool is_final_refusal(ErrorCode code) {
  return code == ErrorCode::bad_request || code == ErrorCode::unauthorized;
}

void add_line(std::string& text, const std::string& line) {
  if (line.empty()) return;
  text += (text.empty() ? "" : "\n") + line;
}

}  // namespace

// --- Processes ----------------------------------------------------------------------------------

Result<StartPlan> LocalCluster::plan(const std::set<NodeId>& wanted,
                                     const std::set<NodeId>& rejoin) const {
  std::set<NodeId> running;
  for (const ProcessStatus& each : processes()) {
    if (each.state != ProcessState::stopped) running.insert(each.node);
  }
  auto plan = plan_start(look_at_remains(configuration_, running), wanted, rejoin);
  if (plan.is_new) {
    if (auto marked = mark_unbegun(configuration_); !marked) return marked.error();
  }
  return plan;
}

Result<void> LocalCluster::launch(const StartPlan::Step& step, const FaultRecord& record) {
  const NodeId node = step.node;
  DaemonArguments arguments{daemon_, configuration_.file, node, {}};
  if (!step.flag.empty()) arguments.flags.push_back(step.flag);
  for (const LinkFault& fault : record.links) {
    if (fault.from != node || fault.is_clear() || !configuration_.fault_injection) continue;
    arguments.flags.insert(arguments.flags.end(), {"--fault", fault.admin_argument()});
  }
  std::error_code ignored;
  std::filesystem::remove(ending_file(node), ignored);
  const auto log_begin = begin_log(log_file(node));
  auto pid = spawn(arguments, log_file(node));
  if (!pid) return pid.error();
  started_.push_back({node, *pid, birth_of(*pid), log_begin});
  if (spawned_) spawned_(node, *pid);
  tell("started " + name(node) + " (process " + std::to_string(*pid) + ")" +
       (step.flag == "--rejoin"       ? ", rejoining"
        : step.flag == "--initialise" ? ", with an empty history"
                                      : ""));
  auto written = write_pid_file(pid_file(node), *pid);
  if (!written) {
    // A process that nobody would find again is not left behind.
    ::kill(*pid, SIGKILL);
    tell("killed " + name(node) + " again: its pid file cannot be written");
  }
  return written;
}

std::string LocalCluster::end_of_log(NodeId node, std::uintmax_t log_begin) const {
  const std::string file = log_file(node).string();
  std::string lines = last_lines(file, kLogLinesShown, log_begin);
  if (lines.empty()) return "It wrote nothing to its log, " + file;
  while (lines.ends_with('\n')) lines.pop_back();
  return "The end of its log, " + file + ":\n" + lines;
}

Result<void> LocalCluster::recognise_started() {
  const auto until = Clock::now() + kBirthPatience;
  for (const Started& each : started_) {
    while (state_of(each.pid) != ProcessState::stopped && Clock::now() < until &&
           inspect(each.pid, each.node, configuration_.file) == ProcessState::stopped) {
      if (auto waited = linger(); !waited) return waited;
    }
  }
  return {};
}

bool LocalCluster::is_started(NodeId node) const {
  return std::any_of(started_.begin(), started_.end(),
                     [&](const Started& each) { return each.node == node; });
}

void LocalCluster::reap_started() {
  std::erase_if(started_, [&](const Started& each) {
    const auto ending = reap(each.pid);
    // A program that ignores SIGCHLD, or waits for any child, takes the ending before us.
    const bool gone = each.birth == 0 || birth_of(each.pid) != each.birth;
    if (!ending && !gone) return false;
    if (read_pid_file(pid_file(each.node)) == each.pid) {
      std::error_code ignored;
      std::filesystem::remove(pid_file(each.node), ignored);
    }
    add_line(endings_, name(each.node) + " ended" + (ending ? " with " + ending->text() : "") +
                           ". " + end_of_log(each.node, each.log_begin));
    return true;
  });
}

Error LocalCluster::ending_of(NodeId node) {
  const auto until = Clock::now() + kEndPatience;
  for (reap_started(); is_started(node) && Clock::now() < until; reap_started()) {
    if (auto waited = linger(); !waited) return waited.error();
  }
  if (!endings_.empty()) return {ErrorCode::io, std::exchange(endings_, {})};
  return {ErrorCode::io, name(node) + " does not run any more; see " + log_file(node).string()};
}

Result<void> LocalCluster::check_started() {
  reap_started();
  if (endings_.empty()) return {};
  return Error{ErrorCode::io, std::exchange(endings_, {})};
}

void LocalCluster::forget_ended() {
  endings_.clear();
  std::erase_if(started_, [&](const Started& each) {
    const auto until = Clock::now() + kEndPatience;
    while (!reap(each.pid)) {
      if (each.birth == 0 || birth_of(each.pid) != each.birth) return true;
      if (inspect(each.pid, each.node, configuration_.file) != ProcessState::stopped) return false;
      if (Clock::now() >= until || !linger()) return false;
    }
    return true;
  });
}

std::size_t LocalCluster::count_running() const {
  std::size_t count = 0;
  for (const auto& entry : configuration_.nodes) {
    if (is_started(entry.id) || process(entry.id).state == ProcessState::running) ++count;
  }
  return count;
}

void LocalCluster::settle_started(client::Client& db) {
  const auto until = Clock::now() + kSettlePatience;
  client::CallOptions call;
  call.deadline = milliseconds(100);
  for (const NodeId node : configuration_.node_ids()) {
    const auto lives = [&] {
      reap_started();
      return is_started(node);
    };
    call.endpoint = endpoint_of(node);
    while (lives() && Clock::now() < until) {
      if (await(db.admin("status", {}, call)).ok()) break;
      if (!linger()) return;
    }
  }
  reap_started();
}

// --- Starting -----------------------------------------------------------------------------------

Result<void> LocalCluster::up(const std::set<NodeId>& rejoin, Duration patience) {
  for (const NodeId node : rejoin) {
    if (auto is_known = known(node); !is_known) return is_known;
  }
  const auto control = take_control();
  if (!control) return control.error();
  for (const NodeId node : configuration_.node_ids()) {
    if (auto finished = finish_stop(node); !finished) return finished;
  }
  forget_ended();
  const auto before = processes();
  const bool none_ran = std::all_of(before.begin(), before.end(), [](const ProcessStatus& each) {
    return each.state == ProcessState::stopped;
  });
  // Faults live in processes; with all of them gone, the record is history.
  auto record = none_ran ? Result<FaultRecord>(FaultRecord{}) : faults();
  if (!record) return record.error();
  for (const ProcessStatus& each : before) {
    if (each.state == ProcessState::stopped) continue;
    tell(name(each.node) + " already runs (process " + std::to_string(each.pid) + ")" +
         (each.state == ProcessState::paused ? ", paused: `paxledger fault heal` continues it"
                                             : ""));
  }
  const auto ids = configuration_.node_ids();
  const auto planned = plan({ids.begin(), ids.end()}, rejoin);
  if (!planned) return planned.error();

  std::string problems = planned->complaint(configuration_);
  for (const StartPlan::Step& step : planned->steps) {
    const auto launched = launch(step, *record);
    if (!launched) {
      add_line(problems, launched.error().message);
      continue;
    }
    record->came_back(step.node);
  }
  if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  if (auto recognised = recognise_started(); !recognised) return recognised;

  const auto serving = wait_for_service(patience);
  // What ended is the cause, and what followed from it stands behind.
  const bool whole = problems.empty() && endings_.empty();
  add_line(problems, std::exchange(endings_, {}));
  if (!serving) {
    add_line(problems, serving.error().message);
    return Error{whole ? serving.error().code : ErrorCode::io, problems};
  }
  if (problems.empty()) return wait_until_ready(std::min<Duration>(patience, kReadyPatience));
  add_line(problems, "the cluster serves with the " + std::to_string(count_running()) + " of " +
                         std::to_string(configuration_.nodes.size()) + " nodes that run");
  return Error{ErrorCode::io, problems};
}

Result<void> LocalCluster::start(NodeId node, bool rejoin) {
  if (auto is_known = known(node); !is_known) return is_known;
  const auto control = take_control();
  if (!control) return control.error();
  if (auto finished = finish_stop(node); !finished) return finished;
  forget_ended();
  const auto planned = plan({node}, rejoin ? std::set<NodeId>{node} : std::set<NodeId>{});
  if (!planned) return planned.error();
  if (!planned->lost.empty()) return Error{ErrorCode::io, planned->complaint(configuration_)};
  if (planned->steps.empty()) return check_identity(node);  // it runs
  auto record = faults();
  if (!record) return record.error();
  auto db = client();
  if (!db) return db.error();
  if (auto launched = launch(planned->steps.front(), *record); !launched) return launched;
  auto answering = recognise_started();
  if (answering) answering = wait_until_answering(node, **db);
  // A node that ended again is not back, though it has answered: what was recorded of it stays.
  if (process(node).state == ProcessState::stopped) {
    return answering ? ending_of(node) : answering;
  }
  record = faults();
  if (!record) return record.error();
  record->came_back(node);
  if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  return answering;
}

Result<void> LocalCluster::restart(NodeId node) {
  if (auto stopped = stop(node); !stopped) return stopped;
  return start(node);
}

Result<void> LocalCluster::wait_until_answering(NodeId node, client::Client& db) {
  client::CallOptions call;
  call.endpoint = endpoint_of(node);
  call.deadline = milliseconds(500);
  const auto until = Clock::now() + kAnswerPatience;
  for (;;) {
    const auto answer = await(db.admin("status", {}, call));
    if (answer.ok()) return {};
    reap_started();
    if (!is_started(node) && process(node).state == ProcessState::stopped) return ending_of(node);
    if (Clock::now() >= until) {
      return Error{ErrorCode::io, name(node) + " runs, but does not answer: " + answer.message +
                                      "; see " + log_file(node).string()};
    }
    if (auto waited = linger(); !waited) return waited;
  }
}

// Tells a node of the faults of its links that were ordered while it could not hear.
Result<void> LocalCluster::restore_link_faults(NodeId node) {
  auto record = faults();
  if (!record) return record.error();
  auto db = client();
  if (!db) return db.error();
  if (auto answering = wait_until_answering(node, **db); !answering) return answering;
  client::CallOptions call;
  call.endpoint = endpoint_of(node);
  call.deadline = milliseconds(500);
  for (const LinkFault& fault : record->links) {
    if (fault.from != node) continue;
    const auto answer = await((*db)->admin("fault", fault.admin_argument(), call));
    if (!answer.ok()) return answer.error();
  }
  record->came_back(node);
  return write_fault_record(fault_file(), *record);
}

// --- Waiting ------------------------------------------------------------------------------------

Result<void> LocalCluster::wait_until_serving(Duration patience) {
  const auto serving = wait_for_service(patience);
  const auto alive = check_started();
  if (serving || alive) return serving ? alive : serving;
  return Error{ErrorCode::io, alive.error().message + "\n" + serving.error().message};
}

Result<void> LocalCluster::wait_for_service(Duration patience) {
  // One probe asks all nodes, also where the first ones are paused.
  auto db = client(kProbePatience / static_cast<int>(configuration_.nodes.size() + 1));
  if (!db) return db.error();
  client::CallOptions call;
  call.deadline = kProbePatience;
  const auto begin = Clock::now();
  auto next_word = begin + kWordInterval;
  const std::size_t all = configuration_.nodes.size();
  const std::size_t quorum = all / 2 + 1;
  for (;;) {
    if (count_running() < quorum) {
      settle_started(**db);
      return Error{ErrorCode::no_quorum,
                   "the cluster does not serve: " + std::to_string(count_running()) + " of " +
                       std::to_string(all) + " nodes run, and a majority is " +
                       std::to_string(quorum)};
    }
    const auto answer = await((*db)->get(kProbeKey, client::ReadMode::linearizable, call));
    reap_started();
    if (answer.ok() || answer.code == ErrorCode::not_found) return {};
    if (is_final_refusal(answer.code)) {
      settle_started(**db);
      return answer.error();
    }
    const auto now = Clock::now();
    if (now - begin >= patience) {
      return Error{ErrorCode::no_quorum,
                   "the cluster does not serve yet: " + answer.error().message +
                       ". The nodes go on; `paxledger status` shows them, `up --wait` waits "
                       "longer, and their logs are " +
                       (configuration_.data_dir / "node-*.log").string()};
    }
    if (now >= next_word) {
      // What a node does meanwhile, such as reading a long history, stands in its log.
      std::string doing;
      if (!started_.empty()) {
        doing = last_lines(log_file(started_.front().node), 1, started_.front().log_begin);
      }
      if (doing.empty()) doing = answer.error().message;
      tell("waiting for the cluster to serve: " + doing.substr(0, doing.find('\n')));
      next_word = now + kWordInterval;
    }
    if (auto waited = linger(); !waited) return waited;
  }
}

Result<void> LocalCluster::wait_until_ready(Duration patience) {
  auto db = client();
  if (!db) return db.error();
  const auto until = Clock::now() + patience;
  for (const NodeId node : configuration_.node_ids()) {
    client::CallOptions call;
    call.endpoint = endpoint_of(node);
    call.deadline = milliseconds(500);
    // One that this object started and that does not run is about to be reaped.
    while (process(node).state == ProcessState::running || is_started(node)) {
      if (process(node).state == ProcessState::paused) break;
      // A linearizable read through this node and no other: it must know the leader and have
      // applied what the cluster has decided.
      const auto answer = await((*db)->get(kProbeKey, client::ReadMode::linearizable, call));
      if (answer.ok() || answer.code == ErrorCode::not_found) break;
      if (auto alive = check_started(); !alive) return alive;
      if (Clock::now() >= until) {
        tell(name(node) + " is not ready yet: " + answer.error().message);
        break;
      }
      if (auto waited = linger(); !waited) return waited;
    }
  }
  return check_started();
}

}  // namespace paxledger::control
