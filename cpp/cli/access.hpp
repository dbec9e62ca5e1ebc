// What every command is given: where the cluster is, and how to speak to the person or script.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "cli/exit_code.hpp"
#include "cli/json_text.hpp"
#include "client/client.hpp"
#include "control/local_cluster.hpp"
#include "node/configuration.hpp"

namespace paxledger::cli {

// The options that every command has.
struct CommonOptions {
  std::vector<std::string> endpoints;  // --endpoint, may hold comma-separated lists
  std::string file;                    // -f
  std::string output = "table";        // -o
  std::string deadline = "5s";         // --deadline
  std::string timeout = "1s";          // --timeout, for one node
  [[nodiscard]] bool json() const { return output == "json"; }
};

// Where the nodes are.
struct Target {
  std::vector<std::string> endpoints;
  std::optional<node::Configuration> configuration;  // where a file was read

  // "node 3" where a configuration says so, else the endpoint.
  [[nodiscard]] std::string name_of(std::size_t endpoint) const;
  // {"endpoint": …}, and {"node": …} where a configuration says so.
  [[nodiscard]] Json json_of(std::size_t endpoint) const;
};

// Prints an error as one line (more where the message has more) on standard error, or as JSON on
// standard output, and gives the exit code for it.
ExitCode report(const CommonOptions& options, const Error& error);
// Prints a text, or in JSON mode an object with it, and gives `ok`.
ExitCode say(const CommonOptions& options, const std::string& text, Json json = Json::object());

// The same for what went wrong with a read. A timeout is one of no consequence then, and is called
// so: nothing was read, and there is no outcome to be unknown.
ExitCode report_read(const CommonOptions& options, const Error& error);
// The same for a write. Only a timeout whose outcome is unknown is called so; JSON says it of every
// error as `outcome_unknown`.
ExitCode report_write(const CommonOptions& options, const Error& error, const client::Trace& trace);

// How long to wait for a node that is silent. Precondition: --timeout was checked when it was read.
[[nodiscard]] Duration timeout_of(const CommonOptions& options);
// Why a node gave no answer, in a few words: nobody listens there ("cannot connect"), or somebody
// does who says nothing ("does not answer").
[[nodiscard]] std::string silence_of(const Error& error);

// Errors: configuration, if the file has no node `id`; `name` is the option or argument.
[[nodiscard]] Result<void> check_node(const node::Configuration& configuration, std::uint32_t id,
                                      const std::string& name);

// Errors: configuration. --endpoint wins over -f, -f over ./cluster.yaml.
[[nodiscard]] Result<Target> find_target(const CommonOptions& options);
// The same for commands that handle processes and so need the file. Errors: configuration.
[[nodiscard]] Result<node::Configuration> find_configuration(const CommonOptions& options);

// A client for the target, with the common options' deadline.
[[nodiscard]] Result<std::unique_ptr<client::Client>> connect(const CommonOptions& options,
                                                              const Target& target);

// The endpoint of node `id`: by the configuration, or else by asking every endpoint who it is.
// Errors: configuration (the file has no such node), io (no endpoint that answers is that node).
[[nodiscard]] Result<std::size_t> endpoint_of(client::Client& db, const Target& target,
                                              std::uint32_t id,
                                              Duration timeout = std::chrono::seconds(1));

// The endpoints that a command with an optional --node is about: that one, or all.
[[nodiscard]] Result<std::vector<std::size_t>> endpoints_about(
    client::Client& db, const Target& target, const std::optional<std::uint32_t>& node,
    Duration timeout = std::chrono::seconds(1));

// The same order to several endpoints at once; outcomes in their order.
[[nodiscard]] std::vector<client::Outcome> ask(client::Client& db, std::string_view action,
                                               const std::vector<std::size_t>& endpoints,
                                               Duration deadline);

// A cluster of processes on this machine, with progress lines on standard error.
[[nodiscard]] Result<std::unique_ptr<control::LocalCluster>> local_cluster(
    const CommonOptions& options);

}  // namespace paxledger::cli
