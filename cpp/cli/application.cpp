#include "cli/application.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <iostream>
#include <utility>

#include "cli/bench_command.hpp"
#include "cli/chain_commands.hpp"
#include "cli/cluster_commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/key_commands.hpp"

namespace paxledger::cli {
namespace {

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 not found, 2 wrong usage or configuration, 3 compare failed,\n"
    "4 no quorum (not served, no effect), 5 timeout (outcome unknown), 6 refused,\n"
    "7 verification failed, 8 anything else.";

// Holds what is parsed into, and the command that was chosen. The options of all commands write
// into the same fields, which is safe because only one command is chosen.
class CommandLine {
 public:
  CommandLine() : app_("Paxledger: a replicated, tamper-evident key-value database", "paxledger") {
    app_.set_version_flag("--version", PAXLEDGER_VERSION);
    app_.require_subcommand(1);
    app_.footer(kFooter);
    add_cluster();
    add_keys();
    add_chain();
    add_faults();
    add_bench();
  }

  int run(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app_.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
      return app_.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
    }
    return static_cast<int>(chosen_());
  }

 private:
  using Action = std::function<ExitCode()>;

  CLI::App* command(CLI::App& parent, const char* name, const char* what, Action action) {
    CLI::App* app = parent.add_subcommand(name, what);
    app->add_option("--endpoint,--endpoints", common_.endpoints,
                    "A node's client endpoint, tcp://HOST:PORT; repeated or with commas")
        ->allow_extra_args(false);
    app->add_option("-f,--file", common_.file, "The cluster's configuration [./cluster.yaml]");
    app->add_option("-o,--output", common_.output, "table or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
    app->add_option("--deadline", common_.deadline, "How long to try, e.g. 500ms")
        ->capture_default_str();
    app->callback([this, action = std::move(action)] { chosen_ = action; });
    return app;
  }

  CLI::App* group(const char* name, const char* what) {
    CLI::App* app = app_.add_subcommand(name, what);
    app->require_subcommand(1);
    return app;
  }

  void add_cluster() {
    auto* up_app = command(app_, "up", "Start the nodes of cluster.yaml and wait until they serve",
                           [this] { return up(common_, up_); });
    up_app->add_option("--rejoin", up_.rejoin, "A node that lost its disk and begins anew")
        ->allow_extra_args(false);
    up_app->add_option("--wait", up_.wait, "How long to wait for service")->capture_default_str();
    command(app_, "down", "Stop the nodes of cluster.yaml; the data stays",
            [this] { return down(common_); });
    command(app_, "status", "Every node: role, ballot, height, head, lag, uptime, state",
            [this] { return status(common_); });
    auto* queue_app = command(app_, "queue", "What waits to be decided",
                              [this] { return queue(common_, queue_node_); });
    queue_app->add_option("--node", queue_node_, "Only this node");
  }

  void add_keys() {
    auto* put_app = command(app_, "put", "Write a key", [this] { return put(common_, keys_); });
    put_app->add_option("key", keys_.key)->required();
    put_app->add_option("value", keys_.value, "The value; - reads standard input")->required();

    auto* get_app = command(app_, "get", "Read a key", [this] { return get(common_, keys_); });
    get_app->add_option("key", keys_.key)->required();
    add_consistency(get_app, {"linearizable", "local", "ledger"});
    get_app->add_option("--node", keys_.node, "Ask this node and no other");
    get_app->add_flag("--raw", keys_.raw, "The value's octets and nothing else");

    auto* del_app = command(app_, "del", "Remove a key", [this] { return remove(common_, keys_); });
    del_app->add_option("key", keys_.key)->required();

    auto* cas_app = command(app_, "cas", "Write a key if its revision is the expected one",
                            [this] { return compare_and_put(common_, keys_); });
    cas_app->add_option("key", keys_.key)->required();
    cas_app->add_option("revision", keys_.revision, "0: only if the key is not there")
        ->required()
        ->check(CLI::NonNegativeNumber);
    cas_app->add_option("value", keys_.value, "The value; - reads standard input")->required();

    auto* scan_app = command(app_, "scan", "List keys", [this] { return scan(common_, keys_); });
    scan_app->add_option("prefix", keys_.key, "Only keys that start with this");
    add_consistency(scan_app, {"linearizable", "local"});
    scan_app->add_option("--node", keys_.node, "Ask this node and no other");

    auto* kv_app = command(app_, "kv", "All keys of every node side by side, as each has them",
                           [this] { return key_values(common_, keys_); });
    kv_app->add_option("prefix", keys_.key, "Only keys that start with this");
    kv_app->add_option("--node", keys_.node, "Only this node");
  }

  void add_consistency(CLI::App* app, const std::vector<std::string>& modes) {
    app->add_option("--consistency", keys_.consistency, "How fresh the answer must be")
        ->check(CLI::IsMember(modes))
        ->capture_default_str();
  }

  void add_chain() {
    CLI::App* chain = group("chain", "The history, as a chain of blocks");
    auto* show =
        command(*chain, "show", "Print blocks", [this] { return chain_show(common_, chain_); });
    show->add_option("--node", chain_.node, "As this node has them");
    show->add_option("--from", chain_.from, "First height")->check(CLI::PositiveNumber);
    show->add_option("--to", chain_.to, "Last height [the head]")->check(CLI::PositiveNumber);
    show->add_option("--last", chain_.last, "How many, without --from")->capture_default_str();
    show->add_flag("--full", chain_.full, "Whole hashes and all operations");

    auto* verify = command(*chain, "verify", "Read every node's chain again, byte by byte",
                           [this] { return chain_verify(common_, chain_); });
    verify->add_option("--node", chain_.node, "Only this node");
    auto* data_dir = verify->add_option("--data-dir", chain_.data_dir,
                                        "A data directory that no running node uses");
    verify->add_option("--history", chain_.file, "A file of `chain export`")->excludes(data_dir);

    auto* out = command(*chain, "export", "Write the whole chain to a file",
                        [this] { return chain_export(common_, chain_); });
    out->add_option("to", chain_.file, "The file")->required();
    out->add_option("--node", chain_.node, "As this node has it");
  }

  void add_faults() {
    CLI::App* fault = group("fault", "Break things on purpose, and mend them");
    auto* link = command(*fault, "link",
                         "Disturb what two nodes send each other; blocks it unless "
                         "something milder is named",
                         [this] { return fault_link(common_, fault_); });
    link->add_option("a", fault_.a, "A node")->required();
    link->add_option("b", fault_.b, "Another node")->required();
    link->add_flag("--one-way", fault_.one_way, "Only what a sends to b");
    link->add_option("--drop", fault_.drop, "Share of messages lost, 0 to 1");
    link->add_option("--delay", fault_.delay, "E.g. 50ms");
    link->add_option("--jitter", fault_.jitter, "Up to so much more delay, e.g. 10ms");
    link->add_option("--duplicate", fault_.duplicate, "Share of messages sent twice, 0 to 1");
    link->add_option("--reorder", fault_.reorder, "Share of messages overtaken, 0 to 1");

    auto* node = command(*fault, "node", "Kill a node's process (SIGKILL)",
                         [this] { return fault_node(common_, fault_); });
    node->add_option("node", fault_.a, "The node")->required();
    node->add_flag("--pause", fault_.pause, "Pause it (SIGSTOP) instead");

    auto* heal =
        command(*fault, "heal", "Clear all link faults, bring back killed and paused nodes",
                [this] { return fault_heal(common_, fault_); });
    heal->add_option("--wait", fault_.wait, "How long to wait for service")->capture_default_str();
    command(*fault, "list", "What is broken now", [this] { return fault_list(common_); });
  }

  void add_bench() {
    auto* app = command(app_, "bench", "Measure throughput and latency",
                        [this] { return bench(common_, bench_); });
    app->add_option("--workload,--operation", bench_.workload, "put, get or mixed (half of each)")
        ->check(CLI::IsMember({"put", "get", "mixed"}))
        ->capture_default_str();
    app->add_option("--outstanding", bench_.outstanding, "Closed loop: requests always under way")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    app->add_option("--rate", bench_.rate, "Open loop: requests begun per second, come what may")
        ->check(CLI::Range(0.1, 1e6));
    app->add_option("--duration", bench_.duration, "Measured time")->capture_default_str();
    app->add_option("--warm-up", bench_.warm_up, "Time before that")->capture_default_str();
    app->add_option("--value-bytes,--value-size", bench_.value_size, "Size of a value")
        ->capture_default_str();
    app->add_option("--keys", bench_.keys, "Number of keys")
        ->check(CLI::Range(1, 100'000'000))
        ->capture_default_str();
    app->add_option("--connections", bench_.connections, "Connections to each node in use")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    app->add_flag("--any-node", bench_.any_node,
                  "Spread the connections over all nodes instead of asking the leader");
  }

  CLI::App app_;
  Action chosen_;
  CommonOptions common_;
  UpArguments up_;
  KeyArguments keys_;
  ChainArguments chain_;
  FaultArguments fault_;
  BenchArguments bench_;
  std::optional<std::uint32_t> queue_node_;
};

}  // namespace

int run(std::vector<std::string> arguments) {
  return CommandLine().run(std::move(arguments));
}

}  // namespace paxledger::cli
