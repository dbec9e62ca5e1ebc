// /livez, /readyz, /status and /metrics (docs/reference/http.md).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "node/configuration.hpp"
#include "node/report.hpp"

namespace paxledger::node {

// Serves in one thread of its own, which waits for all connections at once: a connection that says
// nothing, or little at a time, costs a place and no more.
//
// Invariants:
//  1. At most kConnectionsMax connections are open. One more closes the oldest.
//  2. A connection carries one request and has kPatience to say it, and again to take the answer.
//  3. Requests that arrive together share one report, so that the event loop is asked once,
//     and an event loop that does not answer delays all of them together, not one after the other.
class HttpDoor {
 public:
  static constexpr std::size_t kConnectionsMax = 64;
  static constexpr Duration kPatience = std::chrono::seconds(2);

  // Called from the door's thread; gives nothing if the event loop does not answer in time.
  using Ask = std::function<std::optional<Report>()>;

  explicit HttpDoor(Ask ask);
  ~HttpDoor();  // closes
  HttpDoor(const HttpDoor&) = delete;
  HttpDoor& operator=(const HttpDoor&) = delete;

  // Errors: io, naming the address, if it is taken.
  Result<void> open(const Address& address);
  void close();

  // Requests so far, by path. From any thread.
  [[nodiscard]] std::map<std::string, std::uint64_t> requests() const;

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace paxledger::node
