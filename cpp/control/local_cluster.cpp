#include "control/local_cluster.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "storage/directory.hpp"

namespace paxledger::control {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr auto kTermPatience = std::chrono::seconds(10);
constexpr auto kKillPatience = std::chrono::seconds(5);
constexpr auto kPollInterval = milliseconds(10);

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

Result<void> LocalCluster::check_identity(NodeId node) const {
  const storage::DirectoryPaths paths{configuration_.node_directory(node).string()};
  std::ifstream in(paths.identity(), std::ios::binary);
  std::ostringstream octets;
  octets << in.rdbuf();
  // A missing or damaged identity is no proof of another cluster, and its node must be stoppable.
  const auto identity = storage::decode_identity(octets.str());
  if (!identity || identity->cluster == configuration_.cluster_id) return {};
  return Error{ErrorCode::bad_request, name(node) + " in " + paths.root + " is of the cluster \"" +
                                           identity->cluster_name + "\", and " +
                                           configuration_.file.string() + " describes \"" +
                                           configuration_.cluster + "\": it is left alone"};
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

std::filesystem::path LocalCluster::ending_file(NodeId node) const {
  return configuration_.data_dir / ("node-" + std::to_string(node.value()) + ".ending");
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

Result<std::unique_ptr<client::Client>> LocalCluster::client(Duration attempt_timeout) const {
  client::Options options;
  options.attempt_timeout = attempt_timeout;
  options.cluster = configuration_.cluster_id;
  options.cluster_name = configuration_.cluster;
  for (const auto& entry : configuration_.nodes) options.endpoints.push_back(entry.client.tcp());
  return client::Client::connect(std::move(options));
}

// The node's place among the client's endpoints. Precondition: it is known.
std::size_t LocalCluster::endpoint_of(NodeId node) const {
  const auto ids = configuration_.node_ids();
  return static_cast<std::size_t>(std::find(ids.begin(), ids.end(), node) - ids.begin());
}

// --- Stopping -----------------------------------------------------------------------------------

Result<void> LocalCluster::signal(NodeId node, int number) {
  const ProcessStatus target = process(node);
  if (target.state == ProcessState::stopped) {
    return Error{ErrorCode::bad_request, name(node) + " does not run"};
  }
  if (auto ours = check_identity(node); !ours) return ours;
  if (number == SIGTERM || number == SIGKILL) mark_ending(ending_file(node), target.pid);
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
  std::erase_if(started_, [&](const Started& each) { return each.pid == pid; });
  std::error_code error;
  std::filesystem::remove(ending_file(node), error);
  std::filesystem::remove(pid_file(node), error);
  if (error) {
    return Error{ErrorCode::io,
                 "cannot remove " + pid_file(node).string() + ": " + error.message()};
  }
  return true;
}

Result<void> LocalCluster::stop(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  if (auto gone = wait_for_dying(node); !gone) return gone;
  const ProcessStatus target = process(node);
  if (target.state == ProcessState::stopped) {
    std::error_code ignored;  // it may have ended by itself, and then its pid file is still there
    std::filesystem::remove(pid_file(node), ignored);
    return {};
  }
  // It may end by itself at any moment, the more so where down() has asked it before.
  if (auto sent = signal(node, SIGTERM); !sent && process(node).pid != 0) return sent;
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

Result<void> LocalCluster::wait_for_dying(NodeId node) {
  const auto until = Clock::now() + kKillPatience;
  for (const auto& file : {pid_file(node), lock_file(node)}) {
    const auto pid = read_pid_file(file);
    while (pid && is_dying(*pid)) {
      if (Clock::now() >= until) {
        return Error{ErrorCode::io, name(node) + " (process " + std::to_string(*pid) +
                                        ") was killed, and does not end"};
      }
      if (auto waited = linger(); !waited) return waited;
    }
  }
  return {};
}

Result<void> LocalCluster::finish_stop(NodeId node) {
  if (auto gone = wait_for_dying(node); !gone) return gone;
  const ProcessStatus target = process(node);
  if (target.state == ProcessState::stopped || !is_ending(ending_file(node), target.pid)) return {};
  tell(name(node) + " (process " + std::to_string(target.pid) +
       ") was told to end and still does; waiting for that");
  return stop(node);
}

Result<void> LocalCluster::end(const std::set<NodeId>& nodes, bool kill) {
  std::vector<std::pair<NodeId, pid_t>> targets;
  for (const Started& each : started_) {
    if (nodes.contains(each.node) && birth_of(each.pid) == each.birth) {
      targets.emplace_back(each.node, each.pid);
    }
  }
  for (const NodeId node : nodes) {
    const std::pair target(node, process(node).pid);
    if (target.second == 0 || !check_identity(node)) continue;
    if (std::find(targets.begin(), targets.end(), target) == targets.end()) {
      targets.push_back(target);
    }
  }
  const auto tell_all = [&](int number) {
    for (const auto& [node, pid] : targets) {
      mark_ending(ending_file(node), pid);
      ::kill(pid, number);
      ::kill(pid, SIGCONT);  // a paused process could not hear
    }
  };
  // Of all, those that do not end in time.
  const auto wait_for_all = [&](Duration patience) -> Result<std::string> {
    const auto until = Clock::now() + patience;
    std::string stubborn;
    for (const auto& [node, pid] : targets) {
      const auto left = std::max<Duration>(until - Clock::now(), Duration{0});
      const auto stopped = wait_until_stopped(pid, node, left);
      if (!stopped) return stopped.error();
      if (!*stopped) stubborn += (stubborn.empty() ? "" : ", ") + name(node);
    }
    return stubborn;
  };
  tell_all(kill ? SIGKILL : SIGTERM);
  auto stubborn = wait_for_all(kill ? Duration(kKillPatience) : Duration(kTermPatience));
  if (!kill && stubborn && !stubborn->empty()) {
    tell(*stubborn + " did not stop within 10 s of being asked to: killed");
    tell_all(SIGKILL);
    stubborn = wait_for_all(kKillPatience);
  }
  if (!stubborn) return stubborn.error();
  if (!stubborn->empty()) {
    return Error{ErrorCode::io, *stubborn + " did not end even when killed"};
  }
  const auto left = processes();
  const bool any = std::any_of(left.begin(), left.end(), [](const ProcessStatus& each) {
    return each.state != ProcessState::stopped;
  });
  return any ? Result<void>() : write_fault_record(fault_file(), {});
}

Result<std::size_t> LocalCluster::down() {
  std::error_code unknown;
  if (!std::filesystem::exists(configuration_.data_dir, unknown)) return std::size_t{0};
  const auto control = take_control();
  if (!control) return control.error();
  const auto before = processes();
  for (const ProcessStatus& each : before) {
    if (each.state == ProcessState::stopped) continue;
    if (auto ours = check_identity(each.node); !ours) return ours.error();
  }
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
