#include "storage/block_file.hpp"

#include <algorithm>
#include <charconv>

#include "storage/crc32c.hpp"

namespace paxledger::storage {

namespace {

constexpr std::string_view kSuffix = ".blocks";
constexpr std::size_t kNameDigits = 20;
constexpr std::size_t kFileCrcAt = 56;
constexpr std::size_t kFrameCrcAt = 20;
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

Error damaged(std::string message) {
  return {ErrorCode::damaged, std::move(message)};
}

}  // namespace

std::string block_file_name(Height first) {
  const std::string digits = std::to_string(first.value());
  return std::string(kNameDigits - digits.size(), '0') + digits + std::string(kSuffix);
}

std::optional<Height> parse_block_file_name(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || name.substr(kNameDigits) != kSuffix) {
    return std::nullopt;
  }
  std::uint64_t height = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kNameDigits, height);
  if (error != std::errc{} || end != name.data() + kNameDigits) return std::nullopt;
  return Height(height);
}

Result<std::vector<Height>> list_block_files(Disk& disk, const std::string& directory) {
  const auto names = disk.list(directory);
  if (!names) return names.error();
  std::vector<Height> firsts;
  for (const std::string& name : *names) {
    if (const auto first = parse_block_file_name(name)) firsts.push_back(*first);
  }
  std::sort(firsts.begin(), firsts.end());
  return firsts;
}

std::string encode_block_file_header(const BlockFileHeader& header) {
  std::string octets;
  append_le(octets, kBlockFileMagic);
  append_le(octets, kBlockFileFormatVersion);
  append_le(octets, std::uint16_t{0});
  append_le(octets, header.cluster.value());
  append_le(octets, header.first.value());
  octets += header.previous.view();
  append_le(octets, crc32c(octets));
  return octets;
}

Result<BlockFileHeader> decode_block_file_header(std::string_view octets) {
  if (octets.size() < kBlockFileHeaderBytes) return damaged("the file's header is cut short");
  if (read_le<std::uint32_t>(octets, 0) != kBlockFileMagic ||
      read_le<std::uint32_t>(octets, kFileCrcAt) != crc32c(octets.substr(0, kFileCrcAt))) {
    return damaged("the file's header is damaged");
  }
  const auto version = read_le<std::uint16_t>(octets, 4);
  if (version > kBlockFileFormatVersion) {
    return Error{ErrorCode::configuration, "block file format " + std::to_string(version) +
                                               " is newer than this program, which reads up to " +
                                               std::to_string(kBlockFileFormatVersion)};
  }
  BlockFileHeader header;
  header.cluster = ClusterId(read_le<std::uint64_t>(octets, 8));
  header.first = Height(read_le<std::uint64_t>(octets, 16));
  header.previous = Digest::from(octets.substr(24, 32));
  return header;
}

void append_frame(std::string& out, Height height, std::string_view block) {
  const std::size_t start = out.size();
  append_le(out, kFrameMagic);
  append_le(out, static_cast<std::uint32_t>(block.size()));
  append_le(out, height.value());
  append_le(out, crc32c(block));
  append_le(out, crc32c(std::string_view(out).substr(start)));
  out += block;
}

std::optional<FrameHeader> decode_frame_header(std::string_view octets) {
  if (octets.size() < kFrameHeaderBytes) return std::nullopt;
  if (read_le<std::uint32_t>(octets, 0) != kFrameMagic) return std::nullopt;
  if (read_le<std::uint32_t>(octets, kFrameCrcAt) != crc32c(octets.substr(0, kFrameCrcAt))) {
    return std::nullopt;
  }
  FrameHeader header;
  header.length = read_le<std::uint32_t>(octets, 4);
  header.height = Height(read_le<std::uint64_t>(octets, 8));
  header.block_crc = read_le<std::uint32_t>(octets, 16);
  if (header.length > kBlockBytesMax) return std::nullopt;
  return header;
}

FrameReader::FrameReader(File& file, std::string path, std::uint64_t end)
    : file_(file), path_(std::move(path)), end_(end) {}

