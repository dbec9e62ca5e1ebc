#include "net/frames.hpp"

#include <cerrno>
#include <memory>
#include <utility>

namespace paxledger::net {

namespace {

enum class One : std::uint8_t { nothing, frame, failed };

One read_one(zmq::socket_t& socket, zmq::message_t& frame) {
  // A signal says nothing of what waits, so the question is put again: `nothing` must be true.
  while (true) {
    try {
      return socket.recv(frame, zmq::recv_flags::dontwait) ? One::frame : One::nothing;
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) return One::failed;
    }
  }
}

// Payloads up to this size are copied into the message; larger ones are handed over.
constexpr std::size_t kCopyBytesMax = 1024;

// What a message refers to. Lives until libzmq has sent the message or given it up.
class Owned {
 public:
  Owned(std::string payload, std::shared_ptr<QueuedBytes> queued)
      : payload_(std::move(payload)), queued_(std::move(queued)) {
    if (queued_) queued_->add(payload_.capacity());
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    if (queued_) queued_->remove(payload_.capacity());
  }
  std::string& payload() { return payload_; }

 private:
  std::string payload_;
  std::shared_ptr<QueuedBytes> queued_;
};

void free_octets(void* /*data*/, void* hint) {
  const std::unique_ptr<Owned> owner(static_cast<Owned*>(hint));
}

zmq::message_t message_of(std::string payload, std::shared_ptr<QueuedBytes> queued) {
  if (payload.size() <= kCopyBytesMax) return {payload.data(), payload.size()};
  auto owner = std::make_unique<Owned>(std::move(payload), std::move(queued));
  zmq::message_t message(owner->payload().data(), owner->payload().size(), &free_octets,
                         owner.get());
  // The message frees it from here on.
  static_cast<void>(owner.release());  // NOLINT(bugprone-unused-return-value)
  return message;
}

}  // namespace

FrameReader::Got FrameReader::read(zmq::socket_t& socket) {
  if (discarding_) {
    const Got got = discard(socket);
    if (got != Got::nothing) return got;
  }
  for (count_ = 0; count_ < kFramesMax;) {
    // libzmq hands over whole messages only, so nothing can be missing within one.
    const One one = read_one(socket, frames_[count_]);
    if (one != One::frame) return one == One::nothing ? Got::nothing : Got::failed;
    ++count_;
    if (!frames_[count_ - 1].more()) return Got::message;
  }
  discarding_ = true;
  return Got::too_many;
}

// Returns `nothing` once that message is behind us.
FrameReader::Got FrameReader::discard(zmq::socket_t& socket) {
  zmq::message_t dropped;
  for (std::size_t i = 0; i < kDiscardAtOnce; ++i) {
    const One one = read_one(socket, dropped);
    if (one == One::failed) return Got::failed;
    if (one == One::nothing || !dropped.more()) {
      discarding_ = false;
      return Got::nothing;
    }
  }
  return Got::discarding;
}

Sent send_packet(zmq::socket_t& socket, std::string_view routing_id, std::string payload,
                 std::shared_ptr<QueuedBytes> queued) {
  try {
    if (!routing_id.empty()) {
      zmq::message_t envelope(routing_id.data(), routing_id.size());
      const auto flags = zmq::send_flags::dontwait | zmq::send_flags::sndmore;
      if (!socket.send(std::move(envelope), flags)) return Sent::queue_full;
    }
    // A ROUTER that took the first frame takes the others; a DEALER may still refuse here.
    zmq::message_t message = message_of(std::move(payload), std::move(queued));
    return socket.send(std::move(message), zmq::send_flags::dontwait) ? Sent::yes
                                                                      : Sent::queue_full;
  } catch (const zmq::error_t&) {
    return Sent::not_connected;  // EHOSTUNREACH of a ROUTER, or a context that was shut down
  }
}

SharedBytes octets_of(const zmq::message_t& frame) {
  return SharedBytes::copy_of({static_cast<const char*>(frame.data()), frame.size()});
}

}  // namespace paxledger::net
