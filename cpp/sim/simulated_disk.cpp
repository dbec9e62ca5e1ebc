#include "sim/simulated_disk.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::sim {

using storage::kSectorBytes;

namespace {

void flip_bits(char& octet, unsigned char mask) {
  octet = static_cast<char>(static_cast<unsigned char>(octet) ^ mask);
}

Error refused(const std::string& what, const std::string& path, const std::string& why) {
  return {ErrorCode::io, what + " " + path + ": " + why};
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

class SimulatedFile final : public storage::File {
 public:
  SimulatedFile(SimulatedDisk& disk, std::shared_ptr<SimulatedDisk::Inode> inode, std::string path,
                bool writable)
      : disk_(disk),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable),
        life_(disk.life_) {}

  Result<void> write_at(std::uint64_t offset, std::string_view octets) override {
    const std::lock_guard lock(disk_.mutex_);
    return put(offset, octets);
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    const std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return refused("read of", path_, "stale handle");
    if (offset >= inode_->seen.size()) return std::size_t{0};
    const std::size_t count = std::min<std::uint64_t>(into.size(), inode_->seen.size() - offset);
    std::copy_n(inode_->seen.data() + offset, count, into.data());
    return count;
  }

  Result<std::uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    return std::uint64_t{inode_->seen.size()};
  }

  Result<void> truncate(std::uint64_t bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return refused("truncation of", path_, "stale handle");
    auto stepped = disk_.step("truncation of", path_);
    if (!disk_.applies_) return stepped;
    inode_->forget_flips(bytes, UINT64_MAX);
    inode_->seen.resize(bytes);
    inode_->resized = true;
    return stepped;
  }

  Result<void> reserve(std::uint64_t /*bytes*/) override { return {}; }
  // Without the hint, too, any of what is not synced may be on the disk or not.
  void start_writeback(std::uint64_t offset, std::uint64_t bytes) override {
    const std::lock_guard lock(disk_.mutex_);
    inode_->hinted_through = std::max(inode_->hinted_through, offset + bytes);
  }

  Result<void> sync() override {
    const std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_) return refused("sync of", path_, "stale handle");
    auto stepped = disk_.step("sync of", path_);
    if (!stepped) return stepped;
    if (disk_.fails_now(disk_.fail_sync_of_, path_)) {
      inode_->dirty.clear();
      return refused("sync of", path_, "Input/output error");
    }
    inode_->sync();
    return {};
  }

 private:
  Result<void> put(std::uint64_t offset, std::string_view octets) {
    if (life_ != disk_.life_) return refused("write to", path_, "stale handle");
    if (!writable_) return refused("write to", path_, "opened for reading");
    auto stepped = disk_.step("write to", path_);
    if (!disk_.applies_) return stepped;
    const std::uint64_t end = offset + octets.size();
    const bool limited = disk_.bytes_max_ != UINT64_MAX && end > inode_->seen.size();
    if (limited && disk_.sum_of_sizes() + end - inode_->seen.size() > disk_.bytes_max_) {
      return refused("write to", path_, "No space left on device");
    }
    if (disk_.fails_now(disk_.fail_write_of_, path_)) {
      inode_->write(offset, octets.substr(0, octets.size() / 2));
      return refused("write to", path_, "Input/output error");
    }
    inode_->write(offset, octets);
    return stepped;
  }

  SimulatedDisk& disk_;
  std::shared_ptr<SimulatedDisk::Inode> inode_;
  std::string path_;
  bool writable_;
  std::uint64_t life_;
};

class SimulatedLock final : public storage::FileLock {
 public:
  SimulatedLock(SimulatedDisk& disk, std::string path)
      : disk_(disk), path_(std::move(path)), life_(disk.life_) {}
  ~SimulatedLock() override {
    const std::lock_guard lock(disk_.mutex_);
    if (life_ == disk_.life_) disk_.locked_.erase(path_);
  }

 private:
  SimulatedDisk& disk_;
  std::string path_;
  std::uint64_t life_;
};

Result<void> SimulatedDisk::step(const std::string& what, const std::string& path) {
  const std::uint64_t number = operations_++;
  applies_ = number <= crash_at_;
  if (number >= crash_at_) return refused(what, path, "the machine crashed");
  return {};
}

