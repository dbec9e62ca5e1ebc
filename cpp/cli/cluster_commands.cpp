#include "cli/cluster_commands.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <thread>
#include <utility>

#include "cli/operation_view.hpp"
#include "cli/table.hpp"
#include "cli/terminal_text.hpp"
#include "control/start_plan.hpp"
#include "node/quantities.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kHashDigitsShown = 12;

// What one node, or the lack of one, looks like.
struct Row {
  std::string name;
  Json identity;        // for JSON
  std::string process;  // where a configuration says what processes there are
  std::string problem;  // why there is no answer
  Json status;
};

std::vector<Row> look_at(client::Client& db, const Target& target, Duration timeout) {
  std::vector<std::size_t> all(target.endpoints.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto answers = ask(db, "status", all, timeout);
  std::optional<control::LocalCluster> local;
  if (target.configuration) local.emplace(*target.configuration, std::filesystem::path());
  std::vector<Row> rows;
  for (const std::size_t i : all) {
    Row row{target.name_of(i), target.json_of(i), {}, {}, {}};
    if (local) {
      const auto process = local->process(target.configuration->nodes[i].id);
      row.process = control::to_string(process.state);
    }
    if (answers[i].ok()) {
      row.status = parse(answers[i].value.view());
      if (!row.status.is_object()) row.problem = "gave an answer that is no JSON";
    } else {
      row.problem = silence_of(answers[i].error());
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string state_text(const Row& row) {
  if (!row.problem.empty()) {
    return row.process == "stopped" || row.process == "paused" ? row.process : row.problem;
  }
  std::string text = get_or(row.status, "ready", true)
                         ? std::string("ready")
                         : get_or(row.status, "not_ready_reason", std::string("not ready"));
  if (get_or(row.status, "repairing", false) && !text.starts_with("repairing")) {
    text = "repairing: " + get_or(row.status, "repair_reason", std::string());
  }
  if (get_or(row.status, "abstaining", false)) text += ", abstaining";
  const auto damage = get_or(row.status, "damage", std::string());
  if (!damage.empty() && text.find(damage) == std::string::npos) text += ", damage: " + damage;
  return text;
}

Json row_json(const Row& row) {
  Json json = row.identity;
  if (!row.process.empty()) json["process"] = row.process;
  json["reachable"] = row.problem.empty();
  if (!row.problem.empty()) {
    json["error"] = row.problem;
  } else {
    json.update(row.status);
  }
  return json;
}

void print_rows(const std::vector<Row>& rows) {
  std::uint64_t top = 0;
  for (const Row& row : rows) top = std::max(top, get_or(row.status, "height", std::uint64_t{0}));
  using Align = Table::Align;
  Table table({{"NODE"},
               {"ROLE"},
               {"BALLOT"},
               {"HEIGHT", Align::right},
               {"HEAD"},
               {"LAG", Align::right},
               {"KEYS", Align::right},
               {"UPTIME", Align::right},
               {"STATE"}});
  for (const Row& row : rows) {
    if (!row.problem.empty()) {
      table.add({row.name, "-", "-", "-", "-", "-", "-", "-", state_text(row)});
      continue;
    }
    const auto height = get_or(row.status, "height", std::uint64_t{0});
    table.add({"node " + std::to_string(get_or(row.status, "node", std::uint32_t{0})),
               get_or(row.status, "role", std::string("?")),
               get_or(row.status, "ballot", std::string("?")), std::to_string(height),
               get_or(row.status, "head", std::string()).substr(0, kHashDigitsShown),
               std::to_string(top - height),
               std::to_string(get_or(row.status, "keys", std::uint64_t{0})),
               uptime_text(get_or(row.status, "uptime_s", 0.0)), safe_message(state_text(row))});
  }
  std::cout << table.text();
}

// What a glance at the table may miss.
void tell_missing(const std::vector<Row>& rows) {
  std::string names;
  std::size_t count = 0;
  for (const Row& row : rows) {
    if (row.problem.empty()) continue;
    ++count;
    const bool says_all = row.process.empty() || row.process == "running";
    names += (names.empty() ? "" : ", ") + row.name + " (" +
             (says_all ? row.problem : row.process) + ")";
  }
  if (count == 0) return;
  std::cerr << "no answer from " << count << " of " << rows.size()
            << (rows.size() == 1 ? " node: " : " nodes: ") << names << "\n";
}

// Adds what waits in a node to the table, and writes its session as text.
void add_queued(Table& table, const std::string& name, Json& item) {
  const auto slot = get_or(item, "slot", std::uint64_t{0});
  const auto session = get_or(item, "session", std::uint64_t{0});
  const auto sequence = get_or(item, "sequence", std::uint64_t{0});
  const std::string session_of = session == 0 ? "" : session_text(SessionId(session));
  if (item.is_object()) item["session"] = session_of;
  table.add({name, get_or(item, "stage", std::string("?")), slot == 0 ? "-" : std::to_string(slot),
             session_of, sequence == 0 ? "-" : std::to_string(sequence),
             safe_message(get_or(item, "what", std::string()))});
}

Result<control::LinkFault> link_of(const FaultArguments& arguments) {
  control::LinkFault fault;
  fault.from = NodeId(arguments.a);
  fault.to = NodeId(arguments.b);
  fault.drop = arguments.drop;
  fault.duplicate = arguments.duplicate;
  fault.reorder = arguments.reorder;
  const std::pair<const std::string*, double*> times[] = {{&arguments.delay, &fault.delay_ms},
                                                          {&arguments.jitter, &fault.jitter_ms}};
  for (const auto& [text, target] : times) {
    const auto time = node::parse_duration(*text);
    if (!time) return time.error();
    *target = std::chrono::duration<double, std::milli>(*time).count();
  }
  fault.block = !arguments.milder;
  return fault;
}

Result<void> check_known(const CommonOptions& options, std::uint32_t id, const std::string& name) {
  const auto configuration = find_configuration(options);
  if (!configuration) return configuration.error();
  return check_node(*configuration, id, name);
}

Result<void> check_link(const CommonOptions& options, const FaultArguments& arguments) {
  if (arguments.a == arguments.b) {
    return Error{ErrorCode::configuration, "a and b: a link leads from one node to another, not " +
                                               std::to_string(arguments.a) + " to itself"};
  }
  if (auto known = check_known(options, arguments.a, "a"); !known) return known;
  return check_known(options, arguments.b, "b");
}

// The senders of a link that could not be told now, and when they are.
std::string later_text(const control::LocalCluster& cluster,
                       const std::vector<control::LinkFault>& directions) {
  std::string text;
  for (const control::LinkFault& direction : directions) {
    const auto state = cluster.process(direction.from).state;
    if (state == control::ProcessState::running) continue;
    text += "; node " + std::to_string(direction.from.value()) + " is " +
            std::string(control::to_string(state)) + " and obeys when it is back";
  }
  return text;
}

// The nodes that do not run though `paxledger fault` did not kill them, and what starts them.
std::string stopped_text(const control::LocalCluster& cluster) {
  const auto record = cluster.faults();
  std::vector<NodeId> stopped;
  for (const control::ProcessStatus& each : cluster.processes()) {
    if (each.state != control::ProcessState::stopped) continue;
    if (!record || !record->killed.contains(each.node)) stopped.push_back(each.node);
  }
  if (stopped.empty()) return {};
  return control::names(stopped) + (stopped.size() == 1 ? " is" : " are") +
         " stopped, and not by `paxledger fault`: `paxledger up` starts " +
         (stopped.size() == 1 ? "it" : "them");
}

// The running nodes that do not say that they are ready, with what they say instead, and those that
// have not come to the height `goal`. Where that is not set, it is set to the greatest height as
// soon as all of them have answered.
std::string not_ready(client::Client& db, const control::LocalCluster& cluster,
                      std::optional<std::uint64_t>& goal) {
  std::vector<std::size_t> running;
  const auto& nodes = cluster.configuration().nodes;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (cluster.process(nodes[i].id).state == control::ProcessState::running) running.push_back(i);
  }
  const auto answers = ask(db, "status", running, std::chrono::seconds(1));
  std::vector<Json> status;
  std::uint64_t top = 0;
  bool all_answered = true;
  for (const client::Outcome& answer : answers) {
    status.push_back(answer.ok() ? parse(answer.value.view()) : Json());
    all_answered = all_answered && answer.ok();
    top = std::max(top, get_or(status.back(), "height", std::uint64_t{0}));
  }
  if (!goal && all_answered) goal = top;
  std::string text;
  for (std::size_t i = 0; i < running.size(); ++i) {
    const auto height = get_or(status[i], "height", std::uint64_t{0});
    std::string why;
    if (!answers[i].ok()) {
      why = silence_of(answers[i].error());
    } else if (goal && height < *goal) {
      why = "catching up, " + std::to_string(top - height) + " blocks behind";
    } else if (!get_or(status[i], "ready", false)) {
      why = get_or(status[i], "not_ready_reason", std::string("not ready"));
    } else {
      continue;
    }
    text += (text.empty() ? "node " : ", node ") + std::to_string(nodes[running[i]].id.value()) +
            " (" + why + ")";
  }
  return text;
}

// Until all running nodes are ready at the same time, and have all blocks that any of them had at
// the beginning. Errors: no_quorum, with those that are not.
Result<void> wait_until_ready(control::LocalCluster& cluster,
                              std::chrono::steady_clock::time_point until) {
  constexpr auto kPollInterval = std::chrono::milliseconds(50);
  auto db = cluster.client();
  if (!db) return db.error();
  std::optional<std::uint64_t> goal;
  for (;;) {
    const std::string missing = not_ready(**db, cluster, goal);
    if (missing.empty()) return {};
    if (std::chrono::steady_clock::now() >= until) {
      return Error{ErrorCode::no_quorum, "healed, but not ready yet: " + missing};
    }
    std::this_thread::sleep_for(kPollInterval);
  }
}

}  // namespace

ExitCode status(const CommonOptions& options) {
  const auto target = find_target(options);
  if (!target) return report(options, target.error());
  auto db = connect(options, *target);
  if (!db) return report(options, db.error());
  const auto rows = look_at(**db, *target, timeout_of(options));
  if (options.json()) {
    Json nodes = Json::array();
    for (const Row& row : rows) nodes.push_back(row_json(row));
    std::cout << dump(Json{{"nodes", std::move(nodes)}}) << "\n";
  } else {
    print_rows(rows);
    tell_missing(rows);
  }
  const bool serves = std::any_of(rows.begin(), rows.end(), [](const Row& row) {
    return row.problem.empty() && get_or(row.status, "ready", true);
  });
  return serves ? ExitCode::ok : ExitCode::no_quorum;
}

ExitCode queue(const CommonOptions& options, const std::optional<std::uint32_t>& node) {
  const auto target = find_target(options);
  if (!target) return report(options, target.error());
  auto db = connect(options, *target);
  if (!db) return report(options, db.error());
  const auto about = endpoints_about(**db, *target, node, timeout_of(options));
  if (!about) return report(options, about.error());
  const auto answers = ask(**db, "queue", *about, timeout_of(options));
  Table table({{"NODE"},
               {"STAGE"},
               {"SLOT", Table::Align::right},
               {"SESSION"},
               {"SEQUENCE", Table::Align::right},
               {"WHAT", Table::Align::left, Table::Kind::elastic}});
  Json nodes = Json::array();
  std::size_t answered = 0;
  for (std::size_t i = 0; i < about->size(); ++i) {
    const std::string name = target->name_of((*about)[i]);
    Json each = target->json_of((*about)[i]);
    if (!answers[i].ok()) {
      const std::string problem = silence_of(answers[i].error());
      each["error"] = problem;
      if (!options.json()) std::cerr << name << ": " << problem << "\n";
      nodes.push_back(std::move(each));
      continue;
    }
    ++answered;
    const Json queued = parse(answers[i].value.view());
    Json items = queued.is_object() && queued.contains("items") ? queued["items"] : queued;
    for (Json& item : items) add_queued(table, name, item);
    each["items"] = std::move(items);
    nodes.push_back(std::move(each));
  }
  if (options.json()) {
    std::cout << dump(Json{{"nodes", std::move(nodes)}}) << "\n";
  } else if (!table.empty()) {
    std::cout << table.text(output_columns());
  } else if (answered > 0) {
    std::cout << (answered == about->size() ? "nothing waits\n"
                                            : "nothing waits in the nodes that answered\n");
  }
  return answered == about->size() ? ExitCode::ok : ExitCode::other;
}

// --- Faults -------------------------------------------------------------------------------------

ExitCode fault_link(const CommonOptions& options, const FaultArguments& arguments) {
  const auto link = link_of(arguments);
  if (!link) return report(options, link.error());
  if (const auto sound = check_link(options, arguments); !sound) {
    return report(options, sound.error());
  }
  auto cluster = local_cluster(options);
  if (!cluster) return report(options, cluster.error());
  std::vector<control::LinkFault> directions = {*link};
  if (!arguments.one_way) {
    directions.push_back(*link);
    std::swap(directions.back().from, directions.back().to);
  }
  const auto processes = (*cluster)->processes();
  if (std::all_of(processes.begin(), processes.end(), [](const control::ProcessStatus& each) {
        return each.state == control::ProcessState::stopped;
      })) {
    return report(options,
                  {ErrorCode::bad_request,
                   "no node of the cluster runs, and a fault of a link lives in its nodes: "
                   "`paxledger up` starts them"});
  }
  if (const auto injected = (*cluster)->inject(directions); !injected) {
    return report(options, injected.error());
  }
  return say(options, "link " + std::to_string(arguments.a) + (arguments.one_way ? " → " : " ↔ ") +
                          std::to_string(arguments.b) + ": " + link->text() +
                          later_text(**cluster, directions));
}

ExitCode fault_node(const CommonOptions& options, const FaultArguments& arguments) {
  if (const auto known = check_known(options, arguments.a, "node"); !known) {
    return report(options, known.error());
  }
  auto cluster = local_cluster(options);
  if (!cluster) return report(options, cluster.error());
  const NodeId node(arguments.a);
  const auto done = arguments.pause ? (*cluster)->pause(node) : (*cluster)->kill(node);
  if (!done) return report(options, done.error());
  return say(options, (arguments.pause ? "paused node " : "killed node ") +
                          std::to_string(arguments.a) + "; `paxledger fault heal` brings it back");
}

ExitCode fault_heal(const CommonOptions& options, const FaultArguments& arguments) {
  const auto patience = node::parse_duration(arguments.wait);
  if (!patience) return report(options, patience.error());
  auto cluster = local_cluster(options);
  if (!cluster) return report(options, cluster.error());
  const auto until = std::chrono::steady_clock::now() + *patience;
  const auto healed = (*cluster)->heal(*patience);
  const std::string stopped = stopped_text(**cluster);
  if (!healed) {
    Error error = healed.error();
    if (!stopped.empty()) error.message += "\n" + stopped;
    return report(options, error);
  }
  if (const auto ready = wait_until_ready(**cluster, until); !ready) {
    return report(options, ready.error());
  }
  if (!stopped.empty()) {
    return report(options, {ErrorCode::io, stopped + ". Everything else is healed"});
  }
  return say(options, "healed; all nodes are ready");
}

ExitCode fault_list(const CommonOptions& options) {
  auto cluster = local_cluster(options);
  if (!cluster) return report(options, cluster.error());
  const auto record = (*cluster)->faults();
  if (!record) return report(options, record.error());
  if (options.json()) {
    std::cout << dump(parse(control::to_json(*record))) << "\n";
    return ExitCode::ok;
  }
  if (record->empty()) {
    std::cout << "no faults\n";
    return ExitCode::ok;
  }
  Table table({{"WHERE"}, {"FAULT"}});
  for (const auto& link : record->links) {
    table.add(
        {"link " + std::to_string(link.from.value()) + " → " + std::to_string(link.to.value()),
         link.text()});
  }
  for (const NodeId node : record->killed) {
    table.add({"node " + std::to_string(node.value()), "killed"});
  }
  for (const NodeId node : record->paused) {
    table.add({"node " + std::to_string(node.value()), "paused"});
  }
  std::cout << table.text();
  return ExitCode::ok;
}

}  // namespace paxledger::cli
