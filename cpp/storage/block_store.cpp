#include "storage/block_store.hpp"

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "storage/block_file.hpp"
#include "storage/block_recovery.hpp"
#include "storage/crc32c.hpp"
#include "storage/directory.hpp"

namespace paxledger::storage {

namespace {

constexpr std::size_t kCopyBytes = std::size_t{4} << 20;
// What is read at least: mostly a frame or more.
constexpr std::size_t kReadBytesMin = std::size_t{4} << 10;
// So much is written before the disk is told to begin with it. Smaller pieces would be written more
// than once, for what is appended next changes their last page.
constexpr std::uint64_t kWritebackBytes = std::uint64_t{256} << 10;

// Calls `visit(offset, octets)` for the octets [from, to) of `file`, piece by piece.
template <class Visit>
Result<void> for_each_piece(File& file, std::uint64_t from, std::uint64_t to, Visit visit) {
  std::string piece;
  while (from < to) {
    piece.resize(std::min<std::uint64_t>(kCopyBytes, to - from));
    const auto count = file.read_at(from, piece);
    if (!count) return count.error();
    if (*count == 0) return {};
    const Result<void> visited = visit(from, std::string_view(piece).substr(0, *count));
    if (!visited) return visited.error();
    from += *count;
  }
  return {};
}

// Copies a file to `set_aside/name.N`, durably but for the directory entry.
Result<std::string> copy_aside(Disk& disk, const std::string& directory, const std::string& name,
                               const std::string& set_aside) {
  auto from = disk.open(directory + "/" + name, Disk::Access::read);
  if (!from) return from.error();
  const auto size = (*from)->size();
  if (!size) return size.error();
  auto path = path_aside(disk, name, set_aside);
  if (!path) return path.error();
  auto to = disk.open(*path, Disk::Access::create);
  if (!to) return to.error();
  const auto copied =
      for_each_piece(**from, 0, *size, [&](std::uint64_t offset, std::string_view octets) {
        return (*to)->write_at(offset, octets);
      });
  if (!copied) return copied.error();
  const auto synced = (*to)->sync();
  if (!synced) return synced.error();
  return path;
}

}  // namespace

BlockStore::BlockStore(Disk& disk, BlockPlace place, BlockStoreOptions options)
    : disk_(disk), place_(std::move(place)), options_(options) {
  invariant(options_.file_bytes + kBlockBytesMax < UINT32_MAX, "offsets fit into 32 bits");
}

Result<void> BlockStore::fail(Error error) {
  failed_ = true;
  failure_ = error;
  return error;
}

std::string BlockStore::path_of(Height first) const {
  return place_.directory + "/" + block_file_name(first);
}

Result<BlockStore::Opened> BlockStore::open(Disk& disk, const BlockPlace& place,
                                            const BlockStoreOptions& options, Height known_durable,
                                            const BlockConsumer& consume,
                                            const Progress& progress) {
  auto outcome = BlockRecovery(disk, place, known_durable, consume, progress).run();
  if (!outcome) return outcome.error();
  Opened opened;
  std::unique_ptr<BlockStore> store(new BlockStore(disk, place, options));
  for (auto& file : outcome->files) {
    store->files_.push_back({file.first, std::move(file.frames), file.end});
  }
  store->height_ = outcome->height;
  // If blocks are missing, those that are there may have come back since then. That all but the
  // newest of the known ones are synced where none is missing is what append() sees to.
  store->known_durable_ = known_durable;
  if (known_durable > Height(0) && outcome->height >= known_durable) {
    store->synced_ = Height(known_durable.value() - 1);
  }
  opened.report.known_through = outcome->known_through;
  using Rest = BlockRecovery::Outcome::Rest;
  if (outcome->rest == Rest::damaged) {
    opened.report.damage = outcome->text;
    opened.report.damaged_from = outcome->height.next();
    const auto moved =
        store->move_from(outcome->rest_file, outcome->rest_offset, opened.report.notices);
    if (!moved) return moved.error();
  } else if (outcome->rest == Rest::torn) {
    opened.report.notices.push_back(
        {Notice::Level::warning,
         outcome->text + "; the end of the file was not completely written before a crash and is "
                         "cut off"});
    const auto cut = store->cut_off(outcome->rest_file, outcome->rest_offset);
    if (!cut) return cut.error();
  }
  const auto headed = store->open_head();
  if (!headed) return headed.error();
  const auto written = store->write_unsynced_again();
  if (!written) return written.error();
  opened.store = std::move(store);
  return opened;
}

Result<void> BlockStore::cut_off(Height file_first, std::uint64_t offset) {
  const std::string path = path_of(file_first);
  if (offset < kBlockFileHeaderBytes) {
    const auto removed = disk_.remove(path);
    if (!removed) return removed.error();
    return disk_.sync_directory(place_.directory);
  }
  auto file = disk_.open(path, Disk::Access::write);
  if (!file) return file.error();
  const auto truncated = (*file)->truncate(offset);
  if (!truncated) return truncated.error();
  return (*file)->sync();
}

// Moves everything from `offset` of the file on to set-aside. Each step may be repeated after a
// crash: the good part stays in place until the copy of the whole is durable.
Result<void> BlockStore::move_from(Height file_first, std::uint64_t offset,
                                   std::vector<Notice>& notices) {
  auto firsts = list_block_files(disk_, place_.directory);
  if (!firsts) return firsts.error();
  const bool keeps_part = offset > kBlockFileHeaderBytes;
  std::string moved_to;
  for (auto first = firsts->rbegin(); first != firsts->rend(); ++first) {
    if (*first < file_first) break;
    const std::string name = block_file_name(*first);
    const bool splits = *first == file_first && keeps_part;
    if (splits && file_ends_at(*first, offset)) break;
    const auto moved = splits ? copy_aside(disk_, place_.directory, name, place_.set_aside)
                              : move_aside(disk_, place_.directory, name, place_.set_aside);
    if (!moved) return moved.error();
    moved_to += (moved_to.empty() ? "" : ", ") + *moved;
  }
  if (moved_to.empty()) return {};
  for (const std::string& directory : {place_.set_aside, place_.directory}) {
    const auto settled = disk_.sync_directory(directory);
    if (!settled) return settled.error();
  }
  if (keeps_part) {
    const auto cut = cut_off(file_first, offset);
    if (!cut) return cut.error();
  }
  while (!files_.empty() &&
         (files_.back().first > file_first || (files_.back().first == file_first && !keeps_part))) {
    files_.pop_back();
  }
  notices.push_back({Notice::Level::warning, "set aside as " + moved_to});
  return {};
}

bool BlockStore::file_ends_at(Height first, std::uint64_t offset) {
  auto file = disk_.open(path_of(first), Disk::Access::read);
  if (!file) return false;
  const auto size = (*file)->size();
  return size && *size <= offset;
}

Result<void> BlockStore::open_head() {
  head_.reset();
  if (files_.empty()) return {};
  auto file = disk_.open(path_of(files_.back().first), Disk::Access::write);
  if (!file) return file.error();
  head_ = std::move(*file);
  begun_through_ = files_.back().end;
  return {};
}

// What was appended after the last sync may be known to the kernel only, and after a failed sync
// the kernel may even think that the disk has it. Written again, it is certain to be part of the
// next sync. So it is with a file that was just begun: until one of its blocks is known to be
// synced, neither its header nor its directory entry is.
Result<void> BlockStore::write_unsynced_again() {
  if (files_.empty()) return {};
  const BlockFile& file = files_.back();
  if (synced_ >= height_ && synced_ >= file.first) return {};
  const Height from = std::max(synced_.next(), file.first);
  std::uint64_t start = 0;
  if (from != file.first) {
    const auto offset = offset_of(files_.size() - 1, from);
    if (!offset) return offset.error();
    start = *offset;
  }
  unsynced_bytes_ = file.end - start;
  directory_dirty_ = true;
  return for_each_piece(*head_, start, file.end,
                        [this](std::uint64_t offset, std::string_view octets) {
                          return head_->write_at(offset, octets);
                        });
}

Result<void> BlockStore::append(std::span<const ledger::Block> blocks) {
  if (failed_) return failure_;
  if (height_ < known_durable_ && height_.plus(blocks.size()) >= known_durable_) {
    // The last of the missing blocks says to the next start that none is missing.
    const std::size_t before = known_durable_.value() - height_.value() - 1;
    const auto written = write(blocks.first(before));
    if (!written) return written.error();
    const auto synced = sync();
    if (!synced) return synced.error();
    blocks = blocks.subspan(before);
  }
  return write(blocks);
}

Result<void> BlockStore::write(std::span<const ledger::Block> blocks) {
  std::string frames;
  std::vector<std::uint64_t> offsets;
  const auto flush = [&]() -> Result<void> {
    const auto written = write_frames(frames);
    if (!written) return written.error();
    for (const std::uint64_t offset : offsets) files_.back().frames.add(offset);
    height_ = height_.plus(offsets.size());
    frames.clear();
    offsets.clear();
    return {};
  };
  for (const ledger::Block& block : blocks) {
    const Height height = height_.plus(offsets.size()).next();
    invariant(block.header.height == height, "blocks are appended in height order");
    if (files_.empty() || files_.back().end + frames.size() >= options_.file_bytes) {
      if (!frames.empty()) {
        const auto flushed = flush();
        if (!flushed) return flushed.error();
      }
      const auto begun = begin_file(height, block.header.previous);
      if (!begun) return begun.error();
    }
    offsets.push_back(files_.back().end + frames.size());
    append_frame(frames, height, ledger::encode_block(block));
  }
  return frames.empty() ? Result<void>() : flush();
}

Result<void> BlockStore::write_frames(std::string_view frames) {
  BlockFile& file = files_.back();
  const auto written = head_->write_at(file.end, frames);
  if (!written) return fail(written.error());
  file.end += frames.size();
  unsynced_bytes_ += frames.size();
  if (file.end - begun_through_ >= kWritebackBytes) {
    head_->start_writeback(begun_through_, file.end - begun_through_);
    begun_through_ = file.end;
  }
  return {};
}

Result<void> BlockStore::begin_file(Height first, const Digest& previous) {
  // Recovery relies on it: only the last file may hold blocks that were never synced.
  const auto synced = sync();
  if (!synced) return synced.error();
  auto file = disk_.open(path_of(first), Disk::Access::create);
  if (!file) return fail(file.error());
  head_ = std::move(*file);
  begun_through_ = 0;
  files_.push_back({first, FrameIndex(), 0});
  directory_dirty_ = true;
  return write_frames(encode_block_file_header({place_.cluster, first, previous}));
}

Result<Height> BlockStore::sync() {
  if (failed_) return failure_;
  if (head_ != nullptr && unsynced_bytes_ > 0) {
    const auto synced = head_->sync();
    if (!synced) return fail(synced.error()).error();
  }
  if (directory_dirty_) {
    const auto settled = disk_.sync_directory(place_.directory);
    if (!settled) return fail(settled.error()).error();
  }
  directory_dirty_ = false;
  unsynced_bytes_ = 0;
  synced_ = height_;
  return synced_;
}

std::size_t BlockStore::file_of(Height height) const {
  const auto after =
      std::upper_bound(files_.begin(), files_.end(), height,
                       [](Height wanted, const BlockFile& file) { return wanted < file.first; });
  return static_cast<std::size_t>(after - files_.begin()) - 1;
}

Result<File*> BlockStore::reader(std::size_t file) {
  if (reader_ == nullptr || reader_file_ != file) {
    auto opened = disk_.open(path_of(files_[file].first), Disk::Access::read);
    if (!opened) return opened.error();
    reader_ = std::move(*opened);
    reader_file_ = file;
  }
  return reader_.get();
}

Result<std::string> BlockStore::read_octets(std::size_t file, std::uint64_t offset,
                                            std::uint64_t bytes) {
  auto source = reader(file);
  if (!source) return source.error();
  std::string octets(std::min(bytes, files_[file].end - offset), '\0');
  const auto count = (*source)->read_at(offset, octets);
  if (!count) return count.error();
  octets.resize(*count);
  return octets;
}

Error BlockStore::damaged(const BlockFile& file, std::uint64_t offset, Height height) const {
  return {ErrorCode::damaged, path_of(file.first) + " at offset " + std::to_string(offset) +
                                  ", height " + std::to_string(height.value()) +
                                  ": the block is not what was written"};
}

// Goes from the nearest frame whose place is known over those between, by their lengths. Gives the
// place of `height`, or of the first frame on the way there whose header is damaged.
Result<BlockStore::FramePlace> BlockStore::approach(std::size_t file, Height height) {
  const BlockFile& in = files_[file];
  const FrameIndex::Mark mark = in.frames.at_or_before(height.value() - in.first.value());
  std::uint64_t offset = mark.offset;
  Height at = in.first.plus(mark.frame);
  if (at == height) return FramePlace{at, offset};
  const auto octets = read_octets(file, mark.offset, FrameIndex::kStrideBytes + kFrameHeaderBytes);
  if (!octets) return octets.error();
  for (; at < height; at = at.next()) {
    const std::string_view rest =
        std::string_view(*octets).substr(std::min(offset - mark.offset, octets->size()));
    const auto header = decode_frame_header(rest);
    if (!header || header->height != at) return FramePlace{at, offset};
    offset += kFrameHeaderBytes + header->length;
  }
  return FramePlace{at, offset};
}

Result<std::uint64_t> BlockStore::offset_of(std::size_t file, Height height) {
  const auto place = approach(file, height);
  if (!place) return place.error();
  if (place->height != height) return damaged(files_[file], place->offset, place->height);
  return place->offset;
}

Result<std::vector<SharedBytes>> BlockStore::read(Height first, std::size_t bytes_max) {
  std::vector<SharedBytes> blocks;
  if (first == Height(0) || first > height_) return blocks;
  // One run of frames within one file; the caller comes again for the next file.
  const std::size_t index = file_of(first);
  const BlockFile& file = files_[index];
  const auto start = offset_of(index, first);
  if (!start) return start.error();
  auto octets = read_octets(index, *start, std::max(bytes_max, kReadBytesMin));
  if (!octets) return octets.error();
  const auto header = decode_frame_header(*octets);
  if (header && kFrameHeaderBytes + header->length > octets->size()) {
    octets = read_octets(index, *start, kFrameHeaderBytes + header->length);
    if (!octets) return octets.error();
  }
  const SharedBytes frames(std::move(*octets));
  const Height last = file.first.plus(file.frames.count() - 1);
  std::size_t offset = 0;
  for (Height height = first; height <= last; height = height.next()) {
    const std::string_view rest = frames.view().substr(offset);
    const bool is_first = height == first;
    if (!is_first && offset + kFrameHeaderBytes > bytes_max) break;
    const auto frame = decode_frame_header(rest);
    if (!frame || frame->height != height) return damaged(file, *start + offset, height);
    const std::size_t end = offset + kFrameHeaderBytes + frame->length;
    if (!is_first && end > bytes_max) break;
    const std::string_view block = rest.substr(kFrameHeaderBytes, frame->length);
    if (block.size() != frame->length || crc32c(block) != frame->block_crc) {
      return damaged(file, *start + offset, height);
    }
    blocks.push_back(frames.slice(offset + kFrameHeaderBytes, frame->length));
    offset = end;
  }
  return blocks;
}

Result<void> BlockStore::set_aside_from(Height first) {
  if (failed_) return failure_;
  if (first > height_) return {};
  invariant(first > Height(0), "block 0 is genesis and stands in no file");
  known_durable_ = std::max(known_durable_, synced_);
  const std::size_t index = file_of(first);
  BlockFile& file = files_[index];
  const Height file_first = file.first;
  // What cannot be found behind damage goes with it: peers have both.
  const auto place = approach(index, first);
  if (!place) return fail(place.error());
  file.frames.keep(place->height.value() - file_first.value());
  file.end = place->offset;
  head_.reset();
  reader_.reset();
  std::vector<Notice> notices;
  const auto moved = move_from(file_first, place->offset, notices);
  if (!moved) return fail(moved.error());
  height_ = Height(place->height.value() - 1);
  const auto headed = open_head();
  if (!headed) return fail(headed.error());
  synced_ = std::min(synced_, height_);
  if (files_.empty()) unsynced_bytes_ = 0;
  return {};
}

BlockStore::Extent BlockStore::extent() const {
  Extent extent;
  extent.height = height_;
  for (const BlockFile& file : files_) {
    extent.files.push_back({file.first, file.end});
    extent.bytes += file.end;
  }
  return extent;
}

}  // namespace paxledger::storage
