// Reading the block files at start: which blocks are good, and what is wrong with the rest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/block_file.hpp"
#include "storage/block_store.hpp"
#include "storage/disk.hpp"
#include "storage/frame_index.hpp"

namespace paxledger::storage {

// Blocks that were never synced may be incomplete after a power loss; all others must be intact.
// A block counts as never synced if it is above `known_durable`, stands in the last file (an older
// file is synced before the next one is begun), and either the file ends within it or one of its
// sectors was never written.
class BlockRecovery {
 public:
  struct GoodFile {
    Height first;
    FrameIndex frames;      // the intact ones
    std::uint64_t end = 0;  // where they end
  };
  struct Outcome {
    std::vector<GoodFile> files;
    Height height;  // of the last good block
    enum class Rest : std::uint8_t { none, torn, damaged } rest = Rest::none;
    // Where the good part ends, if there is a rest: in this file, which is the last one of `files`
    // or (at offset 0) the one after it.
    Height rest_file;
    std::uint64_t rest_offset = 0;
    std::string text;      // file, offset, height and what is wrong
    Height known_through;  // the highest block that was seen, or must have been there
  };

  // `stride`: of the frame indices.
  BlockRecovery(Disk& disk, const BlockPlace& place, Height known_durable,
                const BlockConsumer& consume, const Progress& progress,
                std::uint64_t stride = FrameIndex::kStrideBytes);

  // Reads only. Errors: io; configuration (newer format).
  Result<Outcome> run();

 private:
  Result<void> read_file(std::size_t index);
  Result<void> check_header(FrameReader& reader, bool last);
  Result<void> read_frames(FrameReader& reader, bool last);
  Result<void> judge(FrameReader& reader, const FrameReader::Step& step, bool last);
  Result<std::string> take_block(std::string_view octets);
  Result<void> look_beyond();
  void stop(Outcome::Rest rest, const std::string& path, std::uint64_t offset,
            const std::string& what);
  void report_progress(std::uint64_t done_in_file);
  [[nodiscard]] std::string path_of(Height first) const;

  Disk& disk_;
  const BlockPlace& place_;
  Height known_durable_;
  const BlockConsumer& consume_;
  const Progress& progress_;
  std::uint64_t stride_;
  std::vector<Height> firsts_;
  std::vector<std::uint64_t> sizes_;
  std::uint64_t total_ = 0;
  std::uint64_t done_before_ = 0;  // octets of the files read before the current one
  std::uint64_t reported_ = 0;
  Digest hash_;  // of block outcome_.height
  Outcome outcome_;
};

}  // namespace paxledger::storage
