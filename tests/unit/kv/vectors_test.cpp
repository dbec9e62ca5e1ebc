// Makes tests/vectors/commands.json; see support/vector_file.hpp.
#include <gtest/gtest.h>

#include <string>

#include "kv/command.hpp"
#include "support/vector_file.hpp"

namespace paxledger::kv {
namespace {

using test::Vectors;

Vectors vector_of(const Command& command) {
  return {{"kind", std::string(to_string(command.kind))},
          {"session", command.session.value()},
          {"sequence", command.sequence.value()},
          {"acknowledged", command.acknowledged.value()},
          {"argument", command.argument},
          {"key", to_hex(command.key)},
          {"value", to_hex(command.value)},
          {"octets", to_hex(encode_command(command))}};
}

Vectors good() {
  const SessionId session(0xf1e2d3c4b5a69788);
  const std::string long_key(kKeyBytesMax, 'k');
  const Command commands[] = {
      {CommandKind::open_session, session, {}, {}, 60'000, {}, {}},
      {CommandKind::put, session, Sequence(1), {}, 0, "alice", "555-0100"},
      {CommandKind::put, session, Sequence(2), {}, 0, long_key, ""},
      {CommandKind::read, session, Sequence(3), Sequence(1), 0, "alice", {}},
      {CommandKind::compare_and_put, session, Sequence(4), Sequence(3), 1, "alice", "\xff"},
      {CommandKind::remove, session, Sequence(UINT64_MAX), Sequence(UINT64_MAX - 1), 0, "b", {}},
      {CommandKind::close_session, session, Sequence(6), Sequence(5), 0, {}, {}},
  };
  Vectors list = Vectors::array();
  for (const Command& command : commands) list.push_back(vector_of(command));
  return list;
}

// Octets that every implementation has to refuse, with the error.
Vectors bad() {
  const Command put{CommandKind::put, SessionId(1), Sequence(1), {}, 0, "key", "value"};
  const std::string octets = encode_command(put);
  Vectors list = Vectors::array();
  const auto add = [&](const std::string& why, const std::string& changed) {
    const auto parsed = parse_command(changed);
    ASSERT_FALSE(parsed.ok()) << why;
    list.push_back({{"why", why},
                    {"octets", to_hex(changed)},
                    {"error", std::string(paxledger::to_string(parsed.error().code))}});
  };
  const auto changed_at = [&](std::size_t at, char octet) {
    std::string changed = octets;
    changed[at] = octet;
    return changed;
  };
  add("empty", "");
  add("header cut short", octets.substr(0, kCommandHeaderBytes - 1));
  add("value cut short", octets.substr(0, octets.size() - 1));
  add("an octet follows", octets + "x");
  add("version 2", changed_at(0, 2));
  add("kind 0", changed_at(1, 0));
  add("kind 7", changed_at(1, 7));
  add("session 0", changed_at(8, 0));
  add("sequence 0", changed_at(16, 0));
  add("acknowledges itself", changed_at(24, 1));
  add("argument of a put", changed_at(32, 1));
  add("value of a remove", changed_at(1, 4));
  add("key of a close_session", changed_at(1, 2));
  add("sequence of an open_session", changed_at(1, 1));
  const std::string long_key(kKeyBytesMax + 1, 'k');
  add("key too long",
      encode_command({CommandKind::put, SessionId(1), Sequence(1), {}, 0, long_key, {}}));
  return list;
}

TEST(CommandVectors, AreWhatTheFormatSays) {
  test::expect_vectors("commands", {{"good", good()}, {"bad", bad()}});
}

}  // namespace
}  // namespace paxledger::kv
