#include "storage/log_scan.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "storage/crc32c.hpp"

namespace paxledger::storage {

namespace {

std::string_view content_of(std::string_view sector) {
  return sector.substr(0, kSectorContentBytes);
}
bool is_marked(std::string_view sector) {
  return sector[kSectorContentBytes] == kSectorMark;
}
bool is_zero(std::string_view octets) {
  return octets.find_first_not_of('\0') == std::string_view::npos;
}

// Where the batches of a segment end at the latest: its last sector is the seal's.
std::uint64_t limit_of(std::string_view data) {
  return data.size() < kSectorBytes ? 0 : data.size() - kSectorBytes;
}

Result<std::string> read_whole(Disk& disk, const std::string& path) {
  auto file = disk.open(path, Disk::Access::read);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  std::string octets(*size, '\0');
  const auto count = (*file)->read_at(0, octets);
  if (!count) return count.error();
  octets.resize(*count);
  return octets;
}

// A batch whose checksums are right.
struct IntactBatch {
  BatchHeader header;
  SharedBytes payload;
  std::uint64_t sectors = 0;
  bool clean = true;  // all marks stand and the padding is zero
};

// The intact batch at `offset`, which ends at `limit` at the latest.
std::optional<IntactBatch> batch_at(std::string_view data, std::uint64_t offset,
                                    std::uint64_t limit) {
  if (offset + kSectorBytes > limit) return std::nullopt;
  const auto header = decode_batch_header(content_of(data.substr(offset, kSectorBytes)));
  if (!header) return std::nullopt;
  IntactBatch batch;
  batch.header = *header;
  batch.sectors = sectors_for(header->payload_length);
  if (batch.sectors * kSectorBytes > limit - offset) return std::nullopt;
  const std::string_view sectors = data.substr(offset, batch.sectors * kSectorBytes);
  std::string content = join_sectors(sectors);
  const std::size_t end = kBatchHeaderBytes + header->payload_length;
  batch.clean = is_zero(std::string_view(content).substr(end));
  for (std::uint64_t at = 0; at < sectors.size(); at += kSectorBytes) {
    batch.clean = batch.clean && is_marked(sectors.substr(at, kSectorBytes));
  }
  content.resize(end);
  batch.payload = SharedBytes(std::move(content)).slice(kBatchHeaderBytes);
  if (crc32c(batch.payload.view()) != header->payload_crc) return std::nullopt;
  return batch;
}

class Scanner {
 public:
  Scanner(Disk& disk, const LogPlace& place) : disk_(disk), place_(place) {}

  Result<LogScan> run() {
    const auto listed = list_segments();
    if (!listed) return listed.error();
    if (names_.empty()) {
      damage(place_.directory, 0, "the log " + place_.directory + " has no segment");
      return finish();
    }
    const auto begun = find_begin();
    if (!begun) return begun.error();
    for (std::size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] < begin_) continue;  // trimmed, or from before a new beginning
      const auto scanned = scan_segment(i);
      if (!scanned) return scanned.error();
    }
    return finish();
  }

 private:
  std::string path_of(std::uint64_t first) const {
    return place_.directory + "/" + segment_name(first);
  }

  void damage(const std::string& file, std::uint64_t offset, std::string text) {
    scan_.damages.push_back({file, offset, std::move(text)});
  }
  void notice(Notice::Level level, std::string text) {
    scan_.report.notices.push_back({level, std::move(text)});
  }
  [[nodiscard]] bool is_damaged() const { return !scan_.damages.empty(); }
  // What is wrong with one segment says nothing about the batches of another.
  [[nodiscard]] bool is_segment_damaged() const {
    return scan_.damages.size() > damages_before_segment_;
  }

  // "FILE at offset N: ".
  static std::string where(const std::string& file, std::uint64_t offset) {
    return file + " at offset " + std::to_string(offset) + ": ";
  }
  [[nodiscard]] std::string reach() const {
    return slot_max_ == Slot(0)
               ? "; no acceptance stands before it"
               : "; the acceptances before it reach slot " + std::to_string(slot_max_.value());
  }

