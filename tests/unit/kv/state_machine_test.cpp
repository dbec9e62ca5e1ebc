#include "kv/state_machine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.hpp"

namespace paxledger::kv {
namespace {

constexpr std::uint64_t kSecond = 1'000'000;  // in the microseconds of a Timestamp

// A client that writes its commands straight into a state machine.
class Client {
 public:
  explicit Client(StateMachine& machine, std::uint64_t session = 1)
      : machine_(machine), session_(session) {}

  CommandResult open(std::uint64_t milliseconds = 60'000, Timestamp now = Timestamp(0)) {
    Command command;
    command.kind = CommandKind::open_session;
    command.session = session_;
    command.argument = milliseconds;
    return machine_.apply(encode_command(command), now);
  }

  Command command(CommandKind kind, std::string_view key, std::string_view value = {}) {
    Command made;
    made.kind = kind;
    made.session = session_;
    made.sequence = last_ = last_.next();
    made.acknowledged = acknowledged_;
    made.key = key;
    made.value = value;
    return made;
  }

  CommandResult apply(const Command& command, Timestamp now = Timestamp(0)) {
    return machine_.apply(encode_command(command), now);
  }
  CommandResult put(std::string_view key, std::string_view value, Timestamp now = Timestamp(0)) {
    return apply(command(CommandKind::put, key, value), now);
  }
  CommandResult remove(std::string_view key) { return apply(command(CommandKind::remove, key)); }
  CommandResult read(std::string_view key) { return apply(command(CommandKind::read, key)); }
  CommandResult compare_and_put(std::string_view key, std::uint64_t revision,
                                std::string_view value) {
    Command made = command(CommandKind::compare_and_put, key, value);
    made.argument = revision;
    return apply(made);
  }
  CommandResult close() { return apply(command(CommandKind::close_session, {})); }

  void acknowledge(Sequence sequence) { acknowledged_ = sequence; }
  [[nodiscard]] SessionId session() const { return session_; }
  [[nodiscard]] Sequence last() const { return last_; }

 private:
  StateMachine& machine_;
  SessionId session_;
  Sequence last_;
  Sequence acknowledged_;
};

class StateMachineTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(client.open().code, ErrorCode::ok); }

  [[nodiscard]] std::string value_of(std::string_view key) const {
    const Entry* entry = machine.find(key);
    return entry == nullptr ? "(none)" : std::string(entry->value.view());
  }

  StateMachine machine;
  Client client{machine};
};

using StateMachineMap = StateMachineTest;
using StateMachineSessions = StateMachineTest;
using StateMachineScan = StateMachineTest;

// ---- the map

TEST_F(StateMachineMap, PutWritesAndOverwrites) {
  EXPECT_EQ(client.put("k", "one").code, ErrorCode::ok);
  EXPECT_EQ(value_of("k"), "one");
  EXPECT_EQ(client.put("k", "two").code, ErrorCode::ok);
  EXPECT_EQ(value_of("k"), "two");
  EXPECT_EQ(machine.key_count(), 1u);
}

TEST_F(StateMachineMap, RevisionCountsChangesAndNothingElse) {
  EXPECT_EQ(machine.revision(), Revision(0));
  EXPECT_EQ(client.put("a", "1").revision, Revision(1));
  EXPECT_EQ(client.put("b", "1").revision, Revision(2));
  client.read("a");
  client.remove("absent");
  client.compare_and_put("a", 99, "x");
  machine.apply("no command", Timestamp(0));
  EXPECT_EQ(machine.revision(), Revision(2));
  EXPECT_EQ(client.compare_and_put("a", 1, "2").revision, Revision(3));
  EXPECT_EQ(client.remove("b").code, ErrorCode::ok);
  EXPECT_EQ(machine.revision(), Revision(4));
  EXPECT_EQ(machine.find("a")->revision, Revision(3));
}

TEST_F(StateMachineMap, RemoveOfAnAbsentKeyIsNotFound) {
  client.put("k", "v");
  EXPECT_EQ(client.remove("k").code, ErrorCode::ok);
  EXPECT_EQ(client.remove("k").code, ErrorCode::not_found);
  EXPECT_EQ(machine.find("k"), nullptr);
}

TEST_F(StateMachineMap, ReadGivesValueAndRevisionAndSharesTheOctets) {
  client.put("k", "value");
  const CommandResult found = client.read("k");
  EXPECT_EQ(found.code, ErrorCode::ok);
  EXPECT_EQ(found.value.view(), "value");
  EXPECT_EQ(found.revision, Revision(1));
  EXPECT_EQ(found.value.view().data(), machine.find("k")->value.view().data());
  EXPECT_EQ(client.read("absent").code, ErrorCode::not_found);
}

