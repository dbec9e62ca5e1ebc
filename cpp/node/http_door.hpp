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

// Serves in threads of its own: one that accepts, two that answer. Each connection carries one
// request, so that idle connections cannot occupy the two.
class HttpDoor {
 public:
  // Called from the answering threads; gives nothing if the event loop does not answer in time.
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
