// What other threads tell the event loop.
#pragma once

#include <future>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "net/wakeup.hpp"
#include "node/report.hpp"
#include "storage/verify.hpp"

namespace paxledger::node {

// Blocks were read from the block files: for the peer `to`, or, if that is nobody, for the client
// request `request`.
struct BlocksRead {
  NodeId to;
  RequestKey request;
  Height first;
  Result<std::vector<SharedBytes>> blocks;
};

// The blocks up to this height are on disk.
struct BlocksDurable {
  Height through;
};

// Every block on disk was read and checked, for the client request `request`.
struct ChainVerified {
  RequestKey request;
  bool while_repairing = false;  // blocks were missing when it was asked for
  Result<storage::VerifyReport> report;
};

// The thread of the HTTP door waits for a report.
struct ReportWanted {
  std::promise<Report> answer;
};

using Event = std::variant<BlocksRead, BlocksDurable, ChainVerified, ReportWanted>;
using EventMailbox = net::Mailbox<Event>;

}  // namespace paxledger::node
