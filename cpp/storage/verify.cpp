#include "storage/verify.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "ledger/block.hpp"
#include "storage/block_file.hpp"
#include "storage/log.hpp"
#include "storage/log_scan.hpp"

namespace paxledger::storage {

namespace {

constexpr std::uint64_t kProgressStep = std::uint64_t{4} << 20;
constexpr std::uint64_t kFrameBytesMin = kFrameHeaderBytes + ledger::kHeaderBytes;

class Verifier {
 public:
  // A torn tail is harmless in files that no process appends to; `known_durable` says above which
  // height it can be one.
  Verifier(Disk& disk, const BlockPlace& place, const Progress& progress,
           std::optional<Height> known_durable, bool keeps_hashes)
      : disk_(disk),
        place_(place),
        progress_(progress),
        known_durable_(known_durable),
        keeps_hashes_(keeps_hashes) {
    report_.hash = ledger::genesis(place.cluster);
    previous_ = report_.hash;
  }

  Result<VerifyReport> run(const BlockStore::Extent& extent) {
    total_ = extent.bytes;
    for (std::size_t i = 0; i < extent.files.size(); ++i) {
      const auto checked = check_file(extent.files[i], i + 1 == extent.files.size());
      if (!checked) return checked.error();
    }
    const Height wanted = std::max(extent.height, known_durable_.value_or(Height(0)));
    if (next_ <= wanted) {
      problem(path_, 0,
              "the blocks " + std::to_string(next_.value()) + " to " +
                  std::to_string(wanted.value()) + " are missing");
    }
    if (progress_) progress_(total_, total_);
    return std::move(report_);
  }

 private:
  void problem(const std::string& file, std::uint64_t offset, std::string text) {
    previous_.reset();
    if (report_.problems.size() >= kProblemsMax) return;
    if (report_.problems.size() + 1 == kProblemsMax) text += "; there are more problems";
    report_.problems.push_back({file, offset, next_, std::move(text)});
  }

  Result<void> check_file(const BlockStore::Extent::FileExtent& extent, bool last) {
    path_ = place_.directory + "/" + block_file_name(extent.first);
    ++report_.files;
    report_.bytes += extent.bytes;
    const auto there = disk_.exists(path_);
    if (!there) return there.error();
    if (!*there) {
      problem(path_, 0, "the file is missing");
      return {};
    }
    auto file = disk_.open(path_, Disk::Access::read);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    if (*size < extent.bytes) problem(path_, *size, "the file was cut short");
    FrameReader reader(**file, path_, std::min<std::uint64_t>(*size, extent.bytes));
    const auto headed = check_header(reader, extent.first, last);
    if (!headed || !*headed) return headed ? Result<void>() : headed.error();
    auto checked = check_frames(reader, last);
    done_before_ += extent.bytes;
    return checked;
  }

  // Whether the frames after the header can be read.
  Result<bool> check_header(FrameReader& reader, Height first, bool last) {
    const auto header = reader.read_header();
    if (!header && header.error().code != ErrorCode::damaged) return header.error();
    if (first > next_) {
      problem(path_, 0,
              "the blocks " + std::to_string(next_.value()) + " to " +
                  std::to_string(first.value() - 1) + " before this file are missing");
    } else if (first < next_) {
      problem(path_, 0, "the file repeats heights of the file before it");
    }
    next_ = first;
    if (!header) {
      if (last && may_be_torn() && reader.end() < kBlockFileHeaderBytes) {
        report_.notes.push_back(path_ + ": a torn tail, " + header.error().message);
        return false;
      }
      problem(path_, 0, header.error().message);
      return skip(reader, 0, Height(first.value() - 1));
    }
    if (header->cluster != place_.cluster) {
      problem(path_, 0, "the file belongs to another cluster");
    } else if (header->first != first) {
      problem(path_, 0, "the file's header names height " + std::to_string(header->first.value()));
    } else if (previous_ && header->previous != *previous_) {
      problem(path_, 0,
              "the file goes on from block hash " + header->previous.hex() +
                  ", but the block before has " + previous_->hex());
    }
    return true;
  }

  [[nodiscard]] bool may_be_torn() const { return known_durable_ && next_ > *known_durable_; }

  Result<void> check_frames(FrameReader& reader, bool last) {
    for (;;) {
      const std::uint64_t offset = reader.offset();
      const auto step = reader.next(next_);
      if (!step) return step.error();
      if (step->kind == FrameReader::Step::Kind::end) return {};
      if (step->kind == FrameReader::Step::Kind::frame) {
        check_block(step->block, offset);
        next_ = next_.next();
        report_progress(reader.offset());
        continue;
      }
      if (last && may_be_torn()) {
        const auto torn = is_torn(reader, *step);
        if (!torn) return torn.error();
        if (*torn) {
          report_.notes.push_back(path_ + " at offset " + std::to_string(offset) + ", height " +
                                  std::to_string(next_.value()) + ": a torn tail, " + step->text);
          return {};
        }
      }
      problem(path_, offset, step->text);
      // After a bad block with an intact frame the next frame is where it should be.
      const bool framed =
          step->kind == FrameReader::Step::Kind::damaged && step->frame_end < reader.end();
      const auto found = skip(reader, framed ? step->frame_end : offset + 1, next_);
      if (!found) return found.error();
      if (!*found) {
        next_ = next_.next();
        return {};
      }
    }
  }

