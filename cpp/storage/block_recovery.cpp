#include "storage/block_recovery.hpp"

#include <algorithm>
#include <utility>

#include "ledger/block.hpp"

namespace paxledger::storage {

namespace {

constexpr std::uint64_t kProgressStep = std::uint64_t{4} << 20;
// No frame is smaller; bounds how many blocks a run of octets can hold.
constexpr std::uint64_t kFrameBytesMin = kFrameHeaderBytes + ledger::kHeaderBytes;

}  // namespace

BlockRecovery::BlockRecovery(Disk& disk, const BlockPlace& place, Height known_durable,
                             const BlockConsumer& consume, const Progress& progress,
                             std::uint64_t stride)
    : disk_(disk),
      place_(place),
      known_durable_(known_durable),
      consume_(consume),
      progress_(progress),
      stride_(stride),
      hash_(ledger::genesis(place.cluster)) {}

std::string BlockRecovery::path_of(Height first) const {
  return place_.directory + "/" + block_file_name(first);
}

Result<BlockRecovery::Outcome> BlockRecovery::run() {
  auto firsts = list_block_files(disk_, place_.directory);
  if (!firsts) return firsts.error();
  firsts_ = std::move(*firsts);
  for (const Height first : firsts_) {
    auto file = disk_.open(path_of(first), Disk::Access::read);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    sizes_.push_back(*size);
    total_ += *size;
  }
  for (std::size_t i = 0; i < firsts_.size() && outcome_.rest == Outcome::Rest::none; ++i) {
    const auto read = read_file(i);
    if (!read) return read.error();
  }
  const Height height = outcome_.height;
  outcome_.known_through = std::max({outcome_.known_through, height, known_durable_});
  if (outcome_.rest == Outcome::Rest::damaged) {
    const auto looked = look_beyond();
    if (!looked) return looked.error();
  } else if (height < known_durable_) {
    // Nothing is wrong with what is there, but the log knows of more.
    const std::string missing = "the blocks " + std::to_string(height.value() + 1) + " to " +
                                std::to_string(known_durable_.value()) +
                                " are missing from the end of " +
                                (firsts_.empty() ? place_.directory : path_of(firsts_.back()));
    outcome_.text += (outcome_.text.empty() ? "" : "; ") + missing;
    outcome_.rest = Outcome::Rest::damaged;
    if (outcome_.rest_offset == 0 && !outcome_.files.empty()) {
      outcome_.rest_file = outcome_.files.back().first;
      outcome_.rest_offset = outcome_.files.back().end;
    }
  }
  if (progress_) progress_(total_, total_);
  return std::move(outcome_);
}

void BlockRecovery::stop(Outcome::Rest rest, const std::string& path, std::uint64_t offset,
                         const std::string& what) {
  outcome_.rest = rest;
  outcome_.text = path + " at offset " + std::to_string(offset) + ", height " +
                  std::to_string(outcome_.height.value() + 1) + ": " + what;
}

void BlockRecovery::report_progress(std::uint64_t done_in_file) {
  const std::uint64_t done = done_before_ + done_in_file;
  if (!progress_ || done - reported_ < kProgressStep) return;
  reported_ = done;
  progress_(done, total_);
}

Result<void> BlockRecovery::read_file(std::size_t index) {
  const Height first = firsts_[index];
  const bool last = index + 1 == firsts_.size();
  outcome_.rest_file = first;
  outcome_.rest_offset = 0;
  if (first != outcome_.height.next()) {
    // The file of the missing blocks is not there, so the message names the one that is.
    stop(Outcome::Rest::damaged, path_of(first), 0,
         first > outcome_.height
             ? "the blocks " + std::to_string(outcome_.height.value() + 1) + " to " +
                   std::to_string(first.value() - 1) + " before this file are missing"
             : "the file repeats heights of the file before it");
    return {};
  }
  auto file = disk_.open(path_of(first), Disk::Access::read);
  if (!file) return file.error();
  FrameReader reader(**file, path_of(first), sizes_[index]);
  auto headed = check_header(reader, last);
  if (!headed || outcome_.rest != Outcome::Rest::none) return headed;
  outcome_.files.push_back({first, FrameIndex(stride_), reader.offset()});
  auto read = read_frames(reader, last);
  done_before_ += sizes_[index];
  return read;
}

Result<void> BlockRecovery::check_header(FrameReader& reader, bool last) {
  const Height first = outcome_.rest_file;
  const std::string path = path_of(first);
  const auto header = reader.read_header();
  if (!header) {
    if (header.error().code == ErrorCode::io) return header.error();
    if (header.error().code == ErrorCode::configuration) {
      return Error{ErrorCode::configuration, path + ": " + header.error().message};
    }
    bool torn = last && first > known_durable_;
    if (torn && reader.end() >= kBlockFileHeaderBytes) {
      const auto unwritten =
          reader.has_unwritten_sector(std::min<std::uint64_t>(reader.end(), kBlockFileHeaderBytes));
      if (!unwritten) return unwritten.error();
      torn = *unwritten;
    }
    stop(torn ? Outcome::Rest::torn : Outcome::Rest::damaged, path, 0, header.error().message);
    return {};
  }
  if (header->cluster != place_.cluster) {
    stop(Outcome::Rest::damaged, path, 0, "the file belongs to another cluster");
  } else if (header->first != first) {
    stop(Outcome::Rest::damaged, path, 0,
         "the file's header names height " + std::to_string(header->first.value()));
  } else if (header->previous != hash_) {
    stop(Outcome::Rest::damaged, path, 0,
         "the file goes on from block hash " + header->previous.hex() +
             ", but the block before has " + hash_.hex());
  }
  return {};
}

Result<void> BlockRecovery::read_frames(FrameReader& reader, bool last) {
  for (;;) {
    const std::uint64_t offset = reader.offset();
    const auto step = reader.next(outcome_.height.next());
    if (!step) return step.error();
    if (step->kind == FrameReader::Step::Kind::end) return {};
    if (step->kind != FrameReader::Step::Kind::frame) return judge(reader, *step, last);
    const auto refused = take_block(step->block);
    if (!refused) return refused.error();
    GoodFile& file = outcome_.files.back();
    if (!refused->empty()) {
      outcome_.rest_offset = offset;
      stop(Outcome::Rest::damaged, path_of(file.first), offset, *refused);
      return {};
    }
    file.frames.add(offset);
    file.end = reader.offset();
    outcome_.height = outcome_.height.next();
    report_progress(reader.offset());
  }
}

// Gives what is wrong with the block, or nothing.
Result<std::string> BlockRecovery::take_block(std::string_view octets) {
  // A copy of its own: the state machine may keep slices of it for long.
  const auto block = ledger::decode_block(SharedBytes::copy_of(octets));
  if (!block) return block.error().message;
  if (block->header.height != outcome_.height.next()) {
    return "the block's own height is " + std::to_string(block->header.height.value());
  }
  if (block->header.previous != hash_) {
    return "the block links to " + block->header.previous.hex() + ", but the block before has " +
           hash_.hex();
  }
  if (consume_) {
    const auto consumed = consume_(*block);
    if (!consumed) return consumed.error().message;
  }
  hash_ = block->hash;
  return std::string();
}

Result<void> BlockRecovery::judge(FrameReader& reader, const FrameReader::Step& step, bool last) {
  outcome_.rest_offset = reader.offset();
  bool torn = last && outcome_.height.next() > known_durable_;
  if (torn && step.kind == FrameReader::Step::Kind::damaged) {
    const auto unwritten = reader.has_unwritten_sector(step.frame_end);
    if (!unwritten) return unwritten.error();
    torn = *unwritten;
  }
  stop(torn ? Outcome::Rest::torn : Outcome::Rest::damaged, path_of(outcome_.rest_file),
       reader.offset(), step.text);
  return {};
}

// After damage: how far did the blocks reach before?
Result<void> BlockRecovery::look_beyond() {
  const Height bound = outcome_.height.plus(total_ / kFrameBytesMin + 1);
  Height above = outcome_.height;
  for (std::size_t i = 0; i < firsts_.size(); ++i) {
    if (firsts_[i] < outcome_.rest_file) continue;
    if (firsts_[i] > above && firsts_[i] <= bound) above = Height(firsts_[i].value() - 1);
    auto file = disk_.open(path_of(firsts_[i]), Disk::Access::read);
    if (!file) return file.error();
    FrameReader reader(**file, path_of(firsts_[i]), sizes_[i]);
    std::uint64_t from = firsts_[i] == outcome_.rest_file ? outcome_.rest_offset : 0;
    for (;;) {
      const auto found = reader.skip_to_header(from, above, bound);
      if (!found) return found.error();
      if (!*found) break;
      above = **found;
      from = reader.offset() + kFrameHeaderBytes;
    }
  }
  // The damaged block itself was there too.
  outcome_.known_through = std::max({outcome_.known_through, above, outcome_.height.next()});
  return {};
}

}  // namespace paxledger::storage
