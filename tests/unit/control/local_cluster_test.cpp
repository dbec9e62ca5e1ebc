#include "control/local_cluster.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "unit/control/scripted_cluster.hpp"

namespace paxledger::control {
namespace {

using LocalClusterTest = ScriptedClusterTest;

TEST_F(LocalClusterTest, SaysWhichNodeEndedHowAndWhatItSaidLast) {
  auto nodes = cluster("echo \"port in use\"; exit 4");
  const auto up = nodes.up({}, std::chrono::seconds(10));
  ASSERT_FALSE(up.ok());
  EXPECT_EQ(up.error().code, ErrorCode::io);
  EXPECT_NE(up.error().message.find("ended with exit code 4"), std::string::npos);
  EXPECT_NE(up.error().message.find("port in use"), std::string::npos);
}

TEST_F(LocalClusterTest, DoesNotInitialiseANodeWhoseDiskWasLost) {
  auto nodes = cluster("echo \"$@\"; exit 4");
  for (const char* node : {"data/node-1", "data/node-3"}) {
    std::filesystem::create_directories(directory_ / node);
    std::ofstream(directory_ / node / "identity") << "x";
  }
  const auto start = nodes.start(NodeId(2));
  ASSERT_FALSE(start.ok());
  EXPECT_NE(start.error().message.find("--rejoin 2"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(nodes.log_file(NodeId(2))));
}

TEST_F(LocalClusterTest, NamesAllNodesWhoseDisksWereLost) {
  auto nodes = cluster("exit 4");
  std::filesystem::create_directories(directory_ / "data/node-2/log");
  std::ofstream(directory_ / "data/node-2/log/1") << "x";
  const auto up = nodes.up({}, std::chrono::seconds(10));
  ASSERT_FALSE(up.ok());
  const std::string& message = up.error().message;
  EXPECT_NE(message.find("nodes 1 and 3 have no data"), std::string::npos) << message;
  EXPECT_NE(message.find("cannot bring this cluster back"), std::string::npos) << message;
  EXPECT_EQ(message.find("up --rejoin"), std::string::npos) << message;
}

TEST_F(LocalClusterTest, NamesAllNodesThatEnded) {
  auto nodes = cluster("echo reason of \"$4\"; exit 4");
  const auto up = nodes.up({}, std::chrono::seconds(10));
  ASSERT_FALSE(up.ok());
  for (const std::string node : {"1", "2", "3"}) {
    EXPECT_NE(up.error().message.find("node " + node + " ended"), std::string::npos);
    EXPECT_NE(up.error().message.find("reason of " + node), std::string::npos);
  }
}

TEST_F(LocalClusterTest, ShowsOnlyTheLinesOfThisRun) {
  (void)cluster("echo old; exit 4").up({}, std::chrono::seconds(10));
  const auto up = cluster("echo new; exit 4").up({}, std::chrono::seconds(10));
  ASSERT_FALSE(up.ok());
  EXPECT_NE(up.error().message.find("new"), std::string::npos);
  EXPECT_EQ(up.error().message.find("old"), std::string::npos) << up.error().message;
}

TEST_F(LocalClusterTest, ANodeThatFailedBeforeItBeganMayBeginLater) {
  (void)cluster("exit 4").up({}, std::chrono::seconds(10));
  // Another node has begun meanwhile.
  std::filesystem::create_directories(directory_ / "data/node-1");
  std::ofstream(directory_ / "data/node-1/identity") << "x";
  std::filesystem::remove(directory_ / "data/node-1.unbegun");
  auto nodes = cluster("echo \"$@\"; exit 4");
  (void)nodes.up({}, std::chrono::seconds(10));
  EXPECT_NE(last_lines(nodes.log_file(NodeId(2)), 1).find("--initialise"), std::string::npos);
  EXPECT_EQ(last_lines(nodes.log_file(NodeId(1)), 1).find("--initialise"), std::string::npos);
}

TEST_F(LocalClusterTest, InitialisesOnlyACompletelyNewCluster) {
  auto nodes = cluster("echo \"$@\"; exit 4");
  (void)nodes.up({}, std::chrono::seconds(10));
  EXPECT_NE(last_lines(nodes.log_file(NodeId(1)), 1).find("--initialise"), std::string::npos);
}

TEST_F(LocalClusterTest, DoesNotSignalAStrangerBehindAPidFile) {
  auto nodes = cluster("exit 0");
  std::filesystem::create_directories(directory_ / "data");
  ASSERT_TRUE(write_pid_file(nodes.pid_file(NodeId(1)), getpid()).ok());
  EXPECT_EQ(nodes.process(NodeId(1)).state, ProcessState::stopped);
  EXPECT_FALSE(nodes.kill(NodeId(1)).ok());
  const auto down = nodes.down();
  ASSERT_TRUE(down.ok());
  EXPECT_EQ(*down, 0u);
}

TEST_F(LocalClusterTest, KnowsOnlyTheNodesOfItsConfiguration) {
  auto nodes = cluster("exit 0");
  EXPECT_EQ(nodes.start(NodeId(9)).error().code, ErrorCode::bad_request);
  EXPECT_EQ(nodes.kill(NodeId(9)).error().code, ErrorCode::bad_request);
  EXPECT_EQ(nodes.up({NodeId(9)}, std::chrono::seconds(1)).error().code, ErrorCode::bad_request);
}

TEST_F(LocalClusterTest, AnInterruptEndsEveryWaitSoon) {
  auto nodes = cluster("sleep 60");
  std::vector<pid_t> spawned;
  nodes.on_spawn([&](NodeId, pid_t pid) { spawned.push_back(pid); });
  nodes.interrupt_when([&] { return spawned.size() == 3; });
  const auto begin = std::chrono::steady_clock::now();
  const auto up = nodes.up({}, std::chrono::seconds(30));
  ASSERT_FALSE(up.ok());
  EXPECT_EQ(up.error().code, ErrorCode::shutting_down) << up.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  ASSERT_EQ(spawned.size(), 3u);
  for (const pid_t pid : spawned) {
    EXPECT_EQ(::kill(pid, SIGKILL), 0);
    EXPECT_EQ(::waitpid(pid, nullptr, 0), pid);
  }
}

TEST_F(LocalClusterTest, ANodeThatEndedBeforeIsNothingThatAStartFailsAt) {
  auto nodes = cluster("sleep 60");
  pid_t first = 0;
  nodes.on_spawn([&](NodeId, pid_t pid) { first = pid; });
  nodes.interrupt_when([] { return true; });
  EXPECT_EQ(nodes.start(NodeId(1)).error().code, ErrorCode::shutting_down);
  ASSERT_GT(first, 0);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  nodes.interrupt_when({});
  std::ofstream(directory_ / "paxledgerd") << "#!/bin/sh\nexit 4\n";
  const auto second = nodes.start(NodeId(2));
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("node 2 ended with exit code 4"), std::string::npos)
      << second.error().message;
}

TEST_F(LocalClusterTest, EndsWhatItStartedThoughItIsNotRecognised) {
  // A script has another name than the daemon, as a process has that was born a moment ago.
  auto nodes = cluster("exec sleep 60");
  std::vector<pid_t> spawned;
  nodes.on_spawn([&](NodeId, pid_t pid) { spawned.push_back(pid); });
  nodes.interrupt_when([&] { return spawned.size() == 3; });
  EXPECT_EQ(nodes.up({}, std::chrono::seconds(30)).error().code, ErrorCode::shutting_down);
  nodes.interrupt_when({});
  ASSERT_EQ(spawned.size(), 3u);
  ASSERT_EQ(nodes.process(NodeId(1)).state, ProcessState::stopped);
  const auto ended = nodes.end({NodeId(1), NodeId(2)}, false);
  EXPECT_TRUE(ended.ok()) << ended.error().message;
  EXPECT_EQ(state_of(spawned[0]), ProcessState::stopped);
  EXPECT_EQ(state_of(spawned[1]), ProcessState::stopped);
  EXPECT_EQ(state_of(spawned[2]), ProcessState::running) << "it was not to be ended";
  EXPECT_TRUE(nodes.end({NodeId(3)}, true).ok());
  EXPECT_EQ(state_of(spawned[2]), ProcessState::stopped);
}

// Runs under the daemon's name, never answers, and takes half a second to end.
constexpr const char* kSlowToEnd =
    "exec bash -c 'exec -a paxledgerd bash -c \"exec 9<> <(:)\n"
    "trap \\\"read -t 0.5 -u 9; exit 0\\\" TERM\n"
    "echo deaf\n"
    "while :; do read -t 0.05 -u 9; done\" x \"$@\"' x \"$@\"";

TEST_F(LocalClusterTest, AStartAfterAnInterruptedStopWaitsForTheOldProcess) {
  auto nodes = cluster(kSlowToEnd);
  const NodeId node(1);
  std::vector<pid_t> spawned;
  ProcessState old = ProcessState::stopped;
  nodes.on_spawn([&](NodeId, pid_t pid) {
    if (!spawned.empty()) old = state_of(spawned.front());
    spawned.push_back(pid);
  });
  // It never answers, so that its start is waited for until it would be slow to end.
  const auto all_are_slow = [&] {
    std::istringstream lines(last_lines(nodes.log_file(node), 100));
    std::size_t count = 0;
    for (std::string line; std::getline(lines, line);) count += line == "deaf" ? 1 : 0;
    return !spawned.empty() && count == spawned.size();
  };
  nodes.interrupt_when(all_are_slow);
  EXPECT_EQ(nodes.start(node).error().code, ErrorCode::shutting_down);
  nodes.interrupt_when([] { return true; });
  EXPECT_EQ(nodes.stop(node).error().code, ErrorCode::shutting_down);
  ASSERT_EQ(nodes.process(node).state, ProcessState::running) << "it takes a while to end";

  // Another object, as another program would have it, knows of the stop as well.
  for (int by = 0; by < 2; ++by) {
    auto others = cluster(kSlowToEnd);
    auto& starting = by == 0 ? nodes : others;
    const std::size_t before = spawned.size();
    old = ProcessState::running;
    starting.on_spawn([&](NodeId, pid_t pid) {
      old = state_of(spawned.back());
      spawned.push_back(pid);
    });
    starting.interrupt_when([&] { return spawned.size() > before && all_are_slow(); });
    EXPECT_EQ(starting.start(node).error().code, ErrorCode::shutting_down);
    EXPECT_EQ(spawned.size(), before + 1) << "the ending process was taken for a running node";
    EXPECT_EQ(old, ProcessState::stopped);
    nodes.interrupt_when([] { return true; });
    EXPECT_EQ(nodes.stop(node).error().code, ErrorCode::shutting_down);
  }
  nodes.interrupt_when({});
  EXPECT_TRUE(nodes.end({node}, true).ok());
  for (const pid_t pid : spawned) EXPECT_EQ(state_of(pid), ProcessState::stopped);
}

}  // namespace
}  // namespace paxledger::control
