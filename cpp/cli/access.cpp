#include "cli/access.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <future>
#include <iostream>
#include <utility>

#include "cli/terminal_text.hpp"
#include "node/quantities.hpp"

namespace paxledger::cli {
namespace {

constexpr const char* kDefaultFile = "cluster.yaml";

std::vector<std::string> split_commas(const std::vector<std::string>& lists) {
  std::vector<std::string> parts;
  for (const std::string& list : lists) {
    std::size_t begin = 0;
    while (begin <= list.size()) {
      const auto end = std::min(list.find(',', begin), list.size());
      if (end > begin) parts.push_back(list.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return parts;
}

void tell_error(const CommonOptions& options, ErrorCode code, std::string_view word,
                const std::string& message, std::optional<bool> outcome_unknown = std::nullopt) {
  if (options.json()) {
    Json json;
    json["error"] = word;
    json["message"] = message;
    if (outcome_unknown) json["outcome_unknown"] = *outcome_unknown;
    std::cout << dump(json) << "\n";
    return;
  }
  // The words of the public errors are worth repeating; those inside a process say nothing that
  // the message does not.
  const bool is_public = code < ErrorCode::io;
  const bool says_so = std::string_view(message).starts_with(word);
  std::cerr << "paxledger: " << (is_public && !says_so ? std::string(word) + ": " : "")
            << safe_message(message) << "\n";
}

}  // namespace

std::string Target::name_of(std::size_t endpoint) const {
  if (!configuration) return endpoints[endpoint];
  return "node " + std::to_string(configuration->nodes[endpoint].id.value());
}

Json Target::json_of(std::size_t endpoint) const {
  Json json;
  json["endpoint"] = endpoints[endpoint];
  if (configuration) json["node"] = configuration->nodes[endpoint].id.value();
  return json;
}

ExitCode report(const CommonOptions& options, const Error& error) {
  tell_error(options, error.code, to_string(error.code), error.message);
  return exit_code_of(error.code);
}

ExitCode report_read(const CommonOptions& options, const Error& error) {
  if (error.code != ErrorCode::timeout) return report(options, error);
  std::string message = error.message;
  const std::string_view word = to_string(error.code);
  if (message.starts_with(word)) message.erase(0, word.size());
  if (message.starts_with(": ")) message.erase(0, 2);
  constexpr std::string_view kNothing = "nothing was read";
  if (!message.ends_with(kNothing)) {
    message += std::string(message.empty() ? "" : "; ") + std::string(kNothing);
  }
  tell_error(options, error.code, "timeout", message);
  return exit_code_of(error.code);
}

ExitCode report_write(const CommonOptions& options, const Error& error,
                      const client::Trace& trace) {
  const bool known = error.code == ErrorCode::timeout && !trace.outcome_unknown;
  tell_error(options, error.code, known ? "timeout" : to_string(error.code), error.message,
             trace.outcome_unknown);
  return exit_code_of(error.code);
}

Duration timeout_of(const CommonOptions& options) {
  return *node::parse_duration(options.timeout);
}

std::string silence_of(const Error& error) {
  if (error.message.starts_with("cannot connect")) return "cannot connect";
  const bool silent = error.code == ErrorCode::timeout || error.code == ErrorCode::io;
  return silent ? "does not answer" : error.message;
}

Result<void> check_node(const node::Configuration& configuration, std::uint32_t id,
                        const std::string& name) {
  if (configuration.find(NodeId(id)) != nullptr) return {};
  std::string ids;
  for (const auto& entry : configuration.nodes) {
    ids += (ids.empty() ? "" : ", ") + std::to_string(entry.id.value());
  }
  return Error{ErrorCode::configuration, name + ": there is no node " + std::to_string(id) +
                                             " in " + configuration.file.string() +
                                             "; expected one of " + ids};
}

ExitCode say(const CommonOptions& options, const std::string& text, Json json) {
  if (options.json()) {
    json["done"] = text;
    std::cout << dump(json) << "\n";
  } else {
    std::cout << text << "\n";
  }
  return ExitCode::ok;
}

Result<node::Configuration> find_configuration(const CommonOptions& options) {
  if (!options.file.empty()) return node::read_configuration(options.file);
  std::error_code ignored;
  if (std::filesystem::exists(kDefaultFile, ignored)) return node::read_configuration(kDefaultFile);
  return Error{ErrorCode::configuration,
               "there is no cluster.yaml in this directory; name one with -f FILE"};
}

Result<Target> find_target(const CommonOptions& options) {
  Target target;
  if (!options.endpoints.empty()) {
    target.endpoints = split_commas(options.endpoints);
    return target;
  }
  std::error_code ignored;
  if (options.file.empty() && !std::filesystem::exists(kDefaultFile, ignored)) {
    return Error{ErrorCode::configuration,
                 "it is not known where the cluster is; name a node with --endpoint "
                 "tcp://HOST:PORT or a configuration with -f FILE (default: ./cluster.yaml)"};
  }
  auto configuration = find_configuration(options);
  if (!configuration) return configuration.error();
  for (const auto& entry : configuration->nodes) target.endpoints.push_back(entry.client.tcp());
  target.configuration = std::move(*configuration);
  return target;
}

Result<std::unique_ptr<client::Client>> connect(const CommonOptions& options,
                                                const Target& target) {
  const auto deadline = node::parse_duration(options.deadline);
  if (!deadline) return Error{ErrorCode::configuration, "--deadline: " + deadline.error().message};
  client::Options to;
  to.endpoints = target.endpoints;
  to.deadline = *deadline;
  to.session_ttl = std::chrono::seconds(30);
  if (target.configuration) {
    to.cluster = target.configuration->cluster_id;
    to.cluster_name = target.configuration->cluster;
  }
  auto db = client::Client::connect(std::move(to));
  if (!db && db.error().code == ErrorCode::bad_request) {
    return Error{ErrorCode::configuration, db.error().message};
  }
  return db;
}

std::vector<client::Outcome> ask(client::Client& db, std::string_view action,
                                 const std::vector<std::size_t>& endpoints, Duration deadline) {
  std::vector<std::future<client::Outcome>> answers;
  for (const std::size_t endpoint : endpoints) {
    client::CallOptions call;
    call.endpoint = endpoint;
    call.deadline = deadline;
    answers.push_back(db.admin(action, {}, call));
  }
  std::vector<client::Outcome> outcomes;
  outcomes.reserve(answers.size());
  for (auto& answer : answers) outcomes.push_back(answer.get());
  return outcomes;
}

Result<std::size_t> endpoint_of(client::Client& db, const Target& target, std::uint32_t id,
                                Duration timeout) {
  if (target.configuration) {
    if (auto known = check_node(*target.configuration, id, "--node"); !known) return known.error();
    const auto& nodes = target.configuration->nodes;
    const auto found = std::find_if(nodes.begin(), nodes.end(), [&](const node::NodeEntry& entry) {
      return entry.id == NodeId(id);
    });
    return static_cast<std::size_t>(found - nodes.begin());
  }
  std::vector<std::size_t> all(target.endpoints.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
  const auto answers = ask(db, "status", all, timeout);
  std::string silent;
  for (const std::size_t i : all) {
    if (get_or(parse(answers[i].value.view()), "node", std::uint32_t{0}) == id) return i;
    if (!answers[i].ok()) {
      silent += "; " + target.endpoints[i] + ": " + silence_of(answers[i].error());
    }
  }
  return Error{ErrorCode::io, "no endpoint that answers is node " + std::to_string(id) + silent};
}

Result<std::vector<std::size_t>> endpoints_about(client::Client& db, const Target& target,
                                                 const std::optional<std::uint32_t>& node,
                                                 Duration timeout) {
  std::vector<std::size_t> about;
  if (node) {
    const auto one = endpoint_of(db, target, *node, timeout);
    if (!one) return one.error();
    about.push_back(*one);
    return about;
  }
  for (std::size_t i = 0; i < target.endpoints.size(); ++i) about.push_back(i);
  return about;
}

Result<std::unique_ptr<control::LocalCluster>> local_cluster(const CommonOptions& options) {
  auto configuration = find_configuration(options);
  if (!configuration) return configuration.error();
  auto daemon = control::LocalCluster::find_daemon();
  if (!daemon) return daemon.error();
  return std::make_unique<control::LocalCluster>(
      std::move(*configuration), std::move(*daemon),
      [](const std::string& line) { std::cerr << line << std::endl; });
}

}  // namespace paxledger::cli
