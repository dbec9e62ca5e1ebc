// What happens in a simulated cluster, as those who watch it are told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "paxos/ballot.hpp"
#include "paxos/messages.hpp"
#include "sim/trace_hash.hpp"

namespace paxledger::sim {

struct Event {
  enum class Kind : std::uint8_t {
    message,  // leaves `node` for `peer`
    arrived,  // at `node`, from `peer`
    lost,     // does not even leave `node` for `peer`: the link is cut
    dropped,  // from `node` to `peer`, on its way: by chance, a cut link, or a receiver that is
              // down
    log,      // a record was handed to the log of `node`
    durable,  // the log of `node` covers ticket `id`
    block,    // `node` applied the block at height `slot`
    reply,    // `node` answered request `id`
    role,     // `node` became what `name` says
    notice,   // `node` says something to people
    fault,    // something was done to the cluster
  };
  Kind kind = Kind::notice;
  Instant at;
  NodeId node;
  NodeId peer;
  std::uint64_t id = 0;   // of the message, ticket or request; 0: none
  std::string_view name;  // of a message, role or fault
  paxos::Ballot ballot;   // of a message or a role; 0.0: none
  Slot slot;              // of a message or a block; 0: none
  std::string text;       // all of it, for people
};

// e.g. "message".
[[nodiscard]] std::string_view to_string(Event::Kind kind);

// The ballot and the slot that a message is about; zero where it is about none.
struct Subject {
  paxos::Ballot ballot;
  Slot slot;
};
[[nodiscard]] Subject subject_of(const paxos::Message& message);

// Adds what tells the message from others of its time and link.
void add_to(TraceHash& hash, const paxos::Message& message);

}  // namespace paxledger::sim
