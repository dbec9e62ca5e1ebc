// LocalCluster's faults: injecting them, remembering them, healing them.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <future>
#include <utility>
#include <vector>

#include "control/local_cluster.hpp"

namespace paxledger::control {
namespace {

constexpr auto kKillPatience = std::chrono::seconds(5);
constexpr auto kListenPatience = std::chrono::seconds(10);

std::string name(NodeId node) {
  return "node " + std::to_string(node.value());
}

void add_line(std::string& text, const std::string& line) {
  text += (text.empty() ? "" : "\n") + line;
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
  // Recorded first, for the wait may be interrupted.
  record->killed.insert(node);
  record->paused.erase(node);
  if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  auto stopped = wait_until_stopped(target.pid, node, kKillPatience);
  return stopped ? Result<void>() : stopped.error();
}

Result<void> LocalCluster::pause(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  auto record = faults();
  if (!record) return record.error();
  if (auto sent = signal(node, SIGSTOP); !sent) return sent;
  record->paused.insert(node);
  if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  // A signal arrives when the kernel comes to it.
  while (process(node).state == ProcessState::running) {
    if (auto waited = linger(); !waited) return waited;
  }
  return {};
}

Result<void> LocalCluster::resume(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  forget_ended();
  auto record = faults();
  if (!record) return record.error();
  if (auto sent = signal(node, SIGCONT); !sent) return sent;
  while (process(node).state == ProcessState::paused) {
    if (auto waited = linger(); !waited) return waited;
  }
  record->paused.erase(node);
  if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  // It did not hear what was ordered while it was paused.
  const bool has_faults = std::any_of(record->links.begin(), record->links.end(),
                                      [&](const LinkFault& fault) { return fault.from == node; });
  return has_faults ? restore_link_faults(node) : Result<void>();
}

Result<void> LocalCluster::wipe(NodeId node) {
  if (auto is_known = known(node); !is_known) return is_known;
  if (auto gone = wait_for_dying(node); !gone) return gone;
  if (process(node).state != ProcessState::stopped) {
    return Error{ErrorCode::bad_request, name(node) + " runs; stop it before its data is removed"};
  }
  if (auto ours = check_identity(node); !ours) return ours;
  std::error_code error;
  std::filesystem::remove_all(configuration_.node_directory(node), error);
  if (error) {
    return Error{ErrorCode::io, "cannot remove " + configuration_.node_directory(node).string() +
                                    ": " + error.message()};
  }
  return {};
}

// An order about faults. A node that was started a moment ago does not listen yet: it is waited
// for.
client::Outcome LocalCluster::order(client::Client& db, NodeId node, const std::string& argument) {
  client::CallOptions call;
  call.endpoint = endpoint_of(node);
  const auto until = std::chrono::steady_clock::now() + kListenPatience;
  for (;;) {
    auto outcome = await(db.admin("fault", argument, call));
    if (outcome.code != ErrorCode::io || process(node).state != ProcessState::running ||
        std::chrono::steady_clock::now() >= until || !linger()) {
      return outcome;
    }
  }
}

Result<void> LocalCluster::inject(const LinkFault& fault) {
  return inject(std::vector{fault});
}

Result<void> LocalCluster::inject(const std::vector<LinkFault>& all) {
  for (const LinkFault& fault : all) {
    if (auto checked = check(fault); !checked) return checked;
    for (const NodeId node : {fault.from, fault.to}) {
      if (auto is_known = known(node); !is_known) return is_known;
    }
  }
  auto record = faults();
  if (!record) return record.error();
  auto db = client();
  if (!db) return db.error();
  std::vector<std::pair<const LinkFault*, std::future<client::Outcome>>> orders;
  for (const LinkFault& fault : all) {
    const ProcessState state = process(fault.from).state;
    if (state != ProcessState::running && configuration_.fault_injection) {
      // A stopped node has forgotten its faults when it is back; a paused one must be told.
      if (fault.is_clear() && state == ProcessState::stopped) {
        record->end_link(fault);
      } else {
        record->set_link(fault);
      }
      continue;
    }
    client::CallOptions call;
    call.endpoint = endpoint_of(fault.from);
    orders.emplace_back(&fault, (*db)->admin("fault", fault.admin_argument(), call));
  }
  Result<void> first_problem;
  for (auto& [fault, answer] : orders) {
    auto outcome = await(std::move(answer));
    if (outcome.code == ErrorCode::io) outcome = order(**db, fault->from, fault->admin_argument());
    if (outcome.ok() && fault->is_clear()) {
      record->end_link(*fault);
    } else if (outcome.ok()) {
      record->set_link(*fault);
    } else if (first_problem.ok()) {
      first_problem = Error{outcome.code, name(fault->from) + ": " + outcome.error().message};
    }
  }
  auto written = write_fault_record(fault_file(), *record);
  return first_problem.ok() ? written : first_problem;
}

// --- Healing ------------------------------------------------------------------------------------

Result<void> LocalCluster::resume_all(FaultRecord& record, std::string& problems) {
  for (const NodeId node : configuration_.node_ids()) {
    if (process(node).state == ProcessState::paused) {
      if (auto resumed = signal(node, SIGCONT); !resumed) {
        add_line(problems, resumed.error().message);
        continue;
      }
      while (process(node).state == ProcessState::paused) {
        if (auto waited = linger(); !waited) return waited;
      }
      tell("resumed " + name(node));
    }
    record.paused.erase(node);
  }
  return write_fault_record(fault_file(), record);
}

// Every running node is told, not only those of the record: a fault may have been injected by an
// order that did not come from here. One that does not run forgets its faults.
Result<void> LocalCluster::clear_links(FaultRecord& record, std::string& problems) {
  auto db = client();
  if (!db) return db.error();
  const bool any = !record.links.empty();
  for (const NodeId node : configuration_.node_ids()) {
    if (configuration_.fault_injection && process(node).state == ProcessState::running) {
      const auto answer = order(**db, node, R"({"heal": true})");
      if (is_interrupted()) return Error{ErrorCode::shutting_down, "interrupted"};
      // One that stops at this moment forgets its faults with everything else.
      if (!answer.ok() && answer.code != ErrorCode::shutting_down &&
          process(node).state != ProcessState::stopped) {
        add_line(problems, name(node) + ": " + answer.error().message);
        continue;
      }
    }
    std::erase_if(record.links, [&](const LinkFault& fault) { return fault.from == node; });
  }
  if (any && record.links.empty()) tell("healed all links");
  return write_fault_record(fault_file(), record);
}

Result<void> LocalCluster::start_killed(const std::set<NodeId>& killed, std::string& problems) {
  for (const NodeId node : killed) {
    const bool runs = process(node).state != ProcessState::stopped;
    auto started = start(node);
    if (!started) {
      if (is_interrupted()) return started;
      add_line(problems, started.error().message);
      continue;
    }
    if (!runs) continue;
    // Somebody else has started it since it was killed.
    auto record = faults();
    if (!record) return record.error();
    record->killed.erase(node);
    if (auto written = write_fault_record(fault_file(), *record); !written) return written;
  }
  return {};
}

Result<void> LocalCluster::heal(Duration patience) {
  // What an interrupted stop has left ending is no node that could be healed.
  for (const NodeId node : configuration_.node_ids()) {
    if (auto finished = finish_stop(node); !finished) return finished;
  }
  auto record = faults();
  if (!record) return record.error();
  // A node that crashed by itself before is no fault that was injected, and none of healing.
  forget_ended();
  // Nothing is healed of a cluster that is not ours.
  for (const ProcessStatus& each : processes()) {
    if (each.state == ProcessState::stopped) continue;
    if (auto ours = check_identity(each.node); !ours) return ours;
  }
  const auto killed = record->killed;
  std::string problems;
  if (auto resumed = resume_all(*record, problems); !resumed) return resumed;
  if (auto cleared = clear_links(*record, problems); !cleared) return cleared;
  if (auto started = start_killed(killed, problems); !started) return started;
  auto serving = wait_until_serving(patience);
  if (!serving) {
    if (problems.empty()) return serving;
    add_line(problems, serving.error().message);
    return Error{ErrorCode::io, problems};
  }
  if (!problems.empty()) return Error{ErrorCode::io, problems};
  if (auto ready = wait_until_ready(std::min<Duration>(patience, kListenPatience)); !ready)
    return ready;
  if (auto alive = check_started(); !alive) return alive;
  for (const NodeId node : killed) {
    if (process(node).state != ProcessState::stopped) continue;
    return Error{ErrorCode::io,
                 name(node) + " ended after it was brought back; see " + log_file(node).string()};
  }
  return {};
}

}  // namespace paxledger::control
