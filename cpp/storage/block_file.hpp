// The layout of block files, to the octet. docs/reference/log-format.md explains it.
//
//   block file  := <dir>/blocks/<height of its first block, 20 digits>.blocks
//                  file_header frame*
//   file_header := magic:u32 format_version:u16 reserved:u16 cluster:u64 first_height:u64
//                  previous:octets[32] crc:u32
//   magic       := "PXLK"
//   previous    := hash of the block before the first one, or genesis
//   crc         := CRC32C of the 56 octets before it
//
//   frame       := magic:u32 length:u32 height:u64 block_crc:u32 header_crc:u32
//                  block:octets[length]
//   magic       := "PXLF"
//   block       := ledger/block.hpp
//   block_crc   := CRC32C of the block
//   header_crc  := CRC32C of the 20 octets from magic to block_crc
//
// All integers are little-endian. Heights rise by one from frame to frame and from file to file; a
// node's first file begins with height 1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/disk.hpp"

namespace paxledger::storage {

inline constexpr std::uint16_t kBlockFileFormatVersion = 1;
inline constexpr std::uint32_t kBlockFileMagic = 0x4B4C5850;  // "PXLK"
inline constexpr std::uint32_t kFrameMagic = 0x464C5850;      // "PXLF"
inline constexpr std::size_t kBlockFileHeaderBytes = 60;
inline constexpr std::size_t kFrameHeaderBytes = 24;
inline constexpr std::uint32_t kBlockBytesMax = std::uint32_t{1} << 28;

struct BlockFileHeader {
  ClusterId cluster;
  Height first;
  Digest previous;
};

struct FrameHeader {
  Height height;
  std::uint32_t length = 0;
  std::uint32_t block_crc = 0;
};

[[nodiscard]] std::string block_file_name(Height first);
// Nothing if `name` is not the name of a block file.
[[nodiscard]] std::optional<Height> parse_block_file_name(std::string_view name);
// The first heights of the block files in a directory, rising. Errors: io.
[[nodiscard]] Result<std::vector<Height>> list_block_files(Disk& disk,
                                                           const std::string& directory);

[[nodiscard]] std::string encode_block_file_header(const BlockFileHeader& header);
// Errors: damaged; configuration for a newer format.
[[nodiscard]] Result<BlockFileHeader> decode_block_file_header(std::string_view octets);

void append_frame(std::string& out, Height height, std::string_view block);
// The header of the frame that starts here, if header_crc says that it is intact.
[[nodiscard]] std::optional<FrameHeader> decode_frame_header(std::string_view octets);

// Reads the frames of one block file in order, in large pieces.
//
// Invariant: offset() is where the next frame starts; everything before it was intact or skipped.
class FrameReader {
 public:
  // Reads `file` up to `end`; `path` is for messages.
  FrameReader(File& file, std::string path, std::uint64_t end);

  // Errors: damaged, configuration (newer format), io. Call it first.
  Result<BlockFileHeader> read_header();

  // One step through the file.
  struct Step {
    enum class Kind : std::uint8_t {
      frame,      // an intact frame of the expected height: `block`
      end,        // the file ends here, between frames
      cut_short,  // the file ends within a frame whose header is intact, or within that header
      damaged,    // `text` says why
    } kind = Kind::end;
    std::string_view block;  // valid until the next call
    std::string text;
    std::uint64_t frame_end = 0;  // where the frame ends; end of file if its header is damaged
  };
  // Moves past the frame if it is intact. Errors: io.
  Result<Step> next(Height expected);

  // Finds the next intact frame header with a height in (above, through] at or after `from` and
  // moves there. Values may hold anything, so the heights must be bounded by what can be there.
  Result<std::optional<Height>> skip_to_header(std::uint64_t from, Height above, Height through);

  // Whether some sector between offset() and `frame_end` is zero from offset() or its start on to
  // its end: never written, for the file was not synced before a power loss.
  Result<bool> has_unwritten_sector(std::uint64_t frame_end);

  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::uint64_t end() const { return end_; }

 private:
  // The octets from `offset` on, at least `count` of them unless the file ends before.
  Result<std::string_view> view(std::uint64_t offset, std::size_t count);

  File& file_;
  std::string path_;
  std::uint64_t end_;
  std::uint64_t offset_ = 0;
  std::string buffer_;
  std::uint64_t buffer_offset_ = 0;
};

}  // namespace paxledger::storage
