// A broken invariant ends a simulation, not the process that runs it.
#pragma once

#include <stdexcept>
#include <string>

namespace paxledger::sim {

// What the text says is that of invariant(), with file and line.
class BrokenInvariant : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// While it lives, a broken invariant on this thread throws BrokenInvariant instead of ending the
// process. May be nested.
class CatchInvariants {
 public:
  CatchInvariants();
  ~CatchInvariants();
  CatchInvariants(const CatchInvariants&) = delete;
  CatchInvariants& operator=(const CatchInvariants&) = delete;
};

}  // namespace paxledger::sim
