// Corners of elections, reads and retries.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "scenario/play.hpp"

namespace paxledger::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// --- elections --------------------------------------------------------------------------------

// Node 1 hears everybody, but only node 4 hears it: too few to decide anything. Nodes 2 and 3 need
// the vote of a node that hears a leader.
TEST(Election, ALeaderWhomTooFewHearGivesWay) {
  const Options options = nodes(4);
  Serving play(options);
  play.world().cut(kOne, kTwo);
  play.world().cut(kOne, kThree);
  const RequestKey put = play.put(kTwo, 1, "v", seconds(30));
  EXPECT_TRUE(play.done(put, 15 * options.timing.election_timeout));
  EXPECT_NE(play.leader(), kOne);
  play.expect_no_violations();
}

// --- candidates -------------------------------------------------------------------------------

// Answers that bring nothing new keep no candidacy alive.
TEST(Candidate, GivesUpAlthoughItHearsTheSamePromiseAgainAndAgain) {
  const Options options = nodes(3);
  Serving play(options);
  play.world().crash(kOne, nullptr);
  std::optional<InFlight> promise;
  play.loses = [&](const InFlight& flight) {
    if (is<paxos::Promise>(flight) && !promise) promise = flight;
    return is<paxos::Promise>(flight);
  };
  ASSERT_TRUE(play.reach([&] { return promise.has_value(); }, seconds(10)));
  const NodeId runner = promise->to;
  auto& answer = std::get<paxos::Promise>(promise->message);
  answer.first = answer.through = Slot(99);  // a part that nobody asked for
  play.loses = [&](const InFlight& flight) {
    const auto* promised = std::get_if<paxos::Promise>(&flight.message);
    return is<paxos::PreVote>(flight) || (promised != nullptr && promised->first != Slot(99));
  };
  const auto ended = [&] { return play.world().status(runner).role != engine::Role::candidate; };
  const Instant patience = play.world().now() + 3 * options.timing.election_timeout;
  while (!ended() && play.world().now() < patience) {
    play.inject(promise->from, runner, answer);
    play.run(milliseconds(20));
  }
  EXPECT_TRUE(ended());
}

// --- reads ------------------------------------------------------------------------------------

// Node 1 leads and stands still while node 3 is elected and a write is done. When it goes on, it
// hears node 2 and not node 3, and is asked for a read before anybody can tell it. It answers
// nothing that was overwritten; `meanwhile` happens to node 2 before node 1 goes on.
void expect_no_stale_read(const std::function<void(World&)>& meanwhile) {
  Serving play(nodes(3));
  const RequestKey first = play.put(kOne, 1, "old");
  ASSERT_TRUE(play.done(first));
  play.run(milliseconds(100));
  play.pause(kOne);
  play.loses = [&](const InFlight& flight) {
    return is<paxos::PreVote>(flight) && flight.from == kTwo;
  };
  ASSERT_TRUE(play.reach([&] { return play.world().status(kThree).role == engine::Role::leader; },
                         seconds(10)));
  const RequestKey second = play.put(kThree, 2, "new");
  ASSERT_TRUE(play.done(second));
  play.run(milliseconds(100));
  play.world().cut(kOne, kThree);
  play.world().cut(kThree, kOne);
  meanwhile(play.world());
  play.resume(kOne);
  ASSERT_EQ(play.world().status(kOne).role, engine::Role::leader);
  const RequestKey read =
      play.world().read(kOne, "key", engine::ReadConsistency::linearizable, milliseconds(3000));
  // The question and the answer are faster than the clock, by which node 1 would step down.
  for (const bool answer : {false, true}) {
    std::vector<std::uint64_t> ids;
    for (const auto& [id, flight] : play.world().in_flight()) {
      const bool wanted = answer ? flight.to == kOne : is<paxos::ReadProbe>(flight);
      if (wanted) ids.push_back(id);
    }
    for (const std::uint64_t id : ids) play.world().deliver(id);
  }
  ASSERT_TRUE(play.reach([&] { return play.code_of(read).has_value(); }, seconds(5)));
  EXPECT_NE(play.value_of(read), "old");
  play.expect_no_violations();
}

TEST(Reads, AreNotConfirmedByThoseWhoPromisedAnotherLeader) {
  expect_no_stale_read([](World& /*world*/) {});
}

