// Reading and writing whole ZeroMQ messages without blocking and without exceptions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <zmq.hpp>

#include "base/bytes.hpp"

namespace paxledger::net {

// A message of more frames than this is read frame by frame and dropped.
inline constexpr std::size_t kFramesMax = 4;

// Reads messages of at most kFramesMax frames.
class FrameReader {
 public:
  enum class Got : std::uint8_t {
    nothing,     // no message waits
    message,     // frames() holds it
    too_many,    // a message of too many frames, which is dropped; reported once
    discarding,  // more of that message was dropped, and some is left; call again
    failed,      // the socket is of no use any more (its context was shut down)
  };

  Got read(zmq::socket_t& socket);

  [[nodiscard]] std::size_t count() const { return count_; }
  // Precondition: index < count(), and read() has just returned `message`.
  [[nodiscard]] zmq::message_t& frame(std::size_t index) { return frames_[index]; }

 private:
  // How many frames of a giant message are dropped in one call, so that nobody else starves.
  static constexpr std::size_t kDiscardAtOnce = 4096;

  Got discard(zmq::socket_t& socket);

  std::array<zmq::message_t, kFramesMax> frames_;
  std::size_t count_ = 0;
  bool discarding_ = false;
};

enum class Sent : std::uint8_t { yes, queue_full, not_connected };

// Sends `payload`, after a frame with `routing_id` if that is not empty. Never blocks, never
// splits.
Sent send_packet(zmq::socket_t& socket, std::string_view routing_id, std::string payload);

[[nodiscard]] SharedBytes octets_of(const zmq::message_t& frame);

}  // namespace paxledger::net
