// Reading and writing whole ZeroMQ messages without blocking and without exceptions.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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

// The memory of packets that were given to libzmq and that it has not passed on to the system yet.
// libzmq's own bounds count messages, whatever their size. Thread-safe.
class QueuedBytes {
 public:
  // What is counted here is counted by `all` too, if that is given.
  explicit QueuedBytes(std::shared_ptr<QueuedBytes> all = nullptr) : all_(std::move(all)) {}

  void add(std::size_t bytes) {
    bytes_ += bytes;
    if (all_) all_->add(bytes);
  }
  void remove(std::size_t bytes) {
    bytes_ -= bytes;
    if (all_) all_->remove(bytes);
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::atomic<std::size_t> bytes_ = 0;
  const std::shared_ptr<QueuedBytes> all_;
};

// Sends `payload`, after a frame with `routing_id` if that is not empty. Never blocks, never
// splits. Packets of more than a kilobyte are counted by `queued`, if given, as long as they wait.
Sent send_packet(zmq::socket_t& socket, std::string_view routing_id, std::string payload,
                 std::shared_ptr<QueuedBytes> queued = nullptr);

[[nodiscard]] SharedBytes octets_of(const zmq::message_t& frame);

}  // namespace paxledger::net
