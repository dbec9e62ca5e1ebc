#include "storage/log.hpp"

#include <gtest/gtest.h>

#include "unit/storage/log_fixture.hpp"

namespace paxledger::storage {
namespace {

using Records = std::vector<paxos::DurableRecord>;

void append(Log& log, paxos::DurableState& expected, const Records& records) {
  const auto appended = log.append(records);
  ASSERT_TRUE(appended.ok()) << appended.error().message;
  for (const auto& record : records) expected.replay(record);
}

// The path of the segment at this place among all of them.
std::string path_of_segment(const sim::SimulatedDisk& disk, std::size_t place) {
  std::vector<std::string> segments;
  for (const std::string& path : disk.paths()) {
    if (path.ends_with(".log")) segments.push_back(path);
  }
  return segments.at(place);
}

TEST(Log, GivesBackWhatWasAppended) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  {
    auto log = new_log(*disk);
    append(*log, expected, {promise_record(3), accept_record(1, 3), accept_record(2, 3, 3000)});
    append(*log, expected, {paxos::GenerationRecord{NodeId(4), Generation(2)}});
    append(*log, expected, {paxos::AbstainRecord{Slot(9), false}, accept_record(1, 5)});
  }
  const auto opened = open_log(*disk);
  EXPECT_FALSE(opened.report.lost) << opened.report.damage;
  EXPECT_TRUE(opened.report.notices.empty());
  EXPECT_EQ(described(opened.report.state), described(expected));
}

TEST(Log, GoesOnOverManySegmentsAndReopenings) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  new_log(*disk).reset();
  for (std::uint64_t round = 1; round <= 5; ++round) {
    auto opened = open_log(*disk);
    ASSERT_FALSE(opened.report.lost) << opened.report.damage;
    EXPECT_EQ(described(opened.report.state), described(expected));
    for (std::uint64_t i = 1; i <= 20; ++i) {
      append(*opened.log, expected, {accept_record(round * 100 + i, round, 900)});
    }
    EXPECT_GT(opened.log->segment_count(), 1u);
  }
}

TEST(Log, HoldsABatchLargerThanASegment) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  auto log = new_log(*disk);
  append(*log, expected, {accept_record(1, 1)});
  append(*log, expected, {accept_record(2, 1, 100'000)});
  append(*log, expected, {accept_record(3, 1)});
  const auto opened = open_log(*disk);
  EXPECT_FALSE(opened.report.lost) << opened.report.damage;
  EXPECT_EQ(described(opened.report.state), described(expected));
}

TEST(Log, UsesASparePreparedAhead) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  auto log = new_log(*disk);
  for (std::uint64_t slot = 1; slot <= 60; ++slot) {
    if (log->wants_spare()) {
      ASSERT_TRUE(prepare_spare(*disk, log->spare_path(), log->segment_bytes()).ok());
      log->spare_is_ready();
    }
    append(*log, expected, {accept_record(slot, 1, 900)});
  }
  EXPECT_EQ(described(open_log(*disk).report.state), described(expected));
}

TEST(Log, ForgetsSegmentsWhoseAcceptancesStandInBlocks) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  auto log = new_log(*disk);
  append(*log, expected, {promise_record(8), paxos::GenerationRecord{NodeId(5), Generation(6)}});
  for (std::uint64_t slot = 1; slot <= 60; ++slot) {
    append(*log, expected, {accept_record(slot, 8, 900)});
  }
  const std::size_t before = log->segment_count();
  ASSERT_TRUE(log->trim(Height(40)).ok());
  EXPECT_LT(log->segment_count(), before);
  EXPECT_LE(log->complete_above(), Slot(40));
  EXPECT_GT(log->complete_above(), Slot(20));

  const auto opened = open_log(*disk);
  EXPECT_FALSE(opened.report.lost) << opened.report.damage;
  EXPECT_EQ(opened.report.complete_above, log->complete_above());
  EXPECT_EQ(opened.report.blocks_through, Height(40));
  EXPECT_EQ(described(opened.report.state, log->complete_above()),
            described(expected, log->complete_above()));
}

TEST(Log, NeverForgetsAnAcceptanceAboveTheBlocks) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  auto log = new_log(*disk);
  append(*log, expected, {accept_record(1000, 1)});
  for (std::uint64_t slot = 1; slot <= 60; ++slot) {
    append(*log, expected, {accept_record(slot, 1, 900)});
  }
  ASSERT_TRUE(log->trim(Height(60)).ok());
  EXPECT_EQ(described(open_log(*disk).report.state), described(expected));
}

