#include "node/block_reads.hpp"

#include "base/invariant.hpp"

namespace paxledger::node {

bool BlockReads::begin_for_peer() {
  if (peers_under_way_ >= kPeersMax) return false;
  ++peers_under_way_;
  return true;
}

void BlockReads::end_for_peer() {
  invariant(peers_under_way_ > 0, "a peer's read ends once");
  --peers_under_way_;
}

void BlockReads::add_for_client(ClientBlockRead read) {
  invariant(has_room_for_client(), "a client's read is taken only where there is room");
  waiting_.push_back(read);
}

std::optional<ClientBlockRead> BlockReads::next_for_client() {
  if (waiting_.empty() || clients_under_way_ >= kClientsAtOnce) return std::nullopt;
  const ClientBlockRead read = waiting_.front();
  waiting_.pop_front();
  ++clients_under_way_;
  return read;
}

void BlockReads::end_for_client() {
  invariant(clients_under_way_ > 0, "a client's read ends once");
  --clients_under_way_;
}

}  // namespace paxledger::node
