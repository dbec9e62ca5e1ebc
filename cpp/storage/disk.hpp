// The disk as storage sees it: few operations, so that a simulator can stand in for all of them.
//
// Paths are absolute or relative to the process, separated by '/'. Errors are `io` and name the
// operation, the path and the system's reason. Nothing here is retried: after a failed write or
// sync it is unknown what the disk holds, and a later sync that succeeds proves nothing
// (docs/decisions/0003).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace paxledger::storage {

// The unit that a disk writes as a whole or not at all.
inline constexpr std::size_t kSectorBytes = 512;

// An open file; closed by its destructor. Distinct File objects may be used from distinct threads,
// also on one path.
class File {
 public:
  virtual ~File() = default;

  // Writes all of `octets` at `offset`; the file grows where needed. Not durable before sync().
  virtual Result<void> write_at(std::uint64_t offset, std::string_view octets) = 0;

  // Fills `into` from `offset` on; gives the number of octets read, which is less than asked for
  // only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) = 0;

  virtual Result<std::uint64_t> size() = 0;
  virtual Result<void> truncate(std::uint64_t bytes) = 0;

  // A hint: the file will be `bytes` long. Whoever can find room for it does so at once, in one
  // piece. Fails if there is none.
  virtual Result<void> reserve(std::uint64_t bytes) = 0;

  // A hint, without a promise and without waiting: these octets may go to the disk now, so that a
  // later sync finds little to do, and the syncs of other files need not wait behind it.
  virtual void start_writeback(std::uint64_t offset, std::uint64_t bytes) = 0;

  // Returns once every octet written before, and the file's size, survive a power loss
  // (fdatasync).
  virtual Result<void> sync() = 0;
};

// Held until destroyed; released by the system when the process ends, however it ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Thread-safe.
class Disk {
 public:
  virtual ~Disk() = default;

  enum class Access : std::uint8_t {
    read,    // the file must exist
    write,   // the file must exist; reads and writes
    create,  // the file must not exist; reads and writes
  };
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Access access) = 0;

  virtual Result<bool> exists(const std::string& path) = 0;
  // The names in a directory, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  // Replaces `to` where it exists.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> make_directories(const std::string& path) = 0;
  // Creations, renames and removals in this directory survive a power loss once this returned.
  virtual Result<void> sync_directory(const std::string& path) = 0;

  // Takes the exclusive lock of the file `path`, which is created if missing. Errors:
  // configuration if another process has it (the message names that process), io.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

}  // namespace paxledger::storage
