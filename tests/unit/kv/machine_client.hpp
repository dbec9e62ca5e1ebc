// A state machine and a client that writes into it, for the tests of both halves of the machine.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "kv/state_machine.hpp"

namespace paxledger::kv {

inline constexpr std::uint64_t kSecond = 1'000'000;  // in the microseconds of a Timestamp

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

}  // namespace paxledger::kv
