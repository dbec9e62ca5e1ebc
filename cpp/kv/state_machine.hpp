// The replicated state: a sorted map of keys, and the sessions of the clients.
//
// Deterministic: equal sequences of apply() give equal states and results on every node. Time is
// the timestamp of the block, never a clock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/state_hasher.hpp"
#include "base/time.hpp"
#include "kv/command.hpp"
#include "kv/entries.hpp"

namespace paxledger::kv {

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
//  2. At most kSessionsMax sessions are remembered. One that was closed, or has expired, holds no
//     results; it is remembered so that a late copy of its open_session cannot open it again.
//  3. A session holds results of at most kSessionWindow sequences above its acknowledged one, all
//     sessions together at most kResultsMax, and none of them holds a value. The replica relies on
//     2 and 3 for bounded memory.
//  4. A command whose session holds its result changes nothing and gives that result again.
//  5. Which session ends when there are too many follows from the commands alone: the one that was
//     closed first, or else the one that was silent longest in the order of commands. When there
//     are too many results, it is the one that was silent longest of those that keep more than
//     kResultsLight.
class StateMachine {
 public:
  StateMachine();
  // Copies share the octets of values, which never change, and nothing else.
  StateMachine(const StateMachine& other);
  StateMachine& operator=(const StateMachine& other);
  StateMachine(StateMachine&&) noexcept;
  StateMachine& operator=(StateMachine&&) noexcept;
  ~StateMachine();

  // Closes the sessions that were silent for longer than they asked for, and forgets those that
  // have been closed for longer than that. Called once per block, before its commands.
  void advance_time(Timestamp now);

  // Applies the octets of one command. Octets that are no command give `bad_request`.
  CommandResult apply(std::string_view command, Timestamp now);
  // The same for the commands of a block, one after the other, but looks ahead for what they need.
  std::vector<CommandResult> apply_all(const std::vector<std::string_view>& commands,
                                       Timestamp now);

  // The result that (session, sequence) already has, so that a repeated command need not be
  // agreed on again. Nothing if it has none, or the session is not open. A `read` never has one: it
  // changes nothing, so a repeated one reads again (docs/decisions/0012).
  [[nodiscard]] std::optional<CommandResult> known_result(SessionId session,
                                                          Sequence sequence) const;
  // Whether the session is open.
  [[nodiscard]] bool has_session(SessionId session) const;

  // Null if the key is not there. Valid until the next apply().
  [[nodiscard]] const Entry* find(std::string_view key) const;

  // Keys that start with `prefix` and are greater than `after`, at most `count_max` of them and
  // about `bytes_max` octets, but at least one if there is one.
  [[nodiscard]] ScanPage scan(std::string_view prefix, std::string_view after,
                              std::size_t count_max, std::size_t bytes_max) const;

  [[nodiscard]] Revision revision() const;
  [[nodiscard]] std::size_t key_count() const;
  [[nodiscard]] std::size_t session_count() const;         // of those that are open
  [[nodiscard]] std::size_t closed_session_count() const;  // of those remembered, expired ones too
  [[nodiscard]] std::size_t result_count() const;          // of all sessions together

  void hash_into(StateHasher& hasher) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace paxledger::kv
