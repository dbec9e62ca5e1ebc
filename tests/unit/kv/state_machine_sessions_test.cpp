// Sessions: exactly once, how long they are remembered, and their bounds.
#include <gtest/gtest.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "unit/kv/machine_client.hpp"

namespace paxledger::kv {
namespace {

using StateMachineSessions = StateMachineTest;

TEST_F(StateMachineSessions, ARepeatedCommandGivesItsFirstResultAndChangesNothing) {
  const Command put = client.command(CommandKind::put, "k", "mine");
  const CommandResult first = client.apply(put);
  Client other(machine, 2);
  other.open();
  other.put("k", "theirs");
  EXPECT_EQ(client.apply(put), first);
  EXPECT_EQ(value_of("k"), "theirs") << "the repetition has overwritten a later write";
  EXPECT_EQ(machine.revision(), Revision(2));
}

TEST_F(StateMachineSessions, ARepeatedCommandGivesItsFirstFailureToo) {
  const Command remove = client.command(CommandKind::remove, "k");
  EXPECT_EQ(client.apply(remove).code, ErrorCode::not_found);
  client.put("k", "v");
  EXPECT_EQ(client.apply(remove).code, ErrorCode::not_found);
  EXPECT_EQ(value_of("k"), "v");
}

TEST_F(StateMachineSessions, ARepeatedReadReadsAgainAndPinsNothing) {
  client.put("k", "old");
  const Command read = client.command(CommandKind::read, "k");
  const CommandResult first = client.apply(read);
  client.put("k", "new");
  EXPECT_EQ(first.value.view(), "old");
  EXPECT_EQ(client.apply(read).value.view(), "new");
  EXPECT_EQ(machine.known_result(client.session(), read.sequence), std::nullopt);
  EXPECT_EQ(machine.result_count(), 2u) << "results of reads are kept";
}

TEST_F(StateMachineSessions, PipelinedCommandsMayArriveInAnyOrder) {
  std::vector<Command> commands;
  const std::string keys = "abcdefgh";
  for (std::size_t i = 0; i < keys.size(); ++i) {
    commands.push_back(client.command(CommandKind::put, std::string_view(keys).substr(i, 1), "v"));
  }
  for (auto command = commands.rbegin(); command != commands.rend(); ++command) {
    EXPECT_EQ(client.apply(*command).code, ErrorCode::ok);
  }
  for (const Command& command : commands) client.apply(command);
  EXPECT_EQ(machine.revision(), Revision(8));
}

TEST_F(StateMachineSessions, ResultsAreKnownUntilAcknowledged) {
  const CommandResult first = client.put("a", "1");
  const CommandResult second = client.put("b", "2");
  EXPECT_EQ(machine.known_result(client.session(), Sequence(1)), first);
  EXPECT_EQ(machine.known_result(client.session(), Sequence(3)), std::nullopt);
  client.acknowledge(Sequence(1));
  client.put("c", "3");
  EXPECT_EQ(machine.known_result(client.session(), Sequence(1)), std::nullopt);
  EXPECT_EQ(machine.known_result(client.session(), Sequence(2)), second);
  EXPECT_EQ(machine.known_result(SessionId(99), Sequence(2)), std::nullopt);
}

TEST_F(StateMachineSessions, AnAcknowledgedCommandIsNotAppliedAgain) {
  const Command early = client.command(CommandKind::put, "k", "early");
  client.apply(early);
  client.acknowledge(Sequence(1));
  client.put("k", "late");
  EXPECT_EQ(client.apply(early).code, ErrorCode::bad_request);
  EXPECT_EQ(value_of("k"), "late");
}

TEST_F(StateMachineSessions, AnAcknowledgedCommandThatNeverCameIsNotAppliedLater) {
  const Command lost = client.command(CommandKind::put, "k", "lost");
  client.acknowledge(Sequence(1));
  client.put("other", "v");
  EXPECT_EQ(client.apply(lost).code, ErrorCode::bad_request);
  EXPECT_EQ(machine.find("k"), nullptr);
}

TEST_F(StateMachineSessions, AClientTooFarAheadIsOverloadedAndMayTryAgain) {
  Command far = client.command(CommandKind::put, "k", "v");
  far.sequence = Sequence(kSessionWindow + 1);
  EXPECT_EQ(client.apply(far).code, ErrorCode::overloaded);
  EXPECT_EQ(machine.find("k"), nullptr);
  far.acknowledged = Sequence(1);
  EXPECT_EQ(client.apply(far).code, ErrorCode::ok);
}

TEST_F(StateMachineSessions, AWholeWindowOfResultsIsKept) {
  for (std::uint64_t i = 0; i < kSessionWindow; ++i) {
    ASSERT_EQ(client.put("k", "v").code, ErrorCode::ok);
  }
  for (std::uint64_t i = 1; i <= kSessionWindow; ++i) {
    ASSERT_EQ(machine.known_result(client.session(), Sequence(i))->revision, Revision(i));
  }
  EXPECT_EQ(machine.result_count(), kSessionWindow);
}

// One result too many ends the session that was silent longest of those that keep many; who
// acknowledges, and who keeps few, is left alone.
TEST_F(StateMachineSessions, OneResultTooManyEndsTheLongestSilentHoarder) {
  for (std::uint64_t i = 0; i < kResultsLight; ++i) client.put("mine", "v");
  const std::size_t mine = machine.result_count();
  const std::uint64_t hoarders = (kResultsMax - mine) / kSessionWindow;
  for (std::uint64_t id = 2; id < 2 + hoarders; ++id) {
    Client hoarder(machine, id);
    hoarder.open();
    for (std::uint64_t i = 0; i < kSessionWindow; ++i) hoarder.put("k", "v");
  }
  Client reader(machine, 2);
  reader.open();  // session 3 is now the one that was silent longest
  EXPECT_EQ(machine.result_count(), mine + hoarders * kSessionWindow);

  Client late(machine, 2 + hoarders);
  late.open();
  for (std::uint64_t i = machine.result_count(); i < kResultsMax; ++i) late.put("k", "v");
  EXPECT_EQ(machine.result_count(), kResultsMax);
  EXPECT_TRUE(machine.has_session(SessionId(3)));
  EXPECT_EQ(late.put("k", "v").code, ErrorCode::ok);
  EXPECT_EQ(machine.result_count(), kResultsMax - kSessionWindow + 1);
  EXPECT_FALSE(machine.has_session(SessionId(3)));
  EXPECT_TRUE(machine.has_session(SessionId(2)));
  EXPECT_EQ(Client(machine, 3).put("k", "w").code, ErrorCode::session_expired);
  ASSERT_TRUE(machine.has_session(client.session())) << "silent longer, but it keeps few";
  EXPECT_EQ(machine.known_result(client.session(), Sequence(1))->revision, Revision(1));
}

TEST_F(StateMachineSessions, ASessionThatAcknowledgedIsNoHoarderAnyMore) {
  for (std::uint64_t i = 0; i < kSessionWindow; ++i) client.put("mine", "v");
  client.acknowledge(Sequence(kSessionWindow));
  client.read("mine");
  EXPECT_EQ(machine.result_count(), 0u);
  for (std::uint64_t id = 2; id < 3 + kResultsMax / kSessionWindow; ++id) {
    Client hoarder(machine, id);
    hoarder.open();
    for (std::uint64_t i = 0; i < kSessionWindow; ++i) hoarder.put("k", "v");
    ASSERT_LE(machine.result_count(), kResultsMax);
  }
  EXPECT_TRUE(machine.has_session(client.session()));
  EXPECT_FALSE(machine.has_session(SessionId(2)));
}

TEST_F(StateMachineSessions, CommandsOutsideOfAKnownSessionAreExpired) {
  Client stranger(machine, 77);
  EXPECT_EQ(stranger.put("k", "v").code, ErrorCode::session_expired);
  EXPECT_EQ(machine.find("k"), nullptr);
  EXPECT_FALSE(machine.has_session(SessionId(77)));
}

TEST_F(StateMachineSessions, OpeningTwiceKeepsTheResults) {
  const CommandResult first = client.put("k", "v");
  EXPECT_EQ(client.open().code, ErrorCode::ok);
  EXPECT_EQ(machine.session_count(), 1u);
  EXPECT_EQ(machine.known_result(client.session(), Sequence(1)), first);
}

TEST_F(StateMachineSessions, ClosingMayBeRepeated) {
  client.put("k", "v");
  EXPECT_EQ(client.close().code, ErrorCode::ok);
  EXPECT_FALSE(machine.has_session(client.session()));
  EXPECT_EQ(machine.session_count(), 0u);
  EXPECT_EQ(machine.result_count(), 0u);
  EXPECT_EQ(client.close().code, ErrorCode::ok);
  EXPECT_EQ(client.put("k", "w").code, ErrorCode::session_expired);
  EXPECT_EQ(value_of("k"), "v") << "what a session wrote outlives it";
  machine.advance_time(Timestamp(61 * kSecond));
  EXPECT_EQ(machine.closed_session_count(), 0u);
}

TEST_F(StateMachineSessions, LateCopiesReachNoSessionThatWasClosed) {
  const Command put = client.command(CommandKind::put, "k", "first");
  client.apply(put);
  client.close();
  Client other(machine, 2);
  other.open();
  other.put("k", "second");

  EXPECT_EQ(client.open().code, ErrorCode::session_expired) << "a closed session is opened again";
  EXPECT_EQ(client.apply(put).code, ErrorCode::session_expired);
  EXPECT_EQ(value_of("k"), "second") << "a write was applied twice";
}

TEST_F(StateMachineSessions, AClosedSessionIsRememberedForItsTimeToLive) {
  Client brief(machine, 2);
  brief.open(5'000, Timestamp(0));
  brief.apply(brief.command(CommandKind::close_session, {}), Timestamp(3 * kSecond));
  machine.advance_time(Timestamp(8 * kSecond));
  EXPECT_EQ(machine.closed_session_count(), 1u);
  // What comes for it is no sign of life.
  EXPECT_EQ(brief.open(5'000, Timestamp(8 * kSecond)).code, ErrorCode::session_expired);
  brief.apply(brief.command(CommandKind::close_session, {}), Timestamp(8 * kSecond));
  machine.advance_time(Timestamp(8 * kSecond + 1));
  EXPECT_EQ(machine.closed_session_count(), 0u);
}

TEST_F(StateMachineSessions, ASilentSessionExpiresByBlockTime) {
  Client silent(machine, 2);
  silent.open(5'000, Timestamp(10 * kSecond));
  machine.advance_time(Timestamp(15 * kSecond));
  EXPECT_TRUE(machine.has_session(silent.session())) << "silent for as long as it asked for";
  machine.advance_time(Timestamp(15 * kSecond + 1));
  EXPECT_FALSE(machine.has_session(silent.session()));
  EXPECT_EQ(silent.put("k", "v").code, ErrorCode::session_expired);
}

TEST_F(StateMachineSessions, AnExpiredSessionCannotBeOpenedAgainForItsTimeToLive) {
  Client late(machine, 2);
  late.open(5'000, Timestamp(0));
  const Command put = late.command(CommandKind::put, "k", "first");
  late.apply(put, Timestamp(0));
  client.put("k", "second");
  // Nothing was decided for long: the time counts from the block that finds the session silent.
  const Timestamp found(100 * kSecond);
  machine.advance_time(found);
  EXPECT_EQ(machine.result_count(), 0u) << "an expired session keeps results";
  EXPECT_EQ(late.open(5'000, found).code, ErrorCode::session_expired);
  EXPECT_EQ(late.apply(put, found).code, ErrorCode::session_expired);
  EXPECT_EQ(value_of("k"), "second") << "a write was applied twice";
  machine.advance_time(Timestamp(105 * kSecond));
  EXPECT_EQ(late.open(5'000, Timestamp(105 * kSecond)).code, ErrorCode::session_expired);
  EXPECT_EQ(machine.closed_session_count(), 2u) << "the other one has expired too";
  machine.advance_time(Timestamp(105 * kSecond + 1));
  EXPECT_EQ(machine.closed_session_count(), 1u);
}

TEST_F(StateMachineSessions, AnExpiredSessionGivesItsPlaceBeforeAnOpenOne) {
  for (std::uint64_t id = 2; id <= kSessionsMax; ++id) {
    Client(machine, id).open(id == 10 ? 1'000 : 60'000);
  }
  machine.advance_time(Timestamp(2 * kSecond));
  EXPECT_EQ(machine.closed_session_count(), 1u);
  Client(machine, kSessionsMax + 1).open(60'000, Timestamp(2 * kSecond));
  EXPECT_EQ(machine.closed_session_count(), 0u);
  EXPECT_TRUE(machine.has_session(client.session())) << "the longest silent one is still here";
}

TEST_F(StateMachineSessions, AnyCommandKeepsASessionAlive) {
  Client busy(machine, 2);
  busy.open(5'000, Timestamp(0));
  const Command put = busy.command(CommandKind::put, "k", "v");
  for (std::uint64_t second = 4; second < 100; second += 4) {
    machine.advance_time(Timestamp(second * kSecond));
    ASSERT_EQ(busy.apply(put, Timestamp(second * kSecond)).code, ErrorCode::ok)
        << "a repeated command counts as a sign of life, at second " << second;
  }
  machine.advance_time(Timestamp(101 * kSecond));
  EXPECT_TRUE(machine.has_session(busy.session()));
  machine.advance_time(Timestamp(102 * kSecond));
  EXPECT_FALSE(machine.has_session(busy.session()));
}

TEST_F(StateMachineSessions, OpeningAgainKeepsASessionAlive) {
  Client busy(machine, 2);
  busy.open(5'000, Timestamp(0));
  busy.open(5'000, Timestamp(4 * kSecond));
  machine.advance_time(Timestamp(8 * kSecond));
  EXPECT_TRUE(machine.has_session(busy.session()));
}

TEST_F(StateMachineSessions, TheTimeToLiveIsHeldWithinItsLimits) {
  Client hasty(machine, 2);
  hasty.open(0, Timestamp(0));
  machine.advance_time(Timestamp(kSessionMillisecondsMin * 1000));
  EXPECT_TRUE(machine.has_session(hasty.session()));
  machine.advance_time(Timestamp(kSessionMillisecondsMin * 1000 + 1));
  EXPECT_FALSE(machine.has_session(hasty.session()));

  Client eternal(machine, 3);
  eternal.open(UINT64_MAX, Timestamp(0));
  machine.advance_time(Timestamp(kSessionMillisecondsMax * 1000));
  EXPECT_TRUE(machine.has_session(eternal.session()));
  machine.advance_time(Timestamp(kSessionMillisecondsMax * 1000 + 1));
  EXPECT_FALSE(machine.has_session(eternal.session()));
}

TEST_F(StateMachineSessions, TheEndOfTimeDoesNotWrap) {
  Client late(machine, 2);
  late.open(60'000, Timestamp(UINT64_MAX - 5));
  machine.advance_time(Timestamp(UINT64_MAX));
  EXPECT_TRUE(machine.has_session(late.session()));
}

TEST_F(StateMachineSessions, OneSessionTooManyTakesThePlaceOfTheLongestSilent) {
  const Timestamp day(1);
  for (std::uint64_t id = 2; id <= kSessionsMax; ++id) {
    ASSERT_EQ(Client(machine, id).open(kSessionMillisecondsMax, day).code, ErrorCode::ok);
  }
  // All at one time of the blocks: what counts is the order of the commands.
  EXPECT_EQ(client.put("k", "v", day).code, ErrorCode::ok);
  EXPECT_EQ(Client(machine, 2).open(kSessionMillisecondsMax, day).code, ErrorCode::ok);
  EXPECT_EQ(Client(machine, kSessionsMax + 1).open(1'000, day).code, ErrorCode::ok);
  EXPECT_EQ(machine.session_count(), kSessionsMax);
  EXPECT_FALSE(machine.has_session(SessionId(3)));
  EXPECT_TRUE(machine.has_session(SessionId(2)));
  EXPECT_TRUE(machine.has_session(client.session()));

  EXPECT_EQ(Client(machine, 3).put("k", "w", day).code, ErrorCode::session_expired);
  EXPECT_EQ(value_of("k"), "v");
  EXPECT_EQ(Client(machine, 3).open(1'000, day).code, ErrorCode::ok);
  EXPECT_FALSE(machine.has_session(SessionId(4)));
  EXPECT_EQ(machine.session_count(), kSessionsMax);
}

TEST_F(StateMachineSessions, AClosedSessionGivesItsPlaceBeforeAnOpenOne) {
  for (std::uint64_t id = 2; id <= kSessionsMax; ++id) Client(machine, id).open();
  Client(machine, 20).close();
  Client(machine, 10).close();
  EXPECT_EQ(machine.closed_session_count(), 2u);
  Client(machine, kSessionsMax + 1).open();
  EXPECT_EQ(machine.closed_session_count(), 1u);
  EXPECT_EQ(Client(machine, 10).open().code, ErrorCode::session_expired);
  Client(machine, kSessionsMax + 2).open();
  EXPECT_EQ(machine.closed_session_count(), 0u);
  EXPECT_EQ(machine.session_count(), kSessionsMax);
  EXPECT_TRUE(machine.has_session(client.session())) << "the longest silent one is still here";
  Client(machine, kSessionsMax + 3).open();
  EXPECT_FALSE(machine.has_session(client.session()));
}

// Whether they keep few results or many: what counts is the silence.
TEST_F(StateMachineSessions, GiveTheirPlacesInTheOrderOfTheirSilence) {
  Client laden(machine, 2);
  laden.open();
  for (std::size_t i = 0; i <= kResultsLight; ++i) laden.put("k", "v");
  for (std::uint64_t id = 3; id <= kSessionsMax; ++id) Client(machine, id).open();
  Client(machine, kSessionsMax + 1).open();
  EXPECT_FALSE(machine.has_session(client.session()));
  EXPECT_TRUE(machine.has_session(laden.session()));
  EXPECT_EQ(machine.result_count(), kResultsLight + 1);
  Client(machine, kSessionsMax + 2).open();
  EXPECT_FALSE(machine.has_session(laden.session()));
  EXPECT_EQ(machine.result_count(), 0u) << "who gives a place frees its results";
  Client(machine, kSessionsMax + 3).open();
  EXPECT_FALSE(machine.has_session(SessionId(3)));
  EXPECT_EQ(machine.session_count(), kSessionsMax);
}

TEST_F(StateMachineSessions, ExpireByTheSameRuleAsAPlainOne) {
  struct Plain {
    std::uint64_t silence_max;
    std::uint64_t heard;
    bool closed = false;
  };
  std::map<std::uint64_t, Plain> plain;
  Prng prng(Seed{3});
  machine = StateMachine();
  std::uint64_t now = 0;
  for (int round = 0; round < 20'000; ++round) {
    now += prng.below(kSecond / 2);
    machine.advance_time(Timestamp(now));
    for (auto one = plain.begin(); one != plain.end();) {
      Plain& session = one->second;
      const bool silent = session.heard + session.silence_max < now;
      const bool forgotten = silent && session.closed;
      if (silent) session = {session.silence_max, now, true};
      one = forgotten ? plain.erase(one) : std::next(one);
    }
    const std::uint64_t id = 1 + prng.below(30);
    Client one(machine, id);
    const auto known = plain.find(id);
    const bool closed = known != plain.end() && known->second.closed;
    if (prng.chance(1, 10)) {
      one.apply(one.command(CommandKind::close_session, {}), Timestamp(now));
      if (known != plain.end() && !closed) known->second = {known->second.silence_max, now, true};
    } else if (prng.chance(1, 4)) {
      const std::uint64_t milliseconds = prng.between(1'000, 9'000);
      const bool refused = one.open(milliseconds, Timestamp(now)).code != ErrorCode::ok;
      ASSERT_EQ(refused, closed) << "round " << round;
      if (!closed) plain.try_emplace(id, Plain{milliseconds * 1000, now}).first->second.heard = now;
    } else if (one.put("k", "v", Timestamp(now)).code != ErrorCode::session_expired) {
      plain.at(id).heard = now;
    }
    ASSERT_EQ(machine.session_count() + machine.closed_session_count(), plain.size())
        << "round " << round;
    for (const auto& [each, session] : plain) {
      ASSERT_EQ(machine.has_session(SessionId(each)), !session.closed) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace paxledger::kv