// Once, if the path is meant.
bool SimulatedDisk::fails_now(std::optional<std::string>& part, const std::string& path) {
  if (!part || path.find(*part) == std::string::npos) return false;
  part.reset();
  return true;
}

void SimulatedDisk::Inode::write(std::uint64_t offset, std::string_view octets) {
  const std::uint64_t end = offset + octets.size();
  forget_flips(offset, end);
  if (end > seen.size()) {
    seen.resize(end);
    resized = true;
  }
  seen.replace(offset, octets.size(), octets);
  if (!dirty.empty() && dirty.back().to == offset) {
    dirty.back().to = end;
  } else {
    dirty.push_back({offset, end});
  }
}

// What is flipped and then written over is as if it had never been flipped, whatever becomes of
// the write.
void SimulatedDisk::Inode::forget_flips(std::uint64_t from, std::uint64_t to) {
  auto flip = flips.lower_bound(from);
  while (flip != flips.end() && flip->first < to) {
    if (flip->second.durable) flip_bits(durable[flip->first], flip->second.mask);
    flip = flips.erase(flip);
  }
}

// From the cache to the disk, as far as both reach.
void SimulatedDisk::Inode::carry(std::uint64_t from, std::uint64_t to) {
  to = std::min<std::uint64_t>({to, seen.size(), durable.size()});
  if (from >= to) return;
  durable.replace(from, to - from, seen, from, to - from);
  for (auto flip = flips.lower_bound(from); flip != flips.end() && flip->first < to; ++flip) {
    flip->second.durable = true;
  }
}

void SimulatedDisk::Inode::sync() {
  if (resized) durable.resize(seen.size());
  for (const Range& range : dirty) carry(range.from, range.to);
  dirty.clear();
  resized = false;
}

std::vector<std::uint64_t> SimulatedDisk::Inode::dirty_sectors() const {
  std::vector<std::uint64_t> sectors;
  for (const Range& range : dirty) {
    for (std::uint64_t at = range.from / kSectorBytes; at * kSectorBytes < range.to; ++at) {
      sectors.push_back(at);
    }
  }
  std::sort(sectors.begin(), sectors.end());
  sectors.erase(std::unique(sectors.begin(), sectors.end()), sectors.end());
  return sectors;
}

void SimulatedDisk::fail_no_more() {
  const std::lock_guard lock(mutex_);
  fail_sync_of_.reset();
  fail_write_of_.reset();
}

std::uint64_t SimulatedDisk::bytes_used() const {
  const std::lock_guard lock(mutex_);
  return sum_of_sizes();
}

std::uint64_t SimulatedDisk::sum_of_sizes() const {
  std::uint64_t bytes = 0;
  for (const auto& [path, inode] : seen_) bytes += inode->seen.size();
  return bytes;
}

void SimulatedDisk::apply(Entries& entries, const Change& change) {
  if (!change.removed.empty()) entries.erase(change.removed);
  if (!change.added.empty()) entries[change.added] = change.inode;
}

void SimulatedDisk::record(Change change) {
  apply(seen_, change);
  pending_.push_back(std::move(change));
}

Result<std::unique_ptr<storage::File>> SimulatedDisk::open(const std::string& path, Access access) {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(path);
  if (access == Access::create) {
    if (found != seen_.end()) return refused("creation of", path, "File exists");
    if (!directories_.contains(directory_of(path))) {
      return refused("creation of", path, "No such file or directory");
    }
    auto stepped = step("creation of", path);
    if (!applies_) return stepped.error();
    record({"", path, std::make_shared<Inode>()});
    if (!stepped) return stepped.error();
  } else if (found == seen_.end()) {
    return refused("opening of", path, "No such file or directory");
  }
  return std::unique_ptr<storage::File>(
      std::make_unique<SimulatedFile>(*this, seen_.at(path), path, access != Access::read));
}

Result<bool> SimulatedDisk::exists(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return seen_.contains(path) || directories_.contains(path);
}

