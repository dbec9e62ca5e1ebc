// Where clients reach a node: a bound ROUTER.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <zmq.hpp>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/strong_id.hpp"
#include "net/context.hpp"
#include "net/drop_counter.hpp"
#include "net/frames.hpp"
#include "net/polled_socket.hpp"

namespace paxledger::net {

// A client's connection, by a number that this node gives out and never uses twice.
using ConnectionId = StrongId<struct ConnectionIdTag, std::uint64_t>;

struct ClientFrame {
  ConnectionId connection;
  SharedBytes payload;  // for wire::decode_requests
};

struct ClientTraffic {
  std::uint64_t packets_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t bytes_received = 0;
};

// One thread owns it. No call blocks.
//
// Invariant: at most kConnectionsMax connections are remembered; beyond that the one that was
// silent for longest is forgotten, and replies to it are dropped as not_connected.
//
// libzmq keeps what a client does not read. How much that may be is bounded in octets: a connection
// that has kReplyBytesMax waiting gets no packet more, and where all connections together have
// kAllReplyBytesMax waiting, only those get one that have nothing waiting. So whoever reads its
// replies is served, whatever others do.
class ClientListener {
 public:
  static constexpr std::size_t kConnectionsMax = 65'536;
  // A client's packet is at most this large; larger ones close the connection.
  static constexpr std::int64_t kFrameBytesMax = std::int64_t{4} << 20;

  // A connection with less than this waiting may be given another packet.
  static constexpr std::size_t kReplyBytesMax = std::size_t{32} << 20;
  static constexpr std::size_t kAllReplyBytesMax = std::size_t{256} << 20;

  // Errors: configuration (not loopback), io (address in use, …).
  static Result<ClientListener> open(Context& context, const std::string& endpoint);

  // The next packet of a client, or nothing if none waits. An Error says why one was dropped (it is
  // counted); there may be more after it.
  Result<std::optional<ClientFrame>> receive();

  // Sends a packet of wire::ReplyWriter. Returns false if it was dropped: the client is gone or
  // does not read its replies. It is counted.
  bool send(ConnectionId connection, std::string packet);

  // Whether send() may succeed: the connection is known and its replies do not pile up.
  [[nodiscard]] bool accepts(ConnectionId connection) const {
    return room_of(connection, kReplyBytesMax);
  }
  // Whether work for more replies to this connection is worth while. That ends at a quarter
  // of what accepts() allows, so that replies under way and the refusals after them can be sent.
  [[nodiscard]] bool wants_more(ConnectionId connection) const {
    return room_of(connection, kReplyBytesMax / 4);
  }

  // Counts a packet that was received but found to be bad.
  void count_bad(DropReason reason) { drops_in_.count(reason); }

  // For a Poller. Where it is readable, receive() may have something.
  [[nodiscard]] PolledSocket& pollable() { return router_; }

  [[nodiscard]] const DropCounter& drops_in() const { return drops_in_; }
  [[nodiscard]] const DropCounter& drops_out() const { return drops_out_; }
  [[nodiscard]] const ClientTraffic& traffic() const { return traffic_; }
  [[nodiscard]] std::size_t connections() const { return by_id_.size(); }
  // Octets of replies that wait for clients to read.
  [[nodiscard]] std::size_t queued_bytes() const { return queued_->bytes(); }
  [[nodiscard]] std::string endpoint() const { return bound_endpoint(router_.raw()); }

 private:
  struct Connection {
    std::string routing_id;
    std::list<ConnectionId>::iterator use;  // in by_use_
    std::shared_ptr<QueuedBytes> queued;
  };

  explicit ClientListener(zmq::socket_t router) : router_(std::move(router)) {}

  ConnectionId connection_of(const zmq::message_t& routing_id);
  void forget(ConnectionId connection);
  [[nodiscard]] bool room_of(ConnectionId connection, std::size_t bytes_max) const;

  // Shared with the packets that libzmq holds, which it may free from its own thread.
  std::shared_ptr<QueuedBytes> queued_ = std::make_shared<QueuedBytes>();
  PolledSocket router_;
  FrameReader reader_;
  ConnectionId last_;
  std::unordered_map<std::string, ConnectionId> by_routing_id_;
  std::unordered_map<ConnectionId, Connection> by_id_;
  std::list<ConnectionId> by_use_;  // the one silent for longest comes first
  DropCounter drops_in_;
  DropCounter drops_out_;
  ClientTraffic traffic_;
};

}  // namespace paxledger::net
