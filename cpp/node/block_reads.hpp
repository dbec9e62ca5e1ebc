// Whose reads of the block files are under way, and whose wait.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>

#include "base/ids.hpp"

namespace paxledger::node {

// A client's request for a part of the chain.
struct ClientBlockRead {
  RequestKey request;
  Height first;
  std::size_t bytes_max = 0;
};

// The blocks' thread carries out reads in the order in which it is asked. Peers that are behind and
// clients that read the chain have bounds of their own, and of the clients only a few at a time
// are handed to that thread, so that clients, however many, neither take the places of peers nor
// hold up a peer's read for longer than kClientsAtOnce of theirs take.
//
// Not thread-safe; the event loop owns it.
//
// Invariants:
//  1. At most kPeersMax reads of peers and kClientsAtOnce of clients are under way.
//  2. At most kClientsMax reads of clients are under way or wait.
//  3. Clients are served in the order in which they came.
class BlockReads {
 public:
  static constexpr std::size_t kPeersMax = 64;
  static constexpr std::size_t kClientsAtOnce = 2;
  static constexpr std::size_t kClientsMax = 1024;

  // Counts a peer's read as under way. False if there is no room: the peer asks again.
  [[nodiscard]] bool begin_for_peer();
  void end_for_peer();

  [[nodiscard]] bool has_room_for_client() const {
    return clients_under_way_ + waiting_.size() < kClientsMax;
  }
  // Demands has_room_for_client().
  void add_for_client(ClientBlockRead read);
  // The next one to hand to the thread, counted as under way; nothing if none may begin now.
  [[nodiscard]] std::optional<ClientBlockRead> next_for_client();
  void end_for_client();

 private:
  std::size_t peers_under_way_ = 0;
  std::size_t clients_under_way_ = 0;
  std::deque<ClientBlockRead> waiting_;
};

}  // namespace paxledger::node
