// A disk in memory that loses, tears, refuses and flips what it is told to.
//
// It keeps two truths: what a running process sees, and what a power loss would leave. A sync
// carries the written sectors of a file from the first to the second, a directory sync the
// entries of that directory. After a failed sync the sectors count as clean, as they do in Linux: a
// later sync that succeeds does not write them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/prng.hpp"
#include "storage/disk.hpp"

namespace paxledger::sim {

// Thread-safe. Files stay usable as long as the disk lives; after a power loss or a restart old
// handles refuse every operation.
class SimulatedDisk final : public storage::Disk {
 public:
  Result<std::unique_ptr<storage::File>> open(const std::string& path, Access access) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> make_directories(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<storage::FileLock>> lock(const std::string& path) override;

  // --- faults ---

  // How many operations changed something or synced so far.
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  // The operation with this number (from 0) fails, and every one after it, as in a crash: a write
  // has reached the cache, a sync has not happened.
  void crash_at(std::uint64_t operation) { crash_at_ = operation; }
  [[nodiscard]] bool crashed() const { return operations_ > crash_at_; }
  // The next sync of a file whose path contains `part`, or of a directory whose path does with a
  // slash at its end, fails, once.
  void fail_sync_of(std::string part) { fail_sync_of_ = std::move(part); }
  // The next write to a file whose path contains `part` fails, once; its front half was written.
  void fail_write_of(std::string part) { fail_write_of_ = std::move(part); }
  // Neither happens any more, where it has not happened yet.
  void fail_no_more();
  // Writes that would make all files together larger than this fail.
  void limit_bytes(std::uint64_t bytes) { bytes_max_ = bytes; }
  [[nodiscard]] std::uint64_t bytes_used() const;

  // What becomes of what was not synced.
  enum class Unsynced : std::uint8_t { lost, kept, random, torn };  // torn: within sectors, too
  // The machine lost power and is back: processes, locks and what was not synced are gone.
  void power_loss(Unsynced unsynced, Prng& random);
  // The process died and another one starts: only its locks and handles are gone.
  void restart();

  [[nodiscard]] std::string content(const std::string& path) const;
  // Up to which offset of a file its writer said that the disk may begin to write.
  [[nodiscard]] std::uint64_t hinted_through(const std::string& path) const;
  // Replaces a file's octets, durably.
  void overwrite(const std::string& path, std::string octets);
  // Bits of one octet change under everybody's feet, in the cache and on the disk. What is written
  // there later is what was written.
  void flip(const std::string& path, std::uint64_t offset, unsigned char mask);
  // A flip that nobody has written over, by the present name of its file.
  struct Flip {
    std::string path;
    std::uint64_t offset = 0;
    unsigned char mask = 0;
  };
  [[nodiscard]] std::vector<Flip> flips() const;
  void undo_flips();
  // Removes a file, or a directory with all that it holds, durably.
  void lose(const std::string& path);
  [[nodiscard]] std::vector<std::string> paths() const;

  // A disk with the same durable and visible content, without faults and handles.
  [[nodiscard]] std::unique_ptr<SimulatedDisk> copy() const;

 private:
  friend class SimulatedFile;
  friend class SimulatedLock;

  struct Inode {
    std::string seen;
    std::string durable;
    // What was written since the last sync, failed or not, in the order of the writes: [from, to).
    struct Range {
      std::uint64_t from = 0;
      std::uint64_t to = 0;
    };
    std::vector<Range> dirty;
    bool resized = false;
    struct Flipped {
      unsigned char mask = 0;
      bool durable = false;  // on the disk, and not only in the cache
    };
    std::map<std::uint64_t, Flipped> flips;  // by offset
    std::uint64_t hinted_through = 0;        // start_writeback() was asked for up to here

    void write(std::uint64_t offset, std::string_view octets);
    void forget_flips(std::uint64_t from, std::uint64_t to);
    void carry(std::uint64_t from, std::uint64_t to);
    void sync();
    // The sectors that were written since the last sync, rising.
    [[nodiscard]] std::vector<std::uint64_t> dirty_sectors() const;
  };
  using Entries = std::map<std::string, std::shared_ptr<Inode>>;
  // A change of directory entries that a power loss may undo.
  struct Change {
    std::string removed;  // path, or empty
    std::string added;    // path, or empty
    std::shared_ptr<Inode> inode;
  };

  bool fails_now(std::optional<std::string>& part, const std::string& path);
  Result<void> step(const std::string& what, const std::string& path);
  void apply(Entries& entries, const Change& change);
  void record(Change change);
  static void lose_content(Inode& inode, Unsynced unsynced, Prng& random);
  [[nodiscard]] std::uint64_t sum_of_sizes() const;

  mutable std::mutex mutex_;
  Entries seen_;
  Entries durable_;
  std::vector<Change> pending_;
  std::set<std::string> directories_;
  std::set<std::string> locked_;
  std::uint64_t life_ = 0;  // rises with every restart and power loss
  std::uint64_t operations_ = 0;
  std::uint64_t crash_at_ = UINT64_MAX;
  bool applies_ = true;  // whether the operation under way still has an effect
  std::uint64_t bytes_max_ = UINT64_MAX;
  std::optional<std::string> fail_sync_of_;
  std::optional<std::string> fail_write_of_;
};

}  // namespace paxledger::sim
