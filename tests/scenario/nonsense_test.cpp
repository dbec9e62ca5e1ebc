// Peers that are out of their minds.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "engine/batch.hpp"
#include "ledger/chain.hpp"
#include "scenario/play.hpp"
#include "sim/describe.hpp"

namespace paxledger::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- peers out of their minds -----------------------------------------------------------------

std::vector<paxos::Message> nonsense(NodeId from, paxos::Ballot promised) {
  using namespace paxos;  // NOLINT: this is about that vocabulary
  constexpr std::uint64_t kFar = (std::uint64_t{1} << 62) - 1;
  const Slot far(kFar);
  const Ballot mine{Round(promised.round.value() + 1), from};
  const Ballot last{Round(kFar), from};
  const Ballot strange{Round(promised.round.value() + 1), NodeId(77)};
  const SharedBytes batch = engine::encode_batch(Timestamp(1), 0, {});
  const Generations poison{{NodeId(1), Generation(UINT32_MAX)}, {NodeId(99), Generation(1)}};
  Promise circle{promised, Slot(1), Slot(0), false, Slot(0), {}, {}};
  Promise garbage{promised, Slot(1), Slot(9), true, Slot(0), {{Slot(9), promised, batch}}, {}};
  garbage.accepted.front().value = SharedBytes("no batch");
  Promise distant{promised, Slot(1), far, true, Slot(0), {{far, promised, batch}}, {}};
  return {
      Heartbeat{last, false, false, kNobody, false, far, {Height(kFar), {}}},
      Heartbeat{strange, true, true, NodeId(77), false, far, {Height(kFar), {}}},
      PreVote{last},
      PreVoteReply{last, true, last},
      PreVoteReply{strange, true, strange},
      Prepare{last, far},
      Prepare{strange, Slot(1)},
      circle,
      garbage,
      distant,
      Promise{promised, Slot(5), Slot(2), true, far, {}, poison},
      Accept{last, far, batch, far},
      Accept{mine, Slot(0), batch, far},
      Accepted{promised, far, poison},
      Nack{last},
      Nack{strange},
      Forward{1, 255, 0, SharedBytes("x")},
      Forward{2, 0, 0, SharedBytes()},
      Forward{3, 0, UINT32_MAX, SharedBytes(std::string(8, '\xff'))},
      ForwardReply{1, ErrorCode::ok, Revision(kFar), batch},
      ReadIndexRequest{1, 255},
      ReadIndexReply{1, true, far},
      ReadProbe{last, 1},
      ReadProbeAck{promised, 1, poison},
      FetchBlocks{Height(0), 0},
      FetchBlocks{Height(kFar), UINT32_MAX},
      Blocks{Height(0), {batch, batch}, {Height(kFar), {}}},
      Blocks{Height(kFar), {batch}, {Height(kFar), {}}},
      Blocks{Height(1), {SharedBytes()}, {Height(1), {}}},
      RejoinRequest{Generation(UINT32_MAX), 0},
      RejoinReply{Generation(UINT32_MAX), last, far, 0, poison},
  };
}

// One message of each kind from a member of the cluster that has gone mad, to every node in every
// role, after each other. Nobody falls over it, and no single one of them may do harm that lasts.
TEST(Nonsense, FromAMemberHurtsNobodyForLong) {
  const std::size_t count = nonsense(kThree, {}).size();
  for (std::size_t i = 0; i < count; ++i) {
    Serving play(nodes(3));
    const auto promised = play.world().status(kOne).promised;
    const std::string what = describe(nonsense(kThree, promised)[i]);
    SCOPED_TRACE(what);
    for (const NodeId to : {kOne, kTwo}) {
      play.inject(kThree, to, nonsense(kThree, promised)[i]);
      play.run(milliseconds(50));
    }
    play.world().crash(kOne, nullptr);  // the others must elect
    play.inject(kThree, kTwo, nonsense(kThree, play.world().status(kTwo).promised)[i]);
    ASSERT_TRUE(play.reach([&] { return play.leader() != kNobody; }, seconds(5)));
    play.world().restart(kOne);
    const RequestKey put = play.put(kOne, 1, "v");
    EXPECT_TRUE(play.done(put));
    EXPECT_TRUE(play.agree());
    for (const NodeId node : play.world().nodes()) {
      EXPECT_FALSE(play.world().status(node).repairing) << name(node);
      // What nobody can count up to must not get around.
      EXPECT_LT(play.world().status(node).promised.round, Round(1000)) << name(node);
    }
    play.expect_no_violations();
  }
}

// A candidate asks for promises; the nonsense comes as an answer to it.
TEST(Nonsense, InAPromiseDoesNotMakeALeaderProposeIt) {
  const std::size_t count = nonsense(kThree, {}).size();
  for (std::size_t i = 0; i < count; ++i) {
    Serving play(nodes(3));
    play.world().crash(kOne, nullptr);
    bool mad = true;
    play.loses = [&](const InFlight& flight) {
      return mad && is<paxos::Promise>(flight) && flight.to == kTwo;
    };
    if (!play.reach([&] { return play.world().status(kTwo).role == engine::Role::candidate; },
                    seconds(10))) {
      continue;
    }
    const auto ballot = play.world().status(kTwo).promised;
    SCOPED_TRACE(describe(nonsense(kThree, ballot)[i]));
    auto message = nonsense(kThree, ballot)[i];
    if (auto* promise = std::get_if<paxos::Promise>(&message)) {
      promise->first = Slot(play.world().status(kTwo).head.height.value() + 1);
    }
    play.inject(kThree, kTwo, message);
    play.run(milliseconds(20));
    mad = false;
    const RequestKey put = play.put(kTwo, 1, "v");
    EXPECT_TRUE(play.done(put));
    play.expect_no_violations();
  }
}

// --- blocks -----------------------------------------------------------------------------------

TEST(Blocks, ThatDoNotLinkAreNotApplied) {
  Serving play(nodes(3));
  const auto head = play.world().status(kTwo).head;
  ledger::Chain other(play.world().cluster());
  ledger::Block block;
  for (std::uint64_t i = 0; i <= head.height.value(); ++i) {
    block = other.extend(SharedBytes(), {}, Timestamp(UINT64_MAX), 0, 0);
  }
  play.inject(kThree, kTwo,
              paxos::Blocks{block.header.height,
                            {SharedBytes(ledger::encode_block(block))},
                            {block.header.height, block.hash}});
  play.run(milliseconds(10));
  EXPECT_EQ(play.world().status(kTwo).head, head);
  play.expect_no_violations();
}

}  // namespace
}  // namespace paxledger::sim
