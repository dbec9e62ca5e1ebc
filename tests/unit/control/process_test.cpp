#include "control/process.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace paxledger::control {
namespace {

using namespace std::string_view_literals;

class ProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "paxledger.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // A program that is called paxledgerd and does what `script` says.
  std::filesystem::path program(const std::string& script) {
    const auto file = directory_ / "paxledgerd";
    std::ofstream(file) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return file;
  }

  std::optional<Ending> wait_for_end(pid_t pid) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < until) {
      if (auto ending = reap(pid)) return ending;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return std::nullopt;
  }

  std::filesystem::path directory_;
};

TEST(DaemonCommandLine, IsThatOfThisNodeAndThisFileOnly) {
  const auto line = "/usr/bin/paxledgerd\0--config\0/c.yaml\0--node\0003\0--rejoin\0"sv;
  EXPECT_TRUE(is_daemon_command_line(line, NodeId(3), "/c.yaml"));
  EXPECT_FALSE(is_daemon_command_line(line, NodeId(2), "/c.yaml"));
  EXPECT_FALSE(is_daemon_command_line(line, NodeId(3), "/d.yaml"));
  EXPECT_FALSE(is_daemon_command_line("/bin/sleep\0--config\0/c.yaml\0--node\0003\0"sv, NodeId(3),
                                      "/c.yaml"));
  EXPECT_FALSE(is_daemon_command_line("", NodeId(3), "/c.yaml"));
  EXPECT_FALSE(is_daemon_command_line("paxledgerd", NodeId(3), "/c.yaml"));
}

TEST(DaemonCommandLine, IsRecognisedAsItIsWritten) {
  const DaemonArguments arguments{"/opt/paxledgerd", "/etc/c.yaml", NodeId(12), {"--initialise"}};
  std::string cmdline;
  for (const auto& argument : arguments.command_line()) cmdline += argument + '\0';
  EXPECT_TRUE(is_daemon_command_line(cmdline, NodeId(12), "/etc/c.yaml"));
  EXPECT_FALSE(is_daemon_command_line(cmdline, NodeId(1), "/etc/c.yaml"));
}

TEST_F(ProcessTest, AProcessOfSomethingElseIsNotTakenForANode) {
  EXPECT_EQ(inspect(getpid(), NodeId(1), "/c.yaml"), ProcessState::stopped);
  EXPECT_EQ(inspect(-1, NodeId(1), "/c.yaml"), ProcessState::stopped);
  EXPECT_EQ(inspect(0, NodeId(1), "/c.yaml"), ProcessState::stopped);
}

TEST_F(ProcessTest, PidFilesHoldANumberOrNothing) {
  const auto file = directory_ / "node-1.pid";
  EXPECT_EQ(read_pid_file(file), std::nullopt);
  ASSERT_TRUE(write_pid_file(file, 4711).ok());
  EXPECT_EQ(read_pid_file(file), 4711);
  for (const char* text : {"", "x", "12x", "-5", "0", "99999999999999999999"}) {
    std::ofstream(file) << text;
    EXPECT_EQ(read_pid_file(file), std::nullopt) << text;
  }
}

TEST_F(ProcessTest, TellsHowAProcessEndedAndWhatItSaid) {
  const DaemonArguments arguments{
      program("echo one; echo two; echo three >&2; exit 3"), "/c.yaml", NodeId(1), {}};
  const auto log = directory_ / "node-1.log";
  const auto pid = spawn(arguments, log);
  ASSERT_TRUE(pid.ok());
  const auto ending = wait_for_end(*pid);
  ASSERT_TRUE(ending);
  EXPECT_EQ(ending->text(), "exit code 3");
  EXPECT_EQ(last_lines(log, 2), "two\nthree\n");
}

TEST_F(ProcessTest, TellsASignalFromAnExitCode) {
  const DaemonArguments arguments{program("kill -9 $$"), "/c.yaml", NodeId(1), {}};
  const auto pid = spawn(arguments, directory_ / "log");
  ASSERT_TRUE(pid.ok());
  const auto ending = wait_for_end(*pid);
  ASSERT_TRUE(ending);
  EXPECT_TRUE(ending->text().starts_with("signal 9"));
}

TEST_F(ProcessTest, SaysWhyAProgramCannotBeStarted) {
  const DaemonArguments arguments{directory_ / "nothing", "/c.yaml", NodeId(1), {}};
  const auto pid = spawn(arguments, directory_ / "log");
  ASSERT_FALSE(pid.ok());
  EXPECT_NE(pid.error().message.find("nothing"), std::string::npos);
}

TEST_F(ProcessTest, RotatesALogThatGrewTooLarge) {
  const auto log = directory_ / "log";
  std::ofstream(log) << "old";
  std::filesystem::resize_file(log, kLogBytesMax + 1);
  EXPECT_EQ(begin_log(log), 0u);
  const auto pid = spawn({program("echo new"), "/c.yaml", NodeId(1), {}}, log);
  ASSERT_TRUE(pid.ok());
  ASSERT_TRUE(wait_for_end(*pid));
  EXPECT_EQ(last_lines(log, 5), "new\n");
  EXPECT_TRUE(std::filesystem::exists(directory_ / "log.1"));
}

TEST_F(ProcessTest, TellsTheLinesOfThisRunFromThoseOfEarlierOnes) {
  const auto log = directory_ / "log";
  EXPECT_EQ(begin_log(log), 0u);
  std::ofstream(log) << "of an earlier run\n";
  const auto begin = begin_log(log);
  EXPECT_EQ(last_lines(log, 5, begin), "");
  std::ofstream(log, std::ios::app) << "of this run\n";
  EXPECT_EQ(last_lines(log, 5, begin), "of this run\n");
}

}  // namespace
}  // namespace paxledger::control
