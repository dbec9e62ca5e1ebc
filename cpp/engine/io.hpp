// What goes into a replica and what comes out of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "kv/state_machine.hpp"
#include "ledger/block.hpp"
#include "paxos/messages.hpp"
#include "paxos/records.hpp"

namespace paxledger::engine {

enum class ReadConsistency : std::uint8_t { linearizable, local };

// A client's command. The reply carries `request`. `deadline` is when the client gives up; the
// replica answers no_quorum or timeout before that.
struct ClientCommand {
  RequestKey request;
  SharedBytes command;
  Instant deadline;
};

struct Lookup {
  SharedBytes key;
};
struct Scan {
  SharedBytes prefix;
  SharedBytes after;
  std::size_t count_max = 0;
  std::size_t bytes_max = 0;
};
struct ClientRead {
  RequestKey request;
  ReadConsistency consistency = ReadConsistency::linearizable;
  std::variant<Lookup, Scan> what;
  Instant deadline;
};

// --- inputs ---------------------------------------------------------------------------------

// A message arrived from a member of the cluster.
struct Received {
  NodeId from;
  paxos::Message message;
};
// Clients of this node want commands to be run. `wall` is the node's wall time.
struct Proposed {
  std::vector<ClientCommand> commands;
  Timestamp wall;
};
struct ReadsRequested {
  std::vector<ClientRead> reads;
};
// Every record handed out with this ticket, or an earlier one, is durable.
struct Persisted {
  Ticket ticket;
  Timestamp wall;
};
// next_deadline() has come.
struct TimerFired {
  Timestamp wall;
};
// Answers LoadBlocks: encoded blocks of consecutive heights from `first`; may be none.
struct BlocksLoaded {
  NodeId to;
  Height first;
  std::vector<SharedBytes> blocks;
};

// Answers Output::sync_blocks: the blocks up to this height are durable.
struct BlocksSynced {
  Height through;
};

using Input = std::variant<Received, Proposed, ReadsRequested, Persisted, TimerFired, BlocksLoaded,
                           BlocksSynced>;

// --- outputs --------------------------------------------------------------------------------

// Records that must become durable together, in order, and the messages that may leave only then:
// each of them promises what the records hold.
struct Persist {
  Ticket ticket;
  std::vector<paxos::DurableRecord> records;
  std::vector<paxos::Envelope> send_after;
  [[nodiscard]] bool empty() const { return records.empty(); }
};

struct Reply {
  RequestKey request;
  std::variant<kv::CommandResult, kv::ScanPage> what;
  Height height;        // the replica's height when it answered
  std::string message;  // for people, where something went wrong
};

// Read blocks of `first` and above from the block files, about `bytes_max` octets, for a peer.
struct LoadBlocks {
  NodeId to;
  Height first;
  std::size_t bytes_max = 0;
};

// Something that the people who run the cluster should read in the log.
struct Notice {
  enum class Level : std::uint8_t { info, warning, error };
  Level level = Level::info;
  std::string text;
};

struct Output {
  std::vector<paxos::Envelope> send_now;  // promises nothing durable
  Persist persist;
  std::vector<ledger::Block> decided;  // in height order; to be appended to the block files
  std::vector<Reply> replies;
  std::vector<LoadBlocks> loads;
  // Everything in `decided`, of this output and those before, is to become durable now, and not
  // when it would be anyway; to be answered by BlocksSynced.
  bool sync_blocks = false;
  std::vector<Notice> notices;
  // This node's chain is not the cluster's (a majority holds another block at this height or
  // below). The caller sets its blocks aside and starts a new replica from what is left.
  std::optional<Height> diverged_at;

  void clear() { *this = Output{}; }
};

}  // namespace paxledger::engine
