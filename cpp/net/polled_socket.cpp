#include "net/polled_socket.hpp"

#include <cerrno>
#include <cstddef>

#include "base/invariant.hpp"

namespace paxledger::net {

PolledSocket::PolledSocket(zmq::socket_t socket)
    : socket_(std::move(socket)), descriptor_(socket_.get(zmq::sockopt::fd)) {}

FrameReader::Got PolledSocket::read(FrameReader& reader) {
  const FrameReader::Got got = reader.read(socket_);
  quiet_ = got == FrameReader::Got::nothing;
  return got;
}

Sent PolledSocket::send(std::string_view routing_id, std::string payload,
                        std::shared_ptr<QueuedBytes> queued) {
  quiet_ = false;
  return send_packet(socket_, routing_id, std::move(payload), std::move(queued));
}

bool PolledSocket::is_writable() {
  const auto events = ask();
  return events && (*events & ZMQ_POLLOUT) != 0;
}

bool PolledSocket::settle() {
  if (!quiet_) ask();
  return quiet_;
}

std::optional<int> PolledSocket::ask() {
  quiet_ = false;
  int events = 0;
  std::size_t size = sizeof events;
  if (zmq_getsockopt(socket_.handle(), ZMQ_EVENTS, &events, &size) != 0) {
    invariant(errno == EINTR, "a socket of a living context tells its events");
    return std::nullopt;
  }
  quiet_ = (events & ZMQ_POLLIN) == 0;
  return events;
}

}  // namespace paxledger::net
