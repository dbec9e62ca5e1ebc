// Where the requests of clients are remembered until their replies leave.
//
// The replica knows a request by its RequestKey; a client by the id it chose, on the connection it
// came from. The desk holds the two together, within limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "engine/io.hpp"
#include "net/client_listener.hpp"
#include "wire/client_messages.hpp"

namespace paxledger::node {

// Not thread-safe; the event loop owns it.
//
// Invariants:
//  1. A key is given out once in the life of the desk, and settled at most once.
//  2. pending() <= pending_max; of one connection, <= outstanding_max.
//  3. What is kept to be used again is no more than what was pending at once.
class ClientDesk {
 public:
  ClientDesk(std::size_t pending_max, std::size_t outstanding_max)
      : pending_max_(pending_max), outstanding_max_(outstanding_max) {}

  enum class Kind : std::uint8_t { execute, get, scan, chain, admin };
  struct Origin {
    net::ConnectionId connection;
    std::uint64_t id = 0;  // the client's
    Kind kind = Kind::execute;
  };

  // Errors: overloaded; the request has no effect then.
  [[nodiscard]] Result<RequestKey> admit(net::ConnectionId connection, std::uint64_t id, Kind kind);

  // Forgets the request and says who asked; nothing if the key is not pending.
  [[nodiscard]] std::optional<Origin> settle(RequestKey key);

  // Settles every pending request of the given kinds.
  [[nodiscard]] std::vector<Origin> settle_all(std::initializer_list<Kind> kinds);

  [[nodiscard]] std::size_t pending() const { return pending_.size(); }
  [[nodiscard]] std::size_t connections() const { return connections_.size(); }

 private:
  // Unanswered requests of each connection that has any.
  using Connections = std::map<net::ConnectionId, std::size_t>;
  struct Pending {
    Connections::iterator connection;
    std::uint64_t id = 0;
    Kind kind = Kind::execute;
  };
  using PendingMap = std::unordered_map<RequestKey, Pending>;
  Origin forget(PendingMap::iterator entry);

  std::size_t pending_max_;
  std::size_t outstanding_max_;
  RequestKey last_key_;
  PendingMap pending_;
  std::vector<PendingMap::node_type> spare_;  // so that a request allocates nothing
  Connections connections_;
};

// When the client gives up: 5 s from now if it does not say, else clamped to 1 ms … 1 h.
[[nodiscard]] Instant deadline_of(std::uint32_t budget_ms, Instant now);

// A failure as a reply to request `id`.
[[nodiscard]] wire::ClientReply failure_reply(std::uint64_t id, ErrorCode code, std::string message,
                                              Height height);

// The replica's reply in the client's words.
[[nodiscard]] wire::ClientReply to_client_reply(const ClientDesk::Origin& origin,
                                                engine::Reply reply);

}  // namespace paxledger::node
