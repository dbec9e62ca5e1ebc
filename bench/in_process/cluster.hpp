// Three nodes and a client in one thread, for counting and timing the way of a write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "in_process/node.hpp"
#include "kv/command.hpp"

namespace paxledger::bench {

// What the nodes sent and wrote, all together.
struct Traffic {
  std::uint64_t peer_packets = 0;
  std::uint64_t peer_bytes = 0;
  std::uint64_t reply_packets = 0;
  std::uint64_t reply_bytes = 0;
  DiskTraffic disks;
};

// Deterministic: equal calls give equal octets, and so an equal number of instructions.
class InProcessCluster {
 public:
  // Elects a leader and opens a session.
  InProcessCluster();

  // The packets of the next `count` puts of one client, spread evenly over `connections`. Each put
  // has a value of 256 octets and one of 10,000 keys, and acknowledges all before the call.
  struct Request {
    net::ConnectionId connection;
    std::string octets;
  };
  [[nodiscard]] std::vector<Request> encode_puts(std::size_t count, std::size_t connections);

  // Hands the packets to the leader, and lets the nodes work until nothing is left to do.
  void serve(std::vector<Request> requests);

  // How many of the replies since the last call were a success; all others are none.
  [[nodiscard]] std::size_t take_successes();

  [[nodiscard]] Traffic traffic() const;

 private:
  void work();
  [[nodiscard]] std::string command(kv::CommandKind kind, std::string_view key,
                                    std::string_view value, std::uint64_t argument);

  ClusterId cluster_;
  Instant now_{std::chrono::seconds(1)};
  std::vector<std::unique_ptr<InProcessNode>> nodes_;
  InProcessNode* leader_ = nullptr;
  std::vector<std::string> replies_;
  Traffic traffic_;
  std::uint64_t last_id_ = 0;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t acknowledged_ = 0;
};

}  // namespace paxledger::bench
