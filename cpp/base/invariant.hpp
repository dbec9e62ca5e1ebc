// Assertions that stay on in every build.
#pragma once

#include <source_location>
#include <string_view>

namespace paxledger {

// Called with what was broken and where, before the process ends; it may throw instead of
// returning. For a simulation, which is one of many in its process and ends alone. Set while one
// thread runs.
using InvariantHandler = void (*)(std::string_view what, std::source_location where);
// Gives the handler that was set before; none at first.
InvariantHandler set_invariant_handler(InvariantHandler wanted);

// Ends the process with a message that names the place, unless the handler throws.
[[noreturn]] void invariant_broken(std::string_view what, std::source_location where);

// States what must hold here. A broken invariant is a bug of Paxledger, never a bad input.
inline void invariant(bool holds, std::string_view what,
                      std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]] {
    invariant_broken(what, where);
  }
}

}  // namespace paxledger
