// The block files: what the cluster decided.
//
// storage/block_file.hpp gives the layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "ledger/block.hpp"
#include "storage/disk.hpp"
#include "storage/frame_index.hpp"
#include "storage/notice.hpp"

namespace paxledger::storage {

struct BlockStoreOptions {
  std::uint64_t file_bytes = std::uint64_t{64} << 20;  // a new file is begun past this; < 4 GiB
};

// Where the block files live and of which chain they are.
struct BlockPlace {
  std::string directory;  // exists
  std::string set_aside;  // exists
  ClusterId cluster;
};

// Takes a block that is next in height and was checked by ledger::decode_block. An error says
// that it does not link to the block before; that counts as damage of this block.
using BlockConsumer = std::function<Result<void>(const ledger::Block&)>;
// Octets done, octets in all. Called about every 4 MiB.
using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Invariants:
//  1. The blocks 1 … height() stand in the files, one frame each, in height order.
//  2. synced() <= height(); blocks up to synced() survive a power loss.
//  3. Files are only appended to; what leaves them goes to set-aside.
//  4. Where blocks were set aside that the log takes for durable, the files reach that height again
//     only after all blocks below it are synced.
//  5. The memory it takes grows by 8 to 16 octets for each 64 KiB of history.
//  6. After the first failed write or sync every further append and sync fails.
// Not thread-safe. Does not own the disk.
class BlockStore {
 public:
  struct Report {
    // Nonempty: what was damaged, with file, offset and height. Everything from `damaged_from` on
    // was set aside.
    std::string damage;
    Height damaged_from;
    // The highest block that was seen, or must have been there, damaged or not.
    Height known_through;
    std::vector<Notice> notices;
  };
  struct Opened {
    std::unique_ptr<BlockStore> store;
    Report report;
  };
  // Reads and checks all blocks in order, handing each to `consume`. `known_durable` is the
  // height up to which blocks are known to have been synced (LogReport::blocks_through): below it
  // nothing may be missing. Errors: io; configuration (newer format).
  static Result<Opened> open(Disk& disk, const BlockPlace& place, const BlockStoreOptions& options,
                             Height known_durable, const BlockConsumer& consume,
                             const Progress& progress);

  // Writes without a sync. Precondition: heights go on from height() without a gap.
  Result<void> append(std::span<const ledger::Block> blocks);

  // Syncs everything appended and gives the height that is durable now.
  Result<Height> sync();

  // Encoded blocks from `first` on: at least one if first <= height(), further ones while their
  // frames fit into `bytes_max` and stand in the same file; none if there is none. Errors: damaged,
  // with file, offset and height.
  Result<std::vector<SharedBytes>> read(Height first, std::size_t bytes_max);

  // Moves the blocks from `first` on to set-aside, durably. height() becomes first - 1, or less
  // where a damaged header stands on the way to `first`: then all from that frame on is moved.
  Result<void> set_aside_from(Height first);

  [[nodiscard]] Height height() const { return height_; }
  [[nodiscard]] Height synced() const { return synced_; }
  [[nodiscard]] std::uint64_t unsynced_bytes() const { return unsynced_bytes_; }
  [[nodiscard]] const BlockPlace& place() const { return place_; }

  // Where the files end at this moment, for verify_blocks() on another thread.
  struct Extent {
    struct FileExtent {
      Height first;
      std::uint64_t bytes = 0;
    };
    std::vector<FileExtent> files;
    Height height;
    std::uint64_t bytes = 0;
  };
  [[nodiscard]] Extent extent() const;

 private:
  struct BlockFile {
    Height first;
    FrameIndex frames;
    std::uint64_t end = 0;
  };

  BlockStore(Disk& disk, BlockPlace place, BlockStoreOptions options);
  Result<void> begin_file(Height first, const Digest& previous);
  Result<void> write(std::span<const ledger::Block> blocks);
  Result<void> write_frames(std::string_view frames);
  Result<void> open_head();
  Result<void> write_unsynced_again();
  Result<void> cut_off(Height file_first, std::uint64_t offset);
  Result<void> move_from(Height file_first, std::uint64_t offset, std::vector<Notice>& notices);
  [[nodiscard]] bool file_ends_at(Height first, std::uint64_t offset);
  Result<File*> reader(std::size_t file);
  Result<std::string> read_octets(std::size_t file, std::uint64_t offset, std::uint64_t bytes);
  struct FramePlace {
    Height height;
    std::uint64_t offset = 0;
  };
  Result<FramePlace> approach(std::size_t file, Height height);
  Result<std::uint64_t> offset_of(std::size_t file, Height height);
  [[nodiscard]] Error damaged(const BlockFile& file, std::uint64_t offset, Height height) const;
  [[nodiscard]] std::string path_of(Height first) const;
  [[nodiscard]] std::size_t file_of(Height height) const;
  Result<void> fail(Error error);

  Disk& disk_;
  BlockPlace place_;
  BlockStoreOptions options_;
  std::vector<BlockFile> files_;  // in height order; the last one is the head
  std::unique_ptr<File> head_;
  std::unique_ptr<File> reader_;  // of the file read last
  std::size_t reader_file_ = 0;
  Height height_;
  Height synced_;
  Height known_durable_;  // what the log may say is durable, although it was set aside
  std::uint64_t unsynced_bytes_ = 0;
  std::uint64_t begun_through_ = 0;  // up to this offset of the head the disk was told to begin
  bool directory_dirty_ = false;
  bool failed_ = false;
  Error failure_;
};

}  // namespace paxledger::storage
