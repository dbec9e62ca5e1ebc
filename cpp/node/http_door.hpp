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

// GNU libmicrohttpd reads and writes HTTP, in one thread of its own that waits for all connections
// at once: a connection that says nothing, or little at a time, costs a place and no more.
//
// Invariants:
//  1. About kConnectionsMax connections are open. One more closes the oldest; of those that come
//     faster than they close, a few more are taken, and the others wait in the kernel.
//  2. A connection carries one request, without a body, and may be silent for kPatience.
//  3. Requests that wait for the event loop at the same time share one report, so that a loop that
//     answers slowly, or not at all, delays all of them together and not one after the other.
class HttpDoor {
 public:
  static constexpr unsigned kConnectionsMax = 256;
  static constexpr std::chrono::seconds kPatience{2};

  // Called from the door's thread; gives nothing if the event loop does not answer in time, which
  // has to be well within kPatience.
  using Ask = std::function<std::optional<Report>()>;

  explicit HttpDoor(Ask ask);
  ~HttpDoor();  // closes
  HttpDoor(const HttpDoor&) = delete;
  HttpDoor& operator=(const HttpDoor&) = delete;

  // Errors: io, naming the address, if it is taken.
  Result<void> open(const Address& address);
  // Waits for a question that is under way, and for nobody's connection.
  void close();

  // Requests so far, by path. From any thread.
  [[nodiscard]] std::map<std::string, std::uint64_t> requests() const;

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace paxledger::node
