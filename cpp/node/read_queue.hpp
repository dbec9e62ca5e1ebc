// Which reads of clients are carried out now, and which wait.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "engine/io.hpp"
#include "net/client_listener.hpp"

namespace paxledger::node {

// A request of thirty octets may ask for a megabyte. So that no client, however much it asks for at
// once, holds up the event loop or fills the memory, reads are begun only while the replies of
// those under way have about `bytes_max` octets together. The others wait, and connections take
// turns, so that who asks for much waits for itself.
//
// Not thread-safe; the event loop owns it. What waits is bounded by the ClientDesk.
//
// Invariants:
//  1. Reads under way cost at most bytes_max together, or there is only one.
//  2. A connection's reads begin in the order in which they came.
//  3. Between two reads of a connection, every other one that waited has begun one.
class ReadQueue {
 public:
  explicit ReadQueue(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  struct Waiting {
    net::ConnectionId connection;
    std::size_t cost = 0;  // about how many octets its reply has
    Instant expires;       // when to give it up if it still waits
    engine::ClientRead read;
  };
  void add(Waiting waiting);
  // The next one to carry out, counted as under way; nothing if none may begin now.
  [[nodiscard]] std::optional<Waiting> next();
  // The read has its reply. Does nothing if it is not under way here.
  void end(RequestKey request);

  // Those that waited for too long, which are forgotten here.
  [[nodiscard]] std::vector<RequestKey> take_expired(Instant now);
  // When take_expired() may next have something to give.
  [[nodiscard]] Instant next_expiry() const { return next_expiry_; }
  [[nodiscard]] bool can_begin() const;
  [[nodiscard]] bool empty() const { return waiting_.empty() && under_way_.empty(); }

 private:
  using Connections = std::map<net::ConnectionId, std::deque<Waiting>>;
  [[nodiscard]] Connections::const_iterator turn() const;

  std::size_t bytes_max_;
  std::size_t bytes_under_way_ = 0;
  std::unordered_map<RequestKey, std::size_t> under_way_;  // what each costs
  Connections waiting_;                                    // none is empty
  net::ConnectionId last_;                                 // whose turn it was
  Instant next_expiry_ = Instant::never();
};

}  // namespace paxledger::node
