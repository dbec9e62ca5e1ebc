// What a node may not do after it lost its log, or some of its blocks.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "engine/batch.hpp"
#include "paxos/votes.hpp"
#include "scenario/play.hpp"
#include "sim/describe.hpp"
#include "sim/faults.hpp"

namespace paxledger::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- lost disks -------------------------------------------------------------------------------

// A node loses its disk twice. Answers that its first rejoin asked for arrive in its second one,
// and say that no rejoin ever happened. If it believed them, it would vote under the generation
// under which it voted before, and the votes that it forgot would still count.
TEST(LostDisk, TwiceIsNotHealedByAnswersToTheFirstRejoin) {
  Serving play(nodes(5));

  std::vector<Generation> announced;
  std::vector<InFlight> kept;
  play.on_sent = [&](const InFlight& flight) {
    const auto* request = std::get_if<paxos::RejoinRequest>(&flight.message);
    if (request != nullptr && request->generation != Generation(0)) {
      announced.push_back(request->generation);
    }
    if (flight.to == kTwo && is<paxos::RejoinReply>(flight)) kept.push_back(flight);
  };
  play.lose_disk(kTwo);
  ASSERT_TRUE(play.votes_again(kTwo));
  ASSERT_FALSE(announced.empty());
  const Generation first = announced.back();
  const std::vector<InFlight> late = kept;
  ASSERT_GE(late.size(), 6u);

  announced.clear();
  play.lose_disk(kTwo);
  for (const auto& flight : late) play.inject(flight.from, flight.to, flight.message);
  ASSERT_TRUE(play.votes_again(kTwo));
  ASSERT_FALSE(announced.empty());
  for (const Generation generation : announced) EXPECT_GT(generation, first);
  play.expect_no_violations();
}

// Two of five disks are lost, one after the other. Node 2 votes, loses its log and rejoins; its
// vote is still on its way. Node 3 takes part in that, so that each vote of it tells that the old
// vote of node 2 is void. Then it loses its log as well. After its own rejoin its votes must tell
// so again: the old vote of node 2, the new one of node 3 and the leader are a majority by number
// only.
TEST(LostDisk, OfAnotherNodeDoesNotBringAForgottenVoteToLife) {
  Options options = nodes(5);
  options.timing.election_timeout = seconds(10);
  Serving play(options);
  const Height before = play.world().status(kOne).head.height;

  std::vector<InFlight> held;
  bool alone = true;  // node 1, but for what this test hands on
  play.loses = [&](const InFlight& flight) {
    const bool crosses = alone && (flight.from == kOne || flight.to == kOne);
    const bool vote = is<paxos::Accepted>(flight) && flight.from == kTwo;
    const bool second = is<paxos::Accept>(flight) && flight.to == kThree;
    if (crosses && (vote || (second && held.size() < 2))) held.push_back(flight);
    return crosses && !(is<paxos::Accept>(flight) && flight.to == kTwo);
  };
  play.put(kOne, 1, "v", seconds(60));
  play.run(milliseconds(20));
  ASSERT_EQ(held.size(), 2u);
  for (const NodeId lost : {kTwo, kThree}) {
    play.lose_disk(lost);
    ASSERT_TRUE(play.votes_again(lost));
  }
  alone = false;
  play.loses = [&](const InFlight& flight) {  // only what was held, and what comes of it
    return !is<paxos::Accept>(flight) && !is<paxos::Accepted>(flight);
  };
  for (const auto& flight : held) play.inject(flight.from, flight.to, flight.message);
  play.run(milliseconds(5));
  EXPECT_EQ(play.world().status(kOne).head.height, before)
      << "node 1 counts a vote that nobody remembers";
  // Nodes 4 and 5 and one of those that lost their disks may decide something else by now.
  play.loses = nullptr;
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kOne).head.height > before; }, seconds(60)));
  play.expect_no_violations();
}

// The same, but that node 3 only restarts: what it told node 2 it must have written down.
TEST(LostDisk, IsRememberedByThoseWhoHelpedAcrossARestart) {
  Options options = nodes(5);
  options.timing.election_timeout = seconds(10);
  Serving play(options);
  bool alone = true;
  play.loses = [&](const InFlight& flight) {
    return alone && (flight.from == kOne || flight.to == kOne);
  };
  play.lose_disk(kTwo);
  ASSERT_TRUE(play.votes_again(kTwo));
  play.world().crash(kThree, nullptr);
  play.world().restart(kThree);
  alone = false;
  std::size_t votes = 0;
  play.on_sent = [&](const InFlight& flight) {
    const auto* vote = std::get_if<paxos::Accepted>(&flight.message);
    if (vote == nullptr || flight.from != kThree) return;
    ++votes;
    EXPECT_EQ(paxos::own_generation(kTwo, vote->generations), Generation(1));
  };
  const RequestKey put = play.put(kOne, 1, "v");
  ASSERT_TRUE(play.done(put));
  play.run(milliseconds(500));
  EXPECT_GT(votes, 0u);
  play.expect_no_violations();
}

