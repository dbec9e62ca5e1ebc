#include "storage/recovery.hpp"

#include <algorithm>
#include <utility>

namespace paxledger::storage {

namespace {

void add(std::vector<Notice>& to, std::vector<Notice> from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
}

// A directory that was just begun gets its first log segment, then counts as begun.
Result<void> begin_log(Disk& disk, DataDirectory& directory, const LogPlace& place,
                       const LogOptions& options) {
  const SegmentOrigin origin = directory.identity().state == Identity::State::rejoining
                                   ? SegmentOrigin::rejoined
                                   : SegmentOrigin::initialised;
  const auto log = Log::start_over(disk, place, options, origin, LogReport{});
  if (!log) return log.error();
  return directory.mark_ready(disk);
}

Result<void> recover_log(Disk& disk, const LogPlace& place, const LogOptions& options,
                         RecoveredStorage& recovered, LogReport& report) {
  auto opened = Log::open(disk, place, options);
  if (!opened) return opened.error();
  report = std::move(opened->report);
  add(recovered.notices, std::move(report.notices));
  recovered.log = std::move(opened->log);
  if (report.lost) {
    auto log = Log::start_over(disk, place, options, SegmentOrigin::started_over, report);
    if (!log) return log.error();
    recovered.log = std::move(*log);
    report.state.abstain = {Slot(0), true};
    report.complete_above = Slot(0);
    recovered.notices.push_back(
        {Notice::Level::error, "the log is damaged: " + report.damage +
                                   ". Its segments were set aside in " + place.set_aside +
                                   "; this node abstains until it has been told what it may vote "
                                   "on"});
  }
  return {};
}

}  // namespace

Result<RecoveredStorage> recover_storage(Disk& disk, const StorageOptions& options,
                                         const BlockConsumer& consume, const Progress& progress) {
  const Identity wanted{options.cluster, options.cluster_name, options.node,
                        Identity::State::ready};
  auto directory = DataDirectory::open(disk, options.directory, wanted, options.mode);
  if (!directory) return directory.error();
  const DirectoryPaths paths = directory->paths();
  RecoveredStorage recovered{.directory = std::move(*directory)};
  recovered.notices = recovered.directory.notices();
  // A directory may have lost an empty part; what is missing from it shows below.
  for (const std::string& part : {paths.log(), paths.blocks(), paths.set_aside()}) {
    const auto made = disk.make_directories(part);
    if (!made) return made.error();
  }

  const LogPlace log_place{paths.log(), paths.set_aside(), options.cluster, options.node};
  if (recovered.directory.identity().state != Identity::State::ready) {
    const auto begun = begin_log(disk, recovered.directory, log_place, options.log);
    if (!begun) return begun.error();
  }
  LogReport report;
  const auto log = recover_log(disk, log_place, options.log, recovered, report);
  if (!log) return log.error();

  const BlockPlace block_place{paths.blocks(), paths.set_aside(), options.cluster};
  auto blocks =
      BlockStore::open(disk, block_place, options.blocks, report.blocks_through, consume, progress);
  if (!blocks) return blocks.error();
  recovered.blocks = std::move(blocks->store);
  add(recovered.notices, std::move(blocks->report.notices));
  const Height height = recovered.blocks->height();
  if (!blocks->report.damage.empty()) {
    recovered.notices.push_back(
        {Notice::Level::error, "the blocks are damaged: " + blocks->report.damage});
    recovered.repair_through = blocks->report.known_through;
  }
  recovered.damage = report.damage;
  if (!blocks->report.damage.empty()) {
    recovered.damage += (recovered.damage.empty() ? "" : "; ") + blocks->report.damage;
  }
  recovered.log_complete_above = report.complete_above;
  recovered.durable = std::move(report.state);
  recovered.durable.trim(slot_of(height));
  // Abstaining without a bound is what every log begins with that cannot say what was promised
  // before it; it is lifted by a later record once the cluster has told the bound.
  recovered.log_lost = recovered.durable.abstain.open;
  return recovered;
}

}  // namespace paxledger::storage
