// Simulated runs of a cluster with one planted bug, until a checker catches it.
//
//   planted_sim --bug N --seeds A..B     prints a line: the seed and the rule, or that none did
//   planted_sim --bug N --case FILE      the same of one case
//   planted_sim --bug N --seeds A..B --save FILE
//                                        writes a small case in which the bug is caught, too
//
// Exit codes: 0 the bug was caught, 1 it was not, 2 the program was called wrongly. Bug 0 is none.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "planted.hpp"
#include "sim/minimize.hpp"
#include "sim/plan_json.hpp"
#include "sim/run.hpp"

namespace {

// A run takes milliseconds; one that takes this long goes round in circles.
constexpr unsigned kRunSecondsMax = 20;

struct Ending {
  int status = 0;
  std::string text;  // what the run wrote
};

// In a process of its own, for a broken invariant ends it.
Ending run_apart(const paxledger::sim::Plan& plan) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::alarm(kRunSecondsMax);
    const auto result = paxledger::sim::run(plan).result;
    if (result.verdict == paxledger::sim::RunVerdict::crash) std::fputs("invariant: ", stderr);
    std::fputs(result.failure.c_str(), stderr);
    std::fflush(stderr);
    std::_Exit(result.verdict == paxledger::sim::RunVerdict::passed ? 0 : 1);
  }
  ::close(ends[1]);
  Ending ending;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t count = ::read(ends[0], buffer.data(), buffer.size());
    if (count <= 0) break;
    ending.text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(ends[0]);
  if (child < 0 || ::waitpid(child, &ending.status, 0) != child) std::abort();
  return ending;
}

std::string rule_of(const Ending& ending) {
  if (WIFSIGNALED(ending.status)) {
    return WTERMSIG(ending.status) == SIGALRM ? "progress" : "invariant";
  }
  return ending.text.substr(0, ending.text.find(':'));
}

int usage() {
  std::fputs("usage: planted_sim --bug N (--seeds A..B [--save FILE] | --case FILE)\n", stderr);
  return 2;
}

// Prints the line of a run. Returns whether the bug was caught.
bool tell(const Ending& ending, std::uint64_t seed) {
  if (ending.status == 0) return false;
  std::string line = ending.text;
  for (char& c : line) c = c == '\n' ? ' ' : c;
  std::printf("caught\t%llu\t%s\t%s\n", static_cast<unsigned long long>(seed),
              rule_of(ending).c_str(), line.c_str());
  return true;
}

int play_case(const char* path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  const auto plan = paxledger::sim::parse_plan(text.str());
  if (!plan) {
    std::fprintf(stderr, "%s: %s\n", path, plan.error().message.c_str());
    return 2;
  }
  if (tell(run_apart(*plan), plan->seed)) return 0;
  std::printf("not caught\n");
  return 1;
}

// The run must end by itself: what ends a process cannot be made smaller.
void save(const paxledger::sim::Plan& plan, const char* path) {
  const auto small = paxledger::sim::minimize(plan, paxledger::sim::run(plan), {}, {});
  std::ofstream(path) << paxledger::sim::to_json(small.plan) << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5 || std::strcmp(argv[1], "--bug") != 0) return usage();
  paxledger::planted::chosen = std::atoi(argv[2]);
  if (argc == 5 && std::strcmp(argv[3], "--case") == 0) return play_case(argv[4]);
  const bool saves = argc == 7 && std::strcmp(argv[5], "--save") == 0;
  if (std::strcmp(argv[3], "--seeds") != 0 || (argc != 5 && !saves)) return usage();
  unsigned long long first = 0;
  unsigned long long last = 0;
  if (std::sscanf(argv[4], "%llu..%llu", &first, &last) != 2) return usage();
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const auto plan = paxledger::sim::Plan::draw(seed);
    if (!tell(run_apart(plan), seed)) continue;
    if (saves) save(plan, argv[6]);
    return 0;
  }
  std::printf("not caught\n");
  return 1;
}
