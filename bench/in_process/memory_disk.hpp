// A disk in memory that costs as little as can be, so that what is counted or timed on it is the
// work of those who use it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/disk.hpp"

namespace paxledger::bench {

// What went to a disk.
struct DiskTraffic {
  std::uint64_t writes = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t syncs = 0;
};

// Not thread-safe, other than storage::Disk asks for: one thread uses it. Outlives its files.
class MemoryDisk final : public storage::Disk {
 public:
  Result<std::unique_ptr<storage::File>> open(const std::string& path, Access access) override;
  Result<bool> exists(const std::string& path) override { return files_.contains(path); }
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directories(const std::string& /*path*/) override { return {}; }
  Result<void> sync_directory(const std::string& /*path*/) override { return {}; }
  Result<std::unique_ptr<storage::FileLock>> lock(const std::string& path) override;

  [[nodiscard]] const DiskTraffic& traffic() const { return traffic_; }

 private:
  std::map<std::string, std::shared_ptr<std::string>> files_;
  DiskTraffic traffic_;
};

}  // namespace paxledger::bench
