#include "control/local_cluster.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

namespace paxledger::control {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kTermPatience = std::chrono::seconds(10);
constexpr auto kKillPatience = std::chrono::seconds(5);
constexpr auto kReadyPatience = std::chrono::seconds(10);
constexpr auto kPollInterval = milliseconds(10);
constexpr std::size_t kLogLinesShown = 8;
// Any key will do: that it is not there is as good an answer as its value.
constexpr std::string_view kProbeKey = "paxledger/ready";

std::string name(NodeId node) {
  return "node " + std::to_string(node.value());
}

}  // namespace

LocalCluster::LocalCluster(node::Configuration configuration, std::filesystem::path daemon,
                           Progress progress)
    : configuration_(std::move(configuration)),
      daemon_(std::move(daemon)),
      progress_(std::move(progress)) {}

LocalCluster::~LocalCluster() = default;

void LocalCluster::tell(const std::string& line) const {
  if (progress_) progress_(line);
}

Result<void> LocalCluster::linger() const {
  if (is_interrupted()) return Error{ErrorCode::shutting_down, "interrupted"};
  std::this_thread::sleep_for(kPollInterval);
  return {};
}

client::Outcome LocalCluster::await(std::future<client::Outcome> answer) const {
  while (answer.wait_for(kPollInterval) != std::future_status::ready) {
    if (is_interrupted()) return {ErrorCode::shutting_down, {}, {}, {}, "interrupted"};
  }
  return answer.get();
}

Result<std::filesystem::path> LocalCluster::find_daemon() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto beside = self.parent_path() / "paxledgerd";
  if (!error && access(beside.c_str(), X_OK) == 0) return beside;
  const char* search = std::getenv("PATH");
  std::string_view rest = search == nullptr ? "" : search;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    const auto candidate = std::filesystem::path(rest.substr(0, end)) / "paxledgerd";
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return Error{ErrorCode::io,
               "there is no paxledgerd beside " + self.string() + ", nor on PATH; build it first"};
}

std::filesystem::path LocalCluster::pid_file(NodeId node) const {
  return configuration_.data_dir / ("node-" + std::to_string(node.value()) + ".pid");
}
std::filesystem::path LocalCluster::log_file(NodeId node) const {
  return configuration_.data_dir / ("node-" + std::to_string(node.value()) + ".log");
}
std::filesystem::path LocalCluster::fault_file() const {
  return configuration_.data_dir / "faults.json";
}

Result<void> LocalCluster::known(NodeId node) const {
  if (configuration_.find(node) != nullptr) return {};
  std::string ids;
  for (const NodeId id : configuration_.node_ids()) {
    ids += (ids.empty() ? "" : ", ") + std::to_string(id.value());
  }
  return Error{ErrorCode::bad_request, "there is no " + name(node) + " in " +
                                           configuration_.file.string() + ", only " + ids};
}

bool LocalCluster::has_data(NodeId node) const {
  // The lock file alone is left behind by a start that was refused.
  std::error_code error;
  const auto directory = configuration_.node_directory(node);
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().filename() != "lock") return true;
  }
  return false;
}

bool LocalCluster::any_has_data() const {
  return std::any_of(configuration_.nodes.begin(), configuration_.nodes.end(),
                     [&](const node::NodeEntry& entry) { return has_data(entry.id); });
}

Result<void> LocalCluster::prepare_data_dir() const {
  std::error_code error;
  std::filesystem::create_directories(configuration_.data_dir, error);
  if (error) {
    return Error{ErrorCode::io, "cannot make the data directory " +
                                    configuration_.data_dir.string() + ": " + error.message()};
  }
  return {};
}

ProcessStatus LocalCluster::process(NodeId node) const {
  if (const auto pid = read_pid_file(pid_file(node))) {
    const ProcessState state = inspect(*pid, node, configuration_.file);
    if (state != ProcessState::stopped) return {node, state, *pid};
  }
  if (const auto pid = lock_holder(lock_file(node))) {
    const ProcessState state = state_of(*pid);
    if (state != ProcessState::stopped) return {node, state, *pid};
  }
  return {node, ProcessState::stopped, 0};
}

std::filesystem::path LocalCluster::lock_file(NodeId node) const {
  return configuration_.node_directory(node) / "lock";
}

