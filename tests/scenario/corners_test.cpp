// Corners of elections, reads and retries.
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "scenario/play.hpp"

namespace paxledger::world {
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

}  // namespace
}  // namespace paxledger::world
