#include "net/context.hpp"

#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <utility>
#include <vector>

#include "wire/unpack.hpp"

namespace paxledger::net {

namespace {

constexpr int kReconnectMilliseconds = 20;
constexpr int kReconnectMillisecondsMax = 500;
constexpr int kHandshakeMilliseconds = 5'000;
// TCP's keepalive, in seconds: only against connections whose other end has vanished without a
// word. Whether a peer lives is decided by the application's own heartbeats, which are faster by
// far. Not ZMTP's heartbeats: docs/decisions/0007.
constexpr int kKeepaliveIdleSeconds = 5;
constexpr int kKeepaliveIntervalSeconds = 2;
constexpr int kKeepaliveProbes = 3;

// The one place where cppzmq's exceptions end.
template <class Action>
Result<void> guarded(const std::string& what, Action action) {
  try {
    action();
    return {};
  } catch (const zmq::error_t& error) {
    return Error{ErrorCode::io, what + ": " + error.what()};
  }
}

bool is_ipv6(std::string_view endpoint) {
  return endpoint.find('[') != std::string_view::npos;
}

// Whether so many more descriptors can be opened.
bool has_descriptors(int count) {
  std::vector<int> opened;
  for (int i = 0; i < count; ++i) {
    const int descriptor = eventfd(0, EFD_CLOEXEC);
    if (descriptor < 0) break;
    opened.push_back(descriptor);
  }
  for (const int descriptor : opened) close(descriptor);
  return opened.size() == static_cast<std::size_t>(count);
}

Error refused(std::string_view endpoint, std::string_view reason) {
  return Error{ErrorCode::configuration,
               "\"" + std::string(endpoint) + "\": " + std::string(reason) +
                   "; no keys are configured, and without them a node neither listens nor connects "
                   "beyond this machine (expected tcp://127.0.0.1:PORT or tcp://[::1]:PORT)"};
}

}  // namespace

Result<Context> Context::create(int io_threads) {
  // With its first socket, libzmq starts its threads, and where one of them gets no descriptor
  // (each takes two) it ends the process (epoll.cpp). So that is made sure of, and done, here.
  if (!has_descriptors(2 * (io_threads + 1) + 4)) {
    return Error{ErrorCode::io, "cannot start ZeroMQ: too many open files (see ulimit -n)"};
  }
  try {
    zmq::context_t context(io_threads);
    const zmq::socket_t first(context, zmq::socket_type::pair);
    return Context(std::move(context));
  } catch (const zmq::error_t& error) {
    return Error{ErrorCode::io, std::string("cannot start ZeroMQ: ") + error.what()};
  }
}

Result<zmq::socket_t> Context::open(zmq::socket_type kind, const SocketBounds& bounds) {
  zmq::socket_t socket;
  const auto opened = guarded("cannot open a socket", [&] {
    socket = zmq::socket_t(context_, kind);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::immediate, true);
    socket.set(zmq::sockopt::sndhwm, bounds.messages_to_send_max);
    socket.set(zmq::sockopt::rcvhwm, bounds.messages_received_max);
    socket.set(zmq::sockopt::maxmsgsize, bounds.frame_bytes_max > 0
                                             ? bounds.frame_bytes_max
                                             : static_cast<std::int64_t>(wire::kFrameBytesMax));
    socket.set(zmq::sockopt::backlog, bounds.connections_waiting_max);
    socket.set(zmq::sockopt::reconnect_ivl, kReconnectMilliseconds);
    socket.set(zmq::sockopt::reconnect_ivl_max, kReconnectMillisecondsMax);
    socket.set(zmq::sockopt::handshake_ivl, kHandshakeMilliseconds);
    socket.set(zmq::sockopt::tcp_keepalive, 1);
    socket.set(zmq::sockopt::tcp_keepalive_idle, kKeepaliveIdleSeconds);
    socket.set(zmq::sockopt::tcp_keepalive_intvl, kKeepaliveIntervalSeconds);
    socket.set(zmq::sockopt::tcp_keepalive_cnt, kKeepaliveProbes);
    if (kind == zmq::socket_type::router) socket.set(zmq::sockopt::router_mandatory, true);
  });
  if (!opened) return opened.error();
  return socket;
}

void Context::shutdown() {
  context_.shutdown();
}

Result<void> bind(zmq::socket_t& socket, const std::string& endpoint) {
  return guarded("cannot listen at " + endpoint, [&] {
    if (is_ipv6(endpoint)) socket.set(zmq::sockopt::ipv6, true);
    socket.bind(endpoint);
  });
}

Result<void> connect(zmq::socket_t& socket, const std::string& endpoint) {
  return guarded("cannot connect to " + endpoint, [&] {
    if (is_ipv6(endpoint)) socket.set(zmq::sockopt::ipv6, true);
    socket.connect(endpoint);
  });
}

std::string bound_endpoint(const zmq::socket_t& socket) {
  std::string endpoint;
  const auto asked = guarded("cannot ask a socket where it listens",
                             [&] { endpoint = socket.get(zmq::sockopt::last_endpoint); });
  return asked ? endpoint : std::string();
}

Result<void> check_loopback(std::string_view endpoint) {
  constexpr std::string_view kScheme = "tcp://";
  if (!endpoint.starts_with(kScheme)) return refused(endpoint, "not a tcp endpoint");
  const std::string_view rest = endpoint.substr(kScheme.size());
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return refused(endpoint, "it names no port");

  const std::string_view port = rest.substr(colon + 1);
  std::uint32_t number = 0;
  const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (problem != std::errc() || end != port.data() + port.size() || number > 65'535) {
    return refused(endpoint, "its port is not a number from 0 to 65535");
  }

  const std::string host(rest.substr(0, colon));
  if (host == "[::1]") return {};
  in_addr address{};
  if (inet_pton(AF_INET, host.c_str(), &address) != 1) {
    return refused(endpoint, "not an address of this machine's loopback interface");
  }
  constexpr std::uint32_t kLoopbackNet = 127;
  if (ntohl(address.s_addr) >> 24 != kLoopbackNet) {
    return refused(endpoint, "not an address of this machine's loopback interface");
  }
  return {};
}

}  // namespace paxledger::net
