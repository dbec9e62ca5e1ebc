#include "cli/key_commands.hpp"

#include <algorithm>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <utility>

#include "cli/table.hpp"
#include "cli/terminal_text.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kKeyColumns = 64;  // of a key in a sentence

struct Session {
  Target target;
  std::unique_ptr<client::Client> db;
};

Result<Session> begin(const CommonOptions& options) {
  auto target = find_target(options);
  if (!target) return target.error();
  auto db = connect(options, *target);
  if (!db) return db.error();
  return Session{std::move(*target), std::move(*db)};
}

Result<client::CallOptions> call_to(Session& session, const std::optional<std::uint32_t>& node) {
  client::CallOptions call;
  if (!node) return call;
  const auto endpoint = endpoint_of(*session.db, session.target, *node);
  if (!endpoint) return endpoint.error();
  call.endpoint = *endpoint;
  return call;
}

client::ReadMode mode_of(const std::string& consistency) {
  if (consistency == "local") return client::ReadMode::local;
  return consistency == "ledger" ? client::ReadMode::ledger : client::ReadMode::linearizable;
}

Result<std::string> value_of(const KeyArguments& arguments) {
  if (arguments.value != "-") return arguments.value;
  std::string octets{std::istreambuf_iterator<char>(std::cin), {}};
  if (std::cin.bad()) return Error{ErrorCode::io, "cannot read the value from standard input"};
  return octets;
}

// What went wrong, in terms of what was asked for.
Error error_of(const KeyArguments& arguments, const client::Outcome& outcome) {
  Error error = outcome.error();
  const std::string key = shown(arguments.key, kKeyColumns);
  if (outcome.code == ErrorCode::not_found) error.message = key;
  if (outcome.code == ErrorCode::compare_failed) {
    const std::uint64_t found = outcome.revision.value();
    const std::string has =
        found == 0 ? std::string(" is not there") : " has revision " + std::to_string(found);
    error.message = key + has + ", not " + std::to_string(arguments.revision);
  }
  return error;
}

// The end of a write: its revision, or what went wrong.
ExitCode tell(const CommonOptions& options, const KeyArguments& arguments,
              const client::Outcome& outcome, const char* done) {
  if (!outcome.ok()) return report_write(options, error_of(arguments, outcome), outcome.trace);
  if (options.json()) {
    Json json;
    set_octets(json, "key", arguments.key);
    if (outcome.revision != Revision(0)) json["revision"] = outcome.revision.value();
    json["height"] = outcome.height.value();
    std::cout << dump(json) << "\n";
  } else if (outcome.revision != Revision(0)) {
    std::cout << done << " " << shown(arguments.key, kKeyColumns) << ", revision "
              << outcome.revision.value() << "\n";
  } else {
    std::cout << done << " " << shown(arguments.key, kKeyColumns) << "\n";
  }
  return ExitCode::ok;
}

Json item_json(const wire::ScanItem& item) {
  Json json;
  set_octets(json, "key", item.key.view());
  set_octets(json, "value", item.value.view());
  json["revision"] = item.revision.value();
  return json;
}

Cell octets_cell(std::string_view octets, std::string note = {}) {
  return {shown(octets), octets.size(), std::move(note)};
}

std::size_t table_width(const KeyArguments& arguments) {
  return arguments.full ? Table::kUnlimited : output_columns();
}

// One node's state, for `kv`.
struct NodeKeys {
  std::string name;
  Json json;            // who it is
  std::string problem;  // empty if it answered
  client::ScanResult result;
};

// What each of the endpoints has, all asked at once. A node that does not even say that it is there
// within the options' timeout is not waited for longer.
std::vector<NodeKeys> keys_of(const CommonOptions& options, Session& session,
                              const std::vector<std::size_t>& endpoints,
                              const std::string& prefix) {
  std::vector<std::future<client::Outcome>> signs;
  std::vector<std::future<Result<client::ScanResult>>> answers;
  for (const std::size_t endpoint : endpoints) {
    client::CallOptions call;
    call.endpoint = endpoint;
    answers.push_back(session.db->scan(prefix, client::ReadMode::local, call));
    call.deadline = timeout_of(options);
    signs.push_back(session.db->admin("status", {}, call));
  }
  std::vector<NodeKeys> nodes;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    NodeKeys node{
        session.target.name_of(endpoints[i]), session.target.json_of(endpoints[i]), {}, {}};
    const auto sign = signs[i].get();
    const bool here = answers[i].wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    if (!sign.ok() && !here) {
      node.problem = silence_of(sign.error());
    } else if (auto answer = answers[i].get(); answer) {
      node.result = std::move(*answer);
    } else {
      node.problem = silence_of(answer.error());
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

std::string side_by_side(const std::vector<NodeKeys>& nodes, std::size_t width) {
  std::vector<Table::Column> columns = {{"KEY", Table::Align::left, Table::Kind::elastic}};
  std::map<std::string, std::vector<Cell>> rows;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    const bool answered = nodes[n].problem.empty();
    const std::string height = " @" + std::to_string(nodes[n].result.height.value());
    columns.push_back({nodes[n].name + (answered ? height : " (" + nodes[n].problem + ")"),
                       Table::Align::left, Table::Kind::elastic});
    for (const auto& item : nodes[n].result.items) {
      auto& row = rows[std::string(item.key.view())];
      row.resize(nodes.size(), Cell("-"));
      const std::string revision = "(r" + std::to_string(item.revision.value()) + ")";
      row[n] = octets_cell(item.value.view(), (item.value.empty() ? "" : " ") + revision);
    }
  }
  Table table(std::move(columns));
  for (auto& [key, row] : rows) {
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (!nodes[n].problem.empty()) row[n] = Cell("?");
    }
    row.insert(row.begin(), octets_cell(key));
    table.add(std::move(row));
  }
  return table.text(width);
}

}  // namespace