Result<ControlLock> LocalCluster::take_control() const {
  if (auto prepared = prepare_data_dir(); !prepared) return prepared.error();
  return ControlLock::acquire(configuration_.data_dir / "control.lock");
}

std::vector<ProcessStatus> LocalCluster::processes() const {
  std::vector<ProcessStatus> all;
  all.reserve(configuration_.nodes.size());
  for (const auto& entry : configuration_.nodes) all.push_back(process(entry.id));
  return all;
}

Result<std::unique_ptr<client::Client>> LocalCluster::client() const {
  client::Options options;
  options.cluster = configuration_.cluster_id;
  for (const auto& entry : configuration_.nodes) options.endpoints.push_back(entry.client.tcp());
  return client::Client::connect(std::move(options));
}

// The node's place among the client's endpoints. Precondition: it is known.
std::size_t LocalCluster::endpoint_of(NodeId node) const {
  const auto ids = configuration_.node_ids();
  return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), node) - ids.begin());
}

// --- Starting -----------------------------------------------------------------------------------

Result<void> LocalCluster::launch(NodeId node, bool initialise, bool rejoin) {
  if (!rejoin && !initialise && !has_data(node)) {
    return Error{ErrorCode::io,
                 name(node) + " has no data under " + configuration_.node_directory(node).string() +
                     ", but other nodes of the cluster have. If its disk was lost, let it begin "
                     "anew and fetch everything from the others: paxledger up --rejoin " +
                     std::to_string(node.value())};
  }
  DaemonArguments arguments{daemon_, configuration_.file, node, {}};
  if (rejoin) {
    arguments.flags.emplace_back("--rejoin");
  } else if (initialise) {
    arguments.flags.emplace_back("--initialise");
  }
  auto pid = spawn(arguments, log_file(node));
  if (!pid) return pid.error();
  if (spawned_) spawned_(*pid);
  started_.push_back({node, ProcessState::running, *pid});
  tell("started " + name(node) + " (process " + std::to_string(*pid) + ")" +
       (rejoin       ? ", rejoining"
        : initialise ? ", with an empty history"
                     : ""));
  auto written = write_pid_file(pid_file(node), *pid);
  if (!written) {
    // A process that nobody would find again is not left behind.
    ::kill(*pid, SIGKILL);
    tell("killed " + name(node) + " again: its pid file cannot be written");
  }
  return written;
}

std::string LocalCluster::ended(NodeId node, const std::string& how) const {
  std::string message = name(node) + " " + how + ". The end of its log, " +
                        log_file(node).string() + ":\n" +
                        last_lines(log_file(node), kLogLinesShown);
  while (message.ends_with('\n')) message.pop_back();
  return message;
}

Result<void> LocalCluster::check_started() {
  for (auto each = started_.begin(); each != started_.end(); ++each) {
    const auto ending = reap(each->pid);
    if (!ending) continue;
    const NodeId node = each->node;
    started_.erase(each);
    std::error_code ignored;
    std::filesystem::remove(pid_file(node), ignored);
    return Error{ErrorCode::io, ended(node, "ended with " + ending->text())};
  }
  return {};
}

void LocalCluster::forget_ended() {
  std::erase_if(started_, [&](const auto& each) {
    if (process(each.node).state != ProcessState::stopped) return false;
    // What ends at this moment holds its locks until it can be reaped.
    const auto until = Clock::now() + kKillPatience;
    while (!reap(each.pid) && state_of(each.pid) != ProcessState::stopped && Clock::now() < until) {
      if (!linger()) break;
    }
    return true;
  });
}

