#include "cli/up_command.hpp"

#include <algorithm>
#include <iostream>
#include <set>
#include <utility>

#include "node/quantities.hpp"

namespace paxledger::cli {
namespace {

Json processes_json(const control::LocalCluster& cluster) {
  Json nodes = Json::array();
  for (const auto& each : cluster.processes()) {
    const auto* entry = cluster.configuration().find(each.node);
    Json json;
    json["node"] = each.node.value();
    json["process"] = control::to_string(each.state);
    json["pid"] = each.pid;
    json["client"] = entry->client.tcp();
    json["http"] = entry->http.http();
    nodes.push_back(std::move(json));
  }
  return Json{{"nodes", std::move(nodes)}};
}

}  // namespace

ExitCode up(const CommonOptions& options, const UpArguments& arguments) {
  const auto patience = node::parse_duration(arguments.wait);
  if (!patience) return report(options, patience.error());
  auto cluster = local_cluster(options);
  if (!cluster) return report(options, cluster.error());
  for (const auto& warning : (*cluster)->configuration().warnings) {
    std::cerr << "warning: " << warning << "\n";
  }
  std::set<NodeId> rejoin;
  for (const std::uint32_t id : arguments.rejoin) {
    const auto known = check_node((*cluster)->configuration(), id, "--rejoin");
    if (!known) return report(options, known.error());
    rejoin.insert(NodeId(id));
  }
  const auto served = (*cluster)->up(rejoin, *patience);
  if (!served) return report(options, served.error());
  const auto& configuration = (*cluster)->configuration();
  const auto processes = (*cluster)->processes();
  const auto running = std::count_if(processes.begin(), processes.end(), [](const auto& each) {
    return each.state == control::ProcessState::running;
  });
  const auto all = static_cast<std::ptrdiff_t>(processes.size());
  return say(options,
             "the cluster " + printable(configuration.cluster) + " serves with " +
                 (running < all ? std::to_string(running) + " of " : "") + std::to_string(all) +
                 (all == 1 ? " node" : " nodes") +
                 "; data and logs: " + configuration.data_dir.string(),
             processes_json(**cluster));
}

ExitCode down(const CommonOptions& options) {
  auto cluster = local_cluster(options);
  if (!cluster) return report(options, cluster.error());
  const auto stopped = (*cluster)->down();
  if (!stopped) return report(options, stopped.error());
  return say(options, *stopped == 0 ? "no node was running"
                                    : std::to_string(*stopped) + " stopped; the data stays");
}

}  // namespace paxledger::cli
