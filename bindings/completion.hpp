// What a call of the C++ client came to, on its way to Python.
//
// The client's I/O thread never touches Python: it leaves C++ values here, and a Python thread,
// which holds the GIL, fetches them.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/typing.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "base/result.hpp"
#include "client/outcome.hpp"
#include "waiting.hpp"

namespace paxledger::bindings {

using Completion =
    std::variant<client::Outcome, Result<client::ScanResult>, Result<client::ChainPage>>;

// The tuple that Python reads; needs the GIL.
//   key calls, orders: (code, value: bytes, revision, height, message, leader)
//   scan:              (code, [(key, value, revision)…], pages, height, message, 0)
//   chain:             (code, [block: bytes…], first, head, message, 0)
// The leader is whom the node that failed the call takes for it; 0: nobody, or not known.
using PythonOutcome =
    pybind11::typing::Tuple<int, pybind11::object, int, int, pybind11::str, int, bool>;
[[nodiscard]] PythonOutcome to_python(const Completion& completion);

// One call that Python waits for. Shared by the Python object and the I/O thread's callback.
//
// In a fork of the process that made it, it never ends, and its mutex may be locked for ever: all
// methods raise ForkedError there, and the destructor touches nothing that a thread may have used.
class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  ~Operation();

  void complete(Completion completion);  // by the I/O thread, or by who starts the call

  // All with the GIL, which wait() gives up meanwhile.
  [[nodiscard]] bool done() const;
  // Whether it is done at the end.
  [[nodiscard]] bool wait(std::chrono::steady_clock::time_point until);
  // Throws ValueError if it is not done.
  [[nodiscard]] PythonOutcome outcome() const;

 private:
  void check_process() const;
  [[nodiscard]] bool is_forked() const { return generation_ != fork_generation; }

  const unsigned generation_ = fork_generation;
  mutable std::mutex mutex_;
  std::optional<Completion> completion_;  // under mutex_; written once
  // Made by the first that waits. On the heap, so that it can be given up in a fork, where the end
  // of a condition variable would wait for threads that do not exist.
  std::unique_ptr<std::condition_variable> changed_;  // under mutex_; written once
};

// Completions of many calls, for an event loop: fileno() becomes readable when there are some.
//
// Invariant: the descriptor is readable if and only if the queue is not empty (but for the moment
// between a change of one and of the other).
class CompletionQueue {
 public:
  // Throws std::system_error.
  CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;
  ~CompletionQueue();

  [[nodiscard]] int fileno() const { return descriptor_; }
  [[nodiscard]] std::uint64_t next_token() { return ++last_token_; }  // with the GIL

  void push(std::uint64_t token, Completion completion);
  // With the GIL: everything that is there, as [(token, outcome)…].
  using Drained = pybind11::typing::List<pybind11::typing::Tuple<int, PythonOutcome>>;
  [[nodiscard]] Drained drain();

 private:
  const unsigned generation_ = fork_generation;
  const int descriptor_;  // an eventfd
  std::uint64_t last_token_ = 0;
  std::mutex mutex_;
  std::deque<std::pair<std::uint64_t, Completion>> completed_;  // under mutex_
};

}  // namespace paxledger::bindings
