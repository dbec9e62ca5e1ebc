// Nodes that begin or end between two looks at them.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "control/local_cluster.hpp"
#include "unit/client/fake_node.hpp"
#include "unit/control/scripted_cluster.hpp"

namespace paxledger::control {
namespace {

using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

// Runs under the daemon's name, says so, and waits to be killed.
constexpr const char* kDaemon =
    "exec bash -c 'exec -a paxledgerd bash -c \"exec 9<> <(:)\n"
    "echo runs\n"
    "while :; do read -t 0.05 -u 9; done\" x \"$@\"' x \"$@\"";

bool wait_until(const std::function<bool()>& holds) {
  const auto until = Clock::now() + seconds(20);
  while (!holds()) {
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Kills a child, and returns once it is a zombie.
void kill_child(pid_t pid) {
  siginfo_t ended{};
  EXPECT_EQ(::kill(pid, SIGKILL), 0);
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT), 0);
}

class MomentsTest : public ScriptedClusterTest {
 protected:
  // What a test wants to happen before a node answers; called on the thread of any fake node.
  using Before = std::function<void(const wire::ClientRequest&)>;

  // Puts nodes that answer everything behind the endpoints of cluster.yaml.
  void answer(const Before& before) {
    const auto behaviour = [this, before](const wire::ClientRequest& request) {
      before(request);
      wire::ValueReply reply;
      reply.id = wire::id_of(request);
      const auto* order = std::get_if<wire::AdminRequest>(&request);
      if (order != nullptr && order->action == "fault") reply.code = to_faults_;
      return std::optional<wire::ClientReply>(std::move(reply));
    };
    const ClusterId id = cluster(kDaemon).configuration().cluster_id;
    std::array<std::string, 3> endpoints;
    for (std::string& endpoint : endpoints) {
      fakes_.push_back(std::make_unique<client::FakeNode>(behaviour, "tcp://127.0.0.1:*", id));
      endpoint = fakes_.back()->endpoint();
    }
    describe(endpoints);
  }

  LocalCluster watched(const std::string& script) {
    auto nodes = cluster(script);
    nodes.on_spawn([this](NodeId node, pid_t pid) {
      const std::lock_guard alone(mutex_);
      spawned_.emplace_back(node, pid);
    });
    return nodes;
  }

  std::size_t count_spawned() {
    const std::lock_guard alone(mutex_);
    return spawned_.size();
  }
  // Of the node's last process.
  pid_t pid_of(NodeId node) {
    const std::lock_guard alone(mutex_);
    pid_t last = 0;
    for (const auto& [each, pid] : spawned_) last = each == node ? pid : last;
    return last;
  }

  // Starts a node that answers nobody, and leaves it running.
  void start_silent(LocalCluster& nodes, NodeId node) {
    const std::size_t before = count_spawned();
    nodes.interrupt_when([&] {
      return count_spawned() > before && last_lines(nodes.log_file(node), 1) == "runs\n" &&
             nodes.process(node).state == ProcessState::running;
    });
    EXPECT_EQ(nodes.start(node).error().code, ErrorCode::shutting_down);
    nodes.interrupt_when({});
  }

  void TearDown() override {
    for (const auto& [node, pid] : spawned_) {
      ::kill(pid, SIGKILL);
      (void)::waitpid(pid, nullptr, 0);
    }
    fakes_.clear();
    ScriptedClusterTest::TearDown();
  }

