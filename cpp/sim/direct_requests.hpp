// Requests that somebody makes at a node of his choice, beside what the clients of the run do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "sim/clients.hpp"
#include "sim/world.hpp"

namespace paxledger::sim {

struct DirectRequest {
  enum class Kind : std::uint8_t {
    put,
    remove,
    get,        // linearizable
    get_local,  // whatever the node has
  };
  Kind kind = Kind::put;
  std::string key;
  std::string value;  // of a put
};

// Each request is sent once. Nothing repeats it, so that its outcome may stay unknown.
//
// Invariants:
//  1. Each one stands in the clients' history, and counts in its verdict.
//  2. All commands share one session, which the first of them opens before it is sent itself.
class DirectRequests {
 public:
  struct Sent {
    NodeId node;
    DirectRequest request;
    std::size_t place = 0;  // in the clients' history
    Duration patience{0};
  };
  // Called when a command can be sent now that its session is open; soon, but not within the call.
  using Again = std::function<void(Sent)>;

  explicit DirectRequests(Again again) : again_(std::move(again)) {}

  // The place of a new request in the clients' history; nothing is sent yet.
  std::size_t record(NodeId node, const DirectRequest& request, World& world, Clients& clients);
  // Precondition: the node runs, and the request was recorded. The answer may come within the call.
  void send(Sent sent, World& world);
  // False if somebody else has asked.
  bool answered(const Answered& answered, const World& world, Clients& clients);

 private:
  struct Open {
    Sent sent;
    bool opens = false;  // only the session as yet
  };

  Again again_;
  std::map<RequestKey, Open> open_;
  bool session_open_ = false;
  std::uint64_t sequence_ = 0;
};

}  // namespace paxledger::sim
