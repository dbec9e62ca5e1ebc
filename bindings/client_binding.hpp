// The C++ client, for Python.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/typing.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/client.hpp"
#include "completion.hpp"
#include "waiting.hpp"

namespace paxledger::bindings {

// Threads: any, each with the GIL.
//
// Fork: a child process has the object, but not the thread that does its I/O. Every call is refused
// there with ForkedError, and the destructor leaves alone what only that thread could end.
class ClientBinding {
 public:
  // Throws ValueError for bad options, OSError where the system refuses sockets.
  explicit ClientBinding(client::Options options);
  ClientBinding(const ClientBinding&) = delete;
  ClientBinding& operator=(const ClientBinding&) = delete;
  ~ClientBinding();

  // What a call is started with besides its own arguments. Seconds below zero: the client's own
  // deadline. An endpoint below zero: any.
  struct Call {
    double deadline_s = -1;
    int endpoint = -1;
    std::shared_ptr<CompletionQueue> queue;  // null: the answer is an Operation to wait for
  };

  // Each returns a token of the queue, or an Operation.
  using Started = pybind11::typing::Union<Operation, int>;
  Started put(std::string_view key, std::string_view value, const Call& call);
  Started remove(std::string_view key, const Call& call);
  Started compare_and_put(std::string_view key, std::uint64_t expected, std::string_view value,
                          const Call& call);
  Started get(std::string_view key, client::ReadMode mode, const Call& call);
  Started scan(std::string_view prefix, client::ReadMode mode, const Call& call);
  Started chain(std::uint64_t first, const Call& call);
  Started admin(std::string_view action, std::string_view argument, const Call& call);

  // Throws ClosedError or ForkedError.
  void check_usable() const;

  // Ends calls under way, as client::Client::close(). Idempotent; nothing in a forked child. What
  // the handler of a signal raises ends the wait for the session, and is thrown.
  void close();
  // As client::Client::begin_close(): from here on it is closed. close() waits for the end.
  void begin_close();
  // Ends also a close() that another thread waits in.
  void abandon();
  [[nodiscard]] bool is_closed() const { return client_ == nullptr; }
  [[nodiscard]] bool is_forked() const { return generation_ != fork_generation; }
  [[nodiscard]] pybind11::typing::Dict<pybind11::str, int> counters() const;

 private:
  // Starts a call: `start(options, done)` with where its completion goes.
  template <class Start>
  Started begin(const Call& call, Start start);

  const unsigned generation_ = fork_generation;
  const pid_t owner_;                       // for messages
  std::unique_ptr<client::Client> client_;  // null after begin_close()
  // Between begin_close() and the end of close(). Shared with the thread that waits, so that
  // another one can abandon it meanwhile.
  std::shared_ptr<client::Client> closing_;
  std::chrono::steady_clock::time_point closing_since_;
};

void define_client(pybind11::module_& module);

}  // namespace paxledger::bindings
