// Assertions that stay on in every build.
#pragma once

#include <source_location>
#include <string_view>

namespace paxledger {

// Ends the process with a message that names the place.
[[noreturn]] void invariant_broken(std::string_view what, std::source_location where);

// States what must hold here. A broken invariant is a bug of Paxledger, never a bad input.
inline void invariant(bool holds, std::string_view what,
                      std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]] {
    invariant_broken(what, where);
  }
}

}  // namespace paxledger
