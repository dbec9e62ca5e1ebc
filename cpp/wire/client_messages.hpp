// What clients and nodes say to each other. The encoding is documented, for writers of clients in
// other languages, in docs/reference/client-protocol.md; the two are kept equal by tests.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace paxledger::wire {

// How fresh a read must be.
enum class Consistency : std::uint8_t {
  linearizable = 0,  // sees every write that was acknowledged before the read began
  local = 1,         // whatever the asked node has applied; the reply says up to which height
};

// Runs a command (kv/command.hpp) through the log. A `ledger` read is the command kind `read`.
struct ExecuteRequest {
  std::uint64_t id = 0;         // chosen by the client, returned in the reply
  std::uint32_t budget_ms = 0;  // the client gives up after this many milliseconds
  SharedBytes command;
};
struct GetRequest {
  std::uint64_t id = 0;
  std::uint32_t budget_ms = 0;
  Consistency consistency = Consistency::linearizable;
  SharedBytes key;
};
// Keys that start with `prefix` and are greater than `after`.
struct ScanRequest {
  std::uint64_t id = 0;
  std::uint32_t budget_ms = 0;
  Consistency consistency = Consistency::linearizable;
  SharedBytes prefix;
  SharedBytes after;
  std::uint32_t count_max = 1000;  // at most 4096
};
// Encoded blocks (ledger/block.hpp) as the asked node has them on disk.
struct ChainRequest {
  std::uint64_t id = 0;
  Height first;                 // from 1
  std::uint32_t bytes_max = 0;  // at most 4 MiB; at least one block is sent if there is one
  std::uint32_t budget_ms = 0;
};
// Questions to, and orders for, the asked node itself. `argument` and the answer are JSON texts.
// Actions: "status", "queue", "verify" (reads the node's whole chain from its disk, and says
// whether blocks are still missing),
// "fault" (only with fault_injection), "faults" (lists them).
struct AdminRequest {
  std::uint64_t id = 0;
  std::uint32_t budget_ms = 0;
  std::string action;
  std::string argument;
};

using ClientRequest =
    std::variant<ExecuteRequest, GetRequest, ScanRequest, ChainRequest, AdminRequest>;

// Answers Execute, Get and Admin (whose JSON stands in `value`), and every failure.
struct ValueReply {
  std::uint64_t id = 0;
  ErrorCode code = ErrorCode::ok;
  Revision revision;  // of the key, where there is one
  Height height;      // local reads: the height that was read; else the answering node's height
  SharedBytes value;
  std::string message;  // what went wrong, for people
  NodeId leader;        // of a failure: whom the node takes for the leader; kNobody if for nobody
};
struct ScanItem {
  SharedBytes key;
  SharedBytes value;
  Revision revision;
};
struct ScanReply {
  std::uint64_t id = 0;
  Height height;
  bool more = false;  // ask again with `after` set to the last key
  std::vector<ScanItem> items;
};
struct ChainReply {
  std::uint64_t id = 0;
  Height first;
  Height head;  // the node's height
  std::vector<SharedBytes> blocks;
};

using ClientReply = std::variant<ValueReply, ScanReply, ChainReply>;

}  // namespace paxledger::wire