// Node 2 has lost its disk, and has got everything back, when the new disk refuses to sync it. It
// must not have said before that it is whole; and once it has said so, a power failure changes
// nothing.
TEST(LostDisk, IsMadeGoodOnceTheBlocksAreDurableAndIsNotSaidToBeSooner) {
  Serving play(nodes(3));
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence) {
    ASSERT_TRUE(play.done(play.put(kOne, sequence, "v" + std::to_string(sequence))));
  }
  World& world = play.world();
  const auto whole = [&] { return world.running(kTwo) && !world.status(kTwo).repairing; };
  world.wipe(kTwo);
  world.restart(kTwo);
  world.disk(kTwo).disk().fail_sync_of("/blocks/");
  ASSERT_TRUE(play.reach([&] { return whole() || !world.running(kTwo); }, seconds(5)));
  EXPECT_FALSE(whole()) << "that is not on its disk";

  world.restart(kTwo);
  ASSERT_TRUE(world.running(kTwo));
  EXPECT_FALSE(whole()) << describe(world.status(kTwo));
  ASSERT_TRUE(play.reach(whole, seconds(5)));
  world.crash(kTwo, nullptr);
  play.loses = [](const InFlight&) { return true; };
  world.restart(kTwo);
  EXPECT_FALSE(world.status(kTwo).abstaining) << describe(world.status(kTwo));
  EXPECT_TRUE(play.reach(whole, seconds(5))) << "it needs nobody for that";
  play.expect_no_violations();
}

// Chance may take a minority of disks. One that was lost counts until what came back is durable.
TEST(LostDisk, CountsAsLostUntilTheBlocksAreDurable) {
  Serving play(nodes(3));
  ASSERT_TRUE(play.done(play.put(kOne, 1, "v")));
  World& world = play.world();
  world.wipe(kTwo);
  world.set_instant_disk(kTwo, false);
  world.restart(kTwo);
  const Height height = world.status(kOne).head.height;
  for (int i = 0; i < 2000 && world.status(kTwo).head.height < height; ++i) {
    play.run(milliseconds(1));
    if (world.disk(kTwo).writing()) world.complete_writes(kTwo, 1);
  }
  ASSERT_EQ(world.status(kTwo).head.height, height);
  ASSERT_FALSE(world.status(kTwo).abstaining);

  const auto others_lost = [&] {
    Profile profile = Profile::usual();
    profile.faults.disks = true;
    profile.faults.bit_flips = true;
    int lost = 0;
    Faults faults(
        world, Prng(Seed{1}), profile, [](Duration, const std::function<void()>&) {},
        [&](const Fault& fault) {
          const bool of_disks = fault.kind == FaultKind::lose_disk ||
                                fault.kind == FaultKind::damage ||
                                fault.kind == FaultKind::flip_bit;
          lost += of_disks && fault.node != kTwo ? 1 : 0;
        });
    for (int i = 0; i < 500; ++i) faults.inject();
    return lost;
  };
  EXPECT_EQ(others_lost(), 0);
  world.serve_sync(kTwo);
  EXPECT_GT(others_lost(), 0);
  play.expect_no_violations();
}

// A value is decided by nodes 1, 2 and 3. Nodes 2 and 3 lose their disks at once, node 1 goes down.
// Neither can bound the votes of the other: they wait for node 1.
TEST(LostDisk, OfTwoNodesAtOnceIsNotHealedByThemAlone) {
  Serving play(nodes(5));
  play.loses = [&](const InFlight& flight) {
    return is<paxos::Accept>(flight) && flight.to > kThree;
  };
  const RequestKey put = play.put(kOne, 1, "v");
  ASSERT_TRUE(play.done(put));
  const Height height = play.world().status(kOne).head.height;
  play.world().crash(kOne, nullptr);
  play.loses = [&](const InFlight& flight) { return is<paxos::Accept>(flight); };
  for (const NodeId lost : {kTwo, kThree}) play.world().wipe(lost);
  for (const NodeId lost : {kTwo, kThree}) play.world().restart(lost);
  play.loses = nullptr;
  play.run(seconds(20));
  EXPECT_EQ(play.leader(), kNobody);
  play.world().restart(kOne);
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kTwo).head.height > height; }, seconds(10)));
  play.expect_no_violations();
}

