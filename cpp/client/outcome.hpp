// What a call came to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "wire/client_messages.hpp"

namespace paxledger::client {

// What one node had to say to a call that did not succeed at once.
struct NodeAnswer {
  std::size_t endpoint = 0;        // an index into Options::endpoints
  bool answered = false;           // else it was silent, or could not be reached
  ErrorCode code = ErrorCode::ok;  // of its answer; timeout: silent, io: could not be reached
  std::string message;             // for people
};

// How a call went.
struct Trace {
  // Whether a write may have been applied, or may yet be, though the call failed.
  bool outcome_unknown = false;
  // Who gave the answer, or was asked last; an index into Options::endpoints. Nothing if the call
  // was refused before it was sent.
  std::optional<std::size_t> endpoint;
  // Whom the node that answered last takes for the leader; kNobody if it knows of none, or if the
  // call succeeded.
  NodeId leader;
  // The last that each node said, where it was not the result; also while a session was opened for
  // the call. In the order of the endpoints.
  std::vector<NodeAnswer> asked;
};

// The end of a call for one key, or of an order to a node. It is not a Result<T> because a failed
// compare has a revision too: that of the key as it stands.
//
// What the codes of a write promise:
//   ok, not_found, compare_failed   it was decided, exactly once, with this result
//   timeout                         it may have been decided, may yet be, or never was
//   every other code                it had and will have no effect
// trace.outcome_unknown says it of one call: a timeout without it is of a write that was never
// sent, as when the time was up while its session was opened, and had no effect.
struct Outcome {
  ErrorCode code = ErrorCode::ok;
  Revision revision;    // of the key, where it has one
  Height height;        // local reads: the height that was read; else the answering node's height
  SharedBytes value;    // of a get; of an order to a node, its answer as a JSON text
  std::string message;  // what went wrong, who said so, and what came of it, for people
  Trace trace;

  [[nodiscard]] bool ok() const { return code == ErrorCode::ok; }
  [[nodiscard]] Error error() const {
    return {code, message.empty() ? std::string(to_string(code)) : message};
  }
};

// All keys that a scan asked for, in key order.
struct ScanResult {
  std::vector<wire::ScanItem> items;
  Height height;            // at which the last page was read
  std::uint32_t pages = 0;  // each page is as fresh as was asked; several are not one snapshot
};

// Blocks as one node has them on disk, encoded (ledger/block.hpp), from height `first` on.
struct ChainPage {
  Height first;
  Height head;  // the node's height
  std::vector<SharedBytes> blocks;
};

}  // namespace paxledger::client
