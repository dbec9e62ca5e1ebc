// A small checker of linearizability for the history of one register.
//
// Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memo of visited
// configurations. It knows nothing of the implementation: only what clients asked, when, and what
// they were told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace paxledger::sim {

// One operation of a client on the register. Times are positions in one total order of events.
struct RegisterOperation {
  enum class Kind { write, remove, read, swap };
  Kind kind = Kind::read;
  std::uint64_t invoked = 0;
  std::uint64_t answered = 0;  // meaningful if `known`
  // false: the outcome is unknown. It may take effect at any time after `invoked`, or never.
  bool known = false;

  std::optional<std::string> value;     // written, or found by a read
  std::optional<std::string> expected;  // swap: what must be there for it to succeed
  // remove: something was there; swap: it succeeded.
  bool succeeded = true;
};

struct Verdict {
  bool linearizable = true;
  bool exhausted = false;  // the search was given up; nothing is known
  std::string text;        // the history, where it is not linearizable
};

[[nodiscard]] Verdict check_register(const std::vector<RegisterOperation>& history,
                                     std::size_t states_max = 200'000);

}  // namespace paxledger::sim
