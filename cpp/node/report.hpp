// What a node tells about itself, as one value: the source of `status`, /status, /readyz and
// /metrics. The event loop makes it, any thread may read it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "engine/status.hpp"
#include "node/counters.hpp"

namespace paxledger::node {

// Durations of synced writes of the log, for /metrics.
struct LatencyBucket {
  double seconds = 0;       // upper bound, inclusive
  std::uint64_t count = 0;  // of this bucket alone
};
struct LogReport {
  std::uint64_t syncs = 0;
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  double seconds_total = 0;              // spent in writes and syncs
  std::vector<LatencyBucket> latencies;  // rising bounds; slower ones are syncs minus their sum
};

struct Report {
  std::string cluster;
  std::string version;
  int process = 0;  // pid
  Duration uptime{0};
  engine::Status status;
  std::string damage;  // what this node found damaged on its disk; empty: nothing
  Counters counters;
  LogReport log;
  std::uint64_t block_bytes = 0;                   // written to the block files
  std::uint64_t held_tickets = 0;                  // writes under way
  std::uint64_t client_requests = 0;               // unanswered requests of clients of this node
  std::uint64_t client_connections = 0;            // that have any
  std::uint64_t client_reply_bytes = 0;            // of replies that wait for clients to read
  std::map<std::string, std::uint64_t> dropped;    // messages, by reason
  std::map<std::string, std::uint64_t> malformed;  // received messages, by reason
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::map<std::string, std::uint64_t> http_requests;  // by path
};

// Why this node does not serve at present; nothing if it does.
[[nodiscard]] std::optional<std::string> not_ready_because(const Report& report);

// The JSON text of `status` and /status (docs/reference/http.md).
[[nodiscard]] std::string status_json(const Report& report);

// The JSON text of `queue`: {"items": […]}.
[[nodiscard]] std::string queue_json(const std::vector<engine::QueuedItem>& items);

// Prometheus text exposition format 0.0.4.
[[nodiscard]] std::string metrics_text(const Report& report);

}  // namespace paxledger::node
