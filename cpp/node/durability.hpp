// Messages that wait for the disk.
//
// A message in engine::Persist::send_after promises what the records beside it hold (design: "a
// message that promises something durable can only stand in send_after"). It waits here until the
// log says that the records' ticket is durable.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "paxos/messages.hpp"

namespace paxledger::node {

// Invariants:
//  1. hold() is called with rising tickets.
//  2. release(t) gives the messages of the tickets up to t, in ticket order, each of them once; no
//     other operation gives any.
class HeldMessages {
 public:
  // Precondition: `ticket` is above every one before.
  void hold(Ticket ticket, std::vector<paxos::Envelope> messages, Instant since);

  // The messages that may leave now that every ticket up to `durable` is on disk.
  [[nodiscard]] std::vector<paxos::Envelope> release(Ticket durable);

  // Forgets everything: the replica that promised it is gone.
  void clear() { held_.clear(); }

  [[nodiscard]] std::size_t tickets() const { return held_.size(); }
  // Since when the oldest ticket waits; never() if none does.
  [[nodiscard]] Instant oldest() const;

 private:
  struct Held {
    std::vector<paxos::Envelope> messages;
    Instant since;
  };
  std::map<Ticket, Held> held_;
  Ticket newest_;
};

}  // namespace paxledger::node