TEST(Log, CutsATornTailAndSaysSo) {
  constexpr std::size_t kSectors = 4;
  auto disk = new_log_disk();
  paxos::DurableState expected;
  auto log = new_log(*disk);
  append(*log, expected, {accept_record(1, 1, 700)});
  const std::string before = disk->content(segment_path(1));
  ASSERT_TRUE(log->append(Records{accept_record(2, 1, 1700)}).ok());
  const std::string after = disk->content(segment_path(1));
  std::size_t start = 0;
  while (before[start] == after[start]) ++start;
  start = start / kSectorBytes * kSectorBytes;

  for (unsigned written = 0; written + 1 < 1u << kSectors; ++written) {
    SCOPED_TRACE("sectors written: " + std::to_string(written));
    std::string torn = before;
    for (std::size_t sector = 0; sector < kSectors; ++sector) {
      if ((written >> sector & 1u) == 0) continue;
      const std::size_t at = start + sector * kSectorBytes;
      torn.replace(at, kSectorBytes, after, at, kSectorBytes);
    }
    auto crashed = disk->copy();
    crashed->overwrite(segment_path(1), torn);
    auto opened = open_log(*crashed);
    ASSERT_FALSE(opened.report.lost) << opened.report.damage;
    EXPECT_EQ(described(opened.report.state), described(expected));
    EXPECT_EQ(opened.report.notices.empty(), written == 0);
    EXPECT_EQ(crashed->content(segment_path(1)), before) << "the tail is zero again";
    paxos::DurableState later = expected;
    append(*opened.log, later, {accept_record(3, 2)});
    EXPECT_EQ(described(open_log(*crashed).report.state), described(later));
  }
}

TEST(Log, CutsATailThatWasTornWithinASector) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  auto log = new_log(*disk);
  append(*log, expected, {accept_record(1, 1)});
  const std::string before = disk->content(segment_path(1));
  ASSERT_TRUE(log->append(Records{accept_record(2, 1, 300)}).ok());
  const std::string after = disk->content(segment_path(1));
  std::size_t start = 0;
  while (before[start] == after[start]) ++start;
  for (std::size_t count = 1; count < kSectorBytes; ++count) {
    std::string torn = before;
    torn.replace(start, count, after, start, count);
    auto crashed = disk->copy();
    crashed->overwrite(segment_path(1), torn);
    const auto opened = open_log(*crashed);
    ASSERT_FALSE(opened.report.lost) << count << ": " << opened.report.damage;
    // All of the batch or nothing of it; all of it once its octets are there, mark or not.
    if (opened.report.state.accepted.size() == 1) {
      EXPECT_EQ(described(opened.report.state), described(expected));
      EXPECT_FALSE(opened.report.notices.empty());
    } else {
      EXPECT_GT(count, 300u);
    }
  }
}

// Several segments with promises, acceptances and a trim.
std::unique_ptr<sim::SimulatedDisk> small_log(paxos::DurableState& expected, Slot& complete_above) {
  auto disk = new_log_disk();
  auto log = new_log(*disk);
  append(*log, expected, {promise_record(2), paxos::GenerationRecord{NodeId(2), Generation(3)}});
  for (std::uint64_t slot = 1; slot <= 12; ++slot) {
    append(*log, expected, {accept_record(slot, 2, 1300), accept_record(slot + 1, 2, 100)});
    if (slot == 8) {
      EXPECT_TRUE(log->trim(Height(7)).ok());
    }
  }
  append(*log, expected, {promise_record(9)});
  complete_above = log->complete_above();
  EXPECT_GT(log->segment_count(), 1u);
  return disk;
}

