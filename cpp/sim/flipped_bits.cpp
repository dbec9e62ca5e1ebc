#include "sim/flipped_bits.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>

#include "base/invariant.hpp"
#include "ledger/block.hpp"
#include "storage/block_file.hpp"
#include "storage/block_recovery.hpp"
#include "storage/log_format.hpp"
#include "storage/log_scan.hpp"

namespace paxledger::sim {

namespace {

using storage::kSectorBytes;
using storage::kSectorContentBytes;
using Part = KeptFlip::Part;

class Judge {
 public:
  Judge(const SimulatedDisk& disk, storage::DirectoryPaths paths, ClusterId cluster, NodeId node)
      : paths_(std::move(paths)),
        log_place_{paths_.log(), paths_.set_aside(), cluster, node},
        block_place_{paths_.blocks(), paths_.set_aside(), cluster},
        disk_(disk.copy()),
        whole_(disk.copy()) {
    whole_->undo_flips();
    for (const auto& flip : disk.flips()) flips_[flip.path].push_back(flip);
  }

  std::vector<KeptFlip> run() {
    for (const auto& flip : flips_[paths_.identity()]) keep(flip, Part::identity, true, 0);
    // In a directory whose beginning is repeated no log counts yet.
    Height known_durable;
    if (is_ready()) {
      judge_log();
      const auto seen = storage::scan_log(*disk_, log_place_);
      if (seen) known_durable = seen->report.blocks_through;
    }
    judge_blocks(known_durable);
    return std::move(kept_);
  }

 private:
  void keep(const SimulatedDisk::Flip& flip, Part part, bool damage, std::uint64_t offset,
            bool may_be_hidden = false) {
    kept_.push_back({flip, part, damage, offset, may_be_hidden});
  }

  [[nodiscard]] bool is_ready() const {
    const auto there = whole_->exists(paths_.identity());
    if (!there || !*there) return false;
    const auto identity = storage::decode_identity(whole_->content(paths_.identity()));
    return identity.ok() && identity->state == storage::Identity::State::ready;
  }

  // What the files are made of is read where nothing is flipped.
  void judge_log() {
    const auto map = storage::scan_log(*whole_, log_place_);
    if (!map || map->report.lost) return;
    for (const auto& segment : map->segments) {
      judge_segment(segment, segment.first == map->segments.back().first);
    }
  }

  void judge_segment(const storage::ScannedSegment& segment, bool newest) {
    const std::string path = paths_.log() + "/" + storage::segment_name(segment.first);
    const auto flips = flips_.find(path);
    if (flips == flips_.end()) return;
    const std::string data = whole_->content(path);
    for (const auto& flip : flips->second) {
      const std::uint64_t seal = data.size() - kSectorBytes;
      // A seal says nothing that the segment after it does not say.
      if (flip.offset >= seal && segment.sealed) keep(flip, Part::log, false, seal);
      if (flip.offset < segment.end) judge_batch(data, flip, newest ? segment.end : 0);
    }
  }

  // The flip lies within the batches of the segment. `log_end`: where the log ends, if it ends
  // here.
  void judge_batch(const std::string& data, const SimulatedDisk::Flip& flip,
                   std::uint64_t log_end) {
    for (std::uint64_t start = 0;;) {
      const std::string content = data.substr(start, kSectorContentBytes);
      const auto header = storage::decode_batch_header(content);
      invariant(header.has_value(), "the batches of a whole segment follow each other");
      const std::uint64_t bytes = storage::sectors_for(header->payload_length) * kSectorBytes;
      if (flip.offset >= start + bytes) {
        start += bytes;
        continue;
      }
      const std::uint64_t within = flip.offset - start;
      const std::uint64_t column = within % kSectorBytes;
      const std::uint64_t position = within / kSectorBytes * kSectorContentBytes + column;
      const bool says = column < kSectorContentBytes &&
                        position < storage::kBatchHeaderBytes + header->payload_length;
      // The last batch of all may have been written but for a mark: then it promised nothing.
      if (says && start + bytes == log_end && lacks_a_mark(flip.path, start, log_end)) return;
      return keep(flip, Part::log, says, start);
    }
  }

  [[nodiscard]] bool lacks_a_mark(const std::string& path, std::uint64_t from,
                                  std::uint64_t to) const {
    const std::string seen = disk_->content(path);
    for (std::uint64_t at = from + kSectorContentBytes; at < to; at += kSectorBytes) {
      if (seen[at] != storage::kSectorMark) return true;
    }
    return false;
  }

  void judge_blocks(Height known_durable) {
    const storage::BlockConsumer takes_all;
    const storage::Progress silent;
    const auto map =
        storage::BlockRecovery(*whole_, block_place_, known_durable, takes_all, silent, 0).run();
    if (!map) return;
    const auto all = storage::list_block_files(*whole_, paths_.blocks());
    for (const auto& file : map->files) {
      const std::string path = paths_.blocks() + "/" + storage::block_file_name(file.first);
      const bool last = all.ok() && all->back() == file.first;
      if (!judge_block_file(path, file, last, known_durable)) return;
    }
  }

