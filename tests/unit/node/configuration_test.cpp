#include "node/configuration.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "ledger/block.hpp"

namespace paxledger::node {
namespace {

using std::chrono::milliseconds;

constexpr const char* kThreeNodes = R"(cluster: demo
nodes:
  - {id: 1, peer: 127.0.0.1:7201, client: 127.0.0.1:7101, http: 127.0.0.1:7301}
  - {id: 2, peer: 127.0.0.1:7202, client: 127.0.0.1:7102, http: 127.0.0.1:7302}
  - {id: 3, peer: 127.0.0.1:7203, client: 127.0.0.1:7103, http: 127.0.0.1:7303}
)";

Result<Configuration> parse(const std::string& text) {
  return parse_configuration(text, "/etc/paxledger/cluster.yaml");
}

Result<Configuration> parse_with(const std::string& more) {
  return parse(std::string(kThreeNodes) + more);
}

// Says that `text` is refused at `place` ("line:column"), and that the message says each of `said`.
void expect_refusal(const std::string& text, const std::string& place,
                    std::initializer_list<const char*> said) {
  const auto configuration = parse(text);
  ASSERT_FALSE(configuration.ok()) << "accepted:\n" << text;
  const Error& error = configuration.error();
  EXPECT_EQ(error.code, ErrorCode::configuration);
  EXPECT_TRUE(error.message.starts_with("/etc/paxledger/cluster.yaml:" + place + ": found "))
      << error.message;
  EXPECT_NE(error.message.find("expected "), std::string::npos) << error.message;
  for (const char* each : said) {
    EXPECT_NE(error.message.find(each), std::string::npos)
        << "no " << each << " in " << error.message;
  }
}

// The same of the three nodes' configuration and `more`, whose first line is line 6.
void expect_refusal_of(const std::string& more, const std::string& place,
                       std::initializer_list<const char*> said) {
  expect_refusal(std::string(kThreeNodes) + more, place, said);
}

std::string node_line(int id, const std::string& peer, const std::string& client,
                      const std::string& http) {
  return "  - {id: " + std::to_string(id) + ", peer: " + peer + ", client: " + client +
         ", http: " + http + "}\n";
}

TEST(Configuration, ReadsTheSmallestFileWithDefaultsForTheRest) {
  const auto configuration = parse(kThreeNodes);
  ASSERT_TRUE(configuration.ok()) << configuration.error().message;
  EXPECT_EQ(configuration->cluster, "demo");
  EXPECT_EQ(configuration->cluster_id, ledger::cluster_id("demo"));
  EXPECT_EQ(configuration->data_dir, "/etc/paxledger/data");
  EXPECT_EQ(configuration->node_directory(NodeId(2)), "/etc/paxledger/data/node-2");
  EXPECT_EQ(configuration->node_ids(), (std::vector{NodeId(1), NodeId(2), NodeId(3)}));
  ASSERT_NE(configuration->find(NodeId(2)), nullptr);
  EXPECT_EQ(configuration->find(NodeId(2))->peer.tcp(), "tcp://127.0.0.1:7202");
  EXPECT_EQ(configuration->find(NodeId(2))->client.tcp(), "tcp://127.0.0.1:7102");
  EXPECT_EQ(configuration->find(NodeId(2))->http.http(), "http://127.0.0.1:7302");
  EXPECT_EQ(configuration->find(NodeId(4)), nullptr);
  EXPECT_FALSE(configuration->fault_injection);
  EXPECT_EQ(configuration->timing.heartbeat_interval, engine::Timing{}.heartbeat_interval);
  EXPECT_TRUE(configuration->warnings.empty());
}

TEST(Configuration, ReadsEveryKey) {
  const auto configuration = parse_with(R"(data_dir: /var/lib/paxledger
timing: {heartbeat: 20ms, election_timeout: 1s, resend: 100ms, batch_wait: 300us,
         keep_awake: 5ms}
limits:
  batch_bytes: 512KiB
  batch_commands: 100
  window_slots: 8
  window_bytes: 4MiB
  queue_commands: 1000
  queue_bytes: 32MB
  pending_requests: 2000
  catch_up_bytes: 256KiB
  client_outstanding: 64
  log_segment: 16MiB
  block_file: 8MiB
ledger: {work_bits: 12}
fault_injection: true
)");
  ASSERT_TRUE(configuration.ok()) << configuration.error().message;
  EXPECT_EQ(configuration->data_dir, "/var/lib/paxledger");
  EXPECT_EQ(configuration->service.client_outstanding, 64u);
  EXPECT_EQ(configuration->service.log_segment_bytes, 16u << 20);
  EXPECT_EQ(configuration->service.block_file_bytes, 8u << 20);
  EXPECT_EQ(configuration->service.keep_awake, milliseconds(5));
  EXPECT_TRUE(configuration->fault_injection);
  const engine::Settings settings = configuration->engine_settings(NodeId(2));
  EXPECT_EQ(settings.self, NodeId(2));
  EXPECT_EQ(settings.cluster, ledger::cluster_id("demo"));
  EXPECT_EQ(settings.timing.heartbeat_interval, milliseconds(20));
  EXPECT_EQ(settings.timing.election_timeout, milliseconds(1000));
  EXPECT_EQ(settings.timing.resend_interval, milliseconds(100));
  EXPECT_EQ(settings.timing.batch_wait_max, std::chrono::microseconds(300));
  EXPECT_EQ(settings.limits.batch_bytes_max, 512u << 10);
  EXPECT_EQ(settings.limits.batch_commands_max, 100u);
  EXPECT_EQ(settings.limits.window_slots, 8u);
  EXPECT_EQ(settings.limits.window_bytes, 4u << 20);
  EXPECT_EQ(settings.limits.queue_commands_max, 1000u);
  EXPECT_EQ(settings.limits.queue_bytes_max, 32'000'000u);
  EXPECT_EQ(settings.limits.pending_requests_max, 2000u);
  EXPECT_EQ(settings.limits.catch_up_bytes, 256u << 10);
  EXPECT_EQ(settings.work_bits, 12);
}

TEST(Configuration, TakesAddressesWithAndWithoutTheirScheme) {
  const auto configuration =
      parse("cluster: demo\nnodes:\n" +
            node_line(1, "tcp://127.0.0.1:7201", "localhost:7101", "http://127.3.2.1:7301"));
  ASSERT_TRUE(configuration.ok()) << configuration.error().message;
  EXPECT_EQ(configuration->nodes[0].peer, (Address{"127.0.0.1", 7201}));
  EXPECT_EQ(configuration->nodes[0].client, (Address{"127.0.0.1", 7101}));
  EXPECT_EQ(configuration->nodes[0].http, (Address{"127.3.2.1", 7301}));
}

TEST(Configuration, AnEmptySectionMeansItsDefaults) {
  EXPECT_TRUE(parse_with("timing:\nlimits: {}\nledger:\nsecurity:\n").ok());
}

TEST(Configuration, SortsTheNodesById) {
  const auto configuration =
      parse("cluster: demo\nnodes:\n" +
            node_line(7, "127.0.0.1:7207", "127.0.0.1:7107", "127.0.0.1:7307") +
            node_line(2, "127.0.0.1:7202", "127.0.0.1:7102", "127.0.0.1:7302") +
            node_line(4, "127.0.0.1:7204", "127.0.0.1:7104", "127.0.0.1:7304"));
  ASSERT_TRUE(configuration.ok()) << configuration.error().message;
  EXPECT_EQ(configuration->node_ids(), (std::vector{NodeId(2), NodeId(4), NodeId(7)}));
}

TEST(Configuration, RefusesAnUnknownKeyAndNamesTheNearestKnownOne) {
  expect_refusal_of("timming: {}\n", "6:1", {"unknown key \"timming\"", "perhaps \"timing\""});
  expect_refusal_of("timing:\n  heart_beat: 50ms\n", "7:3", {"in timing", "perhaps \"heartbeat\""});
  expect_refusal_of("limits: {batch_byte: 1MiB}\n", "6:10", {"perhaps \"batch_bytes\""});
  expect_refusal_of("ledger: {difficulty: 3}\n", "6:10", {"\"difficulty\"", "work_bits"});
  expect_refusal("cluster: demo\nnodes:\n  - {id: 1, pear: 127.0.0.1:1}\n", "3:13",
                 {"perhaps \"peer\""});
}

TEST(Configuration, RefusesAKeyThatStandsTwice) {
  expect_refusal_of("cluster: other\n", "6:1", {"\"cluster\"", "a second time"});
  expect_refusal_of("timing: {heartbeat: 50ms, heartbeat: 60ms}\n", "6:27", {"\"heartbeat\""});
}

TEST(Configuration, RefusesAWrongType) {
  expect_refusal("cluster: [demo]\nnodes: []\n", "1:10", {"a list", "a text"});
  expect_refusal("cluster: demo\nnodes: three\n", "2:8", {"\"three\"", "a list of 1 to 9 nodes"});
  expect_refusal("cluster: demo\nnodes:\n  - 1\n", "3:5", {"\"1\"", "id, peer, client, http"});
  expect_refusal("- demo\n", "1:1", {"a list", "a mapping with the keys cluster"});
  expect_refusal_of("timing: 50ms\n", "6:9", {"\"50ms\"", "heartbeat"});
  expect_refusal_of("fault_injection: maybe\n", "6:18", {"\"maybe\"", "true or false"});
  expect_refusal_of("limits: {window_slots: many}\n", "6:24", {"\"many\"", "from 1 to 4096"});
  expect_refusal_of("limits: {window_slots: {a: 1}}\n", "6:24", {"a mapping", "a whole number"});
}

TEST(Configuration, RefusesAValueOutOfItsBounds) {
  expect_refusal_of("timing: {heartbeat: 50}\n", "6:21", {"\"50\"", "a duration from 1ms to 1min"});
  expect_refusal_of("timing: {heartbeat: 0ms}\n", "6:21", {"\"0ms\""});
  expect_refusal_of("timing: {keep_awake: 2s}\n", "6:22", {"to 1s"});
  expect_refusal_of("limits: {batch_bytes: 1GiB}\n", "6:23", {"a size from 4KiB to 2MiB"});
  expect_refusal_of("limits: {window_slots: 0}\n", "6:24", {"from 1 to 4096"});
  expect_refusal_of("limits: {window_slots: -1}\n", "6:24", {"from 1 to 4096"});
  expect_refusal_of("ledger: {work_bits: 25}\n", "6:21", {"from 0 to 24"});
  expect_refusal_of("data_dir: ''\n", "6:11", {"empty data_dir"});
}

TEST(Configuration, RefusesABatchWaitAboveHalfOfAResend) {
  expect_refusal_of("timing: {resend: 10ms, batch_wait: 6ms}\n", "6:36",
                    {"longer than half of resend"});
}

TEST(Configuration, RefusesToKeepProcessorsAwakeForAnInstant) {
  expect_refusal_of("timing: {keep_awake: 999us}\n", "6:22", {"shorter than a millisecond"});
  EXPECT_TRUE(parse_with("timing: {keep_awake: 1ms}\n").ok());
  EXPECT_TRUE(parse_with("timing: {keep_awake: 0ms}\n").ok());
}

TEST(Configuration, RefusesAnElectionTimeoutBelowThreeHeartbeats) {
  expect_refusal_of("timing: {heartbeat: 200ms, election_timeout: 500ms}\n", "6:46",
                    {"three heartbeats"});
  expect_refusal_of("timing: {heartbeat: 1s}\n", "6:9", {"three heartbeats"});
  EXPECT_TRUE(parse_with("timing: {heartbeat: 100ms, election_timeout: 300ms}\n").ok());
}

TEST(Configuration, RefusesAMissingNameOrMissingNodes) {
  expect_refusal("nodes: []\n", "1:1", {"no \"cluster\"", "the cluster's name"});
  expect_refusal("cluster: demo\n", "1:1", {"no \"nodes\"", "a list of 1 to 9 nodes"});
  expect_refusal("cluster: demo\nnodes: []\n", "2:8", {"an empty list"});
  expect_refusal("", "1:1", {"an empty file", "cluster and nodes"});
  expect_refusal("cluster: demo\nnodes:\n  - {id: 1, peer: 127.0.0.1:7201, http: 127.0.0.1:7301}\n",
                 "3:5", {"no \"client\""});
  expect_refusal("cluster: demo\nnodes:\n  - {peer: 127.0.0.1:7201}\n", "3:5", {"no \"id\""});
}

TEST(Configuration, RefusesAClusterNameThatIsNone) {
  expect_refusal("cluster: 'a b'\n", "1:10", {"\"a b\"", "1 to 64 letters"});
  expect_refusal("cluster: " + std::string(65, 'x') + "\n", "1:10", {"1 to 64 letters"});
}

TEST(Configuration, RefusesARepeatedIdAndNamesBothPlaces) {
  expect_refusal("cluster: demo\nnodes:\n" +
                     node_line(1, "127.0.0.1:7201", "127.0.0.1:7101", "127.0.0.1:7301") +
                     node_line(1, "127.0.0.1:7202", "127.0.0.1:7102", "127.0.0.1:7302"),
                 "4:10", {"node id 1", "a second time", "cluster.yaml:3:10"});
}

TEST(Configuration, RefusesARepeatedPortOnOneNodeAndAcrossNodes) {
  expect_refusal("cluster: demo\nnodes:\n" +
                     node_line(1, "127.0.0.1:7201", "127.0.0.1:7201", "127.0.0.1:7301"),
                 "3:43", {"127.0.0.1:7201", "a second time", "cluster.yaml:3:19"});
  expect_refusal("cluster: demo\nnodes:\n" +
                     node_line(1, "127.0.0.1:7201", "127.0.0.1:7101", "127.0.0.1:7301") +
                     node_line(2, "127.0.0.1:7202", "127.0.0.1:7102", "localhost:7301"),
                 "4:65", {"127.0.0.1:7301", "cluster.yaml:3:65"});
}

TEST(Configuration, RefusesAnIdOrPortThatIsNone) {
  const auto with_peer = [](const std::string& peer) {
    return "cluster: demo\nnodes:\n" + node_line(1, peer, "127.0.0.1:7101", "127.0.0.1:7301");
  };
  for (const char* peer : {"127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:seven",
                           "'127.0.0.1:'", "[1]", "7201"}) {
    expect_refusal(with_peer(peer), "3:19", {"a loopback address such as 127.0.0.1:7201"});
  }
  expect_refusal("cluster: demo\nnodes:\n" + std::string("  - {id: 0}\n"), "3:10", {"\"0\""});
  expect_refusal("cluster: demo\nnodes:\n" + std::string("  - {id: one}\n"), "3:10", {"\"one\""});
  expect_refusal("cluster: demo\nnodes:\n" + std::string("  - {id: 4294967296}\n"), "3:10", {});
}

TEST(Configuration, RefusesEveryAddressButLoopbackAndSaysWhy) {
  for (const char* host : {"0.0.0.0", "192.168.1.5", "*", "example.org", "128.0.0.1", "127.0.0",
                           "127.0.0.256", "127.0.0.1.1", "127.0.0."}) {
    expect_refusal("cluster: demo\nnodes:\n" + node_line(1, "'" + std::string(host) + ":7201'",
                                                         "127.0.0.1:7101", "127.0.0.1:7301"),
                   "3:19", {host, "not encrypted yet", "127.x.y.z"});
  }
}

TEST(Configuration, RefusesSecuritySettingsForNow) {
  expect_refusal_of("security: {curve: true}\n", "6:11", {"security", "not supported yet"});
}

TEST(Configuration, RefusesMoreThanNineNodes) {
  std::string text = "cluster: demo\nnodes:\n";
  for (int id = 1; id <= 10; ++id) {
    const std::string port = std::to_string(100 + id);
    text += node_line(id, "127.0.0.1:7" + port, "127.0.0.1:8" + port, "127.0.0.1:9" + port);
  }
  expect_refusal(text, "3:3", {"10 nodes", "1 to 9"});
}

TEST(Configuration, RefusesTextThatIsNoYaml) {
  expect_refusal("cluster: demo\nnodes: [1, 2\n", "3:1", {"no valid YAML"});
}

TEST(Configuration, RefusesASecondDocumentAtItsFirstLine) {
  expect_refusal_of("---\n\n\nfault_injection: true\n", "6:1", {"a second YAML document"});
  expect_refusal_of("--- {fault_injection: true}\n", "6:1", {"a second YAML document"});
  expect_refusal_of("# nothing follows\n---\n", "7:1", {"a second YAML document"});
  expect_refusal_of("...\nfault_injection: true\n", "7:1", {"a second YAML document"});
  expect_refusal("---\n" + std::string(kThreeNodes) + "---\n{}\n", "7:1",
                 {"a second YAML document"});
}

TEST(Configuration, TakesOneDocumentBetweenItsMarkers) {
  EXPECT_TRUE(parse("# a comment\n---\n" + std::string(kThreeNodes) + "...\n").ok());
}

TEST(Configuration, WarnsOfAnEvenNodeCountAndGoesOn) {
  const auto configuration =
      parse("cluster: demo\nnodes:\n" +
            node_line(1, "127.0.0.1:7201", "127.0.0.1:7101", "127.0.0.1:7301") +
            node_line(2, "127.0.0.1:7202", "127.0.0.1:7102", "127.0.0.1:7302"));
  ASSERT_TRUE(configuration.ok()) << configuration.error().message;
  ASSERT_EQ(configuration->warnings.size(), 1u);
  EXPECT_NE(configuration->warnings[0].find("cluster.yaml:3:3: found an even number of nodes (2)"),
            std::string::npos)
      << configuration->warnings[0];
}

TEST(Configuration, WarnsOfAPortInTheEphemeralRange) {
  const auto configuration =
      parse("cluster: demo\nnodes:\n" +
            node_line(1, "127.0.0.1:32768", "127.0.0.1:7101", "127.0.0.1:32767"));
  ASSERT_TRUE(configuration.ok()) << configuration.error().message;
  ASSERT_EQ(configuration->warnings.size(), 1u);
  EXPECT_NE(configuration->warnings[0].find("cluster.yaml:3:19: port 32768"), std::string::npos)
      << configuration->warnings[0];
}

class ConfigurationFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(ConfigurationFile, AnchorsTheDataDirectoryAtTheFile) {
  std::ofstream(folder_ / "cluster.yaml") << kThreeNodes << "data_dir: ./state\n";
  const auto configuration = read_configuration(folder_ / "cluster.yaml");
  ASSERT_TRUE(configuration.ok()) << configuration.error().message;
  EXPECT_EQ(configuration->data_dir, folder_ / "state");
  EXPECT_EQ(configuration->file, folder_ / "cluster.yaml");
}

TEST_F(ConfigurationFile, SaysWhichFileIsMissing) {
  const auto configuration = read_configuration(folder_ / "cluster.yaml");
  ASSERT_FALSE(configuration.ok());
  EXPECT_EQ(configuration.error().code, ErrorCode::configuration);
  EXPECT_EQ(configuration.error().message, (folder_ / "cluster.yaml").string() +
                                               ":1:1: found no such file, expected a cluster.yaml");
}

TEST_F(ConfigurationFile, SaysWhereAFileIsNoUtf8) {
  std::ofstream(folder_ / "cluster.yaml") << "cluster: caf\xc3\xa9\nnodes: # caf\xe9\n";
  const auto latin = read_configuration(folder_ / "cluster.yaml");
  ASSERT_FALSE(latin.ok());
  EXPECT_EQ(latin.error().code, ErrorCode::configuration);
  EXPECT_EQ(latin.error().message, (folder_ / "cluster.yaml").string() +
                                       ":2:13: found the octet \\xe9, expected text in UTF-8");

  std::ofstream(folder_ / "cluster.yaml") << "\xff\xfe" << std::string("c\0l\0", 4);
  const auto wide = read_configuration(folder_ / "cluster.yaml");
  ASSERT_FALSE(wide.ok());
  EXPECT_NE(wide.error().message.find(":1:1: found text in UTF-16, expected text in UTF-8"),
            std::string::npos)
      << wide.error().message;
}

TEST_F(ConfigurationFile, SaysWhyTheSystemRefusesIt) {
  std::ofstream(folder_ / "file") << "no folder";
  const auto configuration = read_configuration(folder_ / "file" / "cluster.yaml");
  ASSERT_FALSE(configuration.ok());
  EXPECT_EQ(configuration.error().code, ErrorCode::io);
  EXPECT_NE(configuration.error().message.find("file/cluster.yaml: Not a directory"),
            std::string::npos)
      << configuration.error().message;
}

TEST_F(ConfigurationFile, SaysThatAFolderIsNoFile) {
  const auto configuration = read_configuration(folder_);
  ASSERT_FALSE(configuration.ok());
  EXPECT_NE(configuration.error().message.find("found a folder"), std::string::npos);
}

}  // namespace
}  // namespace paxledger::node
