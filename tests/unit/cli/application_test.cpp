#include "cli/application.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "cli/access.hpp"
#include "cli/history_file.hpp"
#include "cli/json_text.hpp"
#include "ledger/chain.hpp"

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
           {"bench", "--rate", "100", "--outstanding", "4"},
       }) {
    const Answer answer = say(arguments);
    EXPECT_EQ(answer.code, 2) << testing::PrintToString(arguments);
    EXPECT_FALSE(answer.err.empty()) << testing::PrintToString(arguments);
  }
}

// The options and arguments of every command that are whole numbers.
TEST(CommandLine, RefusesNumbersBeyondTheirRangeWithTheirNameAndTheRange) {
  struct Case {
    std::vector<std::string> before;
    std::string name;  // of an option; an argument has its name without dashes
    std::string range;
  };
  const std::string nodes = "1 to 2^32-1";
  const std::string heights = "1 to 2^62-1";
  for (const Case& each : std::vector<Case>{
           {{"cas", "key"}, "revision", "0 to 2^64-1"},
           {{"get", "key"}, "--node", nodes},
           {{"scan"}, "--node", nodes},
           {{"kv"}, "--node", nodes},
           {{"queue"}, "--node", nodes},
           {{"up"}, "--rejoin", nodes},
           {{"chain", "show"}, "--node", nodes},
           {{"chain", "show"}, "--from", heights},
           {{"chain", "show"}, "--to", heights},
           {{"chain", "show"}, "--last", heights},
           {{"chain", "verify"}, "--node", nodes},
           {{"chain", "export", "file"}, "--node", nodes},
           {{"fault", "node"}, "node", nodes},
           {{"fault", "link"}, "a", nodes},
           {{"fault", "link", "1"}, "b", nodes},
           {{"bench"}, "--outstanding", "1 to 4096"},
           {{"bench"}, "--keys", "1 to 100000000"},
           {{"bench"}, "--connections", "1 to 256"},
       }) {
    for (const std::string text : {"18446744073709551616", "-1", "1x", "0.5"}) {
      std::vector<std::string> arguments = each.before;
      const bool option = each.name.starts_with("--");
      if (option) arguments.push_back(each.name);
      arguments.push_back(text);
      if (each.name == "revision") arguments.emplace_back("value");
      if (each.name == "a") arguments.emplace_back("2");
      const Answer answer = say(arguments);
      EXPECT_EQ(answer.code, 2) << testing::PrintToString(arguments);
      EXPECT_NE(answer.err.find(each.name + ": '" + text + "'"), std::string::npos) << answer.err;
      EXPECT_NE(answer.err.find(each.range), std::string::npos) << answer.err;
    }
  }
}

TEST(CommandLine, NamesTheOptionAndTheRangeOfFaultsThatCannotBe) {
  for (const std::string name : {"--drop", "--duplicate", "--reorder"}) {
    const Answer answer = say({"fault", "link", "1", "2", name, "2"});
    EXPECT_EQ(answer.code, 2);
    EXPECT_NE(answer.err.find(name + ": '2' is out of range; expected a number from 0 to 1"),
              std::string::npos)
        << answer.err;
  }
  for (const std::string name : {"--delay", "--jitter"}) {
    for (const std::string time : {"5", "61s"}) {
      const Answer answer = say({"fault", "link", "1", "2", name, time});
      EXPECT_EQ(answer.code, 2);
      EXPECT_NE(answer.err.find(name + ": '" + time + "'"), std::string::npos) << answer.err;
      EXPECT_NE(answer.err.find("from 0ms to 60s"), std::string::npos) << answer.err;
    }
  }
}

