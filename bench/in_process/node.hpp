// One node of a cluster in one thread: what paxledgerd does with a write, without its sockets,
// clocks and threads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"
#include "engine/replica.hpp"
#include "in_process/memory_disk.hpp"
#include "net/client_listener.hpp"
#include "node/client_desk.hpp"
#include "node/durability.hpp"
#include "storage/recovery.hpp"

namespace paxledger::bench {

// A packet for another node or a connection.
template <class To>
struct Packet {
  To to;
  std::string octets;
};

// Follows node::Node turn by turn: packets are decoded, commands get a key at the desk, the replica
// steps, records go to the log, messages wait until their ticket is durable, blocks go to the block
// files, replies and messages are encoded into as few packets as the turn allows. Change the two
// together.
//
// The disk is done with a write by the next turn. Not thread-safe.
class InProcessNode {
 public:
  InProcessNode(NodeId self, const std::vector<NodeId>& nodes, ClusterId cluster, Instant now);

  // Both wait for the next turn.
  void take_from_peer(std::string packet) { from_peers_.emplace_back(std::move(packet)); }
  void take_from_client(net::ConnectionId connection, std::string packet) {
    from_clients_.emplace_back(connection, SharedBytes(std::move(packet)));
  }

  // Whether a turn has something to do before the next deadline.
  [[nodiscard]] bool has_work(Instant now) const;
  void turn(Instant now);

  // What the turns so far have to send.
  [[nodiscard]] std::vector<Packet<NodeId>> take_packets() { return std::exchange(packets_, {}); }
  [[nodiscard]] std::vector<Packet<net::ConnectionId>> take_replies() {
    return std::exchange(replies_, {});
  }

  [[nodiscard]] NodeId id() const { return self_; }
  [[nodiscard]] const engine::Replica& replica() const { return *replica_; }
  [[nodiscard]] const DiskTraffic& disk_traffic() const { return disk_.traffic(); }

 private:
  void release_durable(Instant now, engine::Output& out);
  void drain_peers(Instant now, engine::Output& out);
  void drain_clients(Instant now, engine::Output& out);
  void hand_out(engine::Output& out, Instant now);
  void post(std::vector<paxos::Envelope> envelopes);
  void flush_replies();
  void flush_peers();
  [[nodiscard]] static Timestamp wall(Instant now);

  NodeId self_;
  ClusterId cluster_;
  MemoryDisk disk_;
  std::optional<storage::RecoveredStorage> storage_;
  std::optional<engine::Replica> replica_;
  node::ClientDesk desk_;
  node::HeldMessages held_;
  Ticket durable_;
  Ticket reported_;
  std::vector<SharedBytes> from_peers_;
  std::vector<std::pair<net::ConnectionId, SharedBytes>> from_clients_;
  std::vector<engine::ClientCommand> commands_;
  std::map<NodeId, std::vector<paxos::Message>> peer_outbox_;
  std::map<net::ConnectionId, std::vector<wire::ClientReply>> client_outbox_;
  std::vector<Packet<NodeId>> packets_;
  std::vector<Packet<net::ConnectionId>> replies_;
};

}  // namespace paxledger::bench
