#include "paxos/ballot.hpp"

namespace paxledger::paxos {

std::string to_string(const Ballot& ballot) {
  return std::to_string(ballot.round.value()) + "." + std::to_string(ballot.node.value());
}

}  // namespace paxledger::paxos
