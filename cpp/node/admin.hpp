// The JSON of admin requests: orders in, answers out. (What `status` and `queue` say is made in
// report.hpp.)
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "net/link_filter.hpp"
#include "storage/verify.hpp"

namespace paxledger::node {

// {"heal": true}, or {"peer": N, …} with any of
//   block, block_incoming        true or false
//   drop, duplicate, reorder     probabilities, 0 … 1
//   delay_ms, jitter_ms          milliseconds, 0 … 60000; jitter is added to delay
// What is not named is not faulty: the order replaces the fault that the link had.
struct FaultOrder {
  bool heal = false;  // all links; then `peer` and `fault` mean nothing
  NodeId peer;
  net::LinkFault fault;
};

// `peers` are the nodes that the order may name. Errors: bad_request.
[[nodiscard]] Result<FaultOrder> parse_fault_order(std::string_view json,
                                                   const std::vector<NodeId>& peers);

// {"faults": [{"peer": N, …}, …]}, each as an order that would make it.
[[nodiscard]] std::string faults_json(const std::map<NodeId, net::LinkFault>& faults);

// How far a node is that fetches from its peers what its own disk lost.
struct RepairProgress {
  bool under_way = false;
  bool begins = false;  // the verification itself found what is to be repaired
  Height from;          // the first block that was missing; 0: no block is known to be missing
  Height restored;      // the newest block that is there now
  Height through;       // where the repair will be done; 0: not known yet
  std::string reason;
};

// The answer to `verify` (docs/reference/client-protocol.md). A chain with blocks still missing is
// not `ok`, however whole the blocks are that were read.
[[nodiscard]] std::string verify_json(const storage::VerifyReport& report,
                                      const RepairProgress& repair);

}  // namespace paxledger::node