  // False if what follows may be cut off as a torn tail.
  bool judge_block_file(const std::string& path, const storage::BlockRecovery::GoodFile& file,
                        bool last, Height known_durable) {
    const auto flips = flips_.find(path);
    if (flips == flips_.end()) return true;
    const std::string seen = disk_->content(path);
    std::uint64_t before = UINT64_MAX;  // where the frame begins that was flipped before
    bool hidden = false;                // that one
    for (const auto& flip : flips->second) {
      if (flip.offset >= file.end) return true;  // a torn tail already
      std::uint64_t start = 0;
      bool follows = false;
      bool in_header = flip.offset < storage::kBlockFileHeaderBytes;
      if (!in_header) {
        const auto marks = file.frames.marks();  // of every frame
        const auto after = std::upper_bound(
            marks.begin(), marks.end(), flip.offset,
            [](std::uint64_t offset, const auto& mark) { return offset < mark.offset; });
        const auto frame = std::prev(after);
        start = frame->offset;
        in_header = flip.offset < start + storage::kFrameHeaderBytes;
        const std::uint64_t end = after == marks.end() ? file.end : after->offset;
        const Height height = file.first.plus(frame->frame);
        const bool synced = !last || height <= known_durable;
        if (!synced && has_zero_sector(seen, start, in_header ? seen.size() : end)) return false;
        follows = before == (frame == marks.begin() ? 0 : std::prev(frame)->offset);
      }
      hidden = start == before ? hidden : in_header && follows;
      keep(flip, Part::blocks, true, start, hidden);
      before = start;
    }
    return true;
  }

  // As docs/decisions/0003 has it: a sector that is zero from `from` or its own start on to its
  // end.
  static bool has_zero_sector(std::string_view octets, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t at = from; at < to;) {
      const std::uint64_t end =
          std::min<std::uint64_t>((at / kSectorBytes + 1) * kSectorBytes, octets.size());
      if (octets.substr(at, end - at).find_first_not_of('\0') == std::string_view::npos)
        return true;
      at = end;
    }
    return false;
  }

  storage::DirectoryPaths paths_;
  storage::LogPlace log_place_;
  storage::BlockPlace block_place_;
  std::unique_ptr<SimulatedDisk> disk_;
  std::unique_ptr<SimulatedDisk> whole_;
  std::map<std::string, std::vector<SimulatedDisk::Flip>> flips_;
  std::vector<KeptFlip> kept_;
};

std::string complaint(const KeptFlip& flip, const std::string& who) {
  return who + " says nothing of " + flip.place() + ", where a bit was flipped at offset " +
         std::to_string(flip.flip.offset);
}

bool mentions(const std::string& text, const KeptFlip& flip) {
  const std::string place = flip.place();
  const std::size_t found = text.find(place);
  if (found == std::string::npos) return false;
  // Not only the first digits of another offset.
  const std::size_t end = found + place.size();
  return end == text.size() || text[end] < '0' || text[end] > '9';
}

}  // namespace

std::string KeptFlip::place() const {
  return part == Part::identity ? flip.path : flip.path + " at offset " + std::to_string(offset);
}

std::vector<KeptFlip> kept_flips(const SimulatedDisk& disk, const storage::DirectoryPaths& paths,
                                 ClusterId cluster, NodeId node) {
  return Judge(disk, paths, cluster, node).run();
}

std::vector<std::string> untold(const std::vector<KeptFlip>& flips,
                                const storage::VerifyReport& report) {
  std::vector<std::string> complaints;
  const bool anonymous = std::any_of(
      flips.begin(), flips.end(), [](const KeptFlip& flip) { return flip.part == Part::identity; });
  for (const KeptFlip& flip : flips) {
    // Without an identity it is not known whose the rest is.
    if (anonymous && flip.part != Part::identity) continue;
    const bool told =
        flip.damage ? std::any_of(report.problems.begin(), report.problems.end(),
                                  [&](const storage::Problem& problem) {
                                    return problem.file == flip.flip.path &&
                                           (problem.offset == flip.offset ||
                                            (flip.may_be_hidden && problem.offset < flip.offset));
                                  })
                    : std::any_of(report.notes.begin(), report.notes.end(),
                                  [&](const std::string& note) { return mentions(note, flip); });
    if (!told) complaints.push_back(complaint(flip, "a verification"));
  }
  return complaints;
}

std::vector<std::string> untold(const std::vector<KeptFlip>& flips, const std::string& damage,
                                const std::vector<storage::Notice>& notices) {
  std::vector<std::string> complaints;
  const auto noticed = [&](const KeptFlip& flip, const char* words) {
    return std::any_of(notices.begin(), notices.end(), [&](const storage::Notice& notice) {
      return flip.part == Part::identity ? notice.text.find(words) != std::string::npos
                                         : mentions(notice.text, flip);
    });
  };
  bool damaged[3] = {};
  for (const KeptFlip& flip : flips) {
    bool& before = damaged[static_cast<std::size_t>(flip.part)];
    if (before) continue;  // set aside together with what was told of
    const bool told = flip.part == Part::identity ? noticed(flip, "identity file was set aside")
                      : flip.damage               ? mentions(damage, flip)
                                                  : noticed(flip, "");
    if (!told) complaints.push_back(complaint(flip, "a start"));
    before = flip.damage;
    // A node without its identity begins a new log, which knows nothing of the blocks either.
    if (flip.part == Part::identity) break;
  }
  return complaints;
}

}  // namespace paxledger::sim