TEST_F(StateMachineMap, AReadKeepsItsValueWhenTheKeyIsOverwritten) {
  client.put("k", "old");
  const CommandResult found = client.read("k");
  client.put("k", "new");
  EXPECT_EQ(found.value.view(), "old");
}

TEST_F(StateMachineMap, CompareAndPutWritesOnlyAtTheExpectedRevision) {
  client.put("k", "one");
  const CommandResult failed = client.compare_and_put("k", 7, "two");
  EXPECT_EQ(failed.code, ErrorCode::compare_failed);
  EXPECT_EQ(failed.revision, Revision(1)) << "a failed comparison tells the revision to try";
  EXPECT_EQ(value_of("k"), "one");
  EXPECT_EQ(client.compare_and_put("k", 1, "two").code, ErrorCode::ok);
  EXPECT_EQ(value_of("k"), "two");
}

TEST_F(StateMachineMap, CompareAndPutWithRevisionZeroCreates) {
  EXPECT_EQ(client.compare_and_put("k", 0, "one").code, ErrorCode::ok);
  EXPECT_EQ(client.compare_and_put("k", 0, "two").code, ErrorCode::compare_failed);
  client.remove("k");
  EXPECT_EQ(client.compare_and_put("k", 0, "three").code, ErrorCode::ok);
  EXPECT_EQ(value_of("k"), "three");
}

TEST_F(StateMachineMap, OctetsThatAreNoCommandChangeNothing) {
  EXPECT_EQ(machine.apply("", Timestamp(0)).code, ErrorCode::bad_request);
  EXPECT_EQ(machine.apply(std::string(100, '\xff'), Timestamp(0)).code, ErrorCode::bad_request);
  EXPECT_EQ(machine.key_count(), 0u);
}

// ---- sessions

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

