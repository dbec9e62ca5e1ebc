// Plans, events and results as JSON: cases that are stored, traces, and what other languages see.
//
// A plan is an object; what it leaves out is as Profile::usual() has it:
//
//   {"seed": 7, "misfortunes": false, "nodes": 3, "safety_phase_ms": 2000,
//    "timing": {"heartbeat_us": 50000, "election_timeout_us": 400000, "resend_us": 150000,
//               "batch_wait_us": 2000},
//    "limits": {"window_slots": 64, …}, "network": {"latency_us_max": 600, …},
//    "disk_us_max": 2000, "segment_bytes": 16384, "block_file_bytes": 67108864, "faults":
//    {"every_ms": 100, "crashes": true, …}, "work": {"clients": 4, …}, "script": [{"at_ns":
//    1500000000, "kind": "cut", "links": [[1, 2], [2, 1]]}, …]}
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "sim/clients.hpp"
#include "sim/event.hpp"
#include "sim/fault.hpp"
#include "sim/run.hpp"

namespace paxledger::sim {

// One line; equal plans give equal texts.
[[nodiscard]] std::string to_json(const Plan& plan);
// Errors: bad_request, with the member that is wrong and what was expected.
[[nodiscard]] Result<Plan> parse_plan(std::string_view json);
// Whether the plan has all nodes that its script names: for plans that were changed since they were
// read. Errors: bad_request, with the fault.
[[nodiscard]] Result<void> check_script(const Plan& plan);

[[nodiscard]] std::string to_json(const Fault& fault);
// Errors: bad_request. Nodes are named 1 … `nodes`.
[[nodiscard]] Result<Fault> parse_fault(std::string_view json, std::uint32_t nodes);

// {"at_us": 1.5, "event": "message", "node": 1, "peer": 2, "id": 9, "name": "Accept",
//  "ballot": "1.2", "slot": 3, "text": "…"}; members without a meaning for the kind are left out.
// `at_us` counts from the beginning of the run.
[[nodiscard]] std::string to_json(const Event& event);

// One line.
[[nodiscard]] std::string to_json(const RunResult& result);
// Of what to_json() gave; anything else is a crash of whoever wrote it.
[[nodiscard]] RunResult parse_result(std::string_view json);

}  // namespace paxledger::sim
