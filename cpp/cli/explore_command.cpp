#include "cli/explore_command.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>

#include "cli/table.hpp"
#include "sim/explorer.hpp"

namespace paxledger::cli {
namespace {

double seconds_of(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string bounds_text(const sim::SmallWorldBounds& bounds) {
  std::string text = std::to_string(bounds.nodes) + " nodes, " + std::to_string(bounds.leaders) +
                     " of which may lead";
  const auto add = [&text](std::uint32_t count, const char* what) {
    if (count > 0) text += ", " + std::to_string(count) + " " + what;
  };
  add(bounds.candidacies, "candidacies");
  add(bounds.commands, "commands");
  add(bounds.strays, "strays");
  add(bounds.retries, "retries");
  add(bounds.losses, "losses");
  add(bounds.duplicates, "duplicates");
  add(bounds.crashes, "crashes");
  add(bounds.timers, "ticks");
  if (bounds.slow_logs) text += ", slow logs";
  return text + (bounds.cold ? ", nobody leads at first" : ", node 1 leads at first");
}

void print(const sim::ExploreReport& report, const sim::SmallWorldBounds& bounds) {
  for (const std::string& action : report.path) std::printf("%s\n", action.c_str());
  if (!report.violation.empty()) std::printf("\n%s\n\n", report.violation.c_str());
  std::printf("%s: %s\n", std::string(to_string(report.verdict)).c_str(),
              bounds_text(bounds).c_str());
  std::printf(
      "%s distinct states, %s transitions, depth %s; %s calls of the replica, %s of memory, "
      "%.1f s\n",
      grouped(report.states).c_str(), grouped(report.transitions).c_str(),
      grouped(report.depth).c_str(), grouped(report.node_steps).c_str(),
      size_text(report.bytes).c_str(), seconds_of(report.elapsed));
}

Json to_json(const sim::ExploreReport& report) {
  return {{"ok", report.verdict == sim::ExploreVerdict::exhausted},
          {"verdict", to_string(report.verdict)},
          {"states", report.states},
          {"transitions", report.transitions},
          {"depth", report.depth},
          {"replica_calls", report.node_steps},
          {"bytes", report.bytes},
          {"elapsed_s", seconds_of(report.elapsed)},
          {"violation", report.violation},
          {"path", report.path}};
}

}  // namespace

ExitCode explore(const CommonOptions& options, const ExploreArguments& arguments) {
  const std::string complaint = arguments.bounds.complaint();
  if (!complaint.empty()) return report(options, {ErrorCode::configuration, complaint});
  sim::ExploreOptions wanted;
  wanted.bounds = arguments.bounds;
  wanted.states_max = arguments.states_max;
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  wanted.progress = [terminal](const sim::ExploreReport& so_far) {
    if (terminal) {
      std::fprintf(stderr, "\r%s states, depth %s   ", grouped(so_far.states).c_str(),
                   grouped(so_far.depth).c_str());
    }
    return true;
  };
  const sim::ExploreReport found = sim::explore(wanted);
  if (terminal) std::fprintf(stderr, "\n");
  if (options.json()) {
    std::cout << dump(to_json(found)) << "\n";
  } else {
    print(found, arguments.bounds);
  }
  if (found.verdict == sim::ExploreVerdict::violated) return ExitCode::simulated_correctness;
  return found.verdict == sim::ExploreVerdict::exhausted ? ExitCode::ok : ExitCode::other;
}

}  // namespace paxledger::cli
