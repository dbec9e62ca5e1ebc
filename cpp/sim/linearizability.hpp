// Whether what clients saw of a key can be explained: is their history linearizable?
//
// Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's linked list and memo
// of visited configurations ("Testing for linearizability", 2017). It knows nothing of the
// implementation: only what clients asked, when, and what they were told. Keys are independent
// registers, and a history is linearizable if that of each key is (Herlihy and Wing, 1990).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace paxledger::sim {

// One operation of a client on the register. Times are of one clock; where two are equal, neither
// operation is taken to have ended before the other began.
struct RegisterOperation {
  enum class Kind { write, remove, read, swap };
  Kind kind = Kind::read;
  std::uint64_t client = 0;  // for explanations
  std::uint64_t invoked = 0;
  std::uint64_t answered = 0;  // meaningful if `known`; not before `invoked`
  // false: the outcome is unknown. It may take effect once, at any time after `invoked`, or never.
  bool known = false;

  std::optional<std::string> value;     // written, or found by a read
  std::optional<std::string> expected;  // swap: what must be there for it to succeed
  // remove: something was there; swap: it succeeded.
  bool succeeded = true;
  // Of the value that was written or found, as the answer said; 0: not said. Revisions count only
  // where every answer that can carry one does. Then they are unique and rise with every write,
  // and a swap compares them.
  std::uint64_t revision = 0;
  std::uint64_t expected_revision = 0;  // swap: of `expected`
};

// Why a history is not linearizable. A prefix of it ends at a moment; what is under way then has an
// unknown outcome.
struct Contradiction {
  std::size_t operation = 0;  // the first answer that no order explains, as an index
  std::size_t explained = 0;  // answers before it; an order explains all of them
  // What the register may hold just before that answer (nothing: std::nullopt), as far as a bounded
  // search finds it. Of the operations without an answer only the latest are considered.
  std::vector<std::optional<std::string>> states;
};

struct Verdict {
  bool linearizable = true;
  bool exhausted = false;  // the search was given up; nothing is known
  std::optional<Contradiction> contradiction;
  std::string text;  // the contradiction in words, one line an operation
};

inline constexpr std::size_t kSearchStatesMax = 2'000'000;

// The register holds nothing at first. Bounded memory: at most `states_max` configurations, each of
// the size of the operations that are under way at one time. May throw Interrupted
// (sim/interruption.hpp), as check_history() may.
[[nodiscard]] Verdict check_register(const std::vector<RegisterOperation>& operations,
                                     std::size_t states_max = kSearchStatesMax);

struct KeyedOperation {
  std::string key;
  RegisterOperation operation;
};
struct HistoryVerdict {
  Verdict verdict;  // linearizable: of every key; indices count the operations of `key`
  std::string key;  // the first that is not linearizable, or whose search was given up
};
// Every key in turn, in the order of their names, until one is not linearizable.
[[nodiscard]] HistoryVerdict check_history(const std::vector<KeyedOperation>& history,
                                           std::size_t states_max = kSearchStatesMax);

// For people: `client 3 [17, 25] swap v1 → v2 failed`.
[[nodiscard]] std::string describe(const RegisterOperation& operation);

}  // namespace paxledger::sim
