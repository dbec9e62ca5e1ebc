// What the event loop counts. All counts start at zero with the process.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace paxledger::node {

struct Counters {
  std::uint64_t commands = 0;  // asked by clients of this node
  std::uint64_t reads_linearizable = 0;
  std::uint64_t reads_local = 0;
  std::uint64_t chain_requests = 0;
  std::uint64_t admin_requests = 0;
  std::map<std::string, std::uint64_t> replies;  // by outcome, in words: "ok", "no quorum", …
  std::uint64_t blocks_decided = 0;              // applied by this node since it started
  std::uint64_t commands_decided = 0;            // in those blocks
  std::uint64_t catch_up_blocks_sent = 0;
  std::uint64_t catch_up_blocks_received = 0;
  std::uint64_t peer_messages_in = 0;
  std::uint64_t peer_messages_out = 0;
  std::uint64_t client_messages_in = 0;
  std::uint64_t client_messages_out = 0;
  std::uint64_t repairs = 0;   // how often this node set history aside
  std::uint64_t wake_ups = 0;  // turns of the event loop

  bool operator==(const Counters&) const = default;
};

}  // namespace paxledger::node
