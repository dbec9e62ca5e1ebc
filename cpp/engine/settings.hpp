// The settings of a replica. Durations and sizes; all have working defaults.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "paxos/membership.hpp"

namespace paxledger::engine {

struct Timing {
  Duration heartbeat_interval = std::chrono::milliseconds(50);
  // A leader that was not heard for this long (plus a random part of the same length) is given up.
  Duration election_timeout = std::chrono::milliseconds(400);
  // Accepts, Prepares and forwards are sent again after this long without an answer.
  Duration resend_interval = std::chrono::milliseconds(150);
  // What a batch waits for more commands at most, twice (engine/batch_wait.hpp). Zero: it leaves as
  // soon as the log has taken in the one before.
  Duration batch_wait_max = std::chrono::milliseconds(2);
};

struct Limits {
  std::size_t batch_bytes_max = std::size_t{1} << 20;  // a batch holds more only for one command
  std::size_t batch_commands_max = 2048;
  std::size_t window_slots = 64;  // slots in flight
  std::size_t window_bytes = std::size_t{16} << 20;
  std::size_t queue_commands_max = 16'384;  // waiting to be proposed
  std::size_t queue_bytes_max = std::size_t{64} << 20;
  std::size_t pending_requests_max = 32'768;               // of clients and forwarding peers
  std::size_t pending_bytes_max = std::size_t{256} << 20;  // of the commands among them
  std::size_t catch_up_bytes = std::size_t{1} << 20;       // per Blocks message

  // Above this much that waits for the log nothing is accepted or proposed, so that at most about a
  // batch more waits. The log must take in that much without waiting for the disk.
  [[nodiscard]] std::size_t undurable_bytes_max() const { return 4 * window_bytes; }
};

struct Settings {
  NodeId self;
  ClusterId cluster;
  Timing timing;
  Limits limits;
  std::uint8_t work_bits = 0;  // of the proof of work in blocks that this node proposes
};

}  // namespace paxledger::engine
