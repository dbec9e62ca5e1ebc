#include "cli/application.hpp"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <functional>
#include <iostream>
#include <system_error>
#include <utility>

#include "cli/bench_command.hpp"
#include "cli/chain_commands.hpp"
#include "cli/checked_option.hpp"
#include "cli/cluster_commands.hpp"
#include "cli/exit_code.hpp"
#include "cli/explore_command.hpp"
#include "cli/key_commands.hpp"
#include "cli/sim_command.hpp"
#include "cli/up_command.hpp"
#include "cli/usage.hpp"
#include "client/client.hpp"
#include "ledger/block.hpp"

namespace paxledger::cli {
namespace {

std::string version_text() {
  return std::string("paxledger ") + PAXLEDGER_VERSION + " (chain format " +
         std::to_string(ledger::kFormatVersion) + ", client protocol " +
         std::to_string(client::protocol_version()) + ")";
}

constexpr const char* kFooter =
    "Exit codes: 0 ok, 1 not found, 2 wrong usage or configuration, 3 compare failed,\n"
    "4 no quorum (not served, no effect), 5 timeout (of a write: outcome unknown), 6 refused,\n"
    "7 verification failed, 8 anything else, such as a node that gives no answer;\n"
    "of sim: 10 crash, 11 liveness, 12 correctness.";

// Holds what is parsed into, and the command that was chosen. The options of all commands write
// into the same fields, which is safe because only one command is chosen.
class CommandLine {
 public:
  CommandLine() : app_("Paxledger: a replicated, tamper-evident key-value database", "paxledger") {
    app_.set_version_flag("--version", version_text());
    app_.require_subcommand(1);
    app_.footer(kFooter);
    add_cluster();
    add_keys();
    add_chain();
    add_faults();
    add_bench();
    add_sim();
    add_explore();
  }

