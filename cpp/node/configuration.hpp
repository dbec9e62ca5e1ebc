// The configuration of a cluster, as cluster.yaml says it. docs/reference/configuration.md lists
// every key.
//
// This part of `node` is a target of its own (paxledger::node_configuration), so that `control`
// and `cli` read the same file by the same rules without the daemon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "engine/settings.hpp"

namespace paxledger::node {

// Where something listens. The host is an IPv4 loopback address in dotted form.
struct Address {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const Address&) const = default;

  [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
  [[nodiscard]] std::string tcp() const { return "tcp://" + text(); }    // for ZeroMQ
  [[nodiscard]] std::string http() const { return "http://" + text(); }  // for browsers
};

struct NodeEntry {
  NodeId id;
  Address peer;    // for other nodes
  Address client;  // for clients
  Address http;    // for /metrics and the like
};

// Settings of the daemon around the replica; those of the replica are engine::Settings.
struct ServiceSettings {
  std::size_t client_outstanding = 8192;  // unanswered requests of one connection
  std::size_t log_segment_bytes = std::size_t{16} << 20;
  std::size_t block_file_bytes = std::size_t{64} << 20;
  // So long after its last work the node keeps processors from sleeping (wakefulness.hpp). Zero: it
  // does not.
  Duration keep_awake = Duration::zero();
};

// Invariants of a value that read_configuration gave:
//  1. nodes has 1 … 9 entries, sorted by id, without a repeated id or address.
//  2. Every address is on the loopback interface.
//  3. timing.election_timeout >= 3 × timing.heartbeat_interval.
struct Configuration {
  std::filesystem::path file;      // absolute
  std::string cluster;             // the name
  ClusterId cluster_id;            // of that name
  std::filesystem::path data_dir;  // absolute; a relative one counts from the file's folder
  std::vector<NodeEntry> nodes;
  engine::Timing timing;
  engine::Limits limits;
  ServiceSettings service;
  std::uint8_t work_bits = 0;
  bool fault_injection = false;
  std::vector<std::string> warnings;  // "file:line:column: text"; allowed, but worth reading

  // Null if no node has this id.
  [[nodiscard]] const NodeEntry* find(NodeId id) const;
  [[nodiscard]] std::filesystem::path node_directory(NodeId id) const;  // data_dir/node-ID
  [[nodiscard]] std::vector<NodeId> node_ids() const;
  [[nodiscard]] engine::Settings engine_settings(NodeId self) const;
};

// Errors: configuration, as "file:line:column: what was found, what was expected".
[[nodiscard]] Result<Configuration> read_configuration(const std::filesystem::path& file);

// The same of a text; `file` only names it and anchors a relative data_dir.
[[nodiscard]] Result<Configuration> parse_configuration(std::string_view text,
                                                        const std::filesystem::path& file);

}  // namespace paxledger::node
