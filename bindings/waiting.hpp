// Waiting on behalf of Python: without the GIL, and never deaf to Ctrl-C.
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace paxledger::bindings {

// How long a wait may stay away from Python. A signal's handler runs, in the main thread, at most
// this much later.
inline constexpr auto kSignalInterval = std::chrono::milliseconds(50);

// Throws what the handler of a signal raised, e.g. KeyboardInterrupt. Needs the GIL.
inline void check_signals() {
  if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
}

// Python threads that are in a wait. A thread that comes back from one after the interpreter has
// begun to go away cannot be given the GIL any more and takes the process down, so the end of the
// interpreter waits for this to be zero (module.cpp, await_waiters).
inline std::atomic<int> waiters = 0;

class Waiter {
 public:
  Waiter() { ++waiters; }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { --waiters; }
};

// Waits until `ready()` holds (asked under `mutex`) or `until` has come; returns whether it holds.
// Called with the GIL, which is given up meanwhile. Throws what a signal's handler raised.
template <class Ready>
bool wait_for(std::mutex& mutex, std::condition_variable& changed,
              std::chrono::steady_clock::time_point until, Ready ready) {
  using Clock = std::chrono::steady_clock;
  const Waiter counted;
  for (;;) {
    bool holds = false;
    {
      const pybind11::gil_scoped_release released;
      std::unique_lock lock(mutex);
      const auto slice = std::min(until, Clock::now() + kSignalInterval);
      holds = changed.wait_until(lock, slice, ready);
    }
    if (holds) return true;
    check_signals();
    if (Clock::now() >= until) return false;
  }
}

}  // namespace paxledger::bindings
