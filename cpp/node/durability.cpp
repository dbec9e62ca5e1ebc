#include "node/durability.hpp"

#include <iterator>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::node {

void HeldMessages::hold(Ticket ticket, std::vector<paxos::Envelope> messages, Instant since) {
  invariant(ticket > newest_, "tickets rise");
  newest_ = ticket;
  held_.emplace(ticket, Held{std::move(messages), since});
}

std::vector<paxos::Envelope> HeldMessages::release(Ticket durable) {
  std::vector<paxos::Envelope> released;
  const auto end = held_.upper_bound(durable);
  for (auto each = held_.begin(); each != end; ++each) {
    auto& messages = each->second.messages;
    released.insert(released.end(), std::make_move_iterator(messages.begin()),
                    std::make_move_iterator(messages.end()));
  }
  held_.erase(held_.begin(), end);
  return released;
}

Instant HeldMessages::oldest() const {
  return held_.empty() ? Instant::never() : held_.begin()->second.since;
}

}  // namespace paxledger::node
