#include "storage/log.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/invariant.hpp"
#include "storage/directory.hpp"
#include "storage/log_scan.hpp"

namespace paxledger::storage {

namespace {

constexpr std::string_view kSpareName = "spare.new";
// What is made when no spare is ready; another name, for a spare may be in the making.
constexpr std::string_view kUnpreparedName = "segment.new";
// Zeros that are written and synced at once.
constexpr std::uint64_t kPreparedPieceBytes = std::uint64_t{256} << 10;
// How far a new beginning keeps from every sequence that may have been used before.
constexpr std::uint64_t kSequenceGap = 1'000'000;

// Makes `bytes` at `offset` zero. The marks go first, each by a change of one octet: whatever a
// crash leaves in between, no sector looks completely written that was not so before.
Result<void> write_zeros(Disk& disk, const std::string& path, std::uint64_t offset,
                         std::uint64_t bytes) {
  auto file = disk.open(path, Disk::Access::write);
  if (!file) return file.error();
  std::string octets(bytes, '\0');
  const auto count = (*file)->read_at(offset, octets);
  if (!count) return count.error();
  for (std::uint64_t at = kSectorContentBytes; at < bytes; at += kSectorBytes) octets[at] = '\0';
  for (int pass = 0; pass < 2; ++pass) {
    const auto written = (*file)->write_at(offset, octets);
    if (!written) return written.error();
    const auto synced = (*file)->sync();
    if (!synced) return synced.error();
    octets.assign(bytes, '\0');
  }
  return {};
}

Result<void> write_seal(File& file, std::uint64_t bytes, std::uint64_t first, std::uint64_t next) {
  std::string payload;
  append_le(payload, first);
  const auto written =
      file.write_at(bytes - kSectorBytes, encode_batch(BatchKind::seal, next, payload));
  if (!written) return written.error();
  return file.sync();
}

// Brings the files to what the scan made of them. Every step may be repeated after a crash.
Result<void> mend(Disk& disk, const LogPlace& place, const LogScan& scan) {
  for (std::size_t i = 0; i < scan.segments.size(); ++i) {
    const ScannedSegment& segment = scan.segments[i];
    const std::string path = place.directory + "/" + segment_name(segment.first);
    if (segment.dirty_bytes > 0) {
      const auto cleaned = write_zeros(disk, path, segment.dirty_offset, segment.dirty_bytes);
      if (!cleaned) return cleaned.error();
    }
    if (i + 1 < scan.segments.size() && !segment.sealed) {
      auto file = disk.open(path, Disk::Access::write);
      if (!file) return file.error();
      const auto sealed =
          write_seal(**file, segment.bytes, segment.first, scan.segments[i + 1].first);
      if (!sealed) return sealed.error();
    }
  }
  return {};
}

}  // namespace

Log::Log(Disk& disk, LogPlace place, LogOptions options)
    : disk_(disk), place_(std::move(place)), options_(options) {
  invariant(options_.segment_bytes % kSectorBytes == 0 && options_.segment_bytes >= 8192,
            "a segment is a whole number of sectors and holds more than its header");
}

std::string Log::spare_path() const {
  return place_.directory + "/" + std::string(kSpareName);
}

Result<Log::Opened> Log::open(Disk& disk, const LogPlace& place, const LogOptions& options) {
  auto scan = scan_log(disk, place);
  if (!scan) return scan.error();
  Opened opened;
  opened.report = std::move(scan->report);
  if (opened.report.lost) return opened;

  // The newest segment may be there without being durable yet; a seal may only say what is.
  const auto settled = disk.sync_directory(place.directory);
  if (!settled) return settled.error();
  const auto mended = mend(disk, place, *scan);
  if (!mended) return mended.error();
  std::unique_ptr<Log> log(new Log(disk, place, options));
  for (const ScannedSegment& segment : scan->segments) {
    log->segments_.push_back({segment.first, segment.bytes, segment.slot_max});
  }
  log->next_sequence_ = scan->next_sequence;
  log->head_offset_ = scan->segments.back().end;
  log->complete_above_ = opened.report.complete_above;
  log->blocks_through_ = opened.report.blocks_through;
  log->small_.promised = opened.report.state.promised;
  log->small_.generations = opened.report.state.generations;
  log->small_.abstain = opened.report.state.abstain;
  auto head = disk.open(place.directory + "/" + segment_name(log->segments_.back().first),
                        Disk::Access::write);
  if (!head) return head.error();
  log->head_ = std::move(*head);
  // The process that wrote the last batch may have ended before, or because of, its sync. After a
  // failed sync the kernel may hold clean pages that the disk does not have, so that a sync alone
  // proves nothing: the batch is written again, octet for octet.
  const auto rewritten = log->head_->write_at(scan->last_batch_offset, scan->last_batch);
  if (!rewritten) return rewritten.error();
  const auto synced = log->head_->sync();
  if (!synced) return synced.error();
  const auto removed = scan->segments.front().origin == SegmentOrigin::rotated
                           ? log->remove_segments_before(scan->segments.front().first)
                           : log->set_aside_before(scan->segments.front().first);
  if (!removed) return removed.error();
  opened.log = std::move(log);
  return opened;
}

Result<std::unique_ptr<Log>> Log::start_over(Disk& disk, const LogPlace& place,
                                             const LogOptions& options, SegmentOrigin origin,
                                             const LogReport& found) {
  const auto names = disk.list(place.directory);
  if (!names) return names.error();
  std::uint64_t highest = found.sequence_max;
  for (const std::string& name : *names) {
    highest = std::max(highest, parse_segment_name(name).value_or(0));
  }
  std::unique_ptr<Log> log(new Log(disk, place, options));
  log->next_sequence_ = highest == 0 ? 1 : highest + kSequenceGap;
  log->small_.promised = found.state.promised;
  log->small_.generations = found.state.generations;
  if (origin != SegmentOrigin::initialised) log->small_.abstain = {Slot(0), true};
  log->blocks_through_ = found.blocks_through;
  const std::uint64_t begin = log->next_sequence_;
  // The new segment says that the log begins with it; from then on the old ones do not count, and
  // a crash before they are moved is made up for by open().
  const auto created = log->create_segment(options.segment_bytes, origin);
  if (!created) return created.error();
  const auto moved = log->set_aside_before(begin);
  if (!moved) return moved.error();
  return log;
}

Result<void> Log::fail(Error error) {
  failed_ = true;
  failure_ = error;
  return error;
}

void Log::remember(const paxos::DurableRecord& record) {
  if (const auto* accept = std::get_if<paxos::AcceptRecord>(&record)) {
    small_.replay(paxos::PromiseRecord{accept->ballot});
    segments_.back().slot_max = std::max(segments_.back().slot_max, accept->slot);
  } else {
    small_.replay(record);
  }
}

Result<void> Log::append(std::span<const paxos::DurableRecord> records) {
  if (failed_) return failure_;
  std::string payload;
  append_records(payload, records);
  if (payload.size() > kBatchPayloadMax) {
    return fail({ErrorCode::too_large, "a batch of the log holds at most 1 GiB"});
  }
  const auto written = write_batch(BatchKind::records, payload);
  if (!written) return written.error();
  for (const auto& record : records) remember(record);
  return {};
}

Result<void> Log::write_batch(BatchKind kind, std::string_view payload) {
  const std::uint64_t bytes = sectors_for(payload.size()) * kSectorBytes;
  if (head_offset_ + bytes > segments_.back().bytes - kSectorBytes) {
    const auto rotated = rotate(bytes);
    if (!rotated) return rotated.error();
  }
  const auto written = head_->write_at(head_offset_, encode_batch(kind, next_sequence_, payload));
  if (!written) return fail(written.error());
  const auto synced = head_->sync();
  if (!synced) return fail(synced.error());
  head_offset_ += bytes;
  ++next_sequence_;
  last_write_bytes_ = bytes;
  return {};
}

Result<void> Log::rotate(std::uint64_t bytes_needed) {
  // A batch that no ordinary segment holds gets one of its own size. The header is estimated
  // generously; it grows with the number of nodes only.
  const std::uint64_t overhead = 8 * kSectorBytes;
  const std::uint64_t bytes = std::max(options_.segment_bytes, bytes_needed + overhead);
  std::unique_ptr<File> closed = std::move(head_);
  const Segment before = segments_.back();
  const auto created = create_segment(bytes, SegmentOrigin::rotated);
  if (!created) return created.error();
  const auto sealed = write_seal(*closed, before.bytes, before.first, segments_.back().first);
  if (!sealed) return fail(sealed.error());
  return {};
}

Result<void> Log::create_segment(std::uint64_t bytes, SegmentOrigin origin) {
  std::string path = spare_path();
  if (spare_ready_ && bytes == options_.segment_bytes) {
    spare_ready_ = false;
  } else {
    path = place_.directory + "/" + std::string(kUnpreparedName);
    const auto prepared = prepare_spare(disk_, path, bytes);
    if (!prepared) return fail(prepared.error());
  }
  SegmentHeader header;
  header.origin = origin;
  header.node = place_.node;
  header.cluster = place_.cluster;
  header.segment_bytes = bytes;
  header.begin = segments_.empty() ? next_sequence_ : segments_.front().first;
  header.complete_above = complete_above_;
  header.blocks_through = blocks_through_;
  header.small_state.push_back(paxos::PromiseRecord{small_.promised});
  for (const auto& [node, generation] : small_.generations) {
    header.small_state.push_back(paxos::GenerationRecord{node, generation});
  }
  header.small_state.push_back(small_.abstain);
  const std::string octets =
      encode_batch(BatchKind::segment_header, next_sequence_, encode_segment_header(header));

  auto file = disk_.open(path, Disk::Access::write);
  if (!file) return fail(file.error());
  const auto written = (*file)->write_at(0, octets);
  if (!written) return fail(written.error());
  const auto synced = (*file)->sync();
  if (!synced) return fail(synced.error());
  file->reset();
  const std::string final_path = place_.directory + "/" + segment_name(next_sequence_);
  const auto renamed = disk_.rename(path, final_path);
  if (!renamed) return fail(renamed.error());
  const auto settled = disk_.sync_directory(place_.directory);
  if (!settled) return fail(settled.error());
  // Opened anew, so that later errors name the file as it is called now.
  auto head = disk_.open(final_path, Disk::Access::write);
  if (!head) return fail(head.error());
  head_ = std::move(*head);
  head_offset_ = octets.size();
  segments_.push_back({next_sequence_, bytes, Slot(0)});
  ++next_sequence_;
  return {};
}

Result<void> Log::trim(Height blocks_through) {
  if (failed_) return failure_;
  if (blocks_through <= blocks_through_) return {};
  std::size_t keep_from = 0;
  Slot complete_above = complete_above_;
  while (keep_from + 1 < segments_.size() &&
         segments_[keep_from].slot_max <= slot_of(blocks_through)) {
    complete_above = std::max(complete_above, segments_[keep_from].slot_max);
    ++keep_from;
  }
  // First the record that they do not count any more, then the files: a crash in between leaves
  // files that open() removes.
  const std::uint64_t begin = segments_[keep_from].first;
  const auto written =
      write_batch(BatchKind::trim, encode_trim({begin, complete_above, blocks_through}));
  if (!written) return written.error();
  complete_above_ = complete_above;
  blocks_through_ = blocks_through;
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<std::ptrdiff_t>(keep_from));
  return keep_from == 0 ? Result<void>() : remove_segments_before(begin);
}