Result<std::vector<std::string>> SimulatedDisk::list(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!directories_.contains(path)) return refused("listing of", path, "No such directory");
  std::vector<std::string> names;
  for (const auto& [file, inode] : seen_) {
    if (directory_of(file) == path) names.push_back(file.substr(path.size() + 1));
  }
  for (const std::string& directory : directories_) {
    if (directory != path && directory_of(directory) == path) {
      names.push_back(directory.substr(path.size() + 1));
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<void> SimulatedDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(from);
  if (found == seen_.end()) return refused("renaming of", from, "No such file or directory");
  auto stepped = step("renaming of", from);
  if (!applies_) return stepped;
  record({from, to, found->second});
  return stepped;
}

Result<void> SimulatedDisk::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!seen_.contains(path)) return refused("removal of", path, "No such file or directory");
  auto stepped = step("removal of", path);
  if (!applies_) return stepped;
  record({path, "", nullptr});
  return stepped;
}

Result<void> SimulatedDisk::make_directories(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (directories_.contains(path)) return {};
  auto stepped = step("creation of directory", path);
  if (!applies_) return stepped;
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    directories_.insert(path.substr(0, end));
    if (end == std::string::npos) return stepped;
  }
}

Result<void> SimulatedDisk::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  auto stepped = step("sync of directory", path);
  if (!stepped) return stepped;
  if (fails_now(fail_sync_of_, path + "/")) {
    return refused("sync of directory", path, "Input/output error");
  }
  // What the directory holds now is what it will hold. A file that was moved here from another
  // directory stays there, too, until that one is synced.
  const auto stands_here = [&path](const std::string& file) {
    return !file.empty() && directory_of(file) == path;
  };
  const std::string prefix = path + "/";
  std::erase_if(durable_, [&](const auto& entry) { return stands_here(entry.first); });
  for (auto entry = seen_.lower_bound(prefix);
       entry != seen_.end() && entry->first.starts_with(prefix); ++entry) {
    if (stands_here(entry->first)) durable_.insert(*entry);
  }
  for (Change& change : pending_) {
    if (stands_here(change.removed)) change.removed.clear();
    if (stands_here(change.added)) change.added.clear();
  }
  std::erase_if(pending_, [](const Change& change) {
    return change.removed.empty() && change.added.empty();
  });
  return {};
}

Result<std::unique_ptr<storage::FileLock>> SimulatedDisk::lock(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!locked_.insert(path).second) {
    return Error{ErrorCode::configuration,
                 path + " is locked: the process 4711 uses this data directory"};
  }
  if (!seen_.contains(path)) record({"", path, std::make_shared<Inode>()});
  return std::unique_ptr<storage::FileLock>(std::make_unique<SimulatedLock>(*this, path));
}

void SimulatedDisk::lose_content(Inode& inode, Unsynced unsynced, Prng& random) {
  if (unsynced == Unsynced::kept) {
    inode.durable.resize(inode.seen.size());
    inode.carry(0, inode.seen.size());
  } else if (unsynced != Unsynced::lost) {
    const bool resizes = inode.resized && random.chance(1, 2);
    if (resizes) inode.durable.resize(inode.seen.size());
    for (const std::uint64_t sector : inode.dirty_sectors()) {
      const std::uint64_t start = sector * kSectorBytes;
      const std::uint64_t end =
          std::min({(sector + 1) * kSectorBytes, std::uint64_t{inode.seen.size()},
                    std::uint64_t{inode.durable.size()}});
      if (start >= end || random.chance(1, 2)) continue;
      std::uint64_t count = end - start;
      if (unsynced == Unsynced::torn && random.chance(1, 2)) count = random.below(count);
      inode.carry(start, start + count);
    }
  }
  inode.seen = inode.durable;
  inode.dirty.clear();
  inode.resized = false;
  std::erase_if(inode.flips, [&](const auto& flip) {
    return !flip.second.durable || flip.first >= inode.seen.size();
  });
}

