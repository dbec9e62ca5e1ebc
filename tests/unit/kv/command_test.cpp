#include "kv/command.hpp"

#include <gtest/gtest.h>

#include <string>

#include "base/prng.hpp"

namespace paxledger::kv {
namespace {

using namespace std::string_literals;

Command a_put() {
  Command command;
  command.kind = CommandKind::put;
  command.session = SessionId(0x0807060504030201);
  command.sequence = Sequence(9);
  command.acknowledged = Sequence(7);
  command.key = "key";
  command.value = "value";
  return command;
}

Command of_kind(CommandKind kind) {
  Command command = a_put();
  command.kind = kind;
  if (kind == CommandKind::open_session) {
    command.sequence = command.acknowledged = Sequence(0);
    command.argument = 60'000;
  }
  if (kind == CommandKind::open_session || kind == CommandKind::close_session) command.key = {};
  if (kind != CommandKind::put && kind != CommandKind::compare_and_put) command.value = {};
  if (kind == CommandKind::compare_and_put) command.argument = 41;
  return command;
}

constexpr CommandKind kKinds[] = {CommandKind::open_session, CommandKind::close_session,
                                  CommandKind::put,          CommandKind::remove,
                                  CommandKind::read,         CommandKind::compare_and_put};

// The error of parsing what `change` makes of a good put; `ok` if there is none.
template <class Change>
ErrorCode refusal(Change change, CommandKind kind = CommandKind::put) {
  Command command = of_kind(kind);
  change(command);
  const auto parsed = parse_command(encode_command(command));
  return parsed.ok() ? ErrorCode::ok : parsed.error().code;
}

TEST(Command, HasTheLayoutOfItsGrammar) {
  EXPECT_EQ(encode_command(a_put()),
            "\x01\x03\x03\x00\x05\x00\x00\x00"
            "\x01\x02\x03\x04\x05\x06\x07\x08"
            "\x09\x00\x00\x00\x00\x00\x00\x00"
            "\x07\x00\x00\x00\x00\x00\x00\x00"
            "\x00\x00\x00\x00\x00\x00\x00\x00"
            "keyvalue"s);
}

TEST(Command, IsParsedAsItWasEncoded) {
  for (const CommandKind kind : kKinds) {
    const Command command = of_kind(kind);
    const std::string octets = encode_command(command);
    const auto parsed = parse_command(octets);
    ASSERT_TRUE(parsed.ok()) << to_string(kind) << ": " << parsed.error().message;
    EXPECT_EQ(parsed->kind, command.kind);
    EXPECT_EQ(parsed->session, command.session);
    EXPECT_EQ(parsed->sequence, command.sequence);
    EXPECT_EQ(parsed->acknowledged, command.acknowledged);
    EXPECT_EQ(parsed->argument, command.argument);
    EXPECT_EQ(parsed->key, command.key);
    EXPECT_EQ(parsed->value, command.value);
  }
}

TEST(Command, HoldsAnyOctetsInKeyAndValue) {
  std::string all;
  for (int octet = 0; octet < 256; ++octet) all.push_back(static_cast<char>(octet));
  Command command = a_put();
  command.key = command.value = all;
  const std::string octets = encode_command(command);
  const auto parsed = parse_command(octets);
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->key, all);
  EXPECT_EQ(parsed->value, all);
}

TEST(Command, TakesKeysAndValuesUpToTheirLimits) {
  const std::string key(kKeyBytesMax + 1, 'k');
  const std::string value(kValueBytesMax + 1, 'v');
  const std::string_view key_view = key;
  const std::string_view value_view = value;
  EXPECT_EQ(refusal([&](Command& c) { c.key = key_view.substr(1); }), ErrorCode::ok);
  EXPECT_EQ(refusal([&](Command& c) { c.key = key_view; }), ErrorCode::too_large);
  EXPECT_EQ(refusal([&](Command& c) { c.value = value_view.substr(1); }), ErrorCode::ok);
  EXPECT_EQ(refusal([&](Command& c) { c.value = value_view; }), ErrorCode::too_large);
  EXPECT_EQ(refusal([&](Command& c) { c.value = {}; }), ErrorCode::ok) << "an empty value";
}

TEST(Command, IsRefusedWithoutAKeyWhereOneBelongs) {
  for (const auto kind :
       {CommandKind::put, CommandKind::remove, CommandKind::read, CommandKind::compare_and_put}) {
    EXPECT_EQ(refusal([](Command& c) { c.key = {}; }, kind), ErrorCode::bad_request);
  }
}

TEST(Command, IsRefusedWithAnythingThatDoesNotBelongToItsKind) {
  const auto with_key = [](Command& c) { c.key = "k"; };
  const auto with_value = [](Command& c) { c.value = "v"; };
  const auto with_argument = [](Command& c) { c.argument = 1; };
  for (const auto kind : {CommandKind::open_session, CommandKind::close_session}) {
    EXPECT_EQ(refusal(with_key, kind), ErrorCode::bad_request) << to_string(kind);
    EXPECT_EQ(refusal(with_value, kind), ErrorCode::bad_request) << to_string(kind);
  }
  for (const auto kind : {CommandKind::remove, CommandKind::read}) {
    EXPECT_EQ(refusal(with_value, kind), ErrorCode::bad_request) << to_string(kind);
  }
  for (const auto kind :
       {CommandKind::close_session, CommandKind::put, CommandKind::remove, CommandKind::read}) {
    EXPECT_EQ(refusal(with_argument, kind), ErrorCode::bad_request) << to_string(kind);
  }
}

TEST(Command, IsRefusedOutsideOfASession) {
  for (const CommandKind kind : kKinds) {
    EXPECT_EQ(refusal([](Command& c) { c.session = SessionId(0); }, kind), ErrorCode::bad_request);
  }
}

TEST(Command, CountsFromOneAndAcknowledgesOnlyWhatCameBefore) {
  EXPECT_EQ(refusal([](Command& c) { c.sequence = c.acknowledged = Sequence(0); }),
            ErrorCode::bad_request);
  EXPECT_EQ(refusal([](Command& c) { c.acknowledged = c.sequence; }), ErrorCode::bad_request);
  EXPECT_EQ(refusal([](Command& c) { c.acknowledged = Sequence(UINT64_MAX); }),
            ErrorCode::bad_request);
  EXPECT_EQ(refusal([](Command& c) { c.sequence = Sequence(1); }, CommandKind::open_session),
            ErrorCode::bad_request);
}

TEST(Command, OfAnUnknownVersionOrKindIsRefused) {
  const std::string octets = encode_command(a_put());
  for (const char version : {'\x00', '\x02', '\xff'}) {
    std::string changed = octets;
    changed[0] = version;
    EXPECT_EQ(parse_command(changed).error().code, ErrorCode::bad_request);
  }
  for (const char kind : {'\x00', '\x07', '\xff'}) {
    std::string changed = octets;
    changed[1] = kind;
    EXPECT_EQ(parse_command(changed).error().code, ErrorCode::bad_request);
  }
}

TEST(Command, OfAnotherLengthThanItSaysIsRefused) {
  const std::string octets = encode_command(a_put());
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_FALSE(parse_command(std::string_view(octets).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(parse_command(octets + "x").ok());
}

TEST(Command, HasOneEncodingOnly) {
  // Whatever random change of a good command still parses is encoded to the same octets again.
  Prng prng(Seed{11});
  int parsed_count = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::string octets = encode_command(of_kind(kKinds[prng.below(6)]));
    const auto changes = prng.below(3);
    for (std::uint64_t i = 0; i < changes; ++i) {
      octets[prng.below(octets.size())] = static_cast<char>(prng.next());
    }
    const auto parsed = parse_command(octets);
    if (!parsed.ok()) continue;
    ++parsed_count;
    ASSERT_EQ(encode_command(*parsed), octets);
  }
  EXPECT_GT(parsed_count, 10'000);
}

}  // namespace
}  // namespace paxledger::kv
