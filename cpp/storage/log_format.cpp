#include "storage/log_format.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/invariant.hpp"
#include "storage/crc32c.hpp"
#include "wire/log_record.hpp"

namespace paxledger::storage {

namespace {

constexpr std::string_view kSegmentSuffix = ".log";
constexpr std::size_t kNameDigits = 20;
constexpr std::size_t kHeaderCrcAt = 24;
constexpr std::size_t kTrimBytes = 24;

Error damaged(std::string message) {
  return {ErrorCode::damaged, std::move(message)};
}

}  // namespace

std::string segment_name(std::uint64_t first_sequence) {
  const std::string digits = std::to_string(first_sequence);
  return std::string(kNameDigits - digits.size(), '0') + digits + std::string(kSegmentSuffix);
}

std::optional<std::uint64_t> parse_segment_name(std::string_view name) {
  if (name.size() != kNameDigits + kSegmentSuffix.size()) return std::nullopt;
  if (name.substr(kNameDigits) != kSegmentSuffix) return std::nullopt;
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kNameDigits, sequence);
  if (error != std::errc{} || end != name.data() + kNameDigits) return std::nullopt;
  return sequence;
}

std::string encode_batch(BatchKind kind, std::uint64_t sequence, std::string_view payload) {
  invariant(payload.size() <= kBatchPayloadMax, "a batch is within its limit");
  std::string header;
  header.reserve(kBatchHeaderBytes);
  append_le(header, kBatchMagic);
  append_le(header, static_cast<std::uint8_t>(kind));
  header.append(3, '\0');
  append_le(header, static_cast<std::uint32_t>(payload.size()));
  append_le(header, sequence);
  append_le(header, crc32c(payload));
  append_le(header, crc32c(header));

  const std::uint64_t sectors = sectors_for(payload.size());
  std::string out(sectors * kSectorBytes, '\0');
  const std::size_t beside_header = std::min(payload.size(), kSectorContentBytes - header.size());
  std::copy(header.begin(), header.end(), out.begin());
  std::copy_n(payload.data(), beside_header, out.data() + header.size());
  payload.remove_prefix(beside_header);
  for (std::uint64_t sector = 0; sector < sectors; ++sector) {
    char* const start = out.data() + sector * kSectorBytes;
    if (sector > 0) {
      const std::size_t count = std::min(payload.size(), kSectorContentBytes);
      std::copy_n(payload.data(), count, start);
      payload.remove_prefix(count);
    }
    start[kSectorContentBytes] = kSectorMark;
  }
  return out;
}

std::optional<BatchHeader> decode_batch_header(std::string_view content) {
  if (content.size() < kBatchHeaderBytes) return std::nullopt;
  if (read_le<std::uint32_t>(content, 0) != kBatchMagic) return std::nullopt;
  if (read_le<std::uint32_t>(content, kHeaderCrcAt) != crc32c(content.substr(0, kHeaderCrcAt))) {
    return std::nullopt;
  }
  const auto kind = read_le<std::uint8_t>(content, 4);
  if (kind < 1 || kind > 4) return std::nullopt;
  BatchHeader header;
  header.kind = static_cast<BatchKind>(kind);
  header.payload_length = read_le<std::uint32_t>(content, 8);
  header.sequence = read_le<std::uint64_t>(content, 12);
  header.payload_crc = read_le<std::uint32_t>(content, 20);
  return header;
}

std::string join_sectors(std::string_view sectors) {
  std::string content;
  content.reserve(sectors.size());
  while (sectors.size() >= kSectorBytes) {
    content += sectors.substr(0, kSectorContentBytes);
    sectors.remove_prefix(kSectorBytes);
  }
  return content;
}

void append_records(std::string& payload, std::span<const paxos::DurableRecord> records) {
  for (const paxos::DurableRecord& record : records) {
    const std::size_t length_at = payload.size();
    append_le(payload, std::uint32_t{0});
    wire::append_log_record(payload, record);
    std::string length;
    append_le(length, static_cast<std::uint32_t>(payload.size() - length_at - 4));
    std::copy(length.begin(), length.end(),
              payload.begin() + static_cast<std::ptrdiff_t>(length_at));
  }
}

Result<std::vector<paxos::DurableRecord>> decode_records(const SharedBytes& payload) {
  std::vector<paxos::DurableRecord> records;
  std::size_t offset = 0;
  while (offset < payload.size()) {
    if (payload.size() - offset < 4) return damaged("a record's length is cut short");
    const auto length = read_le<std::uint32_t>(payload.view(), offset);
    offset += 4;
    if (length > payload.size() - offset) return damaged("a record is longer than its batch");
    auto record = wire::decode_log_record(payload.slice(offset, length));
    if (!record) return record.error();
    records.push_back(std::move(*record));
    offset += length;
  }
  return records;
}

std::string encode_segment_header(const SegmentHeader& header) {
  std::string payload;
  append_le(payload, header.format_version);
  append_le(payload, static_cast<std::uint8_t>(header.origin));
  append_le(payload, std::uint8_t{0});
  append_le(payload, header.node.value());
  append_le(payload, header.cluster.value());
  append_le(payload, header.segment_bytes);
  append_le(payload, header.begin);
  append_le(payload, header.complete_above.value());
  append_le(payload, header.blocks_through.value());
  append_records(payload, header.small_state);
  return payload;
}

Result<SegmentHeader> decode_segment_header(const SharedBytes& payload) {
  const std::string_view view = payload.view();
  if (view.size() < 2) return damaged("the segment header is cut short");
  SegmentHeader header;
  header.format_version = read_le<std::uint16_t>(view, 0);
  if (header.format_version > kLogFormatVersion) {
    return Error{ErrorCode::configuration, "log format " + std::to_string(header.format_version) +
                                               " is newer than this program, which reads up to " +
                                               std::to_string(kLogFormatVersion)};
  }
  if (view.size() < kSegmentHeaderFixedBytes) return damaged("the segment header is cut short");
  const auto origin = read_le<std::uint8_t>(view, 2);
  if (origin > 3 || view[3] != '\0') return damaged("the segment header is not one of format 1");
  header.origin = static_cast<SegmentOrigin>(origin);
  header.node = NodeId(read_le<std::uint32_t>(view, 4));
  header.cluster = ClusterId(read_le<std::uint64_t>(view, 8));
  header.segment_bytes = read_le<std::uint64_t>(view, 16);
  header.begin = read_le<std::uint64_t>(view, 24);
  header.complete_above = Slot(read_le<std::uint64_t>(view, 32));
  header.blocks_through = Height(read_le<std::uint64_t>(view, 40));
  auto records = decode_records(payload.slice(kSegmentHeaderFixedBytes));
  if (!records) return records.error();
  header.small_state = std::move(*records);
  return header;
}

std::string encode_trim(const TrimPayload& trim) {
  std::string payload;
  append_le(payload, trim.begin);
  append_le(payload, trim.complete_above.value());
  append_le(payload, trim.blocks_through.value());
  return payload;
}

Result<TrimPayload> decode_trim(std::string_view payload) {
  if (payload.size() != kTrimBytes) return damaged("a trim batch is not 24 octets long");
  return TrimPayload{read_le<std::uint64_t>(payload, 0), Slot(read_le<std::uint64_t>(payload, 8)),
                     Height(read_le<std::uint64_t>(payload, 16))};
}

}  // namespace paxledger::storage
