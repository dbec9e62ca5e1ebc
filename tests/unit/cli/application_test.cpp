#include "cli/application.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace paxledger::cli {
namespace {

struct Answer {
  int code = 0;
  std::string out;
  std::string err;
};

Answer say(std::vector<std::string> arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Answer answer;
  answer.code = run(std::move(arguments));
  answer.out = testing::internal::GetCapturedStdout();
  answer.err = testing::internal::GetCapturedStderr();
  return answer;
}

TEST(CommandLine, ExplainsWhatIsWrongAndEndsWithTwo) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"nonsense"},
           {"put", "key"},
           {"put", "key", "value", "more"},
           {"get", "key", "--consistency", "eventual"},
           {"scan", "--consistency", "ledger"},
           {"cas", "key", "-1", "value"},
           {"cas", "key", "x", "value"},
           {"status", "-o", "yaml"},
           {"chain"},
           {"chain", "show", "--from", "0"},
           {"chain", "verify", "--data-dir", "a", "--history", "b"},
           {"fault"},
           {"fault", "link", "1"},
           {"fault", "link", "1", "2", "--drop", "much"},
           {"bench", "--workload", "delete"},
           {"bench", "--outstanding", "0"},
       }) {
    const Answer answer = say(arguments);
    EXPECT_EQ(answer.code, 2) << testing::PrintToString(arguments);
    EXPECT_FALSE(answer.err.empty()) << testing::PrintToString(arguments);
  }
}

TEST(CommandLine, HelpIsNoError) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--help"}, {"put", "--help"}, {"--version"}}) {
    const Answer answer = say(arguments);
    EXPECT_EQ(answer.code, 0);
    EXPECT_FALSE(answer.out.empty());
  }
}

TEST(CommandLine, NamesTheMissingConfiguration) {
  const Answer answer = say({"get", "k", "-f", "/nowhere/cluster.yaml"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_NE(answer.err.find("/nowhere/cluster.yaml"), std::string::npos);
}

TEST(CommandLine, RefusesAnEndpointThatIsNone) {
  const Answer answer = say({"get", "k", "--endpoint", "localhost"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_NE(answer.err.find("tcp://127.0.0.1:7101"), std::string::npos);
}

TEST(CommandLine, RefusesATimeWithoutAUnit) {
  const Answer answer = say({"get", "k", "--endpoint", "tcp://127.0.0.1:1", "--deadline", "5"});
  EXPECT_EQ(answer.code, 2);
}

TEST(CommandLine, RefusesKeysAndValuesBeyondTheirLimits) {
  const std::string endpoint = "tcp://127.0.0.1:1";
  EXPECT_EQ(say({"put", "", "v", "--endpoint", endpoint}).code, 6);
  EXPECT_EQ(say({"put", std::string(4097, 'k'), "v", "--endpoint", endpoint}).code, 6);
  EXPECT_EQ(say({"put", "k", std::string((1 << 20) + 1, 'v'), "--endpoint", endpoint}).code, 6);
}

TEST(CommandLine, SaysNoQuorumWhereNobodyListens) {
  const Answer answer =
      say({"put", "k", "v", "--endpoint", "tcp://127.0.0.1:1", "--deadline", "100ms"});
  EXPECT_EQ(answer.code, 4);
  EXPECT_TRUE(answer.err.starts_with("paxledger: no quorum: ")) << answer.err;
}

TEST(CommandLine, ErrorsAreJsonWhereJsonWasAskedFor) {
  const Answer answer = say(
      {"put", "k", "v", "--endpoint", "tcp://127.0.0.1:1", "--deadline", "100ms", "-o", "json"});
  EXPECT_EQ(answer.code, 4);
  EXPECT_TRUE(answer.out.starts_with(R"({"error":"no quorum")")) << answer.out;
}

TEST(CommandLine, ShowsNodesThatCannotBeReached) {
  const Answer answer = say({"status", "--endpoints", "tcp://127.0.0.1:1,tcp://127.0.0.1:2"});
  EXPECT_EQ(answer.code, 4);
  EXPECT_NE(answer.out.find("tcp://127.0.0.1:2  -"), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("unreachable"), std::string::npos);
}

TEST(CommandLine, SaysThatADirectoryIsNoDataDirectory) {
  const Answer answer = say({"chain", "verify", "--data-dir", "/nowhere"});
  EXPECT_EQ(answer.code, 8);
  EXPECT_NE(answer.err.find("/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace paxledger::cli