  static Result<bool> is_torn(FrameReader& reader, const FrameReader::Step& step) {
    if (step.kind == FrameReader::Step::Kind::cut_short) return true;
    return reader.has_unwritten_sector(step.frame_end);
  }

  // Goes on at the next frame header after damage.
  Result<bool> skip(FrameReader& reader, std::uint64_t from, Height above) {
    const Height through = above.plus((reader.end() - from) / kFrameBytesMin + 1);
    const auto found = reader.skip_to_header(from, above, through);
    if (!found) return found.error();
    if (*found) next_ = **found;
    return found->has_value();
  }

  void check_block(std::string_view octets, std::uint64_t offset) {
    const auto block = ledger::decode_block(SharedBytes::copy_of(octets));
    if (!block) {
      problem(path_, offset, block.error().message);
      return;
    }
    const auto& header = block->header;
    if (header.height != next_) {
      problem(path_, offset, "the block's own height is " + std::to_string(header.height.value()));
      return;
    }
    if (previous_ && header.previous != *previous_) {
      problem(path_, offset,
              "the block links to " + header.previous.hex() + ", but the block before has " +
                  previous_->hex());
    } else if (previous_ && header.timestamp < timestamp_) {
      problem(path_, offset, "the block's timestamp is below that of the block before");
    } else {
      ++report_.blocks;
      report_.height = header.height;
      report_.hash = block->hash;
      if (keeps_hashes_) report_.hashes.push_back(block->hash);
    }
    previous_ = block->hash;
    timestamp_ = header.timestamp;
  }

  void report_progress(std::uint64_t done_in_file) {
    const std::uint64_t done = done_before_ + done_in_file;
    if (!progress_ || done - reported_ < kProgressStep) return;
    reported_ = done;
    progress_(done, total_);
  }

  Disk& disk_;
  const BlockPlace& place_;
  const Progress& progress_;
  std::optional<Height> known_durable_;
  bool keeps_hashes_;
  VerifyReport report_;
  Height next_{1};
  std::optional<Digest> previous_;  // unknown after a problem
  Timestamp timestamp_;
  std::string path_;
  std::uint64_t total_ = 0;
  std::uint64_t done_before_ = 0;
  std::uint64_t reported_ = 0;
};

Result<BlockStore::Extent> extent_on_disk(Disk& disk, const std::string& directory) {
  BlockStore::Extent extent;
  const auto firsts = list_block_files(disk, directory);
  if (!firsts) return firsts.error();
  for (const Height first : *firsts) {
    auto file = disk.open(directory + "/" + block_file_name(first), Disk::Access::read);
    if (!file) return file.error();
    const auto size = (*file)->size();
    if (!size) return size.error();
    extent.files.push_back({first, *size});
    extent.bytes += *size;
  }
  return extent;
}

// A directory whose first log segment may not be there yet. A node that rejoins may still have the
// blocks of its life before.
Result<VerifyReport> verify_begun(Disk& disk, const BlockPlace& place, const Progress& progress,
                                  const std::string& root) {
  const auto there = disk.exists(place.directory);
  if (!there) return there.error();
  BlockStore::Extent extent;
  if (*there) {
    auto found = extent_on_disk(disk, place.directory);
    if (!found) return found.error();
    extent = std::move(*found);
  }
  auto report = Verifier(disk, place, progress, Height(0), true).run(extent);
  if (report) report->notes.push_back(root + " was begun but never used since");
  return report;
}

}  // namespace

Result<VerifyReport> verify_blocks(Disk& disk, const BlockPlace& place,
                                   const BlockStore::Extent& extent, const Progress& progress) {
  return Verifier(disk, place, progress, std::nullopt, false).run(extent);
}

Result<VerifyReport> verify_directory(Disk& disk, const std::string& root,
                                      const Progress& progress) {
  auto directory = DataDirectory::inspect(disk, root);
  if (!directory) {
    if (directory.error().code != ErrorCode::damaged) return directory.error();
    // Without an identity it is not known whose blocks and log these should be.
    VerifyReport report;
    report.problems.push_back({root + "/identity", 0, Height(0), directory.error().message});
    return report;
  }
  const DirectoryPaths& paths = directory->paths();
  const Identity& identity = directory->identity();
  const BlockPlace place{paths.blocks(), paths.set_aside(), identity.cluster};
  if (identity.state != Identity::State::ready) {
    return verify_begun(disk, place, progress, root);
  }
  const auto scan =
      scan_log(disk, {paths.log(), paths.set_aside(), identity.cluster, identity.node});
  if (!scan) return scan.error();
  const auto extent = extent_on_disk(disk, paths.blocks());
  if (!extent) return extent.error();
  auto report = Verifier(disk, place, progress, scan->report.blocks_through, true).run(*extent);
  if (!report) return report.error();
  for (const LogDamage& damage : scan->damages) {
    report->problems.push_back({damage.file, damage.offset, Height(0), damage.text});
  }
  for (const Notice& notice : scan->report.notices) report->notes.push_back(notice.text);
  return report;
}

}  // namespace paxledger::storage
