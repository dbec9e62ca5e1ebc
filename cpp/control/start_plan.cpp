#include "control/start_plan.hpp"

#include <algorithm>

#include "control/unbegun.hpp"

namespace paxledger::control {
namespace {

// What is true of this version, where more disks were lost than the others can make good.
std::string beyond_rejoin_text(const StartPlan& plan, std::size_t count) {
  const std::string kept = std::to_string(plan.kept) + (plan.kept == 1 ? " has" : " have");
  std::string text =
      "A node that lost its data rejoins with the help of at least " + std::to_string(plan.needed) +
      " of the " + std::to_string(count) + " that kept theirs, and only " + kept +
      ": --rejoin cannot bring this cluster back, for what a majority agreed on may stand nowhere "
      "any more. If the data is only out of reach (a disk not mounted, a wrong data_dir), put it "
      "back and start again.";
  if (plan.kept == 0) return text;
  return text +
         " Otherwise what is left is what the nodes have that kept their data, and that may lack "
         "the "
         "last writes. They run without serving: `paxledger chain export FILE --node N` saves the "
         "history, `paxledger chain verify --history FILE` checks it, `paxledger kv --node N -o "
         "json` gives the keys, to be written into a new cluster with a data_dir of its own";
}

}  // namespace

std::string names(const std::vector<NodeId>& nodes) {
  std::string text = nodes.size() == 1 ? "node " : "nodes ";
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (i > 0) text += i + 1 == nodes.size() ? " and " : ", ";
    text += std::to_string(nodes[i].value());
  }
  return text;
}

std::vector<NodeRemains> look_at_remains(const node::Configuration& configuration,
                                         const std::set<NodeId>& running) {
  std::vector<NodeRemains> remains;
  for (const NodeId node : configuration.node_ids()) {
    remains.push_back({node, running.contains(node), has_data(configuration, node),
                       is_unbegun(configuration, node)});
  }
  return remains;
}

StartPlan plan_start(const std::vector<NodeRemains>& remains, const std::set<NodeId>& wanted,
                     const std::set<NodeId>& rejoin) {
  StartPlan plan;
  const std::size_t count = remains.size();
  const std::size_t quorum = count / 2 + 1;
  plan.needed = count + 1 - quorum;
  plan.is_new = rejoin.empty() && std::none_of(remains.begin(), remains.end(), [](const auto& of) {
                  return of.runs || of.has_data;
                });
  // A running node counts as one that has data even where its directory was removed under it: it
  // still remembers.
  const auto knows = [&](const NodeRemains& of) {
    return plan.is_new || of.runs || of.has_data || of.unbegun;
  };
  plan.kept = static_cast<std::size_t>(std::count_if(remains.begin(), remains.end(), knows));
  plan.beyond_rejoin = plan.kept < plan.needed;
  for (const NodeRemains& of : remains) {
    if (of.runs || !wanted.contains(of.node)) continue;
    if (of.has_data) {
      plan.steps.push_back({of.node, rejoin.contains(of.node) ? "--rejoin" : ""});
    } else if (knows(of) && !rejoin.contains(of.node)) {
      plan.steps.push_back({of.node, "--initialise"});
    } else if (rejoin.contains(of.node) && !plan.beyond_rejoin) {
      plan.steps.push_back({of.node, "--rejoin"});
    } else {
      plan.lost.push_back(of.node);
    }
  }
  return plan;
}

std::string StartPlan::complaint(const node::Configuration& configuration) const {
  if (lost.empty()) return {};
  const bool one = lost.size() == 1;
  std::string text =
      names(lost) + (one ? " has" : " have") + " no data under " +
      (one ? configuration.node_directory(lost.front()) : configuration.data_dir / "node-*")
          .string();
  if (kept > 0) text += ", but other nodes of the cluster have";
  text += ". ";
  if (beyond_rejoin) return text + beyond_rejoin_text(*this, configuration.nodes.size());
  text += one ? "If its disk was lost, let it begin anew and fetch everything from the others: "
              : "If their disks were lost, let them begin anew and fetch everything from the "
                "others: ";
  text += "paxledger up";
  for (const NodeId node : lost) text += " --rejoin " + std::to_string(node.value());
  return text;
}

}  // namespace paxledger::control
