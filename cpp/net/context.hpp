// ZeroMQ's context, and sockets with the bounds that every socket of Paxledger has.
//
// cppzmq throws; nothing of this module lets that out. All sockets of a process part are opened,
// used and closed by one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <zmq.hpp>

#include "base/result.hpp"

namespace paxledger::net {

// Bounds of one socket. LINGER is 0 everywhere: what matters is sent again by its owner.
struct SocketBounds {
  int messages_to_send_max = 256;      // waiting to be sent, per connection
  int messages_received_max = 256;     // received but not yet read, per connection
  std::int64_t frame_bytes_max = 0;    // a connection that sends a larger frame is closed; 0: 8 MiB
  int connections_waiting_max = 1024;  // listen backlog
};

// Owns libzmq's I/O thread. Must outlive every socket that it opened. Thread-safe.
class Context {
 public:
  // Errors: io.
  static Result<Context> create(int io_threads = 1);

  // A socket with these bounds, IMMEDIATE, LINGER 0, reconnection after 20 … 500 ms and
  // keepalive against half-open connections. Of kind router, ROUTER_MANDATORY is set: sending to
  // a connection that is gone is an error and not a silent drop. Errors: io.
  Result<zmq::socket_t> open(zmq::socket_type kind, const SocketBounds& bounds);

  // Stops all sockets' blocking calls; the destructor waits for them to be closed.
  void shutdown();

 private:
  explicit Context(zmq::context_t context) : context_(std::move(context)) {}
  zmq::context_t context_;
};

// Errors: io, with the endpoint and the reason (address in use, …).
Result<void> bind(zmq::socket_t& socket, const std::string& endpoint);
Result<void> connect(zmq::socket_t& socket, const std::string& endpoint);

// Where a bound socket really listens, e.g. after binding to port 0.
[[nodiscard]] std::string bound_endpoint(const zmq::socket_t& socket);

// Without keys a node neither listens nor connects beyond the machine. Accepts tcp://127.x.y.z:port
// and tcp://[::1]:port (port 0 lets the system choose); refuses anything else with the reason.
// Errors: configuration.
Result<void> check_loopback(std::string_view endpoint);

}  // namespace paxledger::net