Result<void> LocalCluster::up(const std::set<NodeId>& rejoin, Duration patience) {
  for (const NodeId node : rejoin) {
    if (auto is_known = known(node); !is_known) return is_known;
  }
  const auto control = take_control();
  if (!control) return control.error();
  forget_ended();
  const auto before = processes();
  const bool none_ran = std::all_of(before.begin(), before.end(), [](const ProcessStatus& each) {
    return each.state == ProcessState::stopped;
  });
  // Faults live in processes; with all of them gone, the record is history.
  auto record = none_ran ? Result<FaultRecord>(FaultRecord{}) : faults();
  if (!record) return record.error();
  const bool initialise = rejoin.empty() && !any_has_data();

  Result<void> first_problem;
  std::vector<NodeId> fresh;
  for (const ProcessStatus& each : before) {
    if (each.state != ProcessState::stopped) {
      tell(name(each.node) + " already runs (process " + std::to_string(each.pid) + ")" +
           (each.state == ProcessState::paused ? ", paused" : ""));
      continue;
    }
    const auto launched = launch(each.node, initialise, rejoin.contains(each.node));
    if (launched) {
      fresh.push_back(each.node);
      record->killed.erase(each.node);
      record->paused.erase(each.node);
    } else if (first_problem.ok()) {
      first_problem = launched;
    }
  }
  if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  const auto serving = wait_until_serving(patience);
  for (const NodeId node : fresh) {
    if (!serving) break;
    auto restored = restore_link_faults(node);
    if (!restored && first_problem.ok()) first_problem = restored;
  }
  if (!first_problem) return first_problem;
  return serving.ok() ? wait_until_ready(fresh) : serving;
}

Result<void> LocalCluster::start(NodeId node, bool rejoin) {
  if (auto is_known = known(node); !is_known) return is_known;
  if (process(node).state != ProcessState::stopped) return {};
  forget_ended();
  if (auto prepared = prepare_data_dir(); !prepared) return prepared;
  auto record = faults();
  if (!record) return record.error();
  const bool initialise = !rejoin && !any_has_data();
  if (auto launched = launch(node, initialise, rejoin); !launched) return launched;
  record->killed.erase(node);
  record->paused.erase(node);
  if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  return restore_link_faults(node);
}

Result<void> LocalCluster::restart(NodeId node) {
  if (auto stopped = stop(node); !stopped) return stopped;
  return start(node);
}

// Waits until the node answers, and tells it again of the faults of its links.
Result<void> LocalCluster::restore_link_faults(NodeId node) {
  auto record = faults();
  if (!record) return record.error();
  auto db = client();
  if (!db) return db.error();
  client::CallOptions call;
  call.endpoint = endpoint_of(node);
  call.deadline = milliseconds(500);
  const auto until = Clock::now() + std::chrono::seconds(30);
  for (;;) {
    const auto answer = await((*db)->admin("status", {}, call));
    if (answer.ok()) break;
    if (auto alive = check_started(); !alive) return alive;
    if (Clock::now() >= until) {
      return Error{ErrorCode::io, name(node) + " runs, but does not answer: " + answer.message +
                                      "; see " + log_file(node).string()};
    }
    if (auto waited = linger(); !waited) return waited.error();
  }
  for (const LinkFault& fault : record->links) {
    if (fault.from != node) continue;
    const auto answer = await((*db)->admin("fault", fault.admin_argument(), call));
    if (!answer.ok()) return answer.error();
  }
  return {};
}

Result<void> LocalCluster::wait_until_serving(Duration patience) {
  auto db = client();
  if (!db) return db.error();
  client::CallOptions call;
  call.deadline = milliseconds(400);
  const auto begin = Clock::now();
  auto next_word = begin + std::chrono::seconds(2);
  std::string why = "nobody answered yet";
  for (;;) {
    if (auto alive = check_started(); !alive) return alive;
    const auto answer = await((*db)->get(kProbeKey, client::ReadMode::linearizable, call));
    if (answer.ok() || answer.code == ErrorCode::not_found) break;
    why = answer.message.empty() ? std::string(to_string(answer.code)) : answer.message;
    const auto now = Clock::now();
    if (now - begin >= patience) {
      return Error{ErrorCode::no_quorum,
                   "the cluster does not serve yet: " + why + ". The nodes go on; `paxledger " +
                       "status` shows them, `up --wait` waits longer, and their logs are " +
                       (configuration_.data_dir / "node-*.log").string()};
    }
    if (now >= next_word) {
      // What a node does meanwhile, such as reading a long history, stands in its log.
      const std::string doing =
          started_.empty() ? why + "\n" : last_lines(log_file(started_.front().node), 1);
      tell("waiting for the cluster to serve: " + doing.substr(0, doing.find('\n')));
      next_word = now + std::chrono::seconds(2);
    }
    if (auto waited = linger(); !waited) return waited.error();
  }
  return check_started();
}