ExitCode put(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  const auto value = value_of(arguments);
  if (!value) return report(options, value.error());
  return tell(options, arguments, session->db->put(arguments.key, *value).get(), "put");
}

ExitCode remove(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  return tell(options, arguments, session->db->remove(arguments.key).get(), "removed");
}

ExitCode compare_and_put(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  const auto value = value_of(arguments);
  if (!value) return report(options, value.error());
  const auto outcome =
      session->db->compare_and_put(arguments.key, Revision(arguments.revision), *value).get();
  return tell(options, arguments, outcome, "put");
}

ExitCode get(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  const auto call = call_to(*session, arguments.node);
  if (!call) return report(options, call.error());
  const auto outcome = session->db->get(arguments.key, mode_of(arguments.consistency), *call).get();
  if (!outcome.ok()) return report_read(options, error_of(arguments, outcome));
  if (options.json()) {
    Json json;
    set_octets(json, "key", arguments.key);
    set_octets(json, "value", outcome.value.view());
    json["revision"] = outcome.revision.value();
    json["height"] = outcome.height.value();
    json["consistency"] = arguments.consistency;
    std::cout << dump(json) << "\n";
  } else if (arguments.raw) {
    std::cout << outcome.value.view();
  } else {
    const auto value = outcome.value.view();
    // A terminal gets text as text; anything else escaped, so that it cannot do harm there.
    std::cout << (is_harmless_text(value) ? std::string(value) : shown(value)) << "\n";
    if (arguments.consistency == "local") {
      std::cerr << "(local read at height " << outcome.height.value() << "; it may be stale)\n";
    }
  }
  return ExitCode::ok;
}

ExitCode scan(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  const auto call = call_to(*session, arguments.node);
  if (!call) return report(options, call.error());
  const auto result = session->db->scan(arguments.key, mode_of(arguments.consistency), *call).get();
  if (!result) return report_read(options, result.error());
  if (options.json()) {
    Json json;
    json["height"] = result->height.value();
    json["items"] = Json::array();
    for (const auto& item : result->items) json["items"].push_back(item_json(item));
    std::cout << dump(json) << "\n";
    return ExitCode::ok;
  }
  Table table({{"KEY", Table::Align::left, Table::Kind::elastic},
               {"VALUE", Table::Align::left, Table::Kind::elastic},
               {"REVISION", Table::Align::right}});
  for (const auto& item : result->items) {
    table.add({octets_cell(item.key.view()), octets_cell(item.value.view()),
               std::to_string(item.revision.value())});
  }
  std::cout << table.text(table_width(arguments));
  std::cerr << grouped(result->items.size()) << (result->items.size() == 1 ? " key" : " keys")
            << " at height " << result->height.value() << "\n";
  return ExitCode::ok;
}

ExitCode key_values(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  const auto about =
      endpoints_about(*session->db, session->target, arguments.node, timeout_of(options));
  if (!about) return report(options, about.error());
  const auto nodes = keys_of(options, *session, *about, arguments.key);
  const auto missing = std::count_if(nodes.begin(), nodes.end(),
                                     [](const NodeKeys& node) { return !node.problem.empty(); });
  if (options.json()) {
    Json json = Json::array();
    for (const NodeKeys& node : nodes) {
      Json each = node.json;
      if (!node.problem.empty()) {
        each["error"] = node.problem;
      } else {
        each["height"] = node.result.height.value();
        each["items"] = Json::array();
        for (const auto& item : node.result.items) each["items"].push_back(item_json(item));
      }
      json.push_back(std::move(each));
    }
    std::cout << dump(Json{{"nodes", std::move(json)}}) << "\n";
  } else {
    if (missing < std::ssize(nodes)) std::cout << side_by_side(nodes, table_width(arguments));
    for (const NodeKeys& node : nodes) {
      if (!node.problem.empty()) std::cerr << node.name << ": " << node.problem << "\n";
    }
  }
  return missing == 0 ? ExitCode::ok : ExitCode::other;
}

}  // namespace paxledger::cli