Result<std::string_view> FrameReader::view(std::uint64_t offset, std::size_t count) {
  const std::uint64_t buffer_end = buffer_offset_ + buffer_.size();
  const std::uint64_t wanted_end = std::min<std::uint64_t>(offset + count, end_);
  if (offset < buffer_offset_ || wanted_end > buffer_end) {
    const std::uint64_t rest = end_ > offset ? end_ - offset : 0;
    buffer_.resize(std::min<std::uint64_t>(rest, std::max(count, kPieceBytes)));
    const auto read = file_.read_at(offset, buffer_);
    if (!read) return read.error();
    if (*read != buffer_.size()) {
      return Error{ErrorCode::io, path_ + " became shorter while it was read"};
    }
    buffer_offset_ = offset;
  }
  return std::string_view(buffer_).substr(offset - buffer_offset_);
}

Result<BlockFileHeader> FrameReader::read_header() {
  const auto octets = view(0, kBlockFileHeaderBytes);
  if (!octets) return octets.error();
  auto header = decode_block_file_header(*octets);
  if (header) offset_ = kBlockFileHeaderBytes;
  return header;
}

Result<FrameReader::Step> FrameReader::next(Height expected) {
  Step step;
  step.frame_end = end_;
  if (offset_ >= end_) return step;
  const auto head = view(offset_, kFrameHeaderBytes);
  if (!head) return head.error();
  if (head->size() < kFrameHeaderBytes) {
    step.kind = Step::Kind::cut_short;
    step.text = "the frame's header is cut short";
    return step;
  }
  step.kind = Step::Kind::damaged;
  const auto header = decode_frame_header(*head);
  if (!header) {
    step.text = "the frame's header is damaged";
    return step;
  }
  const std::uint64_t frame_end = offset_ + kFrameHeaderBytes + header->length;
  if (frame_end > end_) {
    step.kind = Step::Kind::cut_short;
    step.text = "the file ends within the block";
    return step;
  }
  step.frame_end = frame_end;
  if (header->height != expected) {
    step.text = "a frame of height " + std::to_string(header->height.value()) + " stands here";
    return step;
  }
  const auto frame = view(offset_, kFrameHeaderBytes + header->length);
  if (!frame) return frame.error();
  step.block = frame->substr(kFrameHeaderBytes, header->length);
  if (crc32c(step.block) != header->block_crc) {
    step.text = "the block is not what was written (CRC32C)";
    return step;
  }
  step.kind = Step::Kind::frame;
  offset_ = frame_end;
  return step;
}

Result<std::optional<Height>> FrameReader::skip_to_header(std::uint64_t from, Height above,
                                                          Height through) {
  std::string magic;
  append_le(magic, kFrameMagic);
  offset_ = from;
  while (offset_ + kFrameHeaderBytes <= end_) {
    const auto octets = view(offset_, kFrameHeaderBytes);
    if (!octets) return octets.error();
    const std::size_t found = octets->find(magic);
    if (found == std::string_view::npos) {
      // The magic may straddle two pieces.
      offset_ += octets->size() - std::min(octets->size() - 1, magic.size() - 1);
      continue;
    }
    offset_ += found;
    const auto candidate = view(offset_, kFrameHeaderBytes);
    if (!candidate) return candidate.error();
    const auto header = decode_frame_header(*candidate);
    if (header && header->height > above && header->height <= through) {
      return std::optional(header->height);
    }
    ++offset_;
  }
  offset_ = end_;
  return std::optional<Height>();
}

Result<bool> FrameReader::has_unwritten_sector(std::uint64_t frame_end) {
  for (std::uint64_t at = offset_; at < frame_end;) {
    // A sector that a power loss took is zero to its end, beyond this frame too.
    const std::uint64_t sector_end =
        std::min<std::uint64_t>((at / kSectorBytes + 1) * kSectorBytes, end_);
    const auto octets = view(at, sector_end - at);
    if (!octets) return octets.error();
    if (octets->substr(0, sector_end - at).find_first_not_of('\0') == std::string_view::npos) {
      return true;
    }
    at = sector_end;
  }
  return false;
}

}  // namespace paxledger::storage
