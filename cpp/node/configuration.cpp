#include "node/configuration.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <tuple>

#include "base/bytes.hpp"
#include "base/utf8.hpp"
#include "ledger/block.hpp"
#include "node/yaml_section.hpp"

namespace paxledger::node {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr std::uint64_t kKiB = 1ull << 10;
constexpr std::uint64_t kMiB = 1ull << 20;
constexpr std::uint64_t kGiB = 1ull << 30;
constexpr std::size_t kNodesMax = 9;
constexpr std::size_t kClusterNameMax = 64;
// Where Linux, by default, takes the local ports of outgoing connections from.
constexpr std::uint16_t kEphemeralFrom = 32'768;

// 127.a.b.c in dotted decimal.
bool is_loopback(std::string_view host) {
  int parts = 0;
  std::size_t begin = 0;
  while (begin <= host.size()) {
    const std::size_t dot = std::min(host.find('.', begin), host.size());
    const auto part = parse_count(host.substr(begin, dot - begin));
    if (!part || *part > 255 || (parts == 0 && *part != 127)) return false;
    ++parts;
    begin = dot + 1;
  }
  return parts == 4;
}

std::optional<Address> read_address(YamlDocument& document, const YamlSection& section,
                                    std::string_view key, std::string_view scheme) {
  const std::string expected = "a loopback address such as 127.0.0.1:7201";
  const auto node = section.required(key, expected);
  if (!node || document.failed()) return std::nullopt;
  const std::string what = " for nodes." + std::string(key);
  if (!node->IsScalar()) {
    document.fail(node->Mark(), "found " + found(*node) + what + ", expected " + expected);
    return std::nullopt;
  }
  std::string_view text = node->Scalar();
  if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
  const std::size_t colon = text.rfind(':');
  const auto port =
      colon == std::string_view::npos ? std::nullopt : parse_count(text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65'535) {
    document.fail(node->Mark(),
                  "found " + found(*node) + what + ", expected " + expected + " (port 1 to 65535)");
    return std::nullopt;
  }
  std::string host(text.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  if (!is_loopback(host)) {
    document.fail(node->Mark(),
                  "found the host \"" + printable(host) + "\"" + what + ", expected " + expected +
                      ": connections are not encrypted yet, so that a node listens on the "
                      "loopback interface (127.x.y.z) only");
    return std::nullopt;
  }
  if (*port >= kEphemeralFrom) {
    document.warn(node->Mark(),
                  "port " + std::to_string(*port) +
                      " is in the range that outgoing connections take theirs from (32768 and "
                      "above); a node may find it taken when it starts");
  }
  return Address{host, static_cast<std::uint16_t>(*port)};
}

std::optional<NodeEntry> read_node(YamlDocument& document, const YAML::Node& yaml) {
  const YamlSection section(document, yaml, "nodes", {"id", "peer", "client", "http"});
  if (!section.required("id", "a node id from 1 to 4294967295")) return std::nullopt;
  std::size_t id = 0;
  section.read_count("id", id, 1, 0xffff'ffff);
  const auto peer = read_address(document, section, "peer", "tcp://");
  const auto client = read_address(document, section, "client", "tcp://");
  const auto http = read_address(document, section, "http", "http://");
  if (document.failed() || !peer || !client || !http) return std::nullopt;
  return NodeEntry{NodeId(static_cast<std::uint32_t>(id)), *peer, *client, *http};
}

// Refuses an id or an address that an earlier entry has, at the place of the later one.
void check_repetition(YamlDocument& document, const YAML::Node& yaml, const NodeEntry& entry,
                      std::map<NodeId, std::string>& ids, std::map<Address, std::string>& taken) {
  const auto mark_of = [&](const char* key) { return yaml[key].Mark(); };
  const auto [earlier_id, new_id] = ids.emplace(entry.id, document.place(mark_of("id")));
  if (!new_id) {
    document.fail(mark_of("id"), "found the node id " + std::to_string(entry.id.value()) +
                                     " a second time (first at " + earlier_id->second +
                                     "), expected an id of its own for each node");
  }
  for (const auto& [key, address] :
       {std::pair{"peer", entry.peer}, std::pair{"client", entry.client},
        std::pair{"http", entry.http}}) {
    const auto [earlier, fresh] = taken.emplace(address, document.place(mark_of(key)));
    if (!fresh) {
      document.fail(mark_of(key), "found the address " + address.text() +
                                      " a second time (first at " + earlier->second +
                                      "), expected an address of its own for each door");
    }
  }
}

void read_nodes(YamlDocument& document, const YAML::Node& yaml, Configuration& configuration) {
  const std::string expected = "a list of 1 to 9 nodes, each with id, peer, client and http";
  if (!yaml.IsSequence() || yaml.size() == 0) {
    document.fail(yaml.Mark(), "found " + (yaml.IsSequence() ? "an empty list" : found(yaml)) +
                                   " for nodes, expected " + expected);
    return;
  }
  if (yaml.size() > kNodesMax) {
    document.fail(yaml.Mark(),
                  "found " + std::to_string(yaml.size()) + " nodes, expected " + expected);
    return;
  }
  std::map<NodeId, std::string> ids;
  std::map<Address, std::string> taken;
  for (const auto& each : yaml) {
    const auto entry = read_node(document, each);
    if (!entry) return;
    check_repetition(document, each, *entry, ids, taken);
    configuration.nodes.push_back(*entry);
  }
  std::sort(configuration.nodes.begin(), configuration.nodes.end(),
            [](const NodeEntry& a, const NodeEntry& b) { return a.id < b.id; });
  const std::size_t count = configuration.nodes.size();
  if (count % 2 == 0) {
    document.warn(yaml.Mark(), "found an even number of nodes (" + std::to_string(count) +
                                   "): " + std::to_string(count) + " nodes survive the loss of " +
                                   std::to_string((count - 1) / 2) + ", no more than " +
                                   std::to_string(count - 1) + " do");
  }
}

void read_timing(YamlDocument& document, const YAML::Node& yaml, Configuration& configuration) {
  const YamlSection section(
      document, yaml, "timing",
      {"heartbeat", "election_timeout", "resend", "batch_wait", "keep_awake"});
  engine::Timing& timing = configuration.timing;
  section.read_duration("heartbeat", timing.heartbeat_interval, milliseconds(1), minutes(1));
  section.read_duration("election_timeout", timing.election_timeout, milliseconds(10), hours(1));
  section.read_duration("resend", timing.resend_interval, milliseconds(5), minutes(10));
  section.read_duration("batch_wait", timing.batch_wait_max, milliseconds(0), milliseconds(100));
  section.read_duration("keep_awake", configuration.service.keep_awake, milliseconds(0),
                        milliseconds(1000));
  if (const Duration linger = configuration.service.keep_awake;
      linger > Duration::zero() && linger < milliseconds(1)) {
    document.fail(
        section.mark_of("keep_awake"),
        "found a keep_awake that is shorter than a millisecond, expected 0ms or more than "
        "that: processors would fall asleep, and be woken, within a request");
  }
  if (2 * timing.batch_wait_max > timing.resend_interval) {
    document.fail(
        section.mark_of("batch_wait"),
        "found a batch_wait that is longer than half of resend, expected at most half, so "
        "that nothing is sent again while it waits for company");
  }
  if (timing.election_timeout < 3 * timing.heartbeat_interval) {
    document.fail(section.mark_of("election_timeout"),
                  "found an election_timeout that is shorter than three heartbeats, expected at "
                  "least three, so that one lost heartbeat does not unseat a leader");
  }
}

void read_limits(YamlDocument& document, const YAML::Node& yaml, Configuration& configuration) {
  const YamlSection section(document, yaml, "limits",
                            {"batch_bytes", "batch_commands", "window_slots", "window_bytes",
                             "queue_commands", "queue_bytes", "pending_requests", "catch_up_bytes",
                             "client_outstanding", "log_segment", "block_file"});
  engine::Limits& limits = configuration.limits;
  section.read_size("batch_bytes", limits.batch_bytes_max, 4 * kKiB, 2 * kMiB);
  section.read_count("batch_commands", limits.batch_commands_max, 1, 4096);
  section.read_count("window_slots", limits.window_slots, 1, 4096);
  section.read_size("window_bytes", limits.window_bytes, 2 * kMiB, kGiB);
  section.read_count("queue_commands", limits.queue_commands_max, 1, 1'000'000);
  section.read_size("queue_bytes", limits.queue_bytes_max, 2 * kMiB, 4 * kGiB);
  section.read_count("pending_requests", limits.pending_requests_max, 1, 1'000'000);
  section.read_size("catch_up_bytes", limits.catch_up_bytes, 4 * kKiB, 2 * kMiB);
  ServiceSettings& service = configuration.service;
  section.read_count("client_outstanding", service.client_outstanding, 1, 1'000'000);
  section.read_size("log_segment", service.log_segment_bytes, 4 * kMiB, kGiB);
  section.read_size("block_file", service.block_file_bytes, kMiB, 2 * kGiB);
}

void read_cluster_name(YamlDocument& document, const YamlSection& top, Configuration& target) {
  const auto node = top.required("cluster", "the cluster's name");
  top.read("cluster", target.cluster);
  if (!node || document.failed()) return;
  const bool plain = std::all_of(target.cluster.begin(), target.cluster.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  if (!plain || target.cluster.empty() || target.cluster.size() > kClusterNameMax) {
    document.fail(node->Mark(), "found " + found(*node) +
                                    " for cluster, expected a name of 1 to 64 letters, digits, "
                                    "'-', '_' and '.'");
  }
  target.cluster_id = ledger::cluster_id(target.cluster);
}

void read_data_dir(YamlDocument& document, const YamlSection& top, Configuration& target) {
  std::string data_dir = "data";
  top.read("data_dir", data_dir);
  if (data_dir.empty()) {
    document.fail(top.mark_of("data_dir"), "found an empty data_dir, expected a folder's path");
  }
  target.data_dir = (target.file.parent_path() / data_dir).lexically_normal();
}

void read_document(YamlDocument& document, const YAML::Node& root, Configuration& configuration) {
  if (root.IsNull()) {
    document.fail_at_line_one("found an empty file, expected at least the keys cluster and nodes");
    return;
  }
  const YamlSection top(document, root, "the configuration",
                        {"cluster", "data_dir", "nodes", "timing", "limits", "ledger",
                         "fault_injection", "security"});
  if (document.failed()) return;
  read_cluster_name(document, top, configuration);
  read_data_dir(document, top, configuration);
  if (const auto nodes = top.required("nodes", "a list of 1 to 9 nodes")) {
    read_nodes(document, *nodes, configuration);
  }
  if (const auto timing = top.at("timing")) read_timing(document, *timing, configuration);
  if (const auto limits = top.at("limits")) read_limits(document, *limits, configuration);
  if (const auto yaml = top.at("ledger")) {
    const YamlSection section(document, *yaml, "ledger", {"work_bits"});
    std::size_t work_bits = 0;
    section.read_count("work_bits", work_bits, 0, ledger::kWorkBitsMax);
    configuration.work_bits = static_cast<std::uint8_t>(work_bits);
  }
  top.read("fault_injection", configuration.fault_injection);
  if (const auto security = top.at("security")) {
    document.fail(security->Mark(),
                  "found settings under security, expected none: keys are not supported yet, and a "
                  "cluster without them listens on the loopback interface only");
  }
}

// A file with several documents is one that somebody believes to say more than is read of it. The
// place is that of the line `---`, from which an empty document's own mark may be far away.
void refuse_second_document(YamlDocument& document, std::string_view text,
                            const YAML::Node& second) {
  YAML::Mark mark = second.Mark();
  std::size_t begin = 0;
  for (int line = 0; begin < text.size() && line <= second.Mark().line; ++line) {
    if (text.substr(begin).starts_with("---")) {
      mark.line = line;
      mark.column = 0;
    }
    begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
  }
  document.fail(mark,
                "found a second YAML document, expected one: a cluster is described by one file "
                "with one document");
}

}  // namespace

const NodeEntry* Configuration::find(NodeId id) const {
  const auto entry = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const NodeEntry& each) { return each.id == id; });
  return entry == nodes.end() ? nullptr : &*entry;
}

std::filesystem::path Configuration::node_directory(NodeId id) const {
  return data_dir / ("node-" + std::to_string(id.value()));
}

std::vector<NodeId> Configuration::node_ids() const {
  std::vector<NodeId> ids;
  ids.reserve(nodes.size());
  for (const NodeEntry& entry : nodes) ids.push_back(entry.id);
  return ids;
}

engine::Settings Configuration::engine_settings(NodeId self) const {
  engine::Settings settings;
  settings.self = self;
  settings.cluster = cluster_id;
  settings.timing = timing;
  settings.limits = limits;
  settings.work_bits = work_bits;
  return settings;
}

namespace {

// The place of an octet.
YAML::Mark mark_of(std::string_view text, std::size_t at) {
  YAML::Mark mark;
  const std::string_view before = text.substr(0, at);
  const std::size_t line_begin = before.rfind('\n') + 1;  // 0 on the first line
  mark.pos = static_cast<int>(at);
  mark.line = static_cast<int>(std::count(before.begin(), before.end(), '\n'));
  mark.column = static_cast<int>(at - line_begin);
  return mark;
}

// Precondition: it is no UTF-8. A file that an editor has stored in another encoding begins with a
// mark that tells which.
std::string not_utf8(std::string_view text) {
  const std::size_t at = utf8_length(text);
  const bool utf16 = text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff");
  const std::string what = utf16 ? "text in UTF-16" : "the octet " + printable(text.substr(at, 1));
  return "found " + what + ", expected text in UTF-8";
}

}  // namespace

Result<Configuration> parse_configuration(std::string_view text,
                                          const std::filesystem::path& file) {
  YamlDocument document(file.string());
  Configuration configuration;
  // A link to the file is another name of the same cluster, not a cluster beside the link.
  std::error_code unresolved;
  configuration.file = std::filesystem::canonical(file, unresolved);
  if (unresolved) configuration.file = std::filesystem::absolute(file).lexically_normal();
  if (utf8_length(text) != text.size()) {
    document.fail(mark_of(text, utf8_length(text)), not_utf8(text));
    return document.error();
  }
  // The one place where yaml-cpp's exceptions become an Error.
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1) refuse_second_document(document, text, documents[1]);
    read_document(document, documents.empty() ? YAML::Node() : documents[0], configuration);
  } catch (const YAML::Exception& failure) {
    document.fail(failure.mark, "found no valid YAML (" + failure.msg + "), expected key: value");
  }
  if (document.failed()) return document.error();
  configuration.warnings = document.warnings();
  return configuration;
}

Result<Configuration> read_configuration(const std::filesystem::path& file) {
  std::error_code failure;
  const auto status = std::filesystem::status(file, failure);
  std::ifstream stream(file, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  if (failure && failure != std::errc::no_such_file_or_directory) {
    return Error{ErrorCode::io, "cannot read " + file.string() + ": " + failure.message()};
  }
  if (!std::filesystem::is_regular_file(status) || !stream) {
    const std::string what = !std::filesystem::exists(status)        ? "no such file"
                             : std::filesystem::is_directory(status) ? "a folder"
                                                                     : "a file that cannot be read";
    return Error{ErrorCode::configuration,
                 file.string() + ":1:1: found " + what + ", expected a cluster.yaml"};
  }
  return parse_configuration(text.str(), file);
}

}  // namespace paxledger::node
