// One node of a cluster: the event loop between sockets, disk and replica.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "engine/replica.hpp"
#include "net/context.hpp"
#include "net/poller.hpp"
#include "net/wakeup.hpp"
#include "node/admin.hpp"
#include "node/block_reads.hpp"
#include "node/client_desk.hpp"
#include "node/client_door.hpp"
#include "node/configuration.hpp"
#include "node/counters.hpp"
#include "node/durability.hpp"
#include "node/events.hpp"
#include "node/http_door.hpp"
#include "node/keeper.hpp"
#include "node/peer_door.hpp"
#include "node/read_queue.hpp"
#include "node/report.hpp"
#include "node/wakefulness.hpp"
#include "storage/posix_disk.hpp"

namespace paxledger::node {

// Data flows one way: socket → wire → replica → (log, blocks, replies) → socket. One thread, the
// one that calls run(), owns the replica and all sockets; the log's, the blocks' and the HTTP
// door's threads reach it by `events_` and `bell_`.
//
// A turn of the loop takes in what waits (a bounded amount), steps the replica, and hands out its
// output once, so that what one turn has for the log, a peer or a connection travels together.
//
// Invariants:
//  1. What a message promises is on disk before the message leaves: send_after goes through
//     held_ and leaves only when keeper_ says that its ticket is durable.
//  2. Every request taken in is answered once, unless its connection is gone or the process ends.
class Node {
 public:
  // Opens the directory, then the ports, and starts the threads. `stop_descriptor` becomes
  // readable when the node is to stop (a signalfd); the caller keeps it. The node's links have the
  // `faults` from the first packet on.
  static std::variant<std::unique_ptr<Node>, StartFailure> start(
      Configuration configuration, NodeId self, storage::OpenMode mode, int stop_descriptor,
      const std::vector<FaultOrder>& faults = {});
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Serves until it is told to stop, then answers what it can and makes everything durable.
  void run();

 private:
  Node(Configuration configuration, NodeId self, int stop_descriptor, net::Context context,
       net::Wakeup bell, std::unique_ptr<EventMailbox> events);

  // What one turn takes in from peers, and from clients. Its messages leave at its end, heartbeats
  // too: on a machine that is short of processors a turn must be far from an election timeout.
  static constexpr std::size_t kPacketsPerTurn = 256;
  static constexpr std::size_t kRequestsPerTurn = 2048;  // of clients
  static constexpr std::size_t kBytesPerTurn = std::size_t{2} << 20;
  // Octets of replies to local reads, and to orders for the node itself, that one turn makes, so
  // that messages to peers leave in between. Reads that wait for a round of messages between nodes
  // may be more, since many should share a round; but all of them may be answered in one turn.
  static constexpr std::size_t kLocalReadBytesPerTurn = std::size_t{4} << 20;
  static constexpr std::size_t kLinearizableReadBytes = std::size_t{16} << 20;
  static constexpr std::size_t kAdminBytesPerTurn = std::size_t{1} << 20;
  static constexpr int kReportsWantedMax = 16;

  struct RepairOrder {
    std::optional<Height> first;  // nothing: what is damaged is found by reading
    std::string reason;
    std::string place;  // behind the reason, unless reading again finds and names it anyway
  };

  // node.cpp: the loop
  std::optional<StartFailure> open(storage::OpenMode mode);
  std::optional<StartFailure> open_doors();
  void stay_awake_if_configured();
  void adopt(Keeper::Opened opened);
  void turn();
  struct Ready {
    bool peers = false;
    bool clients = false;
    bool bell = false;
    bool events = false;
    bool stop = false;
  };
  [[nodiscard]] Ready wait();
  void hand_out(engine::Output& out);
  void release_durable(engine::Output& out);
  // Whether an answer to a client, or the disk, is waited for.
  [[nodiscard]] bool awaits_something() const;
  // Whether processors are kept awake depends on what a turn hands out.
  void stay_awake_for(const engine::Output& out);
  void begin_to_stop(const char* why);
  void stop();
  void flush_replies();
  void settle_as_failed(ErrorCode writes, ErrorCode reads, const std::string& message);
  // Sets the history from `first` on (if given) aside, reads the directory again, and goes on with
  // a new replica that abstains until its peers gave it back what is missing.
  void repair(const RepairOrder& order);
  // From where on history is set aside after a divergence at or below `at`.
  [[nodiscard]] Height repair_from(Height at);

