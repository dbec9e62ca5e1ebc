// Waiting on behalf of Python: without the GIL, and never deaf to Ctrl-C.
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "errors.hpp"

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
// interpreter waits for this to be zero (end_waits).
inline std::atomic<int> waiters = 0;

// The thread that ends the interpreter, once it does; only that one may still wait. Under the GIL.
inline std::optional<std::thread::id> ending_thread;

// Forks that this process descends from since the module was loaded. What remembers another number
// was made in a process that this one is a fork of, and no thread of that one exists here.
inline std::atomic<unsigned> fork_generation = 0;

// Called in the child of a fork, by its only thread.
inline void note_fork() {
  ++fork_generation;
  waiters = 0;
  ending_thread.reset();
}

// Whether this thread may give up the GIL, for it will get it back. Needs the GIL.
inline bool may_wait() {
  return !ending_thread || *ending_thread == std::this_thread::get_id();
}

// A wait, counted. Needs the GIL. Throws ClosedError if the interpreter is going away.
class Waiter {
 public:
  Waiter() {
    if (!may_wait()) raise_named("ClosedError", "the interpreter is going away");
    ++waiters;
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { --waiters; }
};

// Forbids waits to other threads, and waits, at most so long, until none is in one; returns whether
// that is so. Called with the GIL, which is given up meanwhile.
inline bool end_waits(double seconds) {
  using Clock = std::chrono::steady_clock;
  ending_thread = std::this_thread::get_id();
  const auto until = Clock::now() + std::chrono::duration<double>(seconds);
  while (waiters != 0) {
    if (Clock::now() >= until) return false;
    const pybind11::gil_scoped_release released;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

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
