// What the tests of sockets share: waiting for a condition of a socket, and raw talkers.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "net/context.hpp"
#include "net/polled_socket.hpp"

namespace paxledger::net::test {

// Waits until `socket` is readable; false after ten seconds.
inline bool wait_readable(zmq::socket_ref socket,
                          std::chrono::milliseconds longest = std::chrono::seconds(10)) {
  zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
  return zmq::poll(&item, 1, longest) > 0;
}

// Read it afterwards: this asks for its events behind its back.
inline bool wait_readable(PolledSocket& socket,
                          std::chrono::milliseconds longest = std::chrono::seconds(10)) {
  return wait_readable(socket.raw(), longest);
}

// Calls `attempt` until it returns true; false after ten seconds. What is waited for is the
// connection, which libzmq makes in the background.
template <class Attempt>
bool eventually(Attempt attempt) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!attempt()) {
    if (std::chrono::steady_clock::now() > end) return false;
    zmq::poll(static_cast<zmq::pollitem_t*>(nullptr), 0, std::chrono::milliseconds(1));
  }
  return true;
}

// A plain DEALER that may send anything.
class Stranger {
 public:
  // Takes in at most about `unread_max` messages before they are heard.
  explicit Stranger(const std::string& endpoint, int unread_max = 1000)
      : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvhwm, unread_max);
    socket_.connect(endpoint);
  }
  void say(const std::vector<std::string>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto flags = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      ASSERT_TRUE(socket_.send(zmq::buffer(frames[i]), flags).has_value());
    }
  }
  // The next message of one frame; empty after ten seconds.
  std::string hear() {
    if (!wait_readable(socket_)) return {};
    zmq::message_t message;
    EXPECT_TRUE(socket_.recv(message).has_value());
    return message.to_string();
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
};

}  // namespace paxledger::net::test
