// Errors are values. Result<T> holds a T or an Error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/invariant.hpp"

namespace paxledger {

// The errors of Paxledger. The first group is the public set: the same numbers stand on the wire,
// the same words in C++, Python, JSON and on the command line. The second group never leaves a
// process.
enum class ErrorCode : std::uint8_t {
  ok = 0,
  not_found = 1,        // the key is not there
  compare_failed = 2,   // the key's revision is not the expected one
  no_quorum = 3,        // no majority could be reached; the request had no effect
  timeout = 4,          // the deadline passed; the outcome is unknown
  overloaded = 5,       // a queue is full; the request had no effect
  too_large = 6,        // a key, value or batch is over its limit; no effect
  session_expired = 7,  // the session is not, or no longer, known; no effect
  unauthorized = 8,     // not allowed here
  bad_request = 9,      // malformed, or not of this protocol; no effect
  shutting_down = 10,   // the node is stopping; no effect
  repairing = 11,       // the node repairs its history and serves no reads; ask another node

  io = 64,             // the operating system refused a file or socket operation
  damaged = 65,        // stored bytes are not what was written
  configuration = 66,  // cluster.yaml or an option is wrong
};

// The word for a code, e.g. "no quorum".
[[nodiscard]] std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::bad_request;
  std::string message;  // what happened, where, and what was expected; never empty in a Result
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  // Precondition: the error has a message.
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {  // NOLINT: implicit
    invariant(!std::get<1>(state_).message.empty(), "an error says what happened");
  }

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition: ok().
  T& value() & { return check(), std::get<0>(state_); }
  const T& value() const& { return check(), std::get<0>(state_); }
  T&& value() && { return check(), std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

  // Precondition: !ok().
  [[nodiscard]] const Error& error() const {
    invariant(!ok(), "Result::error() is asked of a success");
    return std::get<1>(state_);
  }

 private:
  void check() const { invariant(ok(), "Result::value() is asked of an error"); }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  // Precondition: the error has a message.
  Result(Error error) : error_(std::move(error)), ok_(false) {  // NOLINT: implicit
    invariant(!error_.message.empty(), "an error says what happened");
  }

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  [[nodiscard]] const Error& error() const {
    invariant(!ok_, "Result::error() is asked of a success");
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

}  // namespace paxledger