TEST(Log, NeverLosesARecordSilentlyToAFlippedBit) {
  paxos::DurableState expected;
  Slot complete_above;
  const auto disk = small_log(expected, complete_above);
  const std::string wanted = described(expected, complete_above);
  std::size_t damaged = 0;
  std::size_t harmless = 0;
  for (const std::string& path : disk->paths()) {
    const std::size_t size = disk->content(path).size();
    for (std::size_t offset = 0; offset < size; ++offset) {
      disk->flip(path, offset, static_cast<unsigned char>(1u << offset % 8));
      const auto scan = scan_log(*disk, kLogPlace);
      ASSERT_TRUE(scan.ok()) << scan.error().message;
      if (scan->report.lost) {
        ++damaged;
        ASSERT_NE(scan->report.damage.find(path), std::string::npos) << scan->report.damage;
      } else {
        ++harmless;
        ASSERT_EQ(described(scan->report.state, complete_above), wanted)
            << path << " at " << offset;
        ASSERT_FALSE(scan->report.notices.empty()) << path << " at " << offset;
      }
      disk->flip(path, offset, static_cast<unsigned char>(1u << offset % 8));
    }
  }
  EXPECT_GT(damaged, 10'000u);
  EXPECT_GT(harmless, 1'000u);
}

TEST(Log, TellsDamageOfTheLastBatchFromATornTail) {
  auto disk = new_log_disk();
  paxos::DurableState expected;
  auto log = new_log(*disk);
  append(*log, expected, {accept_record(1, 1)});
  const std::string before = disk->content(segment_path(1));
  append(*log, expected, {accept_record(2, 1, 1200)});
  const std::string after = disk->content(segment_path(1));
  std::size_t start = 0;
  while (before[start] == after[start]) ++start;
  const std::size_t used = kBatchHeaderBytes + 4 + 21 + 1200;
  for (std::size_t content = 0; content < used; ++content) {
    const std::size_t offset =
        start + content / kSectorContentBytes * kSectorBytes + content % kSectorContentBytes;
    for (unsigned bit = 0; bit < 8; ++bit) {
      disk->flip(segment_path(1), offset, static_cast<unsigned char>(1u << bit));
      const auto scan = scan_log(*disk, kLogPlace);
      ASSERT_TRUE(scan.ok());
      ASSERT_TRUE(scan->report.lost) << "octet " << offset << " bit " << bit;
      disk->flip(segment_path(1), offset, static_cast<unsigned char>(1u << bit));
    }
  }
}

// The power went between the beginning of a segment and the seal of the one before, and a bit of
// the last batch before flipped. It is that batch which is damaged; no segment is missing.
TEST(Log, NamesTheDamagedBatchAtTheEndOfASegmentThatWasNotSealed) {
  auto disk = new_log_disk();
  auto log = new_log(*disk);
  std::uint64_t slot = 0;
  while (log->segment_count() == 1) {
    ASSERT_TRUE(log->append(std::vector{accept_record(++slot, 4, 1200)}).ok());
  }
  const std::uint64_t seal = disk->content(segment_path(1)).size() - kSectorBytes;
  std::string first = disk->content(segment_path(1));
  first.replace(seal, kSectorBytes, kSectorBytes, '\0');
  disk->overwrite(segment_path(1), first);
  ASSERT_FALSE(open_log(*disk->copy()).report.lost) << "the seal alone is no loss";
  // The batches of one acceptance are three sectors long; the header is one.
  const std::uint64_t last = kSectorBytes + (slot - 2) * 3 * kSectorBytes;
  disk->flip(segment_path(1), last + 100, 1);
  const auto opened = open_log(*disk);
  ASSERT_TRUE(opened.report.lost);
  EXPECT_TRUE(opened.report.damage.starts_with(segment_path(1) + " at offset " +
                                               std::to_string(last) + ": batch"))
      << opened.report.damage;
  for (const Notice& notice : opened.report.notices) ADD_FAILURE() << notice.text;
}

// Segments were about to be removed, and the batch that says so is damaged. What is missing between
// the segments that are left is told of, and so is that batch.
TEST(Log, NamesEveryDamagedSegmentAndNotTheFirstOnly) {
  auto disk = new_log_disk();
  auto log = new_log(*disk);
  for (std::uint64_t slot = 1; slot <= 40; ++slot) {
    ASSERT_TRUE(log->append(std::vector{accept_record(slot, 4, 1200)}).ok());
  }
  ASSERT_GE(log->segment_count(), 4u);
  disk->lose(path_of_segment(*disk, 1));
  const std::string newest = disk->paths().back();
  ASSERT_NE(newest.find("/log/"), std::string::npos);
  disk->flip(newest, kSectorBytes + 100, 1);
  const auto opened = open_log(*disk);
  ASSERT_TRUE(opened.report.lost);
  EXPECT_NE(opened.report.damage.find("no segment"), std::string::npos) << opened.report.damage;
  EXPECT_NE(opened.report.damage.find(newest + " at offset 512: batch"), std::string::npos)
      << opened.report.damage;
}

TEST(Log, ReportsAMissingOrShortenedSegment) {
  paxos::DurableState expected;
  Slot complete_above;
  const auto disk = small_log(expected, complete_above);
  for (const std::string& path : disk->paths()) {
    auto without = disk->copy();
    without->lose(path);
    const auto gone = scan_log(*without, kLogPlace);
    ASSERT_TRUE(gone.ok());
    EXPECT_TRUE(gone->report.lost) << path;
    const std::size_t size = disk->content(path).size();
    for (std::size_t length = 0; length < size; length += 73) {
      auto shortened = disk->copy();
      shortened->overwrite(path, disk->content(path).substr(0, length));
      const auto scan = scan_log(*shortened, kLogPlace);
      ASSERT_TRUE(scan.ok());
      EXPECT_TRUE(scan->report.lost) << path << " cut at " << length;
    }
  }
  const auto empty = new_log_disk();
  EXPECT_TRUE(scan_log(*empty, kLogPlace)->report.lost);
}

TEST(Log, StartsOverAfterDamageWithThePromiseAndTheFilesKept) {
  paxos::DurableState expected;
  Slot complete_above;
  const auto disk = small_log(expected, complete_above);
  const std::vector<std::string> segments = disk->paths();
  disk->flip(segments.front(), 3 * kSectorBytes + 10, 4);
  auto opened = open_log(*disk);
  ASSERT_TRUE(opened.report.lost);
  EXPECT_EQ(opened.log, nullptr);
  EXPECT_EQ(opened.report.state.promised, (paxos::Ballot{Round(9), NodeId(3)}))
      << "a promise after the damage can still be read";
  auto log =
      Log::start_over(*disk, kLogPlace, kSmallSegments, SegmentOrigin::started_over, opened.report);
  ASSERT_TRUE(log.ok()) << log.error().message;
  ASSERT_TRUE((*log)->append(Records{accept_record(50, 9)}).ok());

  const auto again = open_log(*disk);
  EXPECT_FALSE(again.report.lost) << again.report.damage;
  EXPECT_TRUE(again.report.state.abstain.open);
  EXPECT_EQ(again.report.state.promised, (paxos::Ballot{Round(9), NodeId(3)}));
  EXPECT_EQ(again.report.state.generations.at(NodeId(2)), Generation(3));
  EXPECT_EQ(again.report.state.accepted.size(), 1u);
  EXPECT_EQ(disk->list(kLogPlace.set_aside)->size(), segments.size());
}

TEST(Log, RefusesANewerFormatAndSaysWhich) {
  auto disk = new_log_disk();
  new_log(*disk).reset();
  SegmentHeader header;
  header.format_version = 2;
  header.segment_bytes = 8192;
  header.begin = 1;
  std::string octets = encode_batch(BatchKind::segment_header, 1, encode_segment_header(header));
  octets.resize(8192, '\0');
  disk->overwrite(segment_path(1), octets);
  const auto opened = Log::open(*disk, kLogPlace, kSmallSegments);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, ErrorCode::configuration);
  EXPECT_NE(opened.error().message.find("log format 2"), std::string::npos);
}

TEST(Log, ReportsASegmentOfAnotherNode) {
  auto disk = new_log_disk();
  new_log(*disk).reset();
  LogPlace other = kLogPlace;
  other.node = NodeId(3);
  const auto opened = Log::open(*disk, other, kSmallSegments);
  ASSERT_TRUE(opened.ok());
  EXPECT_TRUE(opened->report.lost);
}

TEST(Log, DoesNothingMoreAfterAFailedSync) {
  auto disk = new_log_disk();
  auto log = new_log(*disk);
  ASSERT_TRUE(log->append(Records{accept_record(1, 1)}).ok());
  disk->fail_sync_of(segment_name(1));
  EXPECT_FALSE(log->append(Records{accept_record(2, 1)}).ok());
  EXPECT_FALSE(log->append(Records{accept_record(3, 1)}).ok());
  EXPECT_FALSE(log->trim(Height(1)).ok());
}

TEST(Log, MakesDurableAgainWhatAFailedSyncLeftInTheCache) {
  auto disk = new_log_disk();
  auto log = new_log(*disk);
  ASSERT_TRUE(log->append(Records{accept_record(1, 1)}).ok());
  disk->fail_sync_of(segment_name(1));
  ASSERT_FALSE(log->append(Records{accept_record(2, 1)}).ok());
  disk->restart();
  auto opened = open_log(*disk);
  ASSERT_EQ(opened.report.state.accepted.size(), 2u) << "the cache still shows it";
  ASSERT_TRUE(opened.log->append(Records{accept_record(3, 1)}).ok());
  Prng random(Seed{1});
  disk->power_loss(sim::SimulatedDisk::Unsynced::lost, random);
  const auto after = open_log(*disk);
  EXPECT_FALSE(after.report.lost) << after.report.damage;
  EXPECT_EQ(after.report.state.accepted.size(), 3u);
}

TEST(Log, SaysThatTheDiskIsFull) {
  auto disk = new_log_disk();
  auto log = new_log(*disk);
  disk->limit_bytes(10'000);
  Result<void> appended;
  for (std::uint64_t slot = 1; slot < 100 && appended.ok(); ++slot) {
    appended = log->append(Records{accept_record(slot, 1, 900)});
  }
  ASSERT_FALSE(appended.ok());
  EXPECT_NE(appended.error().message.find("No space left on device"), std::string::npos);
  disk->limit_bytes(UINT64_MAX);
  EXPECT_FALSE(open_log(*disk).report.lost) << "a restart works once there is space again";
}

}  // namespace
}  // namespace paxledger::storage