TEST(Reads, AreNotConfirmedByThoseWhoForgotWhatTheyPromised) {
  expect_no_stale_read([](World& world) {
    world.wipe(kTwo);
    world.restart(kTwo);
  });
}

// An answer to a question of an earlier life confirms nothing.
TEST(Reads, AreNotConfirmedByAnswersToAnEarlierLife) {
  Serving play(nodes(3));
  const RequestKey first = play.put(kOne, 1, "old");
  ASSERT_TRUE(play.done(first));
  play.run(milliseconds(200));
  std::optional<InFlight> late;
  play.on_sent = [&](const InFlight& flight) {
    if (is<paxos::ReadIndexReply>(flight) && flight.to == kTwo) late = flight;
  };
  const auto read_at_two = [&] {
    return play.world().read(kTwo, "key", engine::ReadConsistency::linearizable, seconds(3));
  };
  (void)read_at_two();
  ASSERT_TRUE(play.reach([&] { return late.has_value(); }, seconds(1)));
  play.world().disk(kTwo).sync_blocks();
  play.world().crash(kTwo, nullptr);
  const RequestKey second = play.put(kOne, 2, "new");
  ASSERT_TRUE(play.done(second));
  // It hears the leader, and learns nothing else but what was said before.
  play.loses = [&](const InFlight& flight) {
    return flight.to == kTwo && !is<paxos::Heartbeat>(flight) &&
           !(is<paxos::ReadIndexReply>(flight) && flight.sent == late->sent);
  };
  play.world().restart(kTwo);
  play.run(milliseconds(60));
  const RequestKey read = read_at_two();
  play.world().resubmit(*late);
  play.run(milliseconds(20));
  EXPECT_NE(play.value_of(read), "old");
  play.expect_no_violations();
}

// --- exactly once -----------------------------------------------------------------------------

// A node sends a command twice. The first copy may have been applied before the session ended, the
// second says that there is no such session. A client that was told so would begin anew.
TEST(ExactlyOnce, AnExpiredSessionIsNoOutcomeWhereAnotherCopyMayHaveBeenApplied) {
  const Options options = nodes(3);
  Serving play(options);
  std::vector<std::uint64_t> forwards;
  play.on_sent = [&](const InFlight& flight) {
    const auto* forward = std::get_if<paxos::Forward>(&flight.message);
    if (forward != nullptr) forwards.push_back(forward->id);
  };
  play.loses = [&](const InFlight& flight) { return is<paxos::Forward>(flight); };
  const RequestKey put = play.put(kTwo, 1, "v", seconds(5));
  ASSERT_TRUE(play.reach([&] { return forwards.size() >= 2; }, seconds(2)));
  play.inject(kOne, kTwo, paxos::ForwardReply{forwards.back(), ErrorCode::session_expired, {}, {}});
  ASSERT_TRUE(play.reach([&] { return play.code_of(put).has_value(); }, seconds(1)));
  EXPECT_EQ(play.code_of(put), ErrorCode::timeout);
}

// A node that repairs its history refuses what was forwarded to it. Another node may do it.
TEST(ExactlyOnce, ARefusalByANodeThatRepairsIsNotTheEnd) {
  const Options options = nodes(3);
  Serving play(options);
  bool refused = false;
  play.on_sent = [&](const InFlight& flight) {
    const auto* forward = std::get_if<paxos::Forward>(&flight.message);
    if (forward == nullptr || std::exchange(refused, true)) return;
    play.inject(kOne, kTwo, paxos::ForwardReply{forward->id, ErrorCode::repairing, {}, {}});
  };
  play.loses = [&](const InFlight& flight) { return is<paxos::Forward>(flight) && !refused; };
  const RequestKey put = play.put(kTwo, 1, "v", seconds(5));
  ASSERT_TRUE(play.reach([&] { return play.code_of(put).has_value(); }, seconds(6)));
  EXPECT_EQ(play.code_of(put), ErrorCode::ok);
}

// Of a session with the shortest time to live.
std::optional<ErrorCode> say_to(Play& play, NodeId node, kv::CommandKind kind,
                                std::uint64_t sequence) {
  kv::Command command;
  command.kind = kind;
  command.session = SessionId(50);
  command.sequence = Sequence(sequence);
  if (kind == kv::CommandKind::open_session) command.argument = kv::kSessionMillisecondsMin;
  if (kind == kv::CommandKind::put) command.key = command.value = "once";
  const RequestKey key = play.world().propose(node, command, seconds(2));
  EXPECT_TRUE(play.reach([&] { return play.code_of(key).has_value(); }, seconds(3)));
  return play.code_of(key);
}