TEST(CommandLine, RefusesNodesThatTheConfigurationDoesNotHave) {
  const std::string file = testing::TempDir() + "/paxledger-" + std::to_string(getpid()) + ".yaml";
  std::ofstream(file) << "cluster: test\ndata_dir: data\nfault_injection: true\nnodes:\n"
                         "  - {id: 1, peer: 'tcp://127.0.0.1:6201', client: "
                         "'tcp://127.0.0.1:6101', http: '127.0.0.1:6301'}\n"
                         "  - {id: 2, peer: 'tcp://127.0.0.1:6202', client: "
                         "'tcp://127.0.0.1:6102', http: '127.0.0.1:6302'}\n";
  for (std::vector<std::string> arguments : std::vector<std::vector<std::string>>{
           {"fault", "node", "9"},
           {"fault", "link", "1", "9"},
           {"fault", "link", "9", "1"},
           {"get", "k", "--node", "9"},
           {"kv", "--node", "9"},
           {"queue", "--node", "9"},
           {"chain", "show", "--node", "9"},
       }) {
    arguments.insert(arguments.end(), {"-f", file});
    const Answer answer = say(arguments);
    EXPECT_EQ(answer.code, 2) << testing::PrintToString(arguments);
    EXPECT_NE(answer.err.find("there is no node 9"), std::string::npos) << answer.err;
    EXPECT_NE(answer.err.find("expected one of 1, 2"), std::string::npos) << answer.err;
  }
  const Answer itself = say({"fault", "link", "1", "1", "-f", file});
  EXPECT_EQ(itself.code, 2);
  EXPECT_NE(itself.err.find("not 1 to itself"), std::string::npos) << itself.err;
  std::filesystem::remove(file);
}

TEST(CommandLine, RefusesRangesOfBlocksThatAreEmpty) {
  EXPECT_EQ(say({"chain", "show", "--last", "0"}).code, 2);
  EXPECT_EQ(say({"chain", "show", "--from", "1", "--last", "3"}).code, 2);
  const Answer answer = say({"chain", "show", "--from", "5", "--to", "2"});
  EXPECT_EQ(answer.code, 2);
  EXPECT_NE(answer.err.find("--from 5 lies above --to 2"), std::string::npos) << answer.err;
}

TEST(CommandLine, NamesAnUnknownCommandAndWhatWasPerhapsMeant) {
  EXPECT_NE(say({"stauts"}).err.find("'stauts'; did you mean status?"), std::string::npos);
  EXPECT_NE(say({"chain", "shw"}).err.find("'shw'; did you mean show?"), std::string::npos);
  const Answer far = say({"nonsense"});
  EXPECT_NE(far.err.find("'nonsense'; the commands are up, down, status"), std::string::npos)
      << far.err;
  EXPECT_NE(say({"fault", "nonsense"}).err.find("link, node, heal, list"), std::string::npos);
  EXPECT_NE(say({"get", "k", "--consistncy", "local"}).err.find("did you mean --consistency?"),
            std::string::npos);
  EXPECT_NE(say({"-o", "json", "get", "k"}).out.find("options go behind the command"),
            std::string::npos);
}

TEST(CommandLine, SaysHowAKeyBeginsWithADash) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"get", "-k"}, {"put", "-k", "v"}, {"put", "-file", "v"}, {"scan", "--x"}}) {
    const Answer answer = say(arguments);
    EXPECT_EQ(answer.code, 2);
    EXPECT_NE(answer.err.find("goes behind --"), std::string::npos) << answer.err;
  }
  // As the hint has it, they are taken, and all that is missing is the node.
  EXPECT_EQ(
      say({"put", "--endpoint", "tcp://127.0.0.1:1", "--deadline", "50ms", "--", "-k", "-v"}).code,
      4);
}

TEST(CommandLine, TakesSeveralNodesToRejoinInEveryForm) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"up", "--rejoin", "1", "2", "3"},
                                             {"up", "--rejoin", "1,2,3"},
                                             {"up", "--rejoin", "1", "--rejoin", "2"}}) {
    std::vector<std::string> all = arguments;
    all.insert(all.end(), {"-f", "/nowhere/cluster.yaml"});
    const Answer answer = say(all);
    EXPECT_NE(answer.err.find("/nowhere/cluster.yaml"), std::string::npos) << answer.err;
  }
  const Answer wrong = say({"up", "--rejoin", "1,two"});
  EXPECT_NE(wrong.err.find("--rejoin: 'two' is no whole number"), std::string::npos) << wrong.err;
}

