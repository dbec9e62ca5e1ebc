#include "cli/key_commands.hpp"

#include <algorithm>
#include <future>
#include <iostream>
#include <iterator>
#include <map>
#include <utility>

#include "base/bytes.hpp"
#include "cli/table.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kCellBytes = 48;

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

// The end of a write: its revision, or what went wrong.
ExitCode tell(const CommonOptions& options, const KeyArguments& arguments,
              const client::Outcome& outcome, const char* done) {
  if (!outcome.ok()) {
    Error error = outcome.error();
    if (outcome.code == ErrorCode::not_found) error.message = printable(arguments.key);
    if (outcome.code == ErrorCode::compare_failed) {
      const std::uint64_t found = outcome.revision.value();
      error.message =
          printable(arguments.key) +
          (found == 0 ? std::string(" is not there") : " has revision " + std::to_string(found)) +
          ", not " + std::to_string(arguments.revision);
    }
    return report(options, error);
  }
  if (options.json()) {
    Json json;
    set_octets(json, "key", arguments.key);
    if (outcome.revision != Revision(0)) json["revision"] = outcome.revision.value();
    json["height"] = outcome.height.value();
    std::cout << dump(json) << "\n";
  } else if (outcome.revision != Revision(0)) {
    std::cout << done << " " << printable(arguments.key) << ", revision "
              << outcome.revision.value() << "\n";
  } else {
    std::cout << done << " " << printable(arguments.key) << "\n";
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

// One node's state, for `kv`.
struct NodeKeys {
  std::string name;
  Json json;            // who it is
  std::string problem;  // empty if it answered
  client::ScanResult result;
};

std::string side_by_side(const std::vector<NodeKeys>& nodes) {
  std::vector<Table::Column> columns = {{"KEY"}};
  std::map<std::string, std::vector<std::string>> rows;
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    columns.push_back({nodes[n].problem.empty()
                           ? nodes[n].name + " @" + std::to_string(nodes[n].result.height.value())
                           : nodes[n].name});
    for (const auto& item : nodes[n].result.items) {
      auto& row = rows[std::string(item.key.view())];
      row.resize(nodes.size(), "-");
      row[n] = printable(item.value.view(), kCellBytes / 2) + " (r" +
               std::to_string(item.revision.value()) + ")";
    }
  }
  Table table(std::move(columns));
  for (auto& [key, row] : rows) {
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (!nodes[n].problem.empty()) row[n] = "?";
    }
    row.insert(row.begin(), printable(key, kCellBytes));
    table.add(std::move(row));
  }
  return table.text();
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
  if (!outcome.ok()) return tell(options, arguments, outcome, "");
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
    const bool text = is_utf8(value) &&
                      value.find_first_of(std::string_view("\0\x1b", 2)) == std::string_view::npos;
    std::cout << (text ? std::string(value) : printable(value, value.size())) << "\n";
    if (arguments.consistency == "local") {
      std::cerr << "(local read at height " << outcome.height.value() << "; it may be stale)\n";
    }
  }
  std::cout.flush();
  return std::cout ? ExitCode::ok : ExitCode::other;
}

ExitCode scan(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  const auto call = call_to(*session, arguments.node);
  if (!call) return report(options, call.error());
  const auto result = session->db->scan(arguments.key, mode_of(arguments.consistency), *call).get();
  if (!result) return report(options, result.error());
  if (options.json()) {
    Json json;
    json["height"] = result->height.value();
    json["items"] = Json::array();
    for (const auto& item : result->items) json["items"].push_back(item_json(item));
    std::cout << dump(json) << "\n";
    return ExitCode::ok;
  }
  Table table({{"KEY"}, {"VALUE"}, {"REVISION", Table::Align::right}});
  for (const auto& item : result->items) {
    table.add({printable(item.key.view(), kCellBytes), printable(item.value.view(), kCellBytes),
               std::to_string(item.revision.value())});
  }
  std::cout << table.text();
  std::cerr << grouped(result->items.size()) << (result->items.size() == 1 ? " key" : " keys")
            << " at height " << result->height.value() << "\n";
  return ExitCode::ok;
}

ExitCode key_values(const CommonOptions& options, const KeyArguments& arguments) {
  auto session = begin(options);
  if (!session) return report(options, session.error());
  const auto about = endpoints_about(*session->db, session->target, arguments.node);
  if (!about) return report(options, about.error());
  std::vector<std::future<Result<client::ScanResult>>> answers;
  for (const std::size_t endpoint : *about) {
    client::CallOptions call;
    call.endpoint = endpoint;
    answers.push_back(session->db->scan(arguments.key, client::ReadMode::local, call));
  }
  std::vector<NodeKeys> nodes;
  Error problem{ErrorCode::ok, {}};
  for (std::size_t i = 0; i < about->size(); ++i) {
    auto answer = answers[i].get();
    NodeKeys node{
        session->target.name_of((*about)[i]), session->target.json_of((*about)[i]), {}, {}};
    if (answer) {
      node.result = std::move(*answer);
    } else {
      node.problem = answer.error().message;
      problem = answer.error();
    }
    nodes.push_back(std::move(node));
  }
  const bool nobody = std::all_of(nodes.begin(), nodes.end(),
                                  [](const NodeKeys& node) { return !node.problem.empty(); });
  if (nobody) return report(options, problem);
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
    return ExitCode::ok;
  }
  std::cout << side_by_side(nodes);
  for (const NodeKeys& node : nodes) {
    if (!node.problem.empty()) std::cerr << node.name << ": " << node.problem << "\n";
  }
  return ExitCode::ok;
}

}  // namespace paxledger::cli
