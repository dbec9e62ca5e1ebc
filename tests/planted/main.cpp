// Simulated runs of a cluster with one planted bug, until a checker catches it.
//
//   planted_sim --bug N --seeds A..B     prints a line: the seed and the rule, or that none did
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
#include <string>

#include "planted.hpp"
#include "sim/run.hpp"

namespace {

// A run takes milliseconds; one that takes this long goes round in circles.
constexpr unsigned kRunSecondsMax = 20;

struct Ending {
  int status = 0;
  std::string text;  // what the run wrote
};

// In a process of its own, for a broken invariant ends it.
Ending run_apart(std::uint64_t seed) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    ::alarm(kRunSecondsMax);
    const auto result = paxledger::sim::run(paxledger::sim::Plan::draw(seed)).result;
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
  std::fputs("usage: planted_sim --bug N --seeds A..B\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 || std::strcmp(argv[1], "--bug") != 0 || std::strcmp(argv[3], "--seeds") != 0) {
    return usage();
  }
  paxledger::planted::chosen = std::atoi(argv[2]);
  unsigned long long first = 0;
  unsigned long long last = 0;
  if (std::sscanf(argv[4], "%llu..%llu", &first, &last) != 2) return usage();
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    const Ending ending = run_apart(seed);
    if (ending.status == 0) continue;
    std::string line = ending.text;
    for (char& c : line) c = c == '\n' ? ' ' : c;
    std::printf("caught\t%llu\t%s\t%s\n", static_cast<unsigned long long>(seed),
                rule_of(ending).c_str(), line.c_str());
    return 0;
  }
  std::printf("not caught\n");
  return 1;
}
