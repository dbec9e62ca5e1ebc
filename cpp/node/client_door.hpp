// Where requests of clients come in and replies go out.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "net/client_listener.hpp"
#include "net/drop_counter.hpp"
#include "node/configuration.hpp"
#include "node/counters.hpp"
#include "wire/client_codec.hpp"
#include "wire/client_messages.hpp"

namespace paxledger::node {

// Collects what one turn of the event loop has to answer on each connection, so that it leaves in
// as few packets as possible. Bad input is counted, and logged at most once a second; what can be
// answered with an error is. The counters outlive the door.
class ClientDoor {
 public:
  // Errors: io, configuration; the message names the address.
  static Result<ClientDoor> open(net::Context& context, const Configuration& configuration,
                                 NodeId self, Counters& counters);

  using Handler = std::function<void(net::ConnectionId connection, wire::ClientRequest request)>;
  // Takes in at most `packets_max` packets, and about `requests_max` requests and `bytes_max`
  // octets; the rest keeps waiting.
  void drain(std::size_t packets_max, std::size_t requests_max, std::size_t bytes_max, Instant now,
             const Handler& handler);

  void reply(net::ConnectionId connection, wire::ClientReply reply);
  // Sends the replies, connection by connection in their order. Failures tell whom this node takes
  // for the leader, which is asked for where there are some. What goes beyond the bounds of the
  // listener is dropped before it is encoded.
  void flush(const std::function<NodeId()>& leader);

  // False if the client does not read its replies, or is gone: it is not worth working for.
  [[nodiscard]] bool wants_more(net::ConnectionId connection) const {
    return listener_.wants_more(connection);
  }

  [[nodiscard]] net::ClientListener& listener() { return listener_; }
  [[nodiscard]] const net::ClientListener& listener() const { return listener_; }

 private:
  ClientDoor(net::ClientListener listener, const Configuration& configuration, NodeId self,
             Counters& counters)
      : listener_(std::move(listener)),
        cluster_(configuration.cluster_id),
        cluster_name_(configuration.cluster),
        self_(self),
        counters_(&counters) {}
  void refuse(const Error& error, Instant now);

  net::ClientListener listener_;
  ClusterId cluster_;
  std::string cluster_name_;
  NodeId self_;
  Counters* counters_;
  std::map<net::ConnectionId, std::vector<wire::ClientReply>> outbox_;
  net::LogPacer pacer_;
};

}  // namespace paxledger::node
