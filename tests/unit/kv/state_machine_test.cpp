#include "kv/state_machine.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/prng.hpp"
#include "unit/kv/machine_client.hpp"

namespace paxledger::kv {
namespace {

using StateMachineMap = StateMachineTest;
using StateMachineBlock = StateMachineTest;
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

// ---- blocks

TEST_F(StateMachineBlock, GivesWhatItsCommandsGiveOneByOne) {
  Prng prng(Seed{17});
  StateMachine one_by_one = machine;
  Command command;
  command.session = SessionId(99);
  command.kind = CommandKind::open_session;
  command.argument = 1000;
  const std::string open = encode_command(command);
  machine.apply(open, Timestamp(0));
  one_by_one.apply(open, Timestamp(0));
  command.argument = 0;
  std::uint64_t sequence = 0;
  for (int block = 0; block < 400; ++block) {
    std::vector<std::string> octets;
    const std::size_t count = prng.below(60);
    for (std::size_t i = 0; i < count; ++i) {
      command.sequence = Sequence(++sequence);
      command.acknowledged = Sequence(sequence - 1);
      const std::string key = "key " + std::to_string(prng.below(1000));
      const std::string value(prng.below(40), 'v');
      command.key = key;
      command.kind = prng.chance(1, 3) ? CommandKind::remove : CommandKind::put;
      command.value = command.kind == CommandKind::put ? std::string_view(value) : "";
      octets.push_back(prng.chance(1, 20) ? "no command" : encode_command(command));
      if (prng.chance(1, 10)) octets.push_back(octets[prng.below(octets.size())]);
    }
    std::vector<CommandResult> expected;
    for (const auto& each : octets) expected.push_back(one_by_one.apply(each, Timestamp(1)));
    const std::vector<std::string_view> views(octets.begin(), octets.end());
    ASSERT_EQ(machine.apply_all(views, Timestamp(1)), expected);
  }
  const auto fingerprint = [](const StateMachine& of) {
    StateHasher hasher{Instant()};
    hasher.add(of);
    return hasher.fingerprint();
  };
  EXPECT_GT(machine.key_count(), Entries::kIndexedFrom);
  EXPECT_EQ(fingerprint(machine), fingerprint(one_by_one));
}

}  // namespace
}  // namespace paxledger::kv