Result<void> LocalCluster::wait_until_ready(const std::vector<NodeId>& nodes) {
  auto db = client();
  if (!db) return db.error();
  const auto until = Clock::now() + kReadyPatience;
  for (const NodeId node : nodes) {
    client::CallOptions call;
    call.endpoint = endpoint_of(node);
    call.deadline = milliseconds(500);
    for (;;) {
      // A linearizable read through this node and no other: it must know the leader and have
      // applied what the cluster has decided.
      const auto answer = await((*db)->get(kProbeKey, client::ReadMode::linearizable, call));
      if (answer.ok() || answer.code == ErrorCode::not_found) break;
      if (auto alive = check_started(); !alive) return alive;
      if (Clock::now() >= until) {
        tell(name(node) + " is not ready yet: " + answer.error().message);
        break;
      }
      if (auto waited = linger(); !waited) return waited.error();
    }
  }
  return {};
}

// --- Stopping -----------------------------------------------------------------------------------

Result<void> LocalCluster::signal(NodeId node, int number) {
  const ProcessStatus target = process(node);
  if (target.state == ProcessState::stopped) {
    return Error{ErrorCode::bad_request, name(node) + " does not run"};
  }
  if (::kill(target.pid, number) != 0 && errno != ESRCH) {
    return Error{ErrorCode::io, "cannot signal " + name(node) + " (process " +
                                    std::to_string(target.pid) + "): " + std::strerror(errno)};
  }
  return {};
}

// True once the process has ended; its pid file is removed then.
Result<bool> LocalCluster::wait_until_stopped(pid_t pid, NodeId node, Duration patience) {
  const auto until = Clock::now() + patience;
  // A process that is ending has no command line any more, but may still have its files.
  while (inspect(pid, node, configuration_.file) != ProcessState::stopped ||
         state_of(pid) != ProcessState::stopped || lock_holder(lock_file(node)) == pid) {
    if (Clock::now() >= until) return false;
    if (auto waited = linger(); !waited) return waited.error();
  }
  (void)reap(pid);
  std::erase_if(started_, [&](const ProcessStatus& each) { return each.pid == pid; });
  std::error_code error;
  std::filesystem::remove(pid_file(node), error);
  if (error) {
    return Error{ErrorCode::io,
                 "cannot remove " + pid_file(node).string() + ": " + error.message()};
  }
  return true;
}

Result<void> LocalCluster::stop(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  const ProcessStatus target = process(node);
  if (target.state == ProcessState::stopped) {
    std::error_code ignored;  // it may have ended by itself, and then its pid file is still there
    std::filesystem::remove(pid_file(node), ignored);
    return {};
  }
  if (auto sent = signal(node, SIGTERM); !sent) return sent;
  if (auto sent = signal(node, SIGCONT); !sent && process(node).pid != 0) return sent;
  auto stopped = wait_until_stopped(target.pid, node, kTermPatience);
  if (!stopped) return stopped.error();
  if (*stopped) return {};
  tell(name(node) + " did not stop within 10 s of being asked to; killing it");
  if (auto sent = signal(node, SIGKILL); !sent && process(node).pid != 0) return sent;
  stopped = wait_until_stopped(target.pid, node, kKillPatience);
  if (!stopped) return stopped.error();
  if (*stopped) return {};
  return Error{ErrorCode::io, name(node) + " (process " + std::to_string(target.pid) +
                                  ") does not end even when killed"};
}

Result<std::size_t> LocalCluster::down() {
  std::error_code unknown;
  if (!std::filesystem::exists(configuration_.data_dir, unknown)) return std::size_t{0};
  const auto control = take_control();
  if (!control) return control.error();
  const auto before = processes();
  std::size_t ran = 0;
  // All are asked first, so that they stop at the same time.
  for (const ProcessStatus& each : before) {
    if (each.state == ProcessState::stopped) continue;
    ++ran;
    if (auto sent = signal(each.node, SIGTERM); !sent && process(each.node).pid != 0) {
      return sent.error();
    }
    (void)signal(each.node, SIGCONT);  // a paused process could not hear
  }
  for (const ProcessStatus& each : before) {
    if (each.state == ProcessState::stopped) continue;
    if (auto stopped = stop(each.node); !stopped) return stopped.error();
    tell("stopped " + name(each.node));
  }
  if (auto written = write_fault_record(fault_file(), {}); !written) return written.error();
  return ran;
}

}  // namespace paxledger::control
