// paxledgerd: one node of a cluster.
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "node/admin.hpp"
#include "node/configuration.hpp"
#include "node/exit_codes.hpp"
#include "node/node.hpp"

namespace {

using namespace paxledger;  // NOLINT: the program, not a header

struct Options {
  std::string config = "cluster.yaml";
  std::uint32_t node = 0;
  bool initialise = false;
  bool rejoin = false;
  std::vector<std::string> faults;
  std::string log_level = "info";
};

void declare(CLI::App& app, Options& options) {
  app.set_version_flag("--version", "paxledgerd " PAXLEDGER_VERSION);
  app.add_option("-f,--config", options.config, "The cluster's configuration")
      ->capture_default_str();
  app.add_option("-n,--node", options.node, "Id of the node to run, as in the configuration")
      ->required()
      ->check(CLI::PositiveNumber);
  auto* initialise =
      app.add_flag("--initialise", options.initialise,
                   "Begin a new, empty data directory: for a new cluster only. On a node of a "
                   "cluster that has history, use --rejoin");
  app.add_flag("--rejoin", options.rejoin,
               "This node lost its data: begin empty, do not vote on what it may have forgotten, "
               "and fetch everything from the other nodes. An intact directory is opened as it is")
      ->excludes(initialise);
  app.add_option(
         "--fault", options.faults,
         "A fault that the link to a peer has from the start, as the admin action \"fault\" "
         "takes it, e.g. '{\"peer\": 2, \"drop\": 0.1}'. May be repeated. Wants "
         "fault_injection: true")
      ->allow_extra_args(false)
      ->type_name("JSON");
  app.add_option("--log-level", options.log_level, "trace, debug, info, warning, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warning", "error", "off"}))
      ->capture_default_str();
  app.footer(
      "Exit codes: 0 stopped, 64 wrong command line, 65 data directory refused,\n"
      "69 port not available, 74 disk failed, 78 configuration wrong.");
}

// One line per event on standard error: time, level, node.
void open_log(const Options& options) {
  auto logger = spdlog::stderr_color_mt("paxledgerd");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%-7l%$ node " + std::to_string(options.node) +
                      ": %v");
  logger->set_level(spdlog::level::from_str(options.log_level));
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

// SIGTERM and SIGINT as a descriptor that the event loop polls. Before any thread is started, so
// that all inherit the mask.
int stop_descriptor() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

storage::OpenMode mode_of(const Options& options) {
  if (options.initialise) return storage::OpenMode::initialise;
  return options.rejoin ? storage::OpenMode::rejoin : storage::OpenMode::open_existing;
}

// The faults that the links have from the start. Errors: unauthorized, bad_request.
Result<std::vector<node::FaultOrder>> faults_of(const Options& options,
                                                const node::Configuration& configuration) {
  std::vector<node::FaultOrder> orders;
  if (options.faults.empty()) return orders;
  if (!configuration.fault_injection) {
    return Error{ErrorCode::unauthorized,
                 "--fault is allowed only where the configuration says fault_injection: true"};
  }
  std::vector<NodeId> peers = configuration.node_ids();
  std::erase(peers, NodeId(options.node));
  for (const std::string& text : options.faults) {
    auto order = node::parse_fault_order(text, peers);
    if (!order.ok()) return order.error();
    if (order->heal) return Error{ErrorCode::bad_request, "--fault names a peer, and heals none"};
    orders.push_back(*order);
  }
  return orders;
}

int run(const Options& options) {
  open_log(options);
  auto configuration = node::read_configuration(options.config);
  if (!configuration.ok()) {
    spdlog::critical("{}", configuration.error().message);
    return node::kExitConfiguration;
  }
  for (const std::string& warning : configuration->warnings) spdlog::warn("{}", warning);
  const NodeId self(options.node);
  if (configuration->find(self) == nullptr) {
    std::string known;
    for (const NodeId id : configuration->node_ids()) known += " " + std::to_string(id.value());
    spdlog::critical("{}: found no node {}, expected one of{}", options.config, options.node,
                     known);
    return node::kExitConfiguration;
  }
  const auto faults = faults_of(options, *configuration);
  if (!faults.ok()) {
    spdlog::critical("{}", faults.error().message);
    return node::kExitUsage;
  }
  const int stop = stop_descriptor();
  auto started =
      node::Node::start(std::move(*configuration), self, mode_of(options), stop, *faults);
  if (const auto* failure = std::get_if<node::StartFailure>(&started)) {
    spdlog::critical("{}", failure->message);
    return failure->exit_code;
  }
  std::get<std::unique_ptr<node::Node>>(started)->run();
  ::close(stop);
  return node::kExitStopped;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Runs one node of a Paxledger cluster.", "paxledgerd");
  declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? node::kExitStopped : node::kExitUsage;
  }
  return run(options);
}
