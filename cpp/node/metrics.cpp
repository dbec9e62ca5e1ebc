// The metrics of a node in the Prometheus text exposition format.
#include <fmt/format.h>

#include <iterator>
#include <string>
#include <string_view>

#include "node/report.hpp"

namespace paxledger::node {
namespace {

using Counts = std::map<std::string, std::uint64_t>;

std::string escaped(std::string_view label) {
  std::string text;
  for (const char c : label) {
    if (c == '\\' || c == '"') text.push_back('\\');
    if (c == '\n') {
      text += "\\n";
    } else {
      text.push_back(c);
    }
  }
  return text;
}

// Writes families in the order in which they are asked for, each with its HELP and TYPE.
class MetricsText {
 public:
  template <class Number>
  void gauge(std::string_view name, std::string_view help, Number value) {
    family(name, help, "gauge");
    sample(name, "", value);
  }
  void counter(std::string_view name, std::string_view help, std::uint64_t value) {
    family(name, help, "counter");
    sample(name, "", value);
  }
  void counters(std::string_view name, std::string_view help, std::string_view label,
                const Counts& counts) {
    family(name, help, "counter");
    for (const auto& [key, count] : counts) {
      sample(name, fmt::format("{}=\"{}\"", label, escaped(key)), count);
    }
  }

