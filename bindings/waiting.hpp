// Waiting on behalf of Python: without the GIL, and never deaf to Ctrl-C.
#pragma once

#include <pybind11/pybind11.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace paxledger::bindings {

// How long a wait may stay away from Python. A signal's handler runs, in the main thread, at most
// this much later.
inline constexpr auto kSignalInterval = std::chrono::milliseconds(50);

// Throws what the handler of a signal raised, e.g. KeyboardInterrupt. Needs the GIL.
inline void check_signals() {
  if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
}

// Python threads that are in a wait, or in Python code that C++ called. A thread that is about to
// get the GIL back after the interpreter has begun to go away is ended on the spot by Python
// (before 3.14), and unwinding C++ frames without the GIL takes the process down. So the end of the
// interpreter waits for this to be zero (end_waits).
inline std::atomic<int> waiters = 0;

// The thread that ends the interpreter, once it does. Under the GIL.
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

// Where every call from Python begins: once the interpreter goes away, threads but the one that
// ends it stay here for ever, as Python 3.14 does with them, and the end of the process takes them.
// Needs the GIL.
inline void enter() {
  if (!ending_thread || *ending_thread == std::this_thread::get_id()) return;
  (void)PyEval_SaveThread();
  for (;;) pause();
}

// A wait, counted. Needs the GIL.
class Waiter {
 public:
  Waiter() {
    enter();
    ++waiters;
  }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter() { --waiters; }
};

// Keeps other threads from beginning a call, and waits, at most so long, until none is in one;
// returns whether that is so. Called with the GIL, which is given up meanwhile.
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
