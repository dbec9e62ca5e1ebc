// Commands: the operations that clients ask for, as octets and as values.
//
// The octets are what is agreed on, hashed and kept for ever, so the layout is fixed and has one
// encoding per command:
//
//   command      := version:u8 kind:u8 key_length:u16 value_length:u32
//                   session:u64 sequence:u64 acknowledged:u64 argument:u64
//                   key:octets[key_length] value:octets[value_length]
//   version      := 1
//   kind         := 1 open_session | 2 close_session | 3 put | 4 remove | 5 read
//                 | 6 compare_and_put
//
// All integers are little-endian. Nothing follows the value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace paxledger::kv {

inline constexpr std::size_t kKeyBytesMax = 4096;
inline constexpr std::size_t kValueBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kCommandHeaderBytes = 40;
inline constexpr std::uint8_t kCommandVersion = 1;

// How long a session may stay silent, in milliseconds of block time.
inline constexpr std::uint64_t kSessionMillisecondsMin = 1'000;
inline constexpr std::uint64_t kSessionMillisecondsMax = 24ull * 60 * 60 * 1000;
// How many results a session keeps that the client has not acknowledged.
inline constexpr std::uint64_t kSessionWindow = 4096;
// How many results all sessions together keep. One more ends a session that keeps more than
// kResultsLight; that there is such a one then is the point of the two numbers.
inline constexpr std::size_t kResultsMax = std::size_t{1} << 22;
inline constexpr std::size_t kResultsLight = 32;
// How many sessions are remembered at once, closed ones included; one more takes the place of
// another.
inline constexpr std::size_t kSessionsMax = 100'000;
static_assert(kResultsMax > kSessionsMax * kResultsLight + kSessionWindow);

enum class CommandKind : std::uint8_t {
  open_session = 1,     // argument: milliseconds until a silent session expires. Idempotent.
  close_session = 2,    // the session takes no command any more. Idempotent.
  put = 3,              // key := value
  remove = 4,           // removes key; `not found` if it is not there
  read = 5,             // reads key through the log, leaving a block behind (an audited read)
  compare_and_put = 6,  // put if the key's revision equals argument; 0: if the key is not there
};

// A parsed command. key and value are views into the octets that it was parsed from.
struct Command {
  CommandKind kind = CommandKind::put;
  SessionId session;
  Sequence sequence;      // position in the session, from 1; 0 for open_session
  Sequence acknowledged;  // the client has seen the results of all commands up to here
  std::uint64_t argument = 0;
  std::string_view key;
  std::string_view value;
};

[[nodiscard]] std::string encode_command(const Command& command);

// Errors: bad_request (malformed, unknown version or kind, empty key, a key where none belongs,
// no session, sequence 0, acknowledged >= sequence), too_large (key or value over its limit).
[[nodiscard]] Result<Command> parse_command(std::string_view octets);

// The key that parse_command() will find, if the octets are a command; else whatever they hold, or
// nothing.
[[nodiscard]] std::string_view probable_key(std::string_view octets);

[[nodiscard]] std::string_view to_string(CommandKind kind);

// What a command came to.
struct CommandResult {
  ErrorCode code = ErrorCode::ok;
  Revision revision;  // of the key after the command, where it has one
  SharedBytes value;  // what `read` found

  bool operator==(const CommandResult&) const = default;
};

}  // namespace paxledger::kv
