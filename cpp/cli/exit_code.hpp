// What the command ends with, so that scripts can tell the cases apart. Documented in
// docs/guide/command-line.md; a number, once given, keeps its meaning.
//
// Nodes that give no answer: `status` says whether the cluster serves, and so is `ok` as long as
// one node is ready, and `no_quorum` otherwise. Every other command that asks all nodes, or one by
// --node, ends with `other` if any of them gave no answer, after it has printed what the rest said.
#pragma once

#include "base/result.hpp"

namespace paxledger::cli {

enum class ExitCode : int {
  ok = 0,
  not_found = 1,
  usage = 2,  // a wrong command line or a wrong cluster.yaml
  compare_failed = 3,
  no_quorum = 4,   // not served now, without effect: no quorum, overloaded, stopping, repairing
  unknown = 5,     // the deadline passed; of a write the outcome is perhaps unknown; no read
  refused = 6,     // bad request, too large, unauthorized, session expired; without effect
  not_intact = 7,  // verification found damage, or another history
  other = 8,       // a node could not be started or gave no answer; a file, or standard output,
                   // could not be read or written
  // of `sim` alone: what is found in simulated clusters
  simulated_crash = 10,        // an invariant broke, or the process that simulated died
  simulated_liveness = 11,     // all was healed, and the cluster does not serve
  simulated_correctness = 12,  // a promise was broken
};

[[nodiscard]] constexpr ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::ok:
      return ExitCode::ok;
    case ErrorCode::not_found:
      return ExitCode::not_found;
    case ErrorCode::compare_failed:
      return ExitCode::compare_failed;
    case ErrorCode::no_quorum:
    case ErrorCode::overloaded:
    case ErrorCode::shutting_down:
    case ErrorCode::repairing:
      return ExitCode::no_quorum;
    case ErrorCode::timeout:
      return ExitCode::unknown;
    case ErrorCode::too_large:
    case ErrorCode::session_expired:
    case ErrorCode::unauthorized:
    case ErrorCode::bad_request:
      return ExitCode::refused;
    case ErrorCode::configuration:
      return ExitCode::usage;
    case ErrorCode::damaged:
      return ExitCode::not_intact;
    case ErrorCode::io:
      break;
  }
  return ExitCode::other;
}

}  // namespace paxledger::cli
