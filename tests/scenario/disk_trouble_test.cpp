// Disks that lose power, and disks that are slow.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "scenario/play.hpp"
#include "sim/describe.hpp"

namespace paxledger::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- power failure ----------------------------------------------------------------------------

// Block files are synced every few seconds, so a power failure of all nodes leaves everything since
// then in the logs alone: thousands of slots that a new leader must decide again.
class PowerFailure : public testing::TestWithParam<std::uint32_t> {};

TEST_P(PowerFailure, OfAllNodesIsOvercomeHoweverMuchOnlyTheLogsHold) {
  Options options = nodes(GetParam());
  options.limits.batch_commands_max = 1;
  Serving play(options);
  constexpr std::uint64_t kSlots = 3000;
  RequestKey last;
  for (std::uint64_t sequence = 1; sequence <= kSlots; ++sequence) {
    last = play.put(kOne, sequence, "v" + std::to_string(sequence));
    if (sequence % 64 == 0) play.run(milliseconds(5));
  }
  ASSERT_TRUE(play.done(last, seconds(10)));
  play.run(milliseconds(200));
  for (const NodeId node : play.world().nodes()) play.world().crash(node, nullptr);
  for (const NodeId node : play.world().nodes()) play.world().restart(node);
  ASSERT_EQ(play.world().status(kOne).head.height, Height(0));

  // Copies of one slot on the way to one peer show whether the leader floods its peers.
  std::uint64_t accepts = 0;
  play.on_sent = [&](const InFlight& flight) { accepts += is<paxos::Accept>(flight) ? 1 : 0; };
  EXPECT_TRUE(play.reach(
      [&] {
        const auto all = play.world().nodes();
        return std::all_of(all.begin(), all.end(), [&](NodeId node) {
          return play.world().status(node).head.height > Height(kSlots);
        });
      },
      10 * options.timing.election_timeout))
      << "node 1 stands at " << describe(play.world().status(kOne));
  EXPECT_LE(accepts, 2 * kSlots * GetParam());
  play.expect_no_violations();
}

INSTANTIATE_TEST_SUITE_P(Clusters, PowerFailure, testing::Values(1, 3));

// --- slow disks -------------------------------------------------------------------------------

// A leader whose disk stands still decides by the disks of its followers until what waits for its
// own would fill the memory. A minority's disk must not stop the cluster then.
TEST(SlowDisk, OfTheLeaderDoesNotStopTheCluster) {
  Options options = nodes(3);
  options.limits.window_bytes = 2000;
  options.limits.batch_commands_max = 1;
  Serving play(options);
  play.world().set_instant_disk(kOne, false);
  const std::string value(300, 'x');
  RequestKey last;
  for (std::uint64_t sequence = 1; sequence <= 60; ++sequence) {
    last = play.put(kTwo, sequence, value, seconds(30));
    play.run(milliseconds(20));
  }
  EXPECT_TRUE(play.done(last, 10 * options.timing.election_timeout));
  EXPECT_NE(play.leader(), kOne);
  // Nor does it run for leader as long as it could keep no promise.
  const auto elections = play.world().status(kOne).elections_started;
  play.run(10 * options.timing.election_timeout);
  EXPECT_EQ(play.world().status(kOne).elections_started, elections);
  play.expect_no_violations();
}

// Every sync takes longer than an election timeout: a candidate's own, then those of its voters.
TEST(SlowDisk, OfEveryNodeDoesNotKeepTheClusterFromElecting) {
  const Options options = nodes(3);
  Play play(options);
  play.slow_disks(milliseconds(900));
  ASSERT_TRUE(play.reach([&] { return play.leader() != kNobody; }, seconds(60)));
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kOne).head.height > Height(0); }, seconds(20)));
  play.expect_no_violations();
}

}  // namespace
}  // namespace paxledger::sim
