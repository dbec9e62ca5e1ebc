// The layout of log segments, to the octet. docs/reference/log-format.md explains it.
//
//   segment file := log/<sequence of its first batch, 20 digits>.log
//   segment      := sector*                             as long as its header says
//   sector       := content:octets[511] mark:u8         mark = 0xA5 once written, 0 before
//
//   A batch starts at a sector boundary and fills the contents of as many sectors as it needs; the
//   rest of its last content is zero. The segment's first batch is its header, its last sector is
//   kept for the seal; the sectors not written yet are zero throughout.
//
//   batch        := magic:u32 kind:u8 reserved:octets[3] payload_length:u32 sequence:u64
//                   payload_crc:u32 header_crc:u32 payload:octets[payload_length]
//   magic        := "PXLB"
//   kind         := 1 segment header | 2 records | 3 trim | 4 seal
//   payload_crc  := CRC32C of the payload
//   header_crc   := CRC32C of the 24 octets from magic to payload_crc
//
//   segment header payload := format_version:u16 origin:u8 reserved:u8 node:u32 cluster:u64
//                             segment_bytes:u64 begin:u64 complete_above:u64 blocks_through:u64
//                             records
//   records payload        := records
//   trim payload           := begin:u64 complete_above:u64 blocks_through:u64
//   seal payload           := first:u64                 sequence of this segment's header
//
//   records := { length:u32 record:octets[length] }*    record: wire/log_record.hpp
//
// All integers are little-endian. Sequences count the batches of a log, headers and trims included,
// without a gap; a seal carries the sequence of the next segment's header and does not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "storage/disk.hpp"
#include "wire/log_record.hpp"

namespace paxledger::storage {

inline constexpr std::uint16_t kLogFormatVersion = 1;
inline constexpr std::size_t kSectorContentBytes = kSectorBytes - 1;
inline constexpr char kSectorMark = '\xA5';
inline constexpr std::uint32_t kBatchMagic = 0x424C5850;  // "PXLB"
inline constexpr std::size_t kBatchHeaderBytes = 28;
inline constexpr std::size_t kSegmentHeaderFixedBytes = 48;
inline constexpr std::uint64_t kBatchPayloadMax = std::uint64_t{1} << 30;

enum class BatchKind : std::uint8_t { segment_header = 1, records = 2, trim = 3, seal = 4 };

// How a segment came to be.
enum class SegmentOrigin : std::uint8_t {
  rotated = 0,       // goes on from the segment before
  initialised = 1,   // the first one of a new node
  rejoined = 2,      // the first one of a node that lost its disk
  started_over = 3,  // the first one after damage; what was before stands in set-aside
};

struct BatchHeader {
  BatchKind kind = BatchKind::records;
  std::uint32_t payload_length = 0;
  std::uint64_t sequence = 0;
  std::uint32_t payload_crc = 0;
};

struct SegmentHeader {
  std::uint16_t format_version = kLogFormatVersion;
  SegmentOrigin origin = SegmentOrigin::rotated;
  NodeId node;
  ClusterId cluster;
  std::uint64_t segment_bytes = 0;
  std::uint64_t begin = 0;  // sequence of the oldest segment that still counts
  Slot complete_above;
  Height blocks_through;
  std::vector<paxos::DurableRecord> small_state;
};

struct TrimPayload {
  std::uint64_t begin = 0;
  Slot complete_above;
  Height blocks_through;
};

[[nodiscard]] std::string segment_name(std::uint64_t first_sequence);
// Nothing if `name` is not the name of a segment.
[[nodiscard]] std::optional<std::uint64_t> parse_segment_name(std::string_view name);

// The sectors that a batch with such a payload takes.
[[nodiscard]] constexpr std::uint64_t sectors_for(std::uint64_t payload_bytes) {
  return (kBatchHeaderBytes + payload_bytes + kSectorContentBytes - 1) / kSectorContentBytes;
}

// A batch as it stands on disk: whole sectors, marked.
[[nodiscard]] std::string encode_batch(BatchKind kind, std::uint64_t sequence,
                                       std::string_view payload);
// The header of a batch that starts with this content, if its header_crc says that it is intact.
[[nodiscard]] std::optional<BatchHeader> decode_batch_header(std::string_view content);
// The contents of `sectors` (a whole number of them) put together, without the marks.
[[nodiscard]] std::string join_sectors(std::string_view sectors);

void append_records(std::string& payload, std::span<const paxos::DurableRecord> records);
[[nodiscard]] Result<std::vector<paxos::DurableRecord>> decode_records(const SharedBytes& payload);

[[nodiscard]] std::string encode_segment_header(const SegmentHeader& header);
// Errors: damaged; configuration for a newer format.
[[nodiscard]] Result<SegmentHeader> decode_segment_header(const SharedBytes& payload);
[[nodiscard]] std::string encode_trim(const TrimPayload& trim);
[[nodiscard]] Result<TrimPayload> decode_trim(std::string_view payload);

}  // namespace paxledger::storage
