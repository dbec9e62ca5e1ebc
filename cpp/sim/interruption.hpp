// Long work of the simulator ends early where somebody else asks for it.
#pragma once

#include <atomic>

namespace paxledger::sim {

// Thrown by work that was told to end. It is not an error: what was interrupted says whether it can
// be called again.
class Interrupted {};

// While it lives, work on this thread throws Interrupted soon after `asked` has become true, by
// whichever thread. May be nested; the innermost counts.
class Interruptible {
 public:
  explicit Interruptible(const std::atomic<bool>& asked);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  const std::atomic<bool>* outer_;
};

// For the work: to be called where it can end, every millisecond or so. Costs next to nothing.
void check_interruption();

}  // namespace paxledger::sim
