// LocalCluster's faults: injecting them, remembering them, healing them.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <utility>

#include "control/local_cluster.hpp"

namespace paxledger::control {
namespace {

constexpr auto kKillPatience = std::chrono::seconds(5);

std::string name(NodeId node) {
  return "node " + std::to_string(node.value());
}

}  // namespace

Result<FaultRecord> LocalCluster::faults() const {
  return read_fault_record(fault_file());
}

Result<void> LocalCluster::kill(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  auto record = faults();
  if (!record) return record.error();
  const ProcessStatus target = process(node);
  if (auto sent = signal(node, SIGKILL); !sent) return sent;
  auto stopped = wait_until_stopped(target.pid, node, kKillPatience);
  if (!stopped) return stopped.error();
  record->killed.insert(node);
  record->paused.erase(node);
  return write_fault_record(fault_file(), *record);
}

Result<void> LocalCluster::pause(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  auto record = faults();
  if (!record) return record.error();
  if (auto sent = signal(node, SIGSTOP); !sent) return sent;
  record->paused.insert(node);
  return write_fault_record(fault_file(), *record);
}

Result<void> LocalCluster::resume(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  auto record = faults();
  if (!record) return record.error();
  if (auto sent = signal(node, SIGCONT); !sent) return sent;
  record->paused.erase(node);
  return write_fault_record(fault_file(), *record);
}

Result<void> LocalCluster::wipe(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  if (process(node).state != ProcessState::stopped) {
    return Error{ErrorCode::bad_request, name(node) + " runs; stop it before its data is removed"};
  }
  std::error_code error;
  std::filesystem::remove_all(configuration_.node_directory(node), error);
  if (error) {
    return Error{ErrorCode::io, "cannot remove " + configuration_.node_directory(node).string() +
                                    ": " + error.message()};
  }
  return {};
}

Result<void> LocalCluster::inject(const LinkFault& fault) {
  if (auto checked = check(fault); !checked) return checked;
  for (const NodeId node : {fault.from, fault.to}) {
    if (auto is_known = known(node); !is_known) return is_known;
  }
  auto record = faults();
  if (!record) return record.error();
  auto db = client();
  if (!db) return db.error();
  client::CallOptions call;
  call.endpoint = endpoint_of(fault.from);
  const auto answer = (*db)->admin("fault", fault.admin_argument(), call).get();
  if (!answer.ok()) {
    return Error{answer.code, name(fault.from) + ": " + answer.error().message};
  }
  record->set_link(fault);
  return write_fault_record(fault_file(), *record);
}

Result<void> LocalCluster::heal(Duration patience) {
  auto record = faults();
  if (!record) return record.error();
  std::vector<NodeId> mended;
  for (const NodeId node : record->paused) {
    if (process(node).state != ProcessState::paused) continue;
    if (auto resumed = signal(node, SIGCONT); !resumed) return resumed;
    mended.push_back(node);
    tell("resumed " + name(node));
  }
  // Every running node is told, not only those of the record: a fault may have been injected by
  // an order that did not come from here.
  const bool links = configuration_.fault_injection;
  auto db = client();
  if (!db) return db.error();
  for (std::size_t at = 0; links && at < configuration_.nodes.size(); ++at) {
    const NodeId node = configuration_.nodes[at].id;
    if (process(node).state != ProcessState::running) continue;
    client::CallOptions call;
    call.endpoint = at;
    const auto answer = (*db)->admin("fault", R"({"heal": true})", call).get();
    if (!answer.ok()) return Error{answer.code, name(node) + ": " + answer.error().message};
  }
  if (!record->links.empty()) tell("healed all links");
  const auto killed = record->killed;
  if (auto written = write_fault_record(fault_file(), {}); !written) return written;
  for (const NodeId node : killed) {
    if (auto started = start(node); !started) return started;
    mended.push_back(node);
  }
  if (auto serving = wait_until_serving(patience); !serving) return serving;
  if (auto ready = wait_until_ready(mended); !ready) return ready;
  if (auto alive = check_started(); !alive) return alive;
  for (const NodeId node : mended) {
    if (process(node).state == ProcessState::running) continue;
    return Error{ErrorCode::io,
                 name(node) + " ended after it was brought back; see " + log_file(node).string()};
  }
  return {};
}

}  // namespace paxledger::control
