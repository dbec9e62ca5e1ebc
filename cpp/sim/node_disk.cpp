#include "sim/node_disk.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "ledger/chain.hpp"
#include "storage/block_file.hpp"

namespace paxledger::sim {

namespace {

// The preparer of spare segments is a thread of its own: so many writes it takes.
constexpr std::size_t kWritesUntilSpare = 2;

// As storage::LogThreadOptions has it.
constexpr std::size_t kGroupBytesMax = std::size_t{16} << 20;

}  // namespace

NodeDisk::NodeDisk(std::string cluster_name, ClusterId cluster, NodeId node,
                   const DiskOptions& options)
    : root_("/data/" + std::to_string(node.value())),
      cluster_name_(std::move(cluster_name)),
      cluster_(cluster),
      node_(node),
      options_(options),
      disk_(std::make_unique<SimulatedDisk>()) {}

NodeDisk::~NodeDisk() = default;

storage::StorageOptions NodeDisk::storage_options(storage::OpenMode mode) const {
  storage::StorageOptions options;
  options.directory = root_;
  options.cluster_name = cluster_name_;
  options.cluster = cluster_;
  options.node = node_;
  options.mode = mode;
  options.log.segment_bytes = options_.segment_bytes;
  options.blocks.file_bytes = options_.block_file_bytes;
  return options;
}

storage::LogPlace NodeDisk::log_place() const {
  return {paths().log(), paths().set_aside(), cluster_, node_};
}

storage::BlockPlace NodeDisk::block_place() const {
  return {paths().blocks(), paths().set_aside(), cluster_};
}

// --- starting ---------------------------------------------------------------------------------

Result<storage::RecoveredStorage> NodeDisk::recover(const storage::BlockConsumer& consume) {
  using storage::OpenMode;
  const auto there = disk_->exists(paths().identity());
  if (!there) return there.error();
  const OpenMode without = begun_ ? OpenMode::rejoin : OpenMode::initialise;
  const OpenMode mode = *there ? OpenMode::open_existing : without;
  auto found = storage::recover_storage(*disk_, storage_options(mode), consume, {});
  // What the message advises. Only an identity makes a start fail for damage.
  if (!found && found.error().code == ErrorCode::damaged) {
    found = storage::recover_storage(*disk_, storage_options(OpenMode::rejoin), consume, {});
  }
  return found;
}

Result<engine::Recovered> NodeDisk::start() {
  invariant(!open(), "a node starts after it ended");
  engine::Recovered recovered(cluster_);
  const auto apply = [&](const ledger::Block& block) -> Result<void> {
    const auto applied = recovered.applied.apply_block(block);
    return applied ? Result<void>() : applied.error();
  };
  std::vector<KeptFlip> flips;
  if (flawed()) flips = verify_flips();
  auto found = recover(apply);
  if (!found) {
    torn_ = true;  // a file that was cut off may be long again, with old blocks behind new ones
    disk_->restart();
    return found.error();
  }
  begun_ = true;
  recovered.blocks_synced = found->blocks->synced();
  recovered.durable = std::move(found->durable);
  recovered.log_complete_above = found->log_complete_above;
  recovered.damage = std::move(found->damage);
  recovered.repair_through = found->repair_through;
  recovered.log_lost = found->log_lost;
  notices_ = std::move(found->notices);
  check_report(flips, recovered);
  storage_ = std::move(*found);
  failure_.reset();
  writes_without_spare_ = 0;

  remembered_.durable = std::exchange(durable_, {});
  remembered_.pending.assign(std::make_move_iterator(pending_.begin()),
                             std::make_move_iterator(pending_.end()));
  pending_.clear();
  remembered_.synced = std::exchange(synced_, storage_->blocks->synced());
  remembered_.log_lost = std::exchange(log_lost_, false);
  remembered_.blocks_lost = blocks_lost_;
  remembered_.torn = torn_;
  remembered_.untold = std::exchange(untold_, {});
  // The log goes on to know of blocks that are missing until they are there again, durably.
  repair_through_ = std::max(repair_through_, recovered.repair_through);
  blocks_lost_ = synced_ < repair_through_;
  remembered_.decided = std::exchange(decided_at_start_, recovered.applied.height());
  trimmed_ = recovered.log_complete_above;
  durable_ = recovered.durable;
  // Storage says nothing of acceptances that blocks stand for; they are in the log all the same.
  if (!remembered_.log_lost) durable_.accepted.merge(std::map(remembered_.durable.accepted));
  durable_.trim(trimmed_);
  at_start_ = durable_;
  return recovered;
}

// Verifies the directory, and finds out what the start that follows may lose.
std::vector<KeptFlip> NodeDisk::verify_flips() {
  std::vector<KeptFlip> flips = kept_flips(*disk_, paths(), cluster_, node_);
  const auto report = storage::verify_directory(*disk_, root_, {});
  if (report) {
    for (std::string& text : untold(flips, *report)) untold_.push_back(std::move(text));
  }
  for (const KeptFlip& flip : flips) {
    const bool blocks = flip.part == KeptFlip::Part::blocks;
    log_lost_ = log_lost_ || (!blocks && flip.damage);
  }
  for (const auto& flip : disk_->flips()) {
    log_flipped_ = log_flipped_ || flip.path.starts_with(paths().log() + "/");
    blocks_lost_ = blocks_lost_ || flip.path.starts_with(paths().blocks() + "/");
  }
  return flips;
}

void NodeDisk::check_report(const std::vector<KeptFlip>& flips,
                            const engine::Recovered& recovered) {
  for (std::string& text : untold(flips, recovered.damage, notices_)) {
    untold_.push_back(std::move(text));
  }
  // A flip in the torn tail of a log may make it look damaged, which is safe.
  if (std::exchange(log_flipped_, false) && recovered.log_lost) log_lost_ = true;
  const bool damaged_log = std::any_of(flips.begin(), flips.end(), [](const KeptFlip& flip) {
    return flip.damage && flip.part != KeptFlip::Part::blocks;
  });
  if ((std::exchange(log_gone_, false) || damaged_log) && !recovered.log_lost) {
    untold_.emplace_back("the log is not whole, and the node goes on as if it were");
  }
  const Height missing = std::min(recovered.repair_through, synced_);
  if (std::exchange(blocks_gone_, false) && !log_lost_ && missing < synced_) {
    untold_.emplace_back("synced blocks are gone, and nobody says so");
  }
}

// --- running ----------------------------------------------------------------------------------

bool NodeDisk::check(const Result<void>& result) {
  if (!result && !failure_) failure_ = result.error();
  return result.ok();
}

void NodeDisk::begin_write(engine::Persist write) {
  invariant(open(), "a node writes while it runs");
  queue_.submit(write.ticket, write.records);
  pending_.push_back(std::move(write));
}

bool NodeDisk::prepare_spare() {
  storage::Log& log = *storage_->log;
  if (!log.wants_spare() || ++writes_without_spare_ < kWritesUntilSpare) return true;
  writes_without_spare_ = 0;
  if (!check(storage::prepare_spare(*disk_, log.spare_path(), log.segment_bytes()))) return false;
  log.spare_is_ready();
  return true;
}

bool NodeDisk::write_group(storage::LogWork work) {
  storage::Log& log = *storage_->log;
  if (!work.records.empty() && !check(log.append(work.records))) return false;
  for (const auto& record : work.records) durable_.replay(record);
  if (!work.trim_to) return true;
  if (!check(log.trim(*work.trim_to))) return false;
  trimmed_ = std::max(trimmed_, log.complete_above());
  durable_.trim(trimmed_);
  return true;
}

std::vector<engine::Persist> NodeDisk::complete_writes(std::size_t count) {
  invariant(writing() && count > 0, "a write is completed only while one is pending");
  if (failure_ || !flush_blocks() || !prepare_spare()) return {};
  storage::LogWork work = queue_.take(kGroupBytesMax, count);
  const Ticket highest = work.highest;
  if (!write_group(std::move(work))) return {};
  std::vector<engine::Persist> done;
  while (writing() && pending_.front().ticket <= highest) {
    done.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  return done;
}

void NodeDisk::append_block(const ledger::Block& block) {
  invariant(block.header.height.value() == block_count() + 1, "blocks are appended in order");
  unwritten_.push_back(block);
}

bool NodeDisk::flush_blocks() {
  if (unwritten_.empty()) return true;
  const bool written = check(storage_->blocks->append(unwritten_));
  unwritten_.clear();
  return written;
}

void NodeDisk::sync_blocks() {
  if (failure_ || !open() || !flush_blocks()) return;
  const auto height = storage_->blocks->sync();
  if (!check(height ? Result<void>() : height.error())) return;
  synced_ = *height;
  torn_ = false;
  if (synced_ >= repair_through_) blocks_lost_ = false;
  queue_.trim(*height);
  // The writer of the log wakes up for the trim; what is submitted leaves with its own write.
  write_group(queue_.take(0, 0));
}

void NodeDisk::trim_log() {
  if (failure_ || !open() || !flush_blocks()) return;
  // Promises of what is promised already, until the segment is full.
  const std::vector<paxos::DurableRecord> filler(200, paxos::PromiseRecord{durable_.promised});
  storage::Log& log = *storage_->log;
  const std::uint64_t begin = log.next_sequence();
  const std::size_t segments = log.segment_count();
  while (log.segment_count() == segments && log.next_sequence() < begin + 10'000) {
    if (!check(log.append(filler))) return;
  }
  sync_blocks();
}

Result<std::vector<SharedBytes>> NodeDisk::load(Height first, std::size_t bytes_max) {
  if (!flush_blocks()) return *failure_;
  return storage_->blocks->read(first, bytes_max);
}

void NodeDisk::set_blocks_aside(Height first) {
  if (failure_ || !flush_blocks()) return;
  if (!check(storage_->blocks->set_aside_from(first))) return;
  synced_ = std::min(synced_, storage_->blocks->synced());
  // The log knows of those that were synced.
  repair_through_ = std::max(repair_through_, storage_->log->blocks_through());
  blocks_lost_ = true;
}

// --- ends -------------------------------------------------------------------------------------

void NodeDisk::close() {
  storage_.reset();
  queue_ = storage::LogQueue();
  unwritten_.clear();
}

// Everything that may be under way when the end comes.
void NodeDisk::work_while_dying(Prng& chaos) {
  if (!open() || failure_ || chaos.chance(1, 3)) return;
  disk_->crash_at(disk_->operations() + chaos.below(10));
  if (chaos.chance(1, 2) && !flush_blocks()) return;
  if (chaos.chance(1, 4)) {
    writes_without_spare_ = kWritesUntilSpare;
    if (!prepare_spare()) return;
  }
  const paxos::DurableState known = durable_;
  if (chaos.chance(3, 4)) write_group(queue_.take(kGroupBytesMax, chaos.between(0, 8)));
  if (chaos.chance(1, 3)) sync_blocks();
  // Nobody was told of any of it.
  durable_ = known;
}

void NodeDisk::go_down(Prng& chaos, const End& how) {
  using Unsynced = SimulatedDisk::Unsynced;
  static constexpr Unsynced kUnsynced[] = {Unsynced::lost, Unsynced::kept, Unsynced::random,
                                           Unsynced::torn};
  if (how.power_loss) {
    const Unsynced drawn = kUnsynced[chaos.below(4)];
    const Unsynced unsynced = how.unsynced.value_or(drawn);
    disk_->power_loss(unsynced, chaos);
    torn_ = torn_ || unsynced == Unsynced::torn;
  } else {
    disk_->restart();
  }
}

void NodeDisk::end(Prng& chaos, const End& how) {
  work_while_dying(chaos);
  close();
  go_down(chaos, how);
  if (replace_log_with_) replace_log(*std::exchange(replace_log_with_, std::nullopt));
  // The node starts, and ends before it is up; again and again. What is damaged is left for the
  // start that succeeds, which has to tell of it.
  while (!flawed() && chaos.chance(1, 4)) {
    disk_->crash_at(disk_->operations() + chaos.below(40));
    static_cast<void>(recover({}).ok());
    go_down(chaos, how);
  }
}

void NodeDisk::crash(Prng* chaos, std::optional<SimulatedDisk::Unsynced> unsynced) {
  if (chaos != nullptr) return end(*chaos, {true, unsynced});
  close();
  Prng nothing_drawn(Seed{0});
  disk_->power_loss(unsynced.value_or(SimulatedDisk::Unsynced::lost), nothing_drawn);
  if (replace_log_with_) replace_log(*std::exchange(replace_log_with_, std::nullopt));
}

void NodeDisk::kill(Prng* chaos) {
  if (chaos != nullptr) return end(*chaos, {});
  close();
  disk_->restart();
}

void NodeDisk::wipe() {
  invariant(!open(), "a disk is lost while nobody looks");
  disk_ = std::make_unique<SimulatedDisk>();
  log_lost_ = blocks_lost_ = true;
  repair_through_ = Height(0);
}

void NodeDisk::lose_log() {
  invariant(!open(), "a log is lost while nobody looks");
  disk_->lose(paths().log());
  log_lost_ = log_gone_ = true;
}

void NodeDisk::lose_blocks() {
  invariant(!open(), "blocks are lost while nobody looks");
  disk_->lose(paths().blocks());
  blocks_lost_ = blocks_gone_ = true;
}

std::optional<SimulatedDisk::Flip> NodeDisk::flip_bit(Prng& random) {
  const auto in_log = [this](const std::string& path) { return path.starts_with(paths().log()); };
  const auto flips = disk_->flips();
  const bool log_flipped =
      std::any_of(flips.begin(), flips.end(), [&](const auto& flip) { return in_log(flip.path); });
  // Most is hit where most is kept: in the log, and there at its end, and in the blocks.
  const std::uint64_t part = random.below(8);
  const std::string wanted = part < 4   ? paths().log() + "/"
                             : part < 7 ? paths().blocks() + "/"
                                        : root_ + "/";
  std::vector<std::string> files;
  for (const std::string& path : disk_->paths()) {
    const bool may = !disk_->content(path).empty() && !(log_flipped && in_log(path));
    if (may && path.starts_with(wanted)) files.push_back(path);
  }
  if (files.empty()) return std::nullopt;
  const std::string& path = files[random.below(files.size())];
  const std::string content = disk_->content(path);
  std::uint64_t offset = random.below(content.size());
  // Much of a log is prepared and not yet written.
  for (int tries = 0; tries < 12 && content[offset] == '\0'; ++tries) {
    offset = random.below(content.size());
  }
  const std::size_t used = content.find_last_not_of('\0');
  if (in_log(path) && used != std::string::npos && random.chance(1, 2)) {
    offset = used - random.below(std::min<std::uint64_t>(used + 1, 2 * storage::kSectorBytes));
  }
  const auto mask = static_cast<unsigned char>(1U << random.below(8));
  disk_->flip(path, offset, mask);
  return SimulatedDisk::Flip{path, offset, mask};
}

bool NodeDisk::flawed() const {
  const std::string log = paths().log() + "/";
  const std::string blocks = paths().blocks() + "/";
  const auto flips = disk_->flips();
  return std::any_of(flips.begin(), flips.end(), [&](const auto& flip) {
    return flip.path == paths().identity() || flip.path.starts_with(log) ||
           flip.path.starts_with(blocks);
  });
}

void NodeDisk::replace_log(const paxos::DurableState& state) {
  disk_->lose(paths().log());
  std::vector<paxos::DurableRecord> records{paxos::PromiseRecord{state.promised}};
  for (const auto& [slot, accepted] : state.accepted) {
    records.push_back(paxos::AcceptRecord{accepted.ballot, slot, accepted.value});
  }
  for (const auto& [node, generation] : state.generations) {
    records.push_back(paxos::GenerationRecord{node, generation});
  }
  records.push_back(state.abstain);
  const auto made = disk_->make_directories(paths().log());
  auto log = storage::Log::start_over(*disk_, log_place(), {options_.segment_bytes},
                                      storage::SegmentOrigin::initialised, {});
  invariant(made.ok() && log.ok() && (*log)->append(records).ok(),
            "a log is replaced while its disk works");
}

void NodeDisk::forget_acceptances() {
  invariant(!open(), "a log is replaced while nobody looks");
  if (durable_.accepted.empty()) return;
  paxos::DurableState state = durable_;
  state.accepted.clear();
  replace_log(state);
}

// --- looking ----------------------------------------------------------------------------------

NodeDisk::BlockFrames NodeDisk::read_blocks() const {
  BlockFrames frames;
  const storage::BlockPlace place = block_place();
  const storage::BlockConsumer consume = [&](const ledger::Block& block) -> Result<void> {
    frames.blocks.push_back(block);
    return {};
  };
  auto outcome = storage::BlockRecovery(*disk_, place, Height(0), consume, {}, 0).run();
  if (!outcome) return {};
  frames.files = std::move(outcome->files);
  return frames;
}

std::size_t NodeDisk::block_count() const {
  if (!open()) return read_blocks().blocks.size();
  return storage_->blocks->height().value() + unwritten_.size();
}

std::vector<SharedBytes> NodeDisk::blocks() const {
  std::vector<ledger::Block> blocks = read_blocks().blocks;
  blocks.insert(blocks.end(), unwritten_.begin(), unwritten_.end());
  std::vector<SharedBytes> encoded;
  encoded.reserve(blocks.size());
  for (const auto& block : blocks) encoded.emplace_back(ledger::encode_block(block));
  return encoded;
}

// --- what befalls blocks ----------------------------------------------------------------------

void NodeDisk::damage_blocks(Height keep) {
  invariant(!open(), "blocks are damaged while nobody looks");
  const BlockFrames frames = read_blocks();
  if (keep.value() >= frames.blocks.size()) return;
  const Height damaged = keep.next();
  auto file = frames.files.begin();
  while (std::next(file) != frames.files.end() && std::next(file)->first <= damaged) ++file;
  const std::uint64_t frame =
      file->frames.at_or_before(damaged.value() - file->first.value()).offset;
  disk_->flip(paths().blocks() + "/" + storage::block_file_name(file->first),
              frame + storage::kFrameHeaderBytes + 8, 1);
  blocks_lost_ = true;
}

void NodeDisk::forge_blocks(Height from) {
  invariant(!open(), "history is forged while nobody looks");
  const std::vector<ledger::Block> old = read_blocks().blocks;
  std::vector<ledger::Block> forged;
  ledger::Chain chain(cluster_);
  for (const ledger::Block& block : old) {
    if (block.header.height < from) {
      invariant(chain.append(block).ok(), "the simulated disk holds a chain");
      forged.push_back(block);
      continue;
    }
    // The operations vanish: every later block changes through its link.
    forged.push_back(chain.extend(SharedBytes(), {}, block.header.timestamp, 0, 0));
  }
  disk_->lose(paths().blocks());
  const auto made = disk_->make_directories(paths().blocks());
  auto opened = storage::BlockStore::open(*disk_, block_place(), {options_.block_file_bytes},
                                          Height(0), {}, {});
  invariant(
      made.ok() && opened.ok() && opened->store->append(forged).ok() && opened->store->sync().ok(),
      "history is forged while the disk works");
}

}  // namespace paxledger::sim