void SimulatedDisk::power_loss(Unsynced unsynced, Prng& random) {
  const std::lock_guard lock(mutex_);
  for (const Change& change : pending_) {
    const bool survives =
        unsynced == Unsynced::kept || (unsynced != Unsynced::lost && random.chance(1, 2));
    // A later change of a file whose creation was lost has nothing to work on.
    const bool possible = change.removed.empty() || durable_.contains(change.removed);
    if (survives && possible) apply(durable_, change);
  }
  pending_.clear();
  seen_ = durable_;
  std::set<Inode*> done;
  for (auto& [path, inode] : seen_) {
    if (done.insert(inode.get()).second) lose_content(*inode, unsynced, random);
  }
  locked_.clear();
  ++life_;
  crash_at_ = UINT64_MAX;
}

void SimulatedDisk::restart() {
  const std::lock_guard lock(mutex_);
  locked_.clear();
  ++life_;
  crash_at_ = UINT64_MAX;
}

std::string SimulatedDisk::content(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(path);
  invariant(found != seen_.end(), "the file is there: " + path);
  return found->second->seen;
}

std::uint64_t SimulatedDisk::hinted_through(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(path);
  invariant(found != seen_.end(), "the file is there: " + path);
  return found->second->hinted_through;
}

void SimulatedDisk::overwrite(const std::string& path, std::string octets) {
  const std::lock_guard lock(mutex_);
  auto& inode = seen_[path];
  if (inode == nullptr) inode = std::make_shared<Inode>();
  durable_[path] = inode;
  inode->seen = octets;
  inode->durable = std::move(octets);
  inode->dirty.clear();
  inode->flips.clear();
}

void SimulatedDisk::flip(const std::string& path, std::uint64_t offset, unsigned char mask) {
  const std::lock_guard lock(mutex_);
  const auto found = seen_.find(path);
  invariant(found != seen_.end(), "the file is there: " + path);
  Inode& inode = *found->second;
  invariant(offset < inode.seen.size(), "bits are flipped within a file");
  Inode::Flipped& flipped = inode.flips[offset];
  const bool durable = flipped.mask == 0 ? offset < inode.durable.size() : flipped.durable;
  flip_bits(inode.seen[offset], mask);
  if (durable) flip_bits(inode.durable[offset], mask);
  flipped = {static_cast<unsigned char>(flipped.mask ^ mask), durable};
  if (flipped.mask == 0) inode.flips.erase(offset);
}

std::vector<SimulatedDisk::Flip> SimulatedDisk::flips() const {
  const std::lock_guard lock(mutex_);
  std::vector<Flip> flips;
  for (const auto& [path, inode] : seen_) {
    for (const auto& [offset, flip] : inode->flips) flips.push_back({path, offset, flip.mask});
  }
  return flips;
}

void SimulatedDisk::lose(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto is_lost = [&path](const std::string& other) {
    return other == path || other.starts_with(path + "/");
  };
  const auto lost_entry = [&](const auto& entry) { return is_lost(entry.first); };
  std::erase_if(seen_, lost_entry);
  std::erase_if(durable_, lost_entry);
  std::erase_if(directories_, is_lost);
  std::erase_if(pending_, [&](const Change& change) {
    return is_lost(change.added) || is_lost(change.removed);
  });
}

void SimulatedDisk::undo_flips() {
  for (const Flip& each : flips()) flip(each.path, each.offset, each.mask);
}

std::vector<std::string> SimulatedDisk::paths() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> paths;
  for (const auto& [path, inode] : seen_) paths.push_back(path);
  return paths;
}

std::unique_ptr<SimulatedDisk> SimulatedDisk::copy() const {
  const std::lock_guard lock(mutex_);
  auto disk = std::make_unique<SimulatedDisk>();
  std::map<Inode*, std::shared_ptr<Inode>> copies;
  const auto copied = [&copies](const std::shared_ptr<Inode>& inode) {
    auto& to = copies[inode.get()];
    if (to == nullptr && inode != nullptr) to = std::make_shared<Inode>(*inode);
    return to;
  };
  for (const auto& [path, inode] : seen_) disk->seen_[path] = copied(inode);
  for (const auto& [path, inode] : durable_) disk->durable_[path] = copied(inode);
  for (const Change& change : pending_) {
    disk->pending_.push_back({change.removed, change.added, copied(change.inode)});
  }
  disk->directories_ = directories_;
  return disk;
}

}  // namespace paxledger::sim
