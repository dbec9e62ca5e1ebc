// Blocks of a node, read over its client endpoint.
#pragma once

#include <functional>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "client/client.hpp"
#include "ledger/block.hpp"

namespace paxledger::cli {

using BlockSink = std::function<Result<void>(const ledger::Block&)>;

// Hands the blocks `first` … `last` of a node to `sink`, in order, and no others; the first error
// of `sink` ends it. Errors: bad_request (the node has no such block), damaged (a page that does
// not hold what was asked for), those of the call.
[[nodiscard]] Result<void> read_blocks(client::Client& db, const client::CallOptions& call,
                                       Height first, Height last, const BlockSink& sink);

// How high the node's chain is. Errors: those of the call.
[[nodiscard]] Result<Height> height_of_node(client::Client& db, const client::CallOptions& call);

}  // namespace paxledger::cli