  int run(const std::vector<std::string>& arguments) {
    try {
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app_.exit(error);  // help, or the version
      common_.output = wants_json(arguments) ? "json" : "table";
      return static_cast<int>(
          report(common_, {ErrorCode::configuration, explain(app_, arguments, error)}));
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
    add_choice(*app, "-o,--output", common_.output, "For people or for programs",
               {"table", "json"});
    add_time(*app, "--deadline", common_.deadline, "How long to try, e.g. 500ms");
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
    add_whole_list(*up_app, "--rejoin", up_.rejoin,
                   "Nodes that lost their disk and begin anew, e.g. 2 or 2,3", kNodeIds);
    add_time(*up_app, "--wait", up_.wait, "How long to wait for service");
    command(app_, "down", "Stop the nodes of cluster.yaml; the data stays",
            [this] { return down(common_); });
    auto* status_app =
        command(app_, "status", "Every node: role, ballot, height, head, lag, uptime, state",
                [this] { return status(common_); });
    add_timeout(status_app);
    auto* queue_app = command(app_, "queue", "What waits to be decided",
                              [this] { return queue(common_, queue_node_); });
    add_whole(*queue_app, "--node", queue_node_, "Only this node", kNodeIds);
    add_timeout(queue_app);
  }

  void add_timeout(CLI::App* app) {
    add_time(*app, "--timeout", common_.timeout, "How long to wait for a node that is silent");
  }

  void add_keys() {
    auto* put_app = command(app_, "put", "Write a key", [this] { return put(common_, keys_); });
    put_app->add_option("key", keys_.key)->required();
    put_app->add_option("value", keys_.value, "The value; - reads standard input")->required();

    auto* get_app = command(app_, "get", "Read a key", [this] { return get(common_, keys_); });
    get_app->add_option("key", keys_.key)->required();
    add_consistency(get_app, {"linearizable", "local", "ledger"});
    add_whole(*get_app, "--node", keys_.node, "Ask this node and no other", kNodeIds);
    get_app->add_flag("--raw", keys_.raw, "The value's octets and nothing else");

    auto* del_app = command(app_, "del", "Remove a key", [this] { return remove(common_, keys_); });
    del_app->add_option("key", keys_.key)->required();

    auto* cas_app = command(app_, "cas", "Write a key if its revision is the expected one",
                            [this] { return compare_and_put(common_, keys_); });
    cas_app->add_option("key", keys_.key)->required();
    add_whole(*cas_app, "revision", keys_.revision, "0: only if the key is not there", {})
        ->required();
    cas_app->add_option("value", keys_.value, "The value; - reads standard input")->required();

    auto* scan_app = command(app_, "scan", "List keys", [this] { return scan(common_, keys_); });
    scan_app->add_option("prefix", keys_.key, "Only keys that start with this");
    add_consistency(scan_app, {"linearizable", "local"});
    add_whole(*scan_app, "--node", keys_.node, "Ask this node and no other", kNodeIds);
    scan_app->add_flag("--full", keys_.full, "Whole keys and values, however wide");

    auto* kv_app = command(app_, "kv", "All keys of every node side by side, as each has them",
                           [this] { return key_values(common_, keys_); });
    kv_app->add_option("prefix", keys_.key, "Only keys that start with this");
    add_whole(*kv_app, "--node", keys_.node, "Only this node", kNodeIds);
    kv_app->add_flag("--full", keys_.full, "Whole keys and values, however wide");
    add_timeout(kv_app);
  }

  void add_consistency(CLI::App* app, const std::vector<std::string>& modes) {
    add_choice(*app, "--consistency", keys_.consistency, "How fresh the answer must be", modes);
  }

  void add_chain() {
    CLI::App* chain = group("chain", "The history, as a chain of blocks");
    auto* show =
        command(*chain, "show", "Print blocks", [this] { return chain_show(common_, chain_); });
    add_whole(*show, "--node", chain_.node, "As this node has them", kNodeIds);
    auto* from = add_whole(*show, "--from", chain_.from, "First height", kHeights);
    add_whole(*show, "--to", chain_.to, "Last height [the head]", kHeights);
    add_whole(*show, "--last", chain_.last, "How many, instead of --from", kHeights)
        ->excludes(from);
    show->add_flag("--full", chain_.full, "Whole hashes, keys and values, and all operations");

    auto* verify = command(*chain, "verify", "Read every node's chain again, byte by byte",
                           [this] { return chain_verify(common_, chain_); });
    add_whole(*verify, "--node", chain_.node, "Only this node", kNodeIds);
    auto* data_dir = verify->add_option("--data-dir", chain_.data_dir,
                                        "A data directory that no running node uses");
    verify->add_option("--history", chain_.file, "A file of `chain export`")->excludes(data_dir);

    auto* out = command(*chain, "export", "Write the whole chain to a file",
                        [this] { return chain_export(common_, chain_); });
    out->add_option("to", chain_.file, "The file")->required();
    add_whole(*out, "--node", chain_.node, "As this node has it", kNodeIds);
  }

  void add_faults() {
    CLI::App* fault = group("fault", "Break things on purpose, and mend them");
    auto* link = command(*fault, "link",
                         "Disturb what two nodes send each other; blocks it unless "
                         "something milder is named",
                         [this] { return fault_link(common_, fault_); });
    add_whole(*link, "a", fault_.a, "A node", kNodeIds)->required();
    add_whole(*link, "b", fault_.b, "Another node", kNodeIds)->required();
    link->add_flag("--one-way", fault_.one_way, "Only what a sends to b");
    constexpr RealRange kShare{0, 1};
    CLI::Option* const effects[] = {
        add_real(*link, "--drop", fault_.drop, "Share of messages lost, 0 to 1", kShare),
        add_time(*link, "--delay", fault_.delay, "E.g. 50ms", "0ms", kLongestDelay),
        add_time(*link, "--jitter", fault_.jitter, "Up to so much more delay, e.g. 10ms", "0ms",
                 kLongestDelay),
        add_real(*link, "--duplicate", fault_.duplicate, "Share of messages sent twice, 0 to 1",
                 kShare),
        add_real(*link, "--reorder", fault_.reorder, "Share of messages overtaken, 0 to 1", kShare),
    };
    for (CLI::Option* effect : effects) {
      effect->each([this](const std::string&) { fault_.milder = true; });
    }

    auto* node = command(*fault, "node", "Kill a node's process (SIGKILL)",
                         [this] { return fault_node(common_, fault_); });
    add_whole(*node, "node", fault_.a, "The node", kNodeIds)->required();
    node->add_flag("--pause", fault_.pause, "Pause it (SIGSTOP) instead");

    auto* heal =
        command(*fault, "heal", "Clear all link faults, bring back killed and paused nodes",
                [this] { return fault_heal(common_, fault_); });
    add_time(*heal, "--wait", fault_.wait, "How long to wait until all nodes are ready");
    command(*fault, "list", "What is broken now", [this] { return fault_list(common_); });
  }

  void add_bench() {
    auto* app = command(app_, "bench",
                        "Measure throughput and latency; leaves its keys, bench/…, in the database",
                        [this] { return bench(common_, bench_); });
    add_choice(*app, "--workload,--operation", bench_.workload, "Mixed is half of each",
               {"put", "get", "mixed"});
    auto* outstanding = add_whole(*app, "--outstanding", bench_.outstanding,
                                  "Closed loop: requests always under way", {1, 4096});
    auto* rate =
        add_real(*app, "--rate", bench_.rate,
                 "Open loop instead: requests begun per second, come what may", {0.1, 1e6});
    rate->excludes(outstanding);
    add_whole(*app, "--outstanding-max", bench_.outstanding_max,
              "Open loop: requests under way at most; one more ends with `overloaded`",
              {1, 1'000'000})
        ->needs(rate);
    add_time(*app, "--duration", bench_.duration, "Measured time");
    add_time(*app, "--warm-up", bench_.warm_up, "Time before that", "0ms");
    add_time(*app, "--grace", bench_.grace, "How long to wait for requests under way at the end",
             "0ms");
    app->add_option("--value-bytes,--value-size", bench_.value_size, "Size of a value")
        ->capture_default_str();
    add_whole(*app, "--keys", bench_.keys, "Number of keys", {1, 100'000'000});
    add_whole(*app, "--connections", bench_.connections, "Connections to each node in use",
              {1, client::kConnectionsMax});
    app->add_flag("--any-node", bench_.any_node,
                  "Spread the connections over all nodes instead of asking the leader");
  }

  CLI::App app_;
  Action chosen_;
  void add_sim() {
    auto* app = command(app_, "sim", "Simulate whole clusters under faults, each from its seed",
                        [this] { return simulate(common_, sim_); });
    auto* seed =
        app->add_option("--seed,--seeds", sim_.seeds, "A seed, or A..B")->capture_default_str();
    add_whole(*app, "--jobs", sim_.jobs, "Processes that simulate side by side", {1, 256});
    add_whole(*app, "--nodes", sim_.nodes, "Instead of what the seed draws", {1, 9});
    app->add_option_function<std::string>(
           "--minutes",
           [this](const std::string& text) {
             const auto minutes = parse_real(text, {0.001, 1440});
             if (!minutes) detail::refuse("--minutes", minutes.error());
             sim_.minutes = *minutes;
           },
           "Simulated time under faults, instead of what the seed draws")
        ->type_name("X");
    app->add_option("--faults", sim_.faults,
                    "all, none, or some of crashes, kills, partitions, links, disks, pauses, "
                    "slow_disks, clocks, bit_flips, disk_errors, full_disks, tampering, forgery, "
                    "with commas")
        ->type_name("KINDS");
    app->add_option("--case", sim_.case_file, "Run this saved case instead of a seed")
        ->excludes(seed);
    app->add_option("--trace", sim_.trace_file, "Write every event to this file, as JSON lines");
    app->add_flag("--minimize", sim_.minimize, "Find a small case that fails in the same way");
    app->add_option("--save", sim_.save_file, "Write the case (the small one) to this file");
    app->add_flag("--stop-at-first", sim_.stop_at_first, "End with the first seed that fails");
  }

  void add_explore() {
    auto* app = command(app_, "explore", "Play every interleaving of a small world",
                        [this] { return explore(common_, explore_); });
    sim::SmallWorldBounds& bounds = explore_.bounds;
    constexpr WholeRange kFew{0, 100};
    add_whole(*app, "--nodes", bounds.nodes, "Nodes", {1, 7});
    add_whole(*app, "--leaders", bounds.leaders, "Of them, that may run for leader", {1, 9});
    add_whole(*app, "--candidacies", bounds.candidacies, "Elections that they start", kFew);
    add_whole(*app, "--commands", bounds.commands, "Commands of clients", kFew);
    add_whole(*app, "--strays", bounds.strays, "Of them, to nodes that do not lead", kFew);
    add_whole(*app, "--retries", bounds.retries, "Repetitions of the newest command", kFew);
    add_whole(*app, "--losses", bounds.losses, "Messages that are lost", kFew);
    add_whole(*app, "--duplicates", bounds.duplicates, "Messages that arrive twice", kFew);
    add_whole(*app, "--crashes", bounds.crashes, "Crashes with a restart", kFew);
    add_whole(*app, "--timers", bounds.timers, "Ticks of heartbeats and resends", kFew);
    app->add_flag("--slow-logs", bounds.slow_logs, "Writes of followers take time, too");
    app->add_flag("--cold", bounds.cold, "Nobody leads at the start");
    add_whole(*app, "--states-max", explore_.states_max, "Give up beyond this", {1, UINT32_MAX});
  }

  CommonOptions common_;
  UpArguments up_;
  KeyArguments keys_;
  ChainArguments chain_;
  FaultArguments fault_;
  BenchArguments bench_;
  SimArguments sim_;
  ExploreArguments explore_;
  std::optional<std::uint32_t> queue_node_;
};

}  // namespace

int run(const std::vector<std::string>& arguments) {
  const int code = CommandLine().run(arguments);
  // An answer that nobody got is no success. Standard output is checked here, for all commands; one
  // that failed anyway keeps its code, which says more. Why is known only if it is this flush that
  // fails.
  errno = 0;
  std::cout.flush();
  if (std::cout) return code;
  const int why = errno;
  std::cerr << "paxledger: cannot write all of the answer to standard output";
  if (why == EPIPE) std::cerr << ": its reader went away";
  if (why != 0 && why != EPIPE) std::cerr << ": " << std::generic_category().message(why);
  std::cerr << "\n";
  return code == 0 ? static_cast<int>(ExitCode::other) : code;
}

}  // namespace paxledger::cli
