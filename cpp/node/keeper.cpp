#include "node/keeper.hpp"

#include <malloc.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <future>
#include <utility>

#include "base/invariant.hpp"
#include "node/clock.hpp"
#include "node/exit_codes.hpp"
#include "storage/fatal.hpp"
#include "storage/recovery.hpp"

namespace paxledger::node {
namespace {

using std::chrono::seconds;

// A line per second, from the second second on.
class ProgressLine {
 public:
  explicit ProgressLine(Instant now) : next_(now + seconds(1)) {}

  void operator()(std::uint64_t done, std::uint64_t total) {
    const Instant now = monotonic_now();
    if (now < next_) return;
    next_ = now + seconds(1);
    spdlog::info("reads and verifies its blocks: {} of {} MiB ({} %)", done >> 20, total >> 20,
                 total == 0 ? 100 : done * 100 / total);
  }

 private:
  Instant next_;
};

storage::StorageOptions storage_options(const Configuration& configuration, NodeId self,
                                        storage::OpenMode mode) {
  storage::StorageOptions options;
  options.directory = configuration.node_directory(self).string();
  options.cluster_name = configuration.cluster;
  options.cluster = configuration.cluster_id;
  options.node = self;
  options.mode = mode;
  options.log.segment_bytes =
      configuration.service.log_segment_bytes / storage::kSectorBytes * storage::kSectorBytes;
  options.blocks.file_bytes = configuration.service.block_file_bytes;
  return options;
}

StartFailure start_failure(const Error& error) {
  return {error.code == ErrorCode::io ? kExitDiskFailed : kExitDirectory, error.message};
}

// storage::end_the_process in the form of all other lines of the log: with time, level and node, so
// that whoever reads logs finds it. The logger writes each line through before it returns.
void end_the_node(const Error& error) {
  spdlog::critical("{}", error.message);
  spdlog::critical("{}", storage::kDiskFailedAdvice);
  ::_exit(kExitDiskFailed);
}

}  // namespace

std::optional<StartFailure> Keeper::find_other_process(storage::Disk& disk,
                                                       const Configuration& configuration,
                                                       NodeId self) {
  const storage::DirectoryPaths paths{configuration.node_directory(self).string()};
  const auto exists = disk.exists(paths.lock());
  if (!exists.ok() || !*exists) return std::nullopt;
  const auto locked = disk.lock(paths.lock());
  if (locked.ok() || locked.error().code != ErrorCode::configuration) return std::nullopt;
  return StartFailure{kExitDirectory, locked.error().message};
}

bool Keeper::is_empty(storage::Disk& disk, const Configuration& configuration, NodeId self) {
  const storage::DirectoryPaths paths{configuration.node_directory(self).string()};
  const auto there = disk.exists(paths.identity());
  return there.ok() && !*there;
}

storage::LogThreadOptions log_thread_options(const engine::Limits& limits) {
  storage::LogThreadOptions options;
  // Twice, for the batch by which the replica may exceed it and for the records that are no votes.
  options.queue_bytes_max = 2 * limits.undurable_bytes_max();
  return options;
}

std::variant<Keeper::Opened, StartFailure> Keeper::open(storage::Disk& disk,
                                                        const Configuration& configuration,
                                                        NodeId self, storage::OpenMode mode,
                                                        const net::Wakeup& bell,
                                                        EventMailbox& events) {
  const auto options = storage_options(configuration, self, mode);
  engine::Recovered recovered(configuration.cluster_id);
  const Instant began = monotonic_now();
  ProgressLine progress(began);
  const auto apply = [&](const ledger::Block& block) -> Result<void> {
    if (const auto applied = recovered.applied.apply_block(block); !applied.ok()) {
      return applied.error();
    }
    return {};
  };
  auto found = storage::recover_storage(
      disk, options, apply,
      [&](std::uint64_t done, std::uint64_t total) { progress(done, total); });
  if (!found.ok()) return start_failure(found.error());
  spdlog::info(
      "restored height {} in {} ms", recovered.applied.height().value(),
      std::chrono::duration_cast<std::chrono::milliseconds>(monotonic_now() - began).count());

  // Reading the log and the blocks takes buffers of many megabytes that are needed once.
  ::malloc_trim(0);
  recovered.blocks_synced = found->blocks->synced();
  recovered.durable = std::move(found->durable);
  recovered.log_complete_above = found->log_complete_above;
  recovered.damage = std::move(found->damage);
  recovered.repair_through = found->repair_through;
  recovered.log_lost = found->log_lost;
  std::unique_ptr<Keeper> keeper(
      new Keeper(disk, std::move(found->directory), bell, events));  // NOLINT: private constructor
  keeper->start(std::move(found->log), log_thread_options(configuration.limits),
                std::move(found->blocks));
  return Opened{std::move(keeper), std::move(recovered), std::move(found->notices)};
}

Keeper::Keeper(storage::Disk& disk, storage::DataDirectory directory, const net::Wakeup& bell,
               EventMailbox& events)
    : disk_(disk), directory_(std::move(directory)), bell_(bell), events_(events) {}

Keeper::~Keeper() {
  stop();
}

void Keeper::start(std::unique_ptr<storage::Log> log, storage::LogThreadOptions log_options,
                   std::unique_ptr<storage::BlockStore> blocks) {
  const auto durable = [this](Ticket ticket) {
    durable_.store(ticket.value());
    bell_.wake();
  };
  log_ = std::make_unique<storage::LogThread>(disk_, std::move(log), log_options, durable,
                                              end_the_node);
  blocks_ = std::make_unique<storage::BlockThread>(
      disk_, std::move(blocks), storage::BlockThreadOptions{},
      [this](Height synced) { log_->trim(synced); }, end_the_node);
}

void Keeper::submit(Ticket ticket, std::vector<paxos::DurableRecord> records) {
  log_->submit(ticket, std::move(records));
}

void Keeper::append(std::vector<ledger::Block> blocks) {
  blocks_->append(std::move(blocks));
}

void Keeper::sync_blocks() {
  blocks_->sync([this](Height through) {
    const bool taken = events_.push(BlocksDurable{through});
    invariant(taken, "a replica asks for few syncs in its life");
  });
}

void Keeper::read_for_peer(const engine::LoadBlocks& wanted) {
  blocks_->load(wanted.first, wanted.bytes_max,
                [this, to = wanted.to, first = wanted.first](auto blocks) {
                  const bool taken = events_.push(BlocksRead{to, {}, first, std::move(blocks)});
                  invariant(taken, "the event loop bounds the reads that it asks for");
                });
}

void Keeper::read_for_client(RequestKey request, Height first, std::size_t bytes_max) {
  blocks_->load(first, bytes_max, [this, request, first](auto blocks) {
    const bool taken = events_.push(BlocksRead{kNobody, request, first, std::move(blocks)});
    invariant(taken, "the event loop bounds the reads that it asks for");
  });
}

void Keeper::verify(RequestKey request, bool while_repairing) {
  blocks_->verify([this, request, while_repairing](Result<storage::VerifyReport> report) {
    const bool taken = events_.push(ChainVerified{request, while_repairing, std::move(report)});
    invariant(taken, "the event loop bounds the verifications that it asks for");
  });
}

void Keeper::set_aside_from(Height first) {
  std::promise<void> done;
  auto finished = done.get_future();
  blocks_->set_aside_from(first, [&done] { done.set_value(); });
  finished.wait();
}

void Keeper::stop() {
  if (blocks_) blocks_->stop();
  if (log_) log_->stop();
}

LogReport Keeper::log_report() const {
  using storage::SyncCounters;
  const SyncCounters& counters = log_->counters();
  LogReport report;
  report.syncs = counters.syncs;
  report.records = counters.records;
  report.bytes = counters.bytes;
  report.seconds_total = static_cast<double>(counters.total_sync_us) / 1e6;
  for (std::size_t i = 0; i < SyncCounters::kBoundsMicroseconds.size(); ++i) {
    report.latencies.push_back({static_cast<double>(SyncCounters::kBoundsMicroseconds[i]) / 1e6,
                                counters.buckets[i].load(std::memory_order_relaxed)});
  }
  return report;
}

}  // namespace paxledger::node
