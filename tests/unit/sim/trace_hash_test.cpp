// Runs whose trace hashes are stored. Release builds, builds with sanitizers and other compilers
// all run this program and compare with one table, so a run that depends on the build is found.
//
//   PAXLEDGER_REWRITE=1   writes the table anew instead, which is right after every change of the
//                         simulator, of what seeds draw or of what replicas do
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "sim/run.hpp"

namespace paxledger::sim {
namespace {

constexpr std::uint64_t kSeeds = 60;

std::string table() {
  std::stringstream text;
  text << "# seed, trace hash, height (tests/unit/sim/trace_hash_test.cpp)\n";
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const RunResult result = run(Plan::draw(seed)).result;
    text << std::dec << seed << ' ' << std::hex << result.trace_hash << ' ' << std::dec
         << result.height << '\n';
  }
  return text.str();
}

TEST(TraceHash, IsTheSameInEveryBuild) {
  const auto path = std::filesystem::path(PAXLEDGER_TESTS_DIR) / "sim" / "trace_hashes.txt";
  const std::string actual = table();
  if (std::getenv("PAXLEDGER_REWRITE") != nullptr) {
    std::ofstream(path) << actual;
    return;
  }
  std::ifstream in(path);
  std::stringstream stored;
  stored << in.rdbuf();
  EXPECT_EQ(stored.str(), actual)
      << "Runs are not what they were. If the simulator, its seeds or replicas were changed on "
         "purpose, write the table anew:\n  PAXLEDGER_REWRITE=1 sim_test "
         "--gtest_filter='TraceHash.*'";
}

}  // namespace
}  // namespace paxledger::sim
