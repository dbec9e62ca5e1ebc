// The replicated state: a sorted map of keys, and the sessions of the clients.
//
// Deterministic: equal sequences of apply() give equal states and results on every node. Time is
// the timestamp of the block, never a clock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "kv/command.hpp"

namespace paxledger::kv {

struct Entry {
  SharedBytes value;
  Revision revision;  // of the command that wrote it
};

struct ScanItem {
  std::string key;
  SharedBytes value;
  Revision revision;
};
struct ScanPage {
  std::vector<ScanItem> items;  // in key order
  bool more = false;            // there are further keys after the last item
};

// Invariants:
//  1. revision() is the number of changes applied so far.
//  2. A session holds a result for no sequence at or below its acknowledged one, and for at most
//     kSessionWindow sequences above it. The replica relies on this for bounded memory.
//  3. A command whose session holds its result changes nothing and gives that result again.
class StateMachine {
 public:
  StateMachine();
  StateMachine(StateMachine&&) noexcept;
  StateMachine& operator=(StateMachine&&) noexcept;
  ~StateMachine();

  // Removes the sessions that were silent for longer than they asked for. Called once per block,
  // before its commands.
  void advance_time(Timestamp now);

  // Applies the octets of one command. Octets that are no command give `bad_request`.
  CommandResult apply(std::string_view command, Timestamp now);

  // The result that (session, sequence) already has, so that a repeated command need not be
  // agreed on again. Nothing if it has none, or the session is unknown.
  [[nodiscard]] std::optional<CommandResult> known_result(SessionId session,
                                                          Sequence sequence) const;
  [[nodiscard]] bool has_session(SessionId session) const;

  // Null if the key is not there. Valid until the next apply().
  [[nodiscard]] const Entry* find(std::string_view key) const;

  // Keys that start with `prefix` and are greater than `after`, at most `count_max` of them and
  // about `bytes_max` octets, but at least one if there is one.
  [[nodiscard]] ScanPage scan(std::string_view prefix, std::string_view after,
                              std::size_t count_max, std::size_t bytes_max) const;

  [[nodiscard]] Revision revision() const;
  [[nodiscard]] std::size_t key_count() const;
  [[nodiscard]] std::size_t session_count() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace paxledger::kv
