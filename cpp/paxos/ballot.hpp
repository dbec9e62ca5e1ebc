// Ballots: totally ordered proposal numbers that no two nodes share.
#pragma once

#include <compare>
#include <string>

#include "base/ids.hpp"

namespace paxledger::paxos {

// Paxos Made Simple §2.2 asks for distinct, totally ordered proposal numbers. A ballot is
// (round, node), compared in that order, so that each node owns one ballot of every round.
struct Ballot {
  Round round;
  NodeId node;

  auto operator<=>(const Ballot&) const = default;

  // The ballot below every real one: nothing was ever promised.
  [[nodiscard]] bool is_none() const { return round == Round(0); }
};

// "7.2" is round 7 of node 2.
[[nodiscard]] std::string to_string(const Ballot& ballot);

}  // namespace paxledger::paxos