  Result<void> list_segments() {
    const auto names = disk_.list(place_.directory);
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (const auto sequence = parse_segment_name(name)) {
        names_.push_back(*sequence);
        see(*sequence);
      }
    }
    std::sort(names_.begin(), names_.end());
    return {};
  }

  // The newest segment says where the log begins, by its header or a later trim batch.
  Result<void> find_begin() {
    begin_ = names_.front();
    const auto data = read_whole(disk_, path_of(names_.back()));
    if (!data) return data.error();
    std::uint64_t expected = names_.back();
    std::uint64_t skipped = 0;  // sectors; a batch cannot be further ahead than that
    for (std::uint64_t offset = 0; offset < data->size();) {
      const auto batch = batch_at(*data, offset, data->size());
      if (!batch || batch->header.sequence < expected ||
          batch->header.sequence > expected + skipped) {
        offset += kSectorBytes;
        ++skipped;
        continue;
      }
      if (batch->header.kind == BatchKind::segment_header) {
        const auto header = decode_segment_header(batch->payload);
        if (!header && header.error().code == ErrorCode::configuration) {
          return Error{header.error().code, path_of(names_.back()) + ": " + header.error().message};
        }
        if (header && skipped == 0) begin_ = header->begin;
      } else if (batch->header.kind == BatchKind::trim) {
        const auto trim = decode_trim(batch->payload.view());
        // Beyond something that is not intact a batch proves little: it may only explain why
        // older segments are gone, not make any that are there count for nothing.
        if (trim && (skipped == 0 || trim->begin <= names_.front())) begin_ = trim->begin;
      }
      expected = batch->header.sequence + 1;
      offset += batch->sectors * kSectorBytes;
    }
    return {};
  }

  // Reads segment number `index` of names_ and goes on with the state.
  Result<void> scan_segment(std::size_t index) {
    const std::uint64_t first = names_[index];
    const std::string path = path_of(first);
    const std::uint64_t expected = scan_.segments.empty() ? begin_ : scan_.next_sequence;
    // After damage the chain of sequences is broken already; more would only repeat it.
    if (first != expected && !is_damaged()) {
      damage(path_of(expected), 0,
             "no segment in " + place_.directory + " holds the batches " +
                 std::to_string(expected) + " to " + std::to_string(first - 1) + ", and " +
                 segment_name(first) + " goes on after them" + reach());
    }
    auto data = read_whole(disk_, path);
    if (!data) return data.error();
    damages_before_segment_ = scan_.damages.size();
    if (data->size() % kSectorBytes != 0) {
      damage(path, data->size(), path + " was cut short at offset " + std::to_string(data->size()));
      data->resize(data->size() / kSectorBytes * kSectorBytes);
    }
    ScannedSegment segment;
    segment.first = first;
    segment.bytes = data->size();
    scan_.next_sequence = first;
    const auto headed = take_header(path, *data, segment);
    if (!headed) return headed.error();
    take_batches(path, *data, segment);
    judge_rest(path, *data, segment, index);
    scan_.segments.push_back(segment);
    return {};
  }

  Result<void> take_header(const std::string& path, std::string_view data,
                           ScannedSegment& segment) {
    const auto batch = batch_at(data, 0, limit_of(data));
    if (!batch || batch->header.kind != BatchKind::segment_header ||
        batch->header.sequence != segment.first) {
      damage(path, 0, where(path, 0) + "the segment's header is damaged" + reach());
      return {};
    }
    const auto header = decode_segment_header(batch->payload);
    if (!header) {
      const std::string text = where(path, 0) + header.error().message;
      if (header.error().code == ErrorCode::configuration) {
        return Error{ErrorCode::configuration, text};
      }
      damage(path, 0, text);
      return {};
    }
    if (header->cluster != place_.cluster || header->node != place_.node) {
      damage(path, 0,
             where(path, 0) + "the segment is of node " + std::to_string(header->node.value()) +
                 " of cluster id " + std::to_string(header->cluster.value()) +
                 ", not of this directory");
      return {};
    }
    if (header->segment_bytes != data.size()) {
      damage(path, data.size(),
             path + " is " + std::to_string(data.size()) + " octets long, expected " +
                 std::to_string(header->segment_bytes) + reach());
    }
    segment.origin = header->origin;
    for (const auto& record : header->small_state) replay(record);
    take_trim({header->begin, header->complete_above, header->blocks_through});
    accept_batch(path, data, 0, *batch, segment);
    return {};
  }

  // Goes on from where the segment's intact batches end, while they are intact and in sequence.
  void take_batches(const std::string& path, std::string_view data, ScannedSegment& segment) {
    const std::uint64_t limit = limit_of(data);
    while (segment.end > 0) {
      const auto batch = batch_at(data, segment.end, limit);
      if (!batch || batch->header.sequence != scan_.next_sequence) return;
      const std::uint64_t offset = segment.end;
      const Result<void> taken = take_payload(*batch, segment);
      if (!taken) {
        damage(path, offset, where(path, offset) + taken.error().message + reach());
        return;
      }
      accept_batch(path, data, offset, *batch, segment);
    }
  }

  Result<void> take_payload(const IntactBatch& batch, ScannedSegment& segment) {
    if (batch.header.kind == BatchKind::trim) {
      const auto trim = decode_trim(batch.payload.view());
      if (!trim) return trim.error();
      take_trim(*trim);
      return {};
    }
    if (batch.header.kind != BatchKind::records) {
      return Error{ErrorCode::damaged, "a batch of this kind does not stand here"};
    }
    const auto records = decode_records(batch.payload);
    if (!records) return records.error();
    for (const auto& record : *records) {
      replay(record);
      if (const auto* accept = std::get_if<paxos::AcceptRecord>(&record)) {
        segment.slot_max = std::max(segment.slot_max, accept->slot);
        slot_max_ = std::max(slot_max_, accept->slot);
      }
    }
    return {};
  }

  void replay(const paxos::DurableRecord& record) { scan_.report.state.replay(record); }
  void take_trim(const TrimPayload& trim) {
    auto& report = scan_.report;
    report.complete_above = std::max(report.complete_above, trim.complete_above);
    report.blocks_through = std::max(report.blocks_through, trim.blocks_through);
  }

  void accept_batch(const std::string& path, std::string_view data, std::uint64_t offset,
                    const IntactBatch& batch, ScannedSegment& segment) {
    const std::uint64_t bytes = batch.sectors * kSectorBytes;
    segment.end = offset + bytes;
    scan_.next_sequence = batch.header.sequence + 1;
    see(batch.header.sequence);
    last_ = data.substr(offset, bytes);
    if (!batch.clean) {
      notice(Notice::Level::warning, where(path, offset) + "unused octets of batch " +
                                         std::to_string(batch.header.sequence) +
                                         " are not what was written; its records are intact");
      last_ = encode_batch(batch.header.kind, batch.header.sequence, batch.payload.view());
    }
    scan_.last_batch_offset = offset;
  }

  void see(std::uint64_t sequence) {
    scan_.report.sequence_max = std::max(scan_.report.sequence_max, sequence);
  }

  // Says what follows the intact batches of a segment: nothing, a torn tail, or damage.
  void judge_rest(const std::string& path, std::string_view data, ScannedSegment& segment,
                  std::size_t index) {
    const bool newest = index + 1 == names_.size();
    const std::uint64_t next = scan_.next_sequence;
    judge_seal(path, data, segment, newest);
    if (is_segment_damaged()) {
      salvage(data, segment);
      return;
    }
    const std::uint64_t limit = limit_of(data);
    const std::string_view rest = data.substr(segment.end, limit - segment.end);
    const std::size_t first_used = rest.find_first_not_of('\0');
    if (first_used == std::string_view::npos) return;
    if (const auto later = later_sequence(data, segment)) {
      damage(path, segment.end,
             where(path, segment.end) + "batch " + std::to_string(next) +
                 " is damaged, for batch " + std::to_string(*later) + " after it was written" +
                 reach());
      salvage(data, segment);
      return;
    }
    // A later segment that goes on with `next` proves that no batch was ever written here; one that
    // goes on after it, that this batch was acknowledged.
    if (!newest && names_[index + 1] > next) {
      damage(path, segment.end,
             where(path, segment.end) + "batch " + std::to_string(next) + " is damaged, for " +
                 segment_name(names_[index + 1]) + " goes on after it" + reach());
      salvage(data, segment);
      return;
    }
    const std::string_view sector = rest.substr(0, kSectorBytes);
    const bool closed = !newest;
    if (!closed && !is_torn(data, segment)) {
      damage(path, segment.end,
             where(path, segment.end) + "batch " + std::to_string(next) +
                 " was written completely and is damaged" + reach());
      salvage(data, segment);
      return;
    }
    const bool seal_dirty = segment.dirty_bytes > 0;
    segment.dirty_offset = segment.end + first_used / kSectorBytes * kSectorBytes;
    const std::size_t last_used = rest.find_last_not_of('\0');
    const std::uint64_t dirty_end =
        seal_dirty ? data.size() : segment.end + (last_used / kSectorBytes + 1) * kSectorBytes;
    segment.dirty_bytes = dirty_end - segment.dirty_offset;
    const bool begun = !closed && !is_zero(sector);
    notice(Notice::Level::warning,
           where(path, segment.dirty_offset) +
               (begun ? "batch " + std::to_string(next) +
                            " was not completely written before a crash; this torn tail promised "
                            "nothing and is cut off"
                      : std::string("octets that are not zero stand where no batch was completely "
                                    "written; they are written over with zeros")));
  }

  // Rule 2 of the file comment, for the newest segment. Precondition: something after segment.end
  // is not zero, and nothing later is intact.
  static bool is_torn(std::string_view data, const ScannedSegment& segment) {
    const std::uint64_t limit = limit_of(data);
    const std::string_view sector = data.substr(segment.end, kSectorBytes);
    const auto header = decode_batch_header(content_of(sector));
    // Without its header the extent of the batch is not known, but its first sector is.
    if (!header) return !is_marked(sector);
    const std::uint64_t bytes = sectors_for(header->payload_length) * kSectorBytes;
    if (bytes > limit - segment.end) return false;
    for (std::uint64_t at = segment.end; at < segment.end + bytes; at += kSectorBytes) {
      if (!is_marked(data.substr(at, kSectorBytes))) return true;
    }
    return false;
  }

  // A seal says that the next segment was durable and that this one is complete.
  void judge_seal(const std::string& path, std::string_view data, ScannedSegment& segment,
                  bool newest) {
    if (data.size() < 2 * kSectorBytes) return;
    const std::uint64_t offset = data.size() - kSectorBytes;
    const std::string_view sector = data.substr(offset);
    const std::uint64_t next = scan_.next_sequence;
    const auto seal = batch_at(data, offset, data.size());
    if (seal && seal->header.kind == BatchKind::seal) {
      see(seal->header.sequence - 1);
      segment.sealed = seal->header.sequence == next && seal->clean;
      if (!seal->clean) {
        notice(Notice::Level::warning,
               where(path, offset) + "unused octets of the seal are not what was written");
      }
      if (is_segment_damaged()) return;
      if (seal->header.sequence > next) {
        damage(path, segment.end,
               where(path, segment.end) + "the batches " + std::to_string(next) + " to " +
                   std::to_string(seal->header.sequence - 1) + " are damaged or missing" + reach());
      } else if (seal->header.sequence == next && newest) {
        damage(path_of(next), 0, path_of(next) + " is missing: the log goes on there" + reach());
      } else if (seal->header.sequence < next) {
        damage(path, offset, where(path, offset) + "the segment's seal is not its own");
      }
      return;
    }
    if (is_zero(sector) || is_segment_damaged()) return;
    if (newest && is_marked(sector)) {
      damage(path, offset,
             where(path, offset) + "the segment's seal is damaged and no segment follows it");
      return;
    }
    notice(Notice::Level::warning, where(path, offset) +
                                       "the segment's seal is damaged; the next segment is there, "
                                       "so nothing is missing, and it is written anew");
    segment.sealed = false;
    if (newest) {
      segment.dirty_offset = offset;
      segment.dirty_bytes = kSectorBytes;
    }
  }

  // The sequence of an intact batch header above the next one, anywhere after segment.end.
  std::optional<std::uint64_t> later_sequence(std::string_view data,
                                              const ScannedSegment& segment) const {
    const std::uint64_t limit = limit_of(data);
    std::uint64_t from = segment.end;
    // What the batch in question holds is not searched: its values may hold anything.
    const auto header = decode_batch_header(content_of(data.substr(from, kSectorBytes)));
    if (header && header->sequence == scan_.next_sequence) {
      from += sectors_for(header->payload_length) * kSectorBytes;
    }
    for (std::uint64_t at = from; at + kSectorBytes <= limit; at += kSectorBytes) {
      const auto later = decode_batch_header(content_of(data.substr(at, kSectorBytes)));
      if (later && later->sequence > scan_.next_sequence) return later->sequence;
    }
    return std::nullopt;
  }

  // After damage: promises and generations that can still be read are kept, for the new log.
  void salvage(std::string_view data, ScannedSegment& segment) {
    std::uint64_t offset = segment.end;
    while (offset + kSectorBytes <= data.size()) {
      const auto batch = batch_at(data, offset, data.size());
      // A batch cannot be further ahead than there are sectors between.
      const std::uint64_t ahead = (offset - segment.end) / kSectorBytes;
      if (!batch || batch->header.sequence < scan_.next_sequence ||
          batch->header.sequence > scan_.next_sequence + ahead) {
        offset += kSectorBytes;
        continue;
      }
      if (batch->header.kind != BatchKind::seal) {
        (void)take_payload(*batch, segment);  // what cannot be read is lost anyway
        see(batch->header.sequence);
        scan_.next_sequence = batch->header.sequence + 1;
        segment.end = offset + batch->sectors * kSectorBytes;
      }
      offset += batch->sectors * kSectorBytes;
    }
  }

  Result<LogScan> finish() {
    LogReport& report = scan_.report;
    report.lost = is_damaged();
    for (const LogDamage& one : scan_.damages) {
      report.damage += (report.damage.empty() ? "" : "; ") + one.text;
    }
    if (report.lost) {
      report.state.accepted.clear();
      report.state.abstain = {};
    }
    scan_.last_batch = std::move(last_);
    return std::move(scan_);
  }

  Disk& disk_;
  const LogPlace& place_;
  LogScan scan_;
  std::vector<std::uint64_t> names_;
  std::uint64_t begin_ = 0;
  std::size_t damages_before_segment_ = 0;
  Slot slot_max_;
  std::string last_;
};

}  // namespace

Result<LogScan> scan_log(Disk& disk, const LogPlace& place) {
  return Scanner(disk, place).run();
}

}  // namespace paxledger::storage