  // requests.cpp: what clients, peers and threads ask for
  void take_events(engine::Output& out);
  void drain_clients(engine::Output& out);
  void take(BlocksRead& event, engine::Output& out);
  void take(ChainVerified& event);
  void take(ReportWanted& event);
  void begin_client_reads();
  void begin_reads(engine::Output& out);
  void begin_reads(ReadQueue& queue);
  void add_read(net::ConnectionId connection, std::size_t cost, engine::ClientRead read);
  // Answers `overloaded` if the client does not read its replies; false if it does, and is still to
  // be answered. What it has read may change from one look to the next.
  [[nodiscard]] bool refuse_unread(net::ConnectionId connection, std::uint64_t id);
  void refuse_as_unread(net::ConnectionId connection, std::uint64_t id);
  void take_request(net::ConnectionId connection, wire::ClientRequest request);
  void take_one(net::ConnectionId connection, wire::ExecuteRequest& request);
  void take_one(net::ConnectionId connection, wire::GetRequest& request);
  void take_one(net::ConnectionId connection, wire::ScanRequest& request);
  void take_one(net::ConnectionId connection, wire::ChainRequest& request);
  void take_one(net::ConnectionId connection, wire::AdminRequest& request);
  void order_fault(net::ConnectionId connection, const wire::AdminRequest& request);
  void order_verify(net::ConnectionId connection, const wire::AdminRequest& request);
  void answer_json(net::ConnectionId connection, std::uint64_t id, std::string json);
  void refuse(net::ConnectionId connection, std::uint64_t id, const Error& error);
  std::optional<RequestKey> admit(net::ConnectionId connection, std::uint64_t id,
                                  ClientDesk::Kind kind);
  [[nodiscard]] Height height() const { return replica_->applied().height(); }
  [[nodiscard]] Report report() const;
  // For the HTTP door's thread.
  std::optional<Report> ask_for_report();

  const Configuration configuration_;
  const NodeId self_;
  const int stop_descriptor_;
  const Instant started_;
  Counters counters_;

  storage::PosixDisk disk_;
  net::Context context_;
  net::Wakeup bell_;  // tickets became durable
  std::unique_ptr<EventMailbox> events_;
  std::atomic<int> reports_wanted_ = 0;  // in the mailbox

  std::unique_ptr<Keeper> keeper_;
  std::optional<engine::Replica> replica_;
  std::string damage_;  // found on disk and not yet repaired
  Height repair_from_;  // the first block that was missing when replica_ began
  Ticket reported_;     // as durable, to the replica
  HeldMessages held_;

  std::optional<PeerDoor> peers_;
  std::optional<ClientDoor> clients_;
  // Where it is configured, and the machine allows it.
  std::optional<Wakefulness> wakefulness_;
  net::Poller poller_;  // the doors' sockets, and the descriptors
  ClientDesk desk_;
  std::unique_ptr<HttpDoor> http_;

  // Collected within a turn.
  Instant now_;
  std::vector<engine::ClientCommand> commands_;
  std::vector<engine::ClientRead> reads_;

  ReadQueue local_reads_{kLocalReadBytesPerTurn};
  ReadQueue linearizable_reads_{kLinearizableReadBytes};
  std::size_t admin_bytes_ = 0;  // answered in this turn
  BlockReads block_reads_;
  std::size_t verifications_under_way_ = 0;
  std::optional<RepairOrder> repair_wanted_;
  std::uint64_t repairs_in_a_row_ = 0;
  std::optional<Instant> last_repair_;
  std::optional<Instant> stop_by_;
};

}  // namespace paxledger::node
