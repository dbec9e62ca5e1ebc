#include "net/client_listener.hpp"

#include <utility>

namespace paxledger::net {

namespace {

// Per connection. Small, since a request may have megabytes and there may be many connections.
constexpr int kRequestPacketsMax = 64;
constexpr int kReplyPacketsMax = 256;

}  // namespace

Result<ClientListener> ClientListener::open(Context& context, const std::string& endpoint) {
  if (auto allowed = check_loopback(endpoint); !allowed) return allowed.error();
  SocketBounds bounds;
  bounds.messages_received_max = kRequestPacketsMax;
  bounds.messages_to_send_max = kReplyPacketsMax;
  bounds.frame_bytes_max = kFrameBytesMax;
  auto router = context.open(zmq::socket_type::router, bounds);
  if (!router) return router.error();
  if (auto bound = net::bind(*router, endpoint); !bound) return bound.error();
  return ClientListener(std::move(*router));
}

Result<std::optional<ClientFrame>> ClientListener::receive() {
  while (true) {
    switch (router_.read(reader_)) {
      case FrameReader::Got::nothing:
      case FrameReader::Got::failed:
        return std::optional<ClientFrame>();
      case FrameReader::Got::discarding:
        return Error{ErrorCode::bad_request, "still dropping a client packet of very many frames"};
      case FrameReader::Got::too_many:
        break;
      case FrameReader::Got::message: {
        if (reader_.count() != 2) break;
        const zmq::message_t& payload = reader_.frame(1);
        ++traffic_.packets_received;
        traffic_.bytes_received += payload.size();
        return std::optional<ClientFrame>(
            ClientFrame{connection_of(reader_.frame(0)), octets_of(payload)});
      }
    }
    drops_in_.count(DropReason::too_many_frames);
    return Error{ErrorCode::bad_request,
                 "client packet dropped, too_many_frames: expected a message of 1 frame"};
  }
}

bool ClientListener::send(ConnectionId connection, std::string packet) {
  const auto found = by_id_.find(connection);
  if (found == by_id_.end()) {
    drops_out_.count(DropReason::not_connected);
    return false;
  }
  if (!accepts(connection)) {
    drops_out_.count(DropReason::queue_full);
    return false;
  }
  const std::size_t bytes = packet.size();
  const Connection& to = found->second;
  switch (router_.send(to.routing_id, std::move(packet), to.queued)) {
    case Sent::yes:
      ++traffic_.packets_sent;
      traffic_.bytes_sent += bytes;
      return true;
    case Sent::queue_full:
      drops_out_.count(DropReason::queue_full);
      return false;
    case Sent::not_connected:
      drops_out_.count(DropReason::not_connected);
      forget(connection);
      return false;
  }
  return false;
}

bool ClientListener::room_of(ConnectionId connection, std::size_t bytes_max) const {
  const auto found = by_id_.find(connection);
  if (found == by_id_.end()) return false;
  const std::size_t bytes = found->second.queued->bytes();
  if (queued_->bytes() >= kAllReplyBytesMax) return bytes == 0;
  return bytes < bytes_max;
}

ConnectionId ClientListener::connection_of(const zmq::message_t& routing_id) {
  std::string key(static_cast<const char*>(routing_id.data()), routing_id.size());
  const auto found = by_routing_id_.find(key);
  if (found != by_routing_id_.end()) {
    by_use_.splice(by_use_.end(), by_use_, by_id_.at(found->second).use);
    return found->second;
  }
  if (by_id_.size() >= kConnectionsMax) forget(by_use_.front());
  last_ = last_.next();
  by_use_.push_back(last_);
  by_routing_id_.emplace(key, last_);
  by_id_.emplace(last_, Connection{std::move(key), std::prev(by_use_.end()),
                                   std::make_shared<QueuedBytes>(queued_)});
  return last_;
}

void ClientListener::forget(ConnectionId connection) {
  const auto found = by_id_.find(connection);
  if (found == by_id_.end()) return;
  by_use_.erase(found->second.use);
  by_routing_id_.erase(found->second.routing_id);
  by_id_.erase(found);
}

}  // namespace paxledger::net
