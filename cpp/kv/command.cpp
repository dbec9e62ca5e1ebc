#include "kv/command.hpp"

#include "base/invariant.hpp"

namespace paxledger::kv {
namespace {

// Where each field of a command starts; the grammar stands in command.hpp.
constexpr std::size_t kVersionAt = 0;
constexpr std::size_t kKindAt = 1;
constexpr std::size_t kKeyLengthAt = 2;
constexpr std::size_t kValueLengthAt = 4;
constexpr std::size_t kSessionAt = 8;
constexpr std::size_t kSequenceAt = 16;
constexpr std::size_t kAcknowledgedAt = 24;
constexpr std::size_t kArgumentAt = 32;

Error bad(std::string what) {
  return {ErrorCode::bad_request, "command: " + std::move(what)};
}

bool is_about_a_session(CommandKind kind) {
  return kind == CommandKind::open_session || kind == CommandKind::close_session;
}

bool carries_a_value(CommandKind kind) {
  return kind == CommandKind::put || kind == CommandKind::compare_and_put;
}

bool carries_an_argument(CommandKind kind) {
  return kind == CommandKind::open_session || kind == CommandKind::compare_and_put;
}

// What does not belong to a command must be empty: each command has one encoding.
Result<void> check_fields(const Command& command) {
  if (command.session == SessionId(0)) return bad("session 0 is no session");
  if (command.kind == CommandKind::open_session) {
    if (command.sequence != Sequence(0) || command.acknowledged != Sequence(0)) {
      return bad("open_session has sequence 0 and acknowledges nothing");
    }
  } else {
    if (command.sequence == Sequence(0)) return bad("sequence 0, expected 1 or more");
    if (command.acknowledged >= command.sequence) {
      return bad("acknowledges its own sequence or a later one");
    }
  }
  if (is_about_a_session(command.kind)) {
    if (!command.key.empty()) return bad("a key where none belongs");
  } else if (command.key.empty()) {
    return bad("empty key");
  }
  if (!carries_a_value(command.kind) && !command.value.empty()) {
    return bad("a value where none belongs");
  }
  if (!carries_an_argument(command.kind) && command.argument != 0) {
    return bad("an argument where none belongs");
  }
  return {};
}

}  // namespace

std::string encode_command(const Command& command) {
  invariant(command.key.size() <= UINT16_MAX && command.value.size() <= UINT32_MAX,
            "a command's key and value fit their length fields");
  std::string octets;
  octets.reserve(kCommandHeaderBytes + command.key.size() + command.value.size());
  append_le(octets, kCommandVersion);
  append_le(octets, static_cast<std::uint8_t>(command.kind));
  append_le(octets, static_cast<std::uint16_t>(command.key.size()));
  append_le(octets, static_cast<std::uint32_t>(command.value.size()));
  append_le(octets, command.session.value());
  append_le(octets, command.sequence.value());
  append_le(octets, command.acknowledged.value());
  append_le(octets, command.argument);
  octets += command.key;
  octets += command.value;
  return octets;
}

Result<Command> parse_command(std::string_view octets) {
  if (octets.size() < kCommandHeaderBytes) {
    return bad(std::to_string(octets.size()) + " octets, expected at least " +
               std::to_string(kCommandHeaderBytes));
  }
  const auto version = read_le<std::uint8_t>(octets, kVersionAt);
  if (version != kCommandVersion) {
    return bad("version " + std::to_string(version) + ", expected " +
               std::to_string(kCommandVersion));
  }
  const auto kind = read_le<std::uint8_t>(octets, kKindAt);
  if (kind < static_cast<std::uint8_t>(CommandKind::open_session) ||
      kind > static_cast<std::uint8_t>(CommandKind::compare_and_put)) {
    return bad("unknown kind " + std::to_string(kind));
  }
  const std::size_t key_length = read_le<std::uint16_t>(octets, kKeyLengthAt);
  const std::size_t value_length = read_le<std::uint32_t>(octets, kValueLengthAt);
  if (octets.size() != kCommandHeaderBytes + key_length + value_length) {
    return bad(std::to_string(octets.size()) + " octets, its lengths say " +
               std::to_string(kCommandHeaderBytes + key_length + value_length));
  }
  if (key_length > kKeyBytesMax) {
    return Error{ErrorCode::too_large, "key of " + std::to_string(key_length) +
                                           " octets, at most " + std::to_string(kKeyBytesMax)};
  }
  if (value_length > kValueBytesMax) {
    return Error{ErrorCode::too_large, "value of " + std::to_string(value_length) +
                                           " octets, at most " + std::to_string(kValueBytesMax)};
  }
  Command command;
  command.kind = static_cast<CommandKind>(kind);
  command.session = SessionId(read_le<std::uint64_t>(octets, kSessionAt));
  command.sequence = Sequence(read_le<std::uint64_t>(octets, kSequenceAt));
  command.acknowledged = Sequence(read_le<std::uint64_t>(octets, kAcknowledgedAt));
  command.argument = read_le<std::uint64_t>(octets, kArgumentAt);
  command.key = octets.substr(kCommandHeaderBytes, key_length);
  command.value = octets.substr(kCommandHeaderBytes + key_length);
  const auto fields = check_fields(command);
  if (!fields) return fields.error();
  return command;
}

std::string_view probable_key(std::string_view octets) {
  if (octets.size() < kCommandHeaderBytes) return {};
  return octets.substr(kCommandHeaderBytes, read_le<std::uint16_t>(octets, kKeyLengthAt));
}

std::string_view to_string(CommandKind kind) {
  switch (kind) {
    case CommandKind::open_session:
      return "open_session";
    case CommandKind::close_session:
      return "close_session";
    case CommandKind::put:
      return "put";
    case CommandKind::remove:
      return "remove";
    case CommandKind::read:
      return "read";
    case CommandKind::compare_and_put:
      return "compare_and_put";
  }
  return "unknown";
}

}  // namespace paxledger::kv