  ErrorCode to_faults_ = ErrorCode::ok;  // what an order about faults is answered
  std::vector<std::unique_ptr<client::FakeNode>> fakes_;
  std::mutex mutex_;
  std::vector<std::pair<NodeId, pid_t>> spawned_;
};

TEST_F(MomentsTest, AClusterIsUpOnceEveryNodeIsRecognised) {
  answer([](const wire::ClientRequest&) {});
  auto nodes = watched("test \"$4\" = 2 && sleep 0.3\n" + std::string(kDaemon));
  const auto up = nodes.up({}, seconds(10));
  ASSERT_TRUE(up.ok()) << up.error().message;
  EXPECT_EQ(nodes.process(NodeId(2)).state, ProcessState::running);
}

TEST_F(MomentsTest, AStartOfANodeThatBeginsToRunIsASuccess) {
  auto nodes = watched("sleep 0.3\n" + std::string(kDaemon));
  nodes.interrupt_when([] { return true; });
  EXPECT_EQ(nodes.start(NodeId(2)).error().code, ErrorCode::shutting_down);
  ASSERT_EQ(nodes.process(NodeId(2)).state, ProcessState::stopped) << "it is not recognised yet";
  nodes.interrupt_when({});
  const auto again = nodes.start(NodeId(2));
  EXPECT_TRUE(again.ok()) << again.error().message;
  EXPECT_EQ(nodes.process(NodeId(2)).pid, pid_of(NodeId(2)));
  EXPECT_EQ(count_spawned(), 1u);
}

TEST_F(MomentsTest, ANodeThatAnswersAndEndsHasNotStarted) {
  answer([this](const wire::ClientRequest&) { kill_child(pid_of(NodeId(2))); });
  auto nodes = watched(kDaemon);
  const auto start = nodes.start(NodeId(2));
  ASSERT_FALSE(start.ok());
  EXPECT_EQ(start.error().code, ErrorCode::io);
  EXPECT_NE(start.error().message.find("node 2 ended with signal 9"), std::string::npos)
      << start.error().message;
}

TEST_F(MomentsTest, ANodeThatEndsWhileTheOthersBecomeReadyIsTold) {
  // The first read asks whether the cluster serves, the next ones whether each node does.
  std::atomic<int> reads = 0;
  answer([&](const wire::ClientRequest& request) {
    if (std::holds_alternative<wire::GetRequest>(request) && ++reads == 2) {
      kill_child(pid_of(NodeId(3)));
    }
  });
  auto nodes = watched(kDaemon);
  const auto up = nodes.up({}, seconds(10));
  ASSERT_FALSE(up.ok());
  EXPECT_NE(up.error().message.find("node 3 ended with signal 9"), std::string::npos)
      << up.error().message;
}

TEST_F(MomentsTest, AStartWaitsForItsOwnNodeThoughAnotherOneEnds) {
  std::atomic<bool> other_ended = false;
  answer([&](const wire::ClientRequest&) {
    if (count_spawned() == 2 && !other_ended.exchange(true)) {
      kill_child(pid_of(NodeId(1)));
      std::this_thread::sleep_for(std::chrono::milliseconds(700));  // longer than one question
    }
  });
  auto nodes = watched(kDaemon);
  ASSERT_TRUE(nodes.start(NodeId(1)).ok());
  const auto start = nodes.start(NodeId(2));
  EXPECT_TRUE(start.ok()) << start.error().message;
  EXPECT_EQ(nodes.process(NodeId(2)).state, ProcessState::running);
}

TEST_F(MomentsTest, AStopOfANodeThatEndsBetweenTwoLooksIsASuccess) {
  auto nodes = watched(kDaemon);
  const NodeId node(1);
  start_silent(nodes, node);
  // The identity is read between the look whether the node runs and the signal; here it is a pipe,
  // whose reader goes on when this thread has come to open it and to close it.
  const auto identity = nodes.configuration().node_directory(node) / "identity";
  std::filesystem::create_directories(identity.parent_path());
  ASSERT_EQ(::mkfifo(identity.c_str(), 0600), 0);
  std::thread ending([&] {
    const std::ofstream writer(identity);
    kill_child(pid_of(node));
  });
  const auto stop = nodes.stop(node);
  ending.join();
  EXPECT_TRUE(stop.ok()) << stop.error().message;
  EXPECT_EQ(nodes.process(node).state, ProcessState::stopped);
  EXPECT_FALSE(std::filesystem::exists(nodes.pid_file(node)));
}

TEST_F(MomentsTest, HealingWaitsForWhatAnInterruptedStopHasLeftEnding) {
  auto nodes = watched(
      "exec bash -c 'exec -a paxledgerd bash -c \"exec 9<> <(:)\n"
      "trap \\\"read -t 0.3 -u 9; exit 3\\\" TERM\n"
      "echo runs\n"
      "while :; do read -t 0.05 -u 9; done\" x \"$@\"' x \"$@\"");
  start_silent(nodes, NodeId(1));
  nodes.interrupt_when([] { return true; });
  EXPECT_EQ(nodes.stop(NodeId(1)).error().code, ErrorCode::shutting_down);
  nodes.interrupt_when({});
  const auto heal = nodes.heal(seconds(1));
  ASSERT_FALSE(heal.ok());
  EXPECT_EQ(heal.error().code, ErrorCode::no_quorum) << heal.error().message;
  EXPECT_EQ(heal.error().message.find("exit code 3"), std::string::npos) << heal.error().message;
}

TEST_F(MomentsTest, ANodeThatStopsWhenItIsHealedIsNoInterrupt) {
  to_faults_ = ErrorCode::shutting_down;
  answer([](const wire::ClientRequest&) {});
  std::ofstream(directory_ / "cluster.yaml", std::ios::app) << "fault_injection: true\n";
  auto nodes = watched(kDaemon);
  ASSERT_TRUE(nodes.start(NodeId(1)).ok());
  ASSERT_TRUE(nodes.start(NodeId(2)).ok());
  const auto heal = nodes.heal(seconds(1));
  EXPECT_TRUE(heal.ok()) << heal.error().message;
}

TEST_F(MomentsTest, TheEndOfAProcessDoesNotHideItsSuccessor) {
  auto nodes = watched(kDaemon);
  const NodeId node(1);
  start_silent(nodes, node);
  kill_child(pid_of(node));
  auto others = watched(kDaemon);
  start_silent(others, node);
  const pid_t successor = pid_of(node);
  EXPECT_FALSE(nodes.wait_until_serving(std::chrono::milliseconds(1)).ok());
  EXPECT_EQ(nodes.process(node).pid, successor);
  // Nor does it make a start of another node fail.
  nodes.interrupt_when([&] { return nodes.process(NodeId(2)).state == ProcessState::running; });
  EXPECT_EQ(nodes.start(NodeId(2)).error().code, ErrorCode::shutting_down);
}

TEST_F(MomentsTest, ANodeEndsForAProgramThatWaitsForNoChildren) {
  const auto before = std::signal(SIGCHLD, SIG_IGN);  // the system forgets how children ended
  auto nodes = watched("echo no; exit 4");
  const auto begin = Clock::now();
  const auto start = nodes.start(NodeId(1));
  std::signal(SIGCHLD, before);
  ASSERT_FALSE(start.ok());
  EXPECT_NE(start.error().message.find("node 1 ended. The end of its log"), std::string::npos)
      << start.error().message;
  EXPECT_LT(Clock::now() - begin, seconds(10));
}

TEST_F(MomentsTest, AStartWaitsForAKilledProcessThatStillHasItsFiles) {
  // What a process is while it gives its memory back: it has no command line, and does not run any
  // more, but holds its locks. Here its first thread has ended, and another one has not.
  const pid_t dying = ::fork();
  if (dying == 0) {
    ::prctl(PR_SET_NAME, "paxledgerd");
    std::thread([] {
      for (;;) ::pause();
    }).detach();
    ::syscall(SYS_exit, 0);  // of this thread alone
  }
  ASSERT_TRUE(wait_until([&] { return is_dying(dying); }));
  auto nodes = watched(kDaemon);
  std::filesystem::create_directories(directory_ / "data");
  ASSERT_TRUE(write_pid_file(nodes.pid_file(NodeId(1)), dying).ok());
  ASSERT_EQ(nodes.process(NodeId(1)).state, ProcessState::stopped);
  std::atomic<bool> waits = false;
  std::thread ending([&] {
    EXPECT_TRUE(wait_until([&] { return waits.load(); }));
    ::kill(dying, SIGKILL);
    EXPECT_EQ(::waitpid(dying, nullptr, 0), dying);
  });
  nodes.interrupt_when([&] {
    waits = true;
    return count_spawned() > 0;
  });
  std::optional<ProcessState> before;
  nodes.on_spawn([&](NodeId node, pid_t pid) {
    before = state_of(dying);
    spawned_.emplace_back(node, pid);
  });
  (void)nodes.start(NodeId(1));
  waits = true;
  ending.join();
  EXPECT_EQ(before, ProcessState::stopped);
}

TEST(ControlLock, IsGivenBackThoughAProcessThatWasJustMadeHasTheFileToo) {
  const auto file =
      std::filesystem::temp_directory_path() / ("paxledger-lock." + std::to_string(::getpid()));
  pid_t child = 0;
  {
    const auto lock = ControlLock::acquire(file);
    ASSERT_TRUE(lock.ok());
    EXPECT_EQ(ControlLock::acquire(file).error().code, ErrorCode::bad_request);
    child = ::fork();
    if (child == 0) {
      for (;;) ::pause();
    }
  }
  EXPECT_TRUE(ControlLock::acquire(file).ok());
  kill_child(child);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace paxledger::control
