#include "in_process/memory_disk.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace paxledger::bench {
namespace {

class MemoryFile final : public storage::File {
 public:
  MemoryFile(std::shared_ptr<std::string> octets, DiskTraffic& traffic)
      : octets_(std::move(octets)), traffic_(traffic) {}

  Result<void> write_at(std::uint64_t offset, std::string_view octets) override {
    if (offset == octets_->size()) {
      octets_->append(octets);
    } else {
      if (octets_->size() < offset + octets.size()) octets_->resize(offset + octets.size());
      std::memcpy(octets_->data() + offset, octets.data(), octets.size());
    }
    ++traffic_.writes;
    traffic_.bytes_written += octets.size();
    return {};
  }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    if (offset >= octets_->size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(into.size(), octets_->size() - offset);
    std::memcpy(into.data(), octets_->data() + offset, count);
    return count;
  }
  Result<std::uint64_t> size() override { return std::uint64_t{octets_->size()}; }
  Result<void> truncate(std::uint64_t bytes) override {
    octets_->resize(bytes);
    return {};
  }
  Result<void> reserve(std::uint64_t /*bytes*/) override { return {}; }
  void start_writeback(std::uint64_t /*offset*/, std::uint64_t /*bytes*/) override {}
  Result<void> sync() override {
    ++traffic_.syncs;
    return {};
  }

 private:
  std::shared_ptr<std::string> octets_;
  DiskTraffic& traffic_;
};

Error missing(const std::string& path) {
  return Error{ErrorCode::io, path + ": no such file"};
}

}  // namespace

Result<std::unique_ptr<storage::File>> MemoryDisk::open(const std::string& path, Access access) {
  const auto found = files_.find(path);
  if (access == Access::create) {
    if (found != files_.end()) return Error{ErrorCode::io, path + ": exists"};
    files_[path] = std::make_shared<std::string>();
  } else if (found == files_.end()) {
    return missing(path);
  }
  return std::unique_ptr<storage::File>(std::make_unique<MemoryFile>(files_[path], traffic_));
}

Result<std::vector<std::string>> MemoryDisk::list(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& [name, octets] : files_) {
    if (name.starts_with(path + "/") && name.find('/', path.size() + 1) == std::string::npos) {
      names.push_back(name.substr(path.size() + 1));
    }
  }
  return names;
}

Result<void> MemoryDisk::rename(const std::string& from, const std::string& to) {
  const auto found = files_.find(from);
  if (found == files_.end()) return missing(from);
  files_[to] = found->second;
  files_.erase(from);
  return {};
}

Result<void> MemoryDisk::remove(const std::string& path) {
  if (files_.erase(path) == 0) return missing(path);
  return {};
}

Result<std::unique_ptr<storage::FileLock>> MemoryDisk::lock(const std::string& /*path*/) {
  return std::make_unique<storage::FileLock>();
}

}  // namespace paxledger::bench