TEST_F(StateMachineSessions, ARepeatedReadGivesWhatItReadFirst) {
  client.put("k", "old");
  const Command read = client.command(CommandKind::read, "k");
  client.apply(read);
  client.put("k", "new");
  EXPECT_EQ(client.apply(read).value.view(), "old");
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

TEST_F(StateMachineSessions, ClosingForgetsAndMayBeRepeated) {
  client.put("k", "v");
  EXPECT_EQ(client.close().code, ErrorCode::ok);
  EXPECT_FALSE(machine.has_session(client.session()));
  EXPECT_EQ(client.close().code, ErrorCode::ok);
  EXPECT_EQ(client.put("k", "w").code, ErrorCode::session_expired);
  EXPECT_EQ(value_of("k"), "v") << "what a session wrote outlives it";
  machine.advance_time(Timestamp(UINT64_MAX));
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

TEST_F(StateMachineSessions, OneSessionTooManyIsOverloaded) {
  for (std::uint64_t id = 2; id <= kSessionsMax; ++id) {
    ASSERT_EQ(Client(machine, id).open().code, ErrorCode::ok);
  }
  Client last(machine, kSessionsMax + 1);
  EXPECT_EQ(last.open().code, ErrorCode::overloaded);
  EXPECT_EQ(client.open().code, ErrorCode::ok) << "a session that is open needs no room";
  client.close();
  EXPECT_EQ(last.open().code, ErrorCode::ok);
  EXPECT_EQ(machine.session_count(), kSessionsMax);
}

TEST_F(StateMachineSessions, ExpireByTheSameRuleAsAPlainOne) {
  struct Plain {
    std::uint64_t silence_max;
    std::uint64_t heard;
  };
  std::map<std::uint64_t, Plain> plain;
  Prng prng(Seed{3});
  client.close();
  std::uint64_t now = 0;
  for (int round = 0; round < 20'000; ++round) {
    now += prng.below(kSecond / 2);
    machine.advance_time(Timestamp(now));
    std::erase_if(plain,
                  [&](auto& one) { return one.second.heard + one.second.silence_max < now; });
    const std::uint64_t id = 1 + prng.below(30);
    Client one(machine, id);
    if (prng.chance(1, 10)) {
      one.close();
      plain.erase(id);
    } else if (prng.chance(1, 4)) {
      const std::uint64_t milliseconds = prng.between(1'000, 9'000);
      one.open(milliseconds, Timestamp(now));
      plain.try_emplace(id, Plain{milliseconds * 1000, now}).first->second.heard = now;
    } else if (one.put("k", "v", Timestamp(now)).code != ErrorCode::session_expired) {
      plain.at(id).heard = now;
    }
    ASSERT_EQ(machine.session_count(), plain.size()) << "round " << round;
    for (const auto& [each, session] : plain) ASSERT_TRUE(machine.has_session(SessionId(each)));
  }
}

// ---- scans

TEST_F(StateMachineScan, GivesTheKeysOfAPrefixInOrder) {
  for (const auto key : {"b/2", "a", "b/10", "b/1", "c", "b"}) client.put(key, key);
  const ScanPage page = machine.scan("b/", "", 100, 1000);
  ASSERT_EQ(page.items.size(), 3u);
  EXPECT_EQ(page.items[0].key, "b/1");
  EXPECT_EQ(page.items[1].key, "b/10");
  EXPECT_EQ(page.items[2].key, "b/2");
  EXPECT_EQ(page.items[2].value.view(), "b/2");
  EXPECT_EQ(page.items[2].revision, Revision(1));
  EXPECT_FALSE(page.more);
  EXPECT_EQ(machine.scan("", "", 100, 1000).items.size(), 6u);
  EXPECT_TRUE(machine.scan("x", "", 100, 1000).items.empty());
}

TEST_F(StateMachineScan, GoesOnAfterTheLastKeyUntilAllAreSeen) {
  for (int i = 0; i < 100; ++i) client.put("k" + std::to_string(i), "v");
  for (const std::size_t count_max : {1u, 7u, 99u, 100u, 101u}) {
    std::string after;
    std::size_t seen = 0;
    bool more = true;
    while (more) {
      const ScanPage page = machine.scan("k", after, count_max, 100'000);
      ASSERT_LE(page.items.size(), count_max);
      ASSERT_FALSE(page.items.empty());
      EXPECT_GT(page.items.front().key, after);
      after = page.items.back().key;
      seen += page.items.size();
      more = page.more;
    }
    EXPECT_EQ(seen, 100u);
  }
}

TEST_F(StateMachineScan, StopsAtItsOctetsButGivesAtLeastOneItem) {
  const std::string value(100, 'v');
  for (const auto key : {"a", "b", "c"}) client.put(key, value);
  EXPECT_EQ(machine.scan("", "", 100, 202).items.size(), 2u);
  EXPECT_EQ(machine.scan("", "", 100, 201).items.size(), 1u);
  EXPECT_TRUE(machine.scan("", "", 100, 201).more);
  EXPECT_EQ(machine.scan("", "", 100, 0).items.size(), 1u);
  EXPECT_EQ(machine.scan("", "", 0, 1000).items.size(), 1u);
}

TEST_F(StateMachineScan, MaySkipToAKeyOutsideOfThePrefix) {
  for (const auto key : {"a", "b1", "b2", "c"}) client.put(key, "v");
  EXPECT_EQ(machine.scan("b", "a", 100, 1000).items.size(), 2u);
  EXPECT_EQ(machine.scan("b", "b1", 100, 1000).items.size(), 1u);
  EXPECT_EQ(machine.scan("b", "b", 100, 1000).items.size(), 2u);
  EXPECT_TRUE(machine.scan("b", "c", 100, 1000).items.empty());
}

TEST_F(StateMachineScan, FindsPrefixesOfHighOctets) {
  client.put("\xff\xff", "v");
  client.put("\xff\xff\x01", "v");
  EXPECT_EQ(machine.scan("\xff\xff", "", 100, 1000).items.size(), 2u);
}

// ---- determinism

TEST(StateMachineDeterminism, EqualCommandsGiveEqualResultsAndStates) {
  StateMachine one;
  StateMachine other;
  Prng prng(Seed{9});
  std::uint64_t now = 0;
  for (int round = 0; round < 20'000; ++round) {
    now += prng.below(kSecond / 10);
    one.advance_time(Timestamp(now));
    other.advance_time(Timestamp(now));
    Command command;
    command.session = SessionId(1 + prng.below(5));
    command.kind = static_cast<CommandKind>(1 + prng.below(6));
    const std::string key = "k" + std::to_string(prng.below(20));
    command.acknowledged = Sequence(prng.below(50));
    command.sequence = command.acknowledged.plus(1 + prng.below(20));
    command.key = key;
    if (prng.chance(1, 2)) command.value = "v";
    command.argument = prng.below(30);
    const std::string octets = encode_command(command);
    ASSERT_EQ(one.apply(octets, Timestamp(now)), other.apply(octets, Timestamp(now)));
  }
  EXPECT_EQ(one.revision(), other.revision());
  EXPECT_EQ(one.session_count(), other.session_count());
}

}  // namespace
}  // namespace paxledger::kv
