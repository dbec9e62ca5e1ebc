// The faults that were injected and not yet healed, as <data_dir>/faults.json keeps them.
//
//   { "links": [ {"from": 1, "to": 2, "block": true, "drop": 0.0, "delay_ms": 0, "jitter_ms": 0,
//                 "duplicate": 0.0, "reorder": 0.0} … ],
//     "killed": [3 …], "paused": [4 …] }
//
// A link is one direction: what `from` sends to `to`. A process forgets its link faults when it
// ends; LocalCluster starts the next one with them.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace paxledger::control {

// What happens to the messages of one direction of a link.
struct LinkFault {
  NodeId from;
  NodeId to;
  bool block = false;
  double drop = 0;  // probability, like duplicate and reorder
  double delay_ms = 0;
  double jitter_ms = 0;  // added to the delay, uniform between 0 and this
  double duplicate = 0;
  double reorder = 0;

  // Whether it does nothing, so that the link is as if there were no fault.
  [[nodiscard]] bool is_clear() const;
  // E.g. "blocked" or "drop 10 %, delay 50 ms ± 10 ms", or "clear".
  [[nodiscard]] std::string text() const;
  // The argument of the admin action "fault" for the sending node.
  [[nodiscard]] std::string admin_argument() const;

  bool operator==(const LinkFault&) const = default;
};

// Errors of the fault: bad_request, with the option's name.
[[nodiscard]] Result<void> check(const LinkFault& fault);

// Invariant: links holds at most one entry per (from, to). One that is clear is an order that a
// paused node has yet to hear.
struct FaultRecord {
  std::vector<LinkFault> links;
  std::set<NodeId> killed;
  std::set<NodeId> paused;

  [[nodiscard]] bool empty() const { return links.empty() && killed.empty() && paused.empty(); }
  void set_link(const LinkFault& fault);  // replaces the fault of the same direction
  void end_link(const LinkFault& fault);  // of the same direction
  // The node runs and knows of its links' faults.
  void came_back(NodeId node);
};

[[nodiscard]] std::string to_json(const FaultRecord& record);
// Errors: damaged.
[[nodiscard]] Result<FaultRecord> parse_fault_record(std::string_view text);

// A missing file is an empty record. Errors: io, damaged.
[[nodiscard]] Result<FaultRecord> read_fault_record(const std::filesystem::path& file);
// An empty record removes the file. Errors: io.
[[nodiscard]] Result<void> write_fault_record(const std::filesystem::path& file,
                                              const FaultRecord& record);

}  // namespace paxledger::control