TEST(CommandLine, AWrongCommandLineIsJsonWhereJsonWasAskedFor) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"nonsense", "-o", "json"},
                                             {"get", "-o", "json"},
                                             {"get", "k", "--output=json", "--deadline", "5"},
                                             {"cas", "k", "18446744073709551616", "v", "-ojson"},
                                             {"chain", "--output", "json"}}) {
    const Answer answer = say(arguments);
    EXPECT_EQ(answer.code, 2);
    EXPECT_TRUE(answer.err.empty()) << answer.err;
    EXPECT_TRUE(answer.out.starts_with(R"({"error":"configuration error","message":")"))
        << testing::PrintToString(arguments) << answer.out;
  }
  // A value that looks like it asks for nothing.
  EXPECT_TRUE(say({"get", "a", "b", "--", "-o", "json"}).out.empty());
}

// Runs a command whose standard output is `descriptor`, which it closes.
Answer say_to(int descriptor, std::vector<std::string> arguments) {
  testing::internal::CaptureStderr();
  (void)std::fflush(stdout);
  const int kept = dup(STDOUT_FILENO);
  EXPECT_EQ(dup2(descriptor, STDOUT_FILENO), STDOUT_FILENO);
  close(descriptor);
  Answer answer;
  answer.code = run(std::move(arguments));
  EXPECT_EQ(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
  close(kept);
  std::cout.clear();
  std::clearerr(stdout);
  answer.err = testing::internal::GetCapturedStderr();
  return answer;
}

TEST(CommandLine, AnAnswerThatCannotBeWrittenIsNoSuccess) {
  const std::string file = testing::TempDir() + "/paxledger-" + std::to_string(getpid()) + ".jsonl";
  {
    std::ofstream out(file);
    write_history_head(out, "demo");
  }
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"--version"},
                                             {"put", "--help"},
                                             {"chain", "verify", "--history", file},
                                             {"chain", "verify", "--history", file, "-ojson"}}) {
    EXPECT_EQ(say(arguments).code, 0) << testing::PrintToString(arguments);
    const Answer full = say_to(open("/dev/full", O_WRONLY | O_CLOEXEC), arguments);
    EXPECT_EQ(full.code, 8) << testing::PrintToString(arguments);
    EXPECT_NE(full.err.find("standard output"), std::string::npos) << full.err;
  }
  std::filesystem::remove(file);
  // One that failed anyway keeps its code.
  const Answer failed = say_to(open("/dev/full", O_WRONLY | O_CLOEXEC), {"get", "-ojson"});
  EXPECT_EQ(failed.code, 2);
  EXPECT_NE(failed.err.find("standard output"), std::string::npos) << failed.err;
}

TEST(CommandLine, AReaderThatWentAwayIsNoSuccessEither) {
  auto* const before = std::signal(SIGPIPE, SIG_IGN);  // as main() does
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  close(ends[0]);
  const Answer answer = say_to(ends[1], {"--version"});
  EXPECT_EQ(answer.code, 8);
  EXPECT_NE(answer.err.find("standard output"), std::string::npos) << answer.err;
  (void)std::signal(SIGPIPE, before);
}

TEST(CommandLine, ADamagedExportIsShownWithItsPlace) {
  const std::string file = testing::TempDir() + "/paxledger-" + std::to_string(getpid()) + ".jsonl";
  std::uintmax_t whole = 0;
  {
    std::ofstream out(file);
    write_history_head(out, "demo");
    ledger::Chain chain(ledger::cluster_id("demo"));
    for (int i = 0; i < 3; ++i) {
      whole = static_cast<std::uintmax_t>(out.tellp());
      write_history_block(out, chain.extend(SharedBytes(), {}, Timestamp(1'000'000), 0, 0));
    }
  }
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 5);
  const Answer answer = say({"chain", "verify", "--history", file, "-o", "json"});
  EXPECT_EQ(answer.code, 7);
  const Json chain = parse(answer.out)["chains"][0];
  EXPECT_EQ(chain["blocks"], 2) << answer.out;
  EXPECT_EQ(chain["height"], 2);
  EXPECT_EQ(chain["problems"][0]["height"], 3);
  EXPECT_EQ(chain["problems"][0]["offset"], whole);
  EXPECT_EQ(chain["problems"][0]["line"], 4);
  std::filesystem::remove(file);
}