// Through the leader and through a follower: a session that is opened again and again stays, so
// that a late copy of its command finds the first result. The others keep the time going.
TEST(ExactlyOnce, OpeningAgainKeepsASessionAliveThroughAnyNode) {
  for (const NodeId node : {kOne, kTwo}) {
    Serving play(nodes(3));
    const auto say = [&](kv::CommandKind kind, std::uint64_t sequence) {
      return say_to(play, node, kind, sequence);
    };
    EXPECT_EQ(say(kv::CommandKind::open_session, 0), ErrorCode::ok);
    EXPECT_EQ(say(kv::CommandKind::put, 1), ErrorCode::ok);
    for (std::uint64_t round = 1; round <= 12; ++round) {
      play.run(milliseconds(300));
      EXPECT_TRUE(play.done(play.put(kThree, round, "tick")));
      EXPECT_EQ(say(kv::CommandKind::open_session, 0), ErrorCode::ok) << "round " << round;
    }
    EXPECT_EQ(say(kv::CommandKind::put, 1), ErrorCode::ok) << "the session has expired";
    play.expect_no_violations();
  }
}

// A session that was silent for too long is not replaced by an empty one under its id.
TEST(ExactlyOnce, AnExpiredSessionIsNotOpenedAgain) {
  for (const NodeId node : {kOne, kTwo}) {
    Serving play(nodes(3));
    const auto say = [&](kv::CommandKind kind, std::uint64_t sequence) {
      return say_to(play, node, kind, sequence);
    };
    EXPECT_EQ(say(kv::CommandKind::open_session, 0), ErrorCode::ok);
    EXPECT_EQ(say(kv::CommandKind::put, 1), ErrorCode::ok);
    play.run(seconds(5));  // and nothing is decided
    EXPECT_EQ(say(kv::CommandKind::open_session, 0), ErrorCode::session_expired);
    ASSERT_TRUE(play.agree());
    EXPECT_EQ(say(kv::CommandKind::put, 1), ErrorCode::session_expired);
    play.expect_no_violations();
  }
}

// A node that lags behind learns at last that the session was opened once, and a second
// open_session waits there. What came of the first is no answer to it.
TEST(ExactlyOnce, AnEarlierOpeningIsNoAnswerToALaterOne) {
  Serving play(nodes(3));
  play.loses = [&](const InFlight& flight) {
    return flight.to == kTwo && !is<paxos::ForwardReply>(flight);
  };
  EXPECT_EQ(say_to(play, kTwo, kv::CommandKind::open_session, 0), ErrorCode::ok);
  EXPECT_EQ(say_to(play, kOne, kv::CommandKind::close_session, 1), ErrorCode::ok);
  play.loses = [&](const InFlight& flight) { return is<paxos::Forward>(flight); };
  kv::Command open;
  open.kind = kv::CommandKind::open_session;
  open.session = SessionId(50);
  open.argument = kv::kSessionMillisecondsMin;
  const RequestKey again = play.world().propose(kTwo, open, seconds(5));
  ASSERT_TRUE(play.agree());
  EXPECT_EQ(play.code_of(again), std::nullopt);
  play.loses = nullptr;
  ASSERT_TRUE(play.reach([&] { return play.code_of(again).has_value(); }, seconds(3)));
  EXPECT_EQ(play.code_of(again), ErrorCode::session_expired);
  play.expect_no_violations();
}

// The follower has not applied the close when the session is opened again.
TEST(ExactlyOnce, ANodeThatDidNotHearOfACloseDoesNotOpenTheSessionAgain) {
  Serving play(nodes(3));
  EXPECT_EQ(say_to(play, kTwo, kv::CommandKind::open_session, 0), ErrorCode::ok);
  ASSERT_TRUE(play.agree());
  EXPECT_EQ(say_to(play, kOne, kv::CommandKind::close_session, 1), ErrorCode::ok);
  ASSERT_LT(play.world().status(kTwo).head.height, play.world().status(kOne).head.height);
  EXPECT_EQ(say_to(play, kTwo, kv::CommandKind::open_session, 0), ErrorCode::session_expired);
  play.expect_no_violations();
}

}  // namespace
}  // namespace paxledger::sim