// Node 2 promised the ballot of node 3, loses its disk, rejoins, and is asked by the leader before.
TEST(LostDisk, DoesNotLoseAPromise) {
  Serving play(nodes(5));
  const auto old_ballot = play.world().status(kOne).promised;
  const NodeId five(5);
  play.loses = across({kOne, five});
  ASSERT_TRUE(play.reach(
      [&] {
        const NodeId leads = play.leader();
        return leads != kNobody && leads != kOne && leads != five;
      },
      seconds(10)));
  play.run(milliseconds(200));
  const auto promised = play.world().status(kTwo).promised;
  ASSERT_GT(promised, old_ballot);
  // Nodes 4 and 5 answer, and whoever leads.
  play.loses = [&](const InFlight& flight) {
    return flight.from == kOne || flight.to == kOne || (flight.from == five && flight.to != kTwo) ||
           (flight.to == five && flight.from != kTwo);
  };
  play.lose_disk(kTwo);
  ASSERT_TRUE(play.votes_again(kTwo));
  const Slot slot(play.world().status(kTwo).head.height.value() + 1);
  play.inject(kOne, kTwo,
              paxos::Accept{old_ballot, slot, engine::encode_batch(Timestamp(1), 0, {}), Slot(0)});
  play.loses = [&](const InFlight& flight) { return !is<paxos::Accept>(flight); };
  play.run(milliseconds(2));
  const auto accepted = play.world().replica(kTwo).durable().accepted;
  EXPECT_FALSE(accepted.contains(slot) && accepted.at(slot).ballot == old_ballot);
  EXPECT_GE(play.world().status(kTwo).promised, promised);
}

// Node 5 accepted what was never decided. A node that rejoins abstains up to there, however idle
// the cluster is.
TEST(LostDisk, IsHealedEvenIfNothingIsEverWrittenAgain) {
  Options options = nodes(5);
  options.limits.batch_commands_max = 1;
  Serving play(options);
  const NodeId five(5);
  play.loses = across({kOne, five});
  for (std::uint64_t sequence = 1; sequence <= 6; ++sequence) {
    play.put(kOne, sequence, "never decided", milliseconds(300));
  }
  ASSERT_TRUE(play.reach(
      [&] {
        const NodeId leads = play.leader();
        return leads != kNobody && leads != kOne;
      },
      seconds(10)));
  play.world().crash(kOne, nullptr);
  play.loses = nullptr;
  play.run(seconds(1));
  const NodeId lost = play.leader() == kTwo ? kThree : kTwo;
  play.lose_disk(lost);
  EXPECT_TRUE(play.reach([&] { return !play.world().status(lost).repairing; }, seconds(5)))
      << describe(play.world().status(lost));
  play.expect_no_violations();
}

// --- damaged blocks ---------------------------------------------------------------------------

// The leader knows of the newest decision before anybody else. If it then finds a damaged block
// while another node is down, the node that is left has accepted that decision and does not know
// it: neither can go on without the other's vote. The leader's log is whole, so it may vote.
TEST(DamagedBlocks, DoNotSilenceANodeWhoseLogTellsWhatItVoted) {
  Serving play(nodes(3));
  play.world().crash(kThree, nullptr);
  const RequestKey put = play.put(kOne, 1, "v");
  ASSERT_TRUE(play.done(put));
  const Height height = play.world().status(kOne).head.height;
  ASSERT_LT(play.world().status(kTwo).head.height, height);

  play.world().disk(kOne).sync_blocks();
  play.world().crash(kOne, nullptr);
  play.world().disk(kOne).damage_blocks(Height(height.value() - 1));
  play.world().restart(kOne);
  EXPECT_TRUE(play.world().status(kOne).repairing);
  EXPECT_TRUE(play.reach([&] { return !play.world().status(kOne).repairing; }, seconds(5)))
      << describe(play.world().status(kOne)) << "\n"
      << describe(play.world().status(kTwo));
  EXPECT_NE(play.leader(), kNobody);
  play.expect_no_violations();
}

}  // namespace
}  // namespace paxledger::sim
