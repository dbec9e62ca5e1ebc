// Everything of this node that is on disk, from start-up until stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "engine/io.hpp"
#include "engine/replica.hpp"
#include "engine/settings.hpp"
#include "net/wakeup.hpp"
#include "node/configuration.hpp"
#include "node/events.hpp"
#include "storage/block_thread.hpp"
#include "storage/directory.hpp"
#include "storage/disk.hpp"
#include "storage/log_thread.hpp"
#include "storage/notice.hpp"

namespace paxledger::node {

// Why a node cannot start, and with which exit code it ends.
struct StartFailure {
  int exit_code = 0;
  std::string message;
};

// A log whose queue holds what the replica lets wait for the disk, whatever the limits are: the
// event loop never waits for a disk.
[[nodiscard]] storage::LogThreadOptions log_thread_options(const engine::Limits& limits);

// Owns the data directory's lock, the log's thread and the blocks' thread. Used by the event loop;
// what the threads have to say arrives in the mailbox, and durable tickets by durable().
//
// Invariants:
//  1. Tickets handed to submit() rise; durable() never falls and never runs ahead of the disk.
//  2. After the first failed write or sync the process ends (storage::FatalHandler).
class Keeper {
 public:
  struct Opened {
    std::unique_ptr<Keeper> keeper;
    engine::Recovered recovered;
    std::vector<storage::Notice> notices;
  };
  // Another process that uses the directory is a refusal of its own, to be found before anything
  // else can fail. open() takes the lock by itself afterwards.
  static std::optional<StartFailure> find_other_process(storage::Disk& disk,
                                                        const Configuration& configuration,
                                                        NodeId self);
  // Whether open() will begin the directory anew: it is new, or was lost.
  static bool is_empty(storage::Disk& disk, const Configuration& configuration, NodeId self);

  // Opens and reads the directory of node `self`; says on the log how far it is if that takes
  // longer than a second. `disk`, `bell` (rung when tickets become durable) and `events` outlive
  // the keeper.
  static std::variant<Opened, StartFailure> open(storage::Disk& disk,
                                                 const Configuration& configuration, NodeId self,
                                                 storage::OpenMode mode, const net::Wakeup& bell,
                                                 EventMailbox& events);

  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  void submit(Ticket ticket, std::vector<paxos::DurableRecord> records);
  // Every ticket up to this one is on disk. 0 before the first.
  [[nodiscard]] Ticket durable() const { return Ticket(durable_.load()); }

  void append(std::vector<ledger::Block> blocks);
  // Answers by a BlocksDurable event.
  void sync_blocks();

  // Each answers by a BlocksRead or ChainVerified event.
  void read_for_peer(const engine::LoadBlocks& wanted);
  void read_for_client(RequestKey request, Height first, std::size_t bytes_max);
  // `while_repairing` comes back in the event.
  void verify(RequestKey request, bool while_repairing);

  // Moves the blocks from `first` on out of the way, durably, and waits for it.
  void set_aside_from(Height first);
  // Makes everything durable that was handed over, and ends the threads. Idempotent.
  void stop();

  [[nodiscard]] LogReport log_report() const;
  [[nodiscard]] std::uint64_t block_bytes() const { return blocks_->counters().bytes; }

 private:
  Keeper(storage::Disk& disk, storage::DataDirectory directory, const net::Wakeup& bell,
         EventMailbox& events);
  void start(std::unique_ptr<storage::Log> log, storage::LogThreadOptions log_options,
             std::unique_ptr<storage::BlockStore> blocks);

  storage::Disk& disk_;
  storage::DataDirectory directory_;
  const net::Wakeup& bell_;
  EventMailbox& events_;
  std::atomic<std::uint64_t> durable_ = 0;
  std::unique_ptr<storage::LogThread> log_;  // outlives blocks_, whose thread trims it
  std::unique_ptr<storage::BlockThread> blocks_;
};

}  // namespace paxledger::node
