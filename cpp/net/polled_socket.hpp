// A ZeroMQ socket that a thread sleeps on by its descriptor.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <zmq.hpp>

#include "net/frames.hpp"

namespace paxledger::net {

// zmq_poll takes at least four system calls for each of its sockets, since it asks every one of
// them for its events before it sleeps and again after, whoever had something to say. A
// descriptor (ZMQ_FD) can be polled together with others by one system call. But it is
// edge-triggered: it becomes readable when libzmq's I/O thread has news for the socket, and every
// call on the socket (a send too) may take that signal away, whether or not its caller got the
// message that the signal stood for.
//
// The rule that loses no message: sleep on descriptor() only while the socket is quiet. It is
// quiet once it was asked, and had no message, after the last call on it that sent or received
// anything. To ask works off all news first, so the signal of the next message is still to come.
// Both a receive that finds nothing and ZMQ_EVENTS without ZMQ_POLLIN ask; settle() does the
// latter where the former has not been done.
//
// Invariant: quiet_ is false after every call that may have taken a signal away with a message
// left. All calls on the socket therefore go through this class.
//
// One thread owns it.
class PolledSocket {
 public:
  explicit PolledSocket(zmq::socket_t socket);

  // As FrameReader::read.
  FrameReader::Got read(FrameReader& reader);
  // As send_packet.
  Sent send(std::string_view routing_id, std::string payload,
            std::shared_ptr<QueuedBytes> queued = nullptr);

  // Whether a packet could be sent now. Where not, descriptor() becomes readable when that changes,
  // if nothing but is_writable() and settle() was called since.
  [[nodiscard]] bool is_writable();

  // Whether descriptor() can be slept on; else a message waits (or that is not known: a signal
  // came in between), and it is time to read.
  [[nodiscard]] bool settle();
  // Becomes readable when something has happened in a quiet socket, though not always a message.
  [[nodiscard]] int descriptor() const { return descriptor_; }

  // For what neither sends nor receives, such as most options.
  [[nodiscard]] zmq::socket_t& raw() { return socket_; }
  [[nodiscard]] const zmq::socket_t& raw() const { return socket_; }

 private:
  // Asks, by ZMQ_EVENTS. Nothing if a signal to the process interrupted it.
  std::optional<int> ask();

  zmq::socket_t socket_;
  int descriptor_;
  bool quiet_ = false;
};

}  // namespace paxledger::net
