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

// --- disks that refuse ------------------------------------------------------------------------

// A node ends at the first failed sync of its log. Nothing that it did not make durable was told to
// anybody, and it comes back with all that was.
TEST(FailedSync, EndsTheNodeAndNothingElse) {
  Serving play(nodes(3));
  play.world().disk(kTwo).disk().fail_sync_of("/log/");
  const RequestKey put = play.put(kOne, 1, "v");
  ASSERT_TRUE(play.done(put));
  EXPECT_FALSE(play.world().running(kTwo));
  play.world().restart(kTwo);
  ASSERT_TRUE(play.world().running(kTwo));
  EXPECT_TRUE(play.reach(
      [&] {
        return play.world().status(kTwo).head.height == play.world().status(kOne).head.height;
      },
      seconds(5)));
  play.expect_no_violations();
}

TEST(FullDisk, EndsTheNodeUntilThereIsRoom) {
  Serving play(nodes(3));
  SimulatedDisk& disk = play.world().disk(kTwo).disk();
  disk.limit_bytes(disk.bytes_used());
  RequestKey last;
  for (std::uint64_t sequence = 1; sequence <= 40; ++sequence) {
    last = play.put(kOne, sequence, std::string(900, 'x'));
    play.run(milliseconds(5));
  }
  ASSERT_TRUE(play.done(last, seconds(10)));
  EXPECT_FALSE(play.world().running(kTwo));
  disk.limit_bytes(UINT64_MAX);
  play.world().restart(kTwo);
  EXPECT_TRUE(play.reach(
      [&] {
        return play.world().status(kTwo).head.height == play.world().status(kOne).head.height;
      },
      seconds(5)));
  play.expect_no_violations();
}

// --- flipped bits -----------------------------------------------------------------------------

// Nodes that serve blocks to another one find that one of them is not what was written. They serve
// none of it, repair from each other, and the one that asked gets what it asked for.
TEST(FlippedBit, IsFoundWhenTheBlockIsReadForAPeer) {
  Serving play(nodes(3));
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    ASSERT_TRUE(play.done(play.put(kOne, sequence, "v" + std::to_string(sequence))));
  }
  play.run(milliseconds(200));
  for (const NodeId node : play.world().nodes()) play.world().sync_blocks(node);
  const Height height = play.world().status(kOne).head.height;
  std::size_t repairs = 0;
  play.on_event = [&](const Event& event) {
    repairs += event.kind == Event::Kind::fault && event.name == "repair" ? 1 : 0;
  };
  const std::string file =
      play.world().disk(kOne).paths().blocks() + "/00000000000000000001.blocks";
  play.world().disk(kOne).disk().flip(file, 500, 1);
  play.world().crash(kThree, nullptr);
  play.world().disk(kThree).wipe();
  // Only node 1 is there to ask.
  play.loses = [&](const InFlight& flight) {
    return is<paxos::Blocks>(flight) && flight.from == kTwo && flight.to == kThree && repairs == 0;
  };
  play.world().restart(kThree);
  EXPECT_TRUE(play.reach(
      [&] {
        const auto all = play.world().nodes();
        return repairs > 0 && std::all_of(all.begin(), all.end(), [&](NodeId node) {
                 const auto status = play.world().status(node);
                 return status.head.height >= height && !status.repairing;
               });
      },
      seconds(30)))
      << repairs << " repairs; node 3 stands at " << describe(play.world().status(kThree));
  play.expect_no_violations();
}

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