TEST(CommandLine, ATimeoutOfAWriteThatWasNeverSentIsNotCalledUnknown) {
  const Error error{ErrorCode::timeout,
                    "timed out while a session was opened; nothing was written"};
  CommonOptions options;
  options.output = "json";
  for (const bool unknown : {false, true}) {
    client::Trace trace;
    trace.outcome_unknown = unknown;
    testing::internal::CaptureStdout();
    EXPECT_EQ(report_write(options, error, trace), ExitCode::unknown);
    const Json json = parse(testing::internal::GetCapturedStdout());
    EXPECT_EQ(json["error"], unknown ? "timeout, outcome unknown" : "timeout");
    EXPECT_EQ(json["outcome_unknown"], unknown);
  }
}

TEST(CommandLine, AVersionNamesTheFormatsToo) {
  EXPECT_TRUE(say({"--version"}).out.starts_with("paxledger 0."));
  EXPECT_NE(say({"--version"}).out.find("(chain format 1, client protocol 1)"), std::string::npos);
}

TEST(CommandLine, LetsNoEscapeOfAnArgumentThroughToTheTerminal) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"\x1b[31m"},
                                             {"get", "k", "--consistency", "\x1b[31m"},
                                             {"get", "k", "--node", "\x1b[31m"},
                                             {"get", "k", "\x1b[31m"},
                                             {"get", "k", "-f", "\x1b[31m"}}) {
    const Answer answer = say(arguments);
    EXPECT_EQ(answer.code, 2);
    EXPECT_EQ(answer.err.find('\x1b'), std::string::npos);
    EXPECT_NE(answer.err.find("\\x1b[31m"), std::string::npos) << answer.err;
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

TEST(CommandLine, ATimeoutOfAReadHasNoUnknownOutcome) {
  testing::internal::CaptureStderr();
  const Error timeout{ErrorCode::timeout, "no answer came from tcp://127.0.0.1:1 by the deadline"};
  EXPECT_EQ(report_read(CommonOptions{}, timeout), ExitCode::unknown);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(
      text,
      "paxledger: timeout: no answer came from tcp://127.0.0.1:1 by the deadline; nothing was "
      "read\n");
}

// Takes connections, as the system does for a process that is paused, and never says a word.
class SilentNode {
 public:
  SilentNode() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_, raw, size), 0);
    EXPECT_EQ(listen(socket_, 8), 0);
    EXPECT_EQ(getsockname(socket_, raw, &size), 0);
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }
  ~SilentNode() { close(socket_); }
  SilentNode(const SilentNode&) = delete;
  SilentNode& operator=(const SilentNode&) = delete;
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

 private:
  int socket_;
  std::string endpoint_;
};

TEST(CommandLine, TellsASilentNodeFromOneThatIsNotThereAndWaitsForItNoLongerThanItsTimeout) {
  const SilentNode silent;
  for (const auto& [command, code] :
       std::vector<std::pair<std::string, int>>{{"status", 4}, {"kv", 8}, {"queue", 8}}) {
    const auto begin = std::chrono::steady_clock::now();
    const Answer answer = say({command, "--timeout", "200ms", "--endpoint",
                               silent.endpoint() + ",tcp://127.0.0.1:1," + silent.endpoint()});
    EXPECT_EQ(answer.code, code) << command;
    const std::string all = answer.out + answer.err;
    EXPECT_NE(all.find("does not answer"), std::string::npos) << all;
    EXPECT_NE(all.find("cannot connect"), std::string::npos) << all;
    EXPECT_EQ(all.find("nothing waits"), std::string::npos) << all;
    // Both silent ones at once, and far from the deadline of 5 s.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3)) << command;
  }
}

TEST(CommandLine, ShowsNodesThatCannotBeReached) {
  const Answer answer = say({"status", "--endpoints", "tcp://127.0.0.1:1,tcp://127.0.0.1:2"});
  EXPECT_EQ(answer.code, 4);
  EXPECT_NE(answer.out.find("tcp://127.0.0.1:2  -"), std::string::npos) << answer.out;
  EXPECT_NE(answer.out.find("cannot connect"), std::string::npos);
  EXPECT_NE(answer.err.find("no answer from 2 of 2 nodes"), std::string::npos) << answer.err;
}

TEST(CommandLine, SaysThatADirectoryIsNoDataDirectory) {
  const Answer answer = say({"chain", "verify", "--data-dir", "/nowhere"});
  EXPECT_EQ(answer.code, 8);
  EXPECT_NE(answer.err.find("/nowhere"), std::string::npos);
}

}  // namespace
}  // namespace paxledger::cli
