// A call on its way through the I/O thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "client/answers.hpp"
#include "kv/command.hpp"
#include "wire/client_messages.hpp"

namespace paxledger::client {

using Clock = std::chrono::steady_clock;

// A command, before a session and a sequence are given to it (key and value) and after (octets,
// with key and value empty). The octets never change again, so that every attempt is the same.
struct Write {
  kv::CommandKind kind = kv::CommandKind::put;
  std::uint64_t argument = 0;
  std::string key;
  std::string value;
  SharedBytes octets;
  SessionId session;
  Sequence sequence;
};

// What is to be sent; ids and budgets of the messages are filled in when they are sent.
using Body = std::variant<Write, wire::GetRequest, wire::ScanRequest, wire::ChainRequest,
                          wire::AdminRequest>;

// Where a request stands.
enum class Phase : std::uint8_t {
  session,  // a write that waits for the session, or for room in its window
  resting,  // waits until `resume_at`, or until some node can be reached
  queued,   // in the outbox of `link`
  asked,    // sent over `link`, not answered
};

// How a request ended.
struct Ended {
  wire::ClientReply reply;
  Trace trace;
};

// Invariants:
//  1. `unanswered` counts the attempts that were sent and got no definite refusal.
//  2. If it is 0 and `lost` is false, no attempt had or will have an effect.
struct Request {
  Body body;
  std::function<void(Ended)> done;
  Clock::time_point deadline;
  std::optional<std::size_t> endpoint;  // this one and no other
  std::size_t connection = 0;           // whose links it uses

  Phase phase = Phase::session;
  std::size_t link = 0;
  std::size_t next_endpoint = 0;  // where the next attempt is to begin looking
  Clock::time_point since;        // of the present phase
  Clock::time_point resume_at;
  std::uint32_t attempts = 0;  // that were sent
  std::uint32_t refusals = 0;  // since the last rest
  std::uint32_t rests = 0;
  std::uint32_t unanswered = 0;
  bool lost = false;                       // a node said that it does not know the outcome
  std::optional<std::size_t> answered_by;  // the endpoint that gave the result
  NodeId leader;                           // as the last failure named it
  Answers answers;

  [[nodiscard]] bool is_write() const { return std::holds_alternative<Write>(body); }
  // Reading through the log is a write that changes nothing.
  [[nodiscard]] bool changes_something() const {
    const auto* write = std::get_if<Write>(&body);
    return write != nullptr && write->kind != kv::CommandKind::read;
  }
  [[nodiscard]] bool is_order() const { return std::holds_alternative<wire::AdminRequest>(body); }
  // The end of a message about a call that came to nothing.
  [[nodiscard]] std::string_view nothing_done() const {
    if (is_order()) return "";
    return changes_something() ? "; nothing was written" : "; nothing was read";
  }
  // Whether an attempt may have had, or may yet have, an effect.
  [[nodiscard]] bool may_have_effect() const { return unanswered > 0 || lost; }
  // If it ended now without a result: whether nobody could tell what came of it.
  [[nodiscard]] bool is_unknown() const { return changes_something() && may_have_effect(); }
};

// The codes after which a request had no effect, and another node or a later moment may do better.
[[nodiscard]] constexpr bool is_refusal(ErrorCode code) {
  return code == ErrorCode::no_quorum || code == ErrorCode::overloaded ||
         code == ErrorCode::shutting_down || code == ErrorCode::repairing;
}

}  // namespace paxledger::client