Result<void> Log::remove_segments_before(std::uint64_t begin) {
  const auto old = segments_on_disk_before(begin);
  if (!old) return fail(old.error());
  if (old->empty()) return {};
  for (const std::string& name : *old) {
    const auto removed = disk_.remove(place_.directory + "/" + name);
    if (!removed) return fail(removed.error());
  }
  const auto settled = disk_.sync_directory(place_.directory);
  return settled ? settled : fail(settled.error());
}

Result<void> Log::set_aside_before(std::uint64_t begin) {
  const auto old = segments_on_disk_before(begin);
  if (!old) return fail(old.error());
  if (old->empty()) return {};
  for (const std::string& name : *old) {
    const auto moved = move_aside(disk_, place_.directory, name, place_.set_aside);
    if (!moved) return fail(moved.error());
  }
  // The new place first: a crash in between must not leave a file in neither.
  for (const std::string& directory : {place_.set_aside, place_.directory}) {
    const auto settled = disk_.sync_directory(directory);
    if (!settled) return fail(settled.error());
  }
  return {};
}

Result<std::vector<std::string>> Log::segments_on_disk_before(std::uint64_t begin) {
  auto names = disk_.list(place_.directory);
  if (!names) return names.error();
  std::erase_if(*names, [begin](const std::string& name) {
    const auto sequence = parse_segment_name(name);
    return !sequence || *sequence >= begin;
  });
  return names;
}

Result<void> prepare_spare(Disk& disk, const std::string& path, std::uint64_t bytes,
                           const std::function<void(std::uint64_t done)>& pace) {
  const auto there = disk.exists(path);
  if (!there) return there.error();
  if (*there) {
    const auto removed = disk.remove(path);
    if (!removed) return removed.error();
  }
  auto file = disk.open(path, Disk::Access::create);
  if (!file) return file.error();
  const auto reserved = (*file)->reserve(bytes);
  if (!reserved) return reserved.error();
  const std::string zeros(std::min(bytes, kPreparedPieceBytes), '\0');
  for (std::uint64_t done = 0; done < bytes;) {
    if (pace) pace(done);
    const auto piece =
        std::string_view(zeros).substr(0, std::min(kPreparedPieceBytes, bytes - done));
    const auto written = (*file)->write_at(done, piece);
    if (!written) return written.error();
    const auto synced = (*file)->sync();
    if (!synced) return synced.error();
    done += piece.size();
  }
  return {};
}

}  // namespace paxledger::storage