  void family(std::string_view name, std::string_view help, std::string_view type) {
    fmt::format_to(std::back_inserter(text_), "# HELP paxledger_{} {}\n# TYPE paxledger_{} {}\n",
                   name, help, name, type);
  }
  template <class Number>
  void sample(std::string_view name, std::string_view labels, Number value) {
    if (labels.empty()) {
      fmt::format_to(std::back_inserter(text_), "paxledger_{} {}\n", name, value);
    } else {
      fmt::format_to(std::back_inserter(text_), "paxledger_{}{{{}}} {}\n", name, labels, value);
    }
  }

  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

int as_number(bool flag) {
  return flag ? 1 : 0;
}

void write_identity(MetricsText& text, const Report& report) {
  text.family("build_info", "Version and names of this node; always 1.", "gauge");
  text.sample("build_info",
              fmt::format("version=\"{}\",cluster=\"{}\",node=\"{}\"", escaped(report.version),
                          escaped(report.cluster), report.status.self.value()),
              1);
  text.gauge("uptime_seconds", "Time since the process started.",
             std::chrono::duration<double>(report.uptime).count());
}

void write_consensus(MetricsText& text, const engine::Status& status, bool ready) {
  text.family("role", "1 for the role that the node has.", "gauge");
  for (const auto role : {engine::Role::follower, engine::Role::candidate, engine::Role::leader}) {
    text.sample("role", fmt::format("role=\"{}\"", to_string(role)),
                as_number(role == status.role));
  }
  text.gauge("ready", "1 if the node serves, as /readyz says.", as_number(ready));
  text.gauge("leader_node", "The leader's id; 0 if none is known.", status.leader.value());
  text.gauge("ballot_round", "Round of the promised ballot.", status.promised.round.value());
  text.gauge("decided_slot", "Highest slot known to be decided.", status.decided.value());
  text.gauge("height", "Height of the newest applied block.", status.head.height.value());
  text.gauge("hears_quorum", "1 if the node hears a majority.", as_number(status.hears_quorum));
  text.gauge("abstaining", "1 if the node does not vote.", as_number(status.abstaining));
  text.gauge("repairing", "1 if the node restores its history from peers.",
             as_number(status.repairing));
  text.counter("elections_total", "Elections that this node started.", status.elections_started);
  text.counter("leader_changes_total", "Changes of the leader that this node saw.",
               status.leader_changes);
}

void write_peers(MetricsText& text, const engine::Status& status) {
  text.family("peer_heard", "1 if the peer was heard within the election timeout.", "gauge");
  for (const auto& peer : status.peers) {
    text.sample("peer_heard", fmt::format("peer=\"{}\"", peer.node.value()), as_number(peer.heard));
  }
  text.family("peer_height", "Height of the peer's newest block, as it last said.", "gauge");
  for (const auto& peer : status.peers) {
    text.sample("peer_height", fmt::format("peer=\"{}\"", peer.node.value()),
                peer.head.height.value());
  }
  text.family("peer_conflicting", "1 if the peer's chain differs from ours.", "gauge");
  for (const auto& peer : status.peers) {
    text.sample("peer_conflicting", fmt::format("peer=\"{}\"", peer.node.value()),
                as_number(peer.conflicting));
  }
}

void write_state(MetricsText& text, const Report& report) {
  const engine::Status& status = report.status;
  text.gauge("revision", "Changes of the key-value map so far.", status.revision.value());
  text.gauge("keys", "Keys in the map.", status.keys);
  text.gauge("sessions", "Open client sessions.", status.sessions);
  text.gauge("queue_commands", "Commands that wait to be proposed.", status.queued_commands);
  text.gauge("queue_bytes", "Octets of these commands.", status.queued_bytes);
  text.gauge("slots_in_flight", "Slots proposed and not yet decided.", status.slots_in_flight);
  text.gauge("pending_requests", "Requests that the replica has not answered.",
             status.pending_requests);
  text.gauge("client_requests", "Unanswered requests of this node's clients.",
             report.client_requests);
  text.gauge("client_connections", "Connections with unanswered requests.",
             report.client_connections);
  text.gauge("client_reply_bytes", "Octets of replies that clients have not read yet.",
             report.client_reply_bytes);
  text.gauge("held_tickets", "Writes of the log whose messages wait for the disk.",
             report.held_tickets);
}

void write_traffic(MetricsText& text, const Report& report) {
  const Counters& counters = report.counters;
  text.counter("commands_total", "Commands asked by clients of this node.", counters.commands);
  text.counters("reads_total", "Reads asked by clients of this node.", "consistency",
                {{"linearizable", counters.reads_linearizable}, {"local", counters.reads_local}});
  text.counter("chain_requests_total", "Requests for blocks.", counters.chain_requests);
  text.counter("admin_requests_total", "Admin requests.", counters.admin_requests);
  text.counters("replies_total", "Replies to clients, by outcome.", "outcome", counters.replies);
  text.counter("blocks_decided_total", "Blocks applied.", counters.blocks_decided);
  text.counter("commands_decided_total", "Commands in these blocks.", counters.commands_decided);
  text.counter("catch_up_blocks_sent_total", "Blocks sent to peers that were behind.",
               counters.catch_up_blocks_sent);
  text.counter("catch_up_blocks_received_total", "Blocks received while behind.",
               counters.catch_up_blocks_received);
  text.counters("messages_total", "Messages, by kind of connection and direction.", "kind",
                {{"client_in", counters.client_messages_in},
                 {"client_out", counters.client_messages_out},
                 {"peer_in", counters.peer_messages_in},
                 {"peer_out", counters.peer_messages_out}});
  text.counters("bytes_total", "Octets of messages, by direction.", "direction",
                {{"received", report.bytes_received}, {"sent", report.bytes_sent}});
  text.counters("dropped_messages_total", "Messages dropped, by reason.", "reason", report.dropped);
  text.counters("malformed_messages_total", "Messages refused as malformed, by reason.", "reason",
                report.malformed);
  text.counters("http_requests_total", "HTTP requests, by path.", "path", report.http_requests);
  text.counter("repairs_total", "How often history was set aside and fetched again.",
               counters.repairs);
  text.counter("wake_ups_total", "Turns of the event loop.", counters.wake_ups);
}

void write_storage(MetricsText& text, const Report& report) {
  const LogReport& log = report.log;
  text.counter("log_records_total", "Records written to the log.", log.records);
  text.counter("log_bytes_total", "Octets written to the log.", log.bytes);
  text.counter("block_bytes_total", "Octets written to the block files.", report.block_bytes);
  text.family("log_sync_seconds", "Duration of a write of the log with its sync.", "histogram");
  std::uint64_t below = 0;
  for (const LatencyBucket& bucket : log.latencies) {
    below += bucket.count;
    text.sample("log_sync_seconds_bucket", fmt::format("le=\"{:g}\"", bucket.seconds), below);
  }
  text.sample("log_sync_seconds_bucket", "le=\"+Inf\"", log.syncs);
  text.sample("log_sync_seconds_sum", "", log.seconds_total);
  text.sample("log_sync_seconds_count", "", log.syncs);
}

}  // namespace

std::string metrics_text(const Report& report) {
  MetricsText text;
  write_identity(text, report);
  write_consensus(text, report.status, !not_ready_because(report).has_value());
  write_peers(text, report.status);
  write_state(text, report);
  write_traffic(text, report);
  write_storage(text, report);
  return text.take();
}

}  // namespace paxledger::node
