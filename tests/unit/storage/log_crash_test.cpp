// Crashes at every operation. What append() acknowledged must be there afterwards, nothing may be
// called damaged, and nothing may appear that was never handed over.
#include <gtest/gtest.h>

#include <functional>

#include "unit/storage/log_fixture.hpp"

namespace paxledger::storage {
namespace {

using Records = std::vector<paxos::DurableRecord>;
using Unsynced = sim::SimulatedDisk::Unsynced;

struct Progress {
  paxos::DurableState acknowledged;
  Records in_flight;  // handed over, not acknowledged
  Height trimmed;
  bool began = false;
};

// Appends, rotates and trims until something fails.
void work(Disk& disk, Progress& progress) {
  auto opened = Log::open(disk, kLogPlace, kSmallSegments);
  if (!opened) return;
  ASSERT_FALSE(opened->report.lost) << opened->report.damage;
  progress.began = true;
  Log& log = *opened->log;
  for (std::uint64_t slot = 1; slot <= 24; ++slot) {
    if (slot == 6 && log.wants_spare()) {
      if (!prepare_spare(disk, log.spare_path(), log.segment_bytes())) return;
      log.spare_is_ready();
    }
    progress.in_flight = {accept_record(slot, slot / 5 + 1, 600 * (slot % 4 + 1)),
                          accept_record(slot + 1, slot / 5 + 1, 50)};
    if (!log.append(progress.in_flight)) return;
    for (const auto& record : progress.in_flight) progress.acknowledged.replay(record);
    progress.in_flight.clear();
    if (slot % 7 == 0) {
      if (!log.trim(Height(slot - 2))) return;
      progress.trimmed = Height(slot - 2);
    }
  }
}

void expect_nothing_lost(const LogReport& report, const Progress& progress) {
  ASSERT_FALSE(report.lost) << report.damage;
  ASSERT_GE(report.blocks_through, progress.trimmed);
  paxos::DurableState with_in_flight = progress.acknowledged;
  for (const auto& record : progress.in_flight) with_in_flight.replay(record);
  const Slot above = report.complete_above;
  const std::string found = described(report.state, above);
  if (found != described(with_in_flight, above)) {
    ASSERT_EQ(found, described(progress.acknowledged, above));
  }
}

struct Mode {
  const char* name;
  bool power_loss;
  Unsynced unsynced;
  int repetitions;
};
constexpr Mode kModes[]{{"process crash", false, Unsynced::kept, 1},
                        {"all lost", true, Unsynced::lost, 1},
                        {"all kept", true, Unsynced::kept, 1},
                        {"some lost", true, Unsynced::random, 4},
                        {"some torn", true, Unsynced::torn, 4}};

void crash(sim::SimulatedDisk& disk, const Mode& mode, Prng& random) {
  if (mode.power_loss) {
    disk.power_loss(mode.unsynced, random);
  } else {
    disk.restart();
  }
}

TEST(LogCrash, LosesNothingAcknowledgedWhereverItStrikes) {
  auto fresh = new_log_disk();
  new_log(*fresh).reset();
  Progress whole;
  auto rehearsal = fresh->copy();
  work(*rehearsal, whole);
  ASSERT_TRUE(whole.in_flight.empty());
  const std::uint64_t operations = rehearsal->operations();
  ASSERT_GT(operations, 60u);

  Prng random(Seed{2024});
  for (const Mode& mode : kModes) {
    for (std::uint64_t at = 0; at < operations; ++at) {
      for (int repetition = 0; repetition < mode.repetitions; ++repetition) {
        SCOPED_TRACE(std::string(mode.name) + ", crash at operation " + std::to_string(at));
        auto disk = fresh->copy();
        disk->crash_at(at);
        Progress progress;
        work(*disk, progress);
        crash(*disk, mode, random);
        const auto opened = open_log(*disk);
        expect_nothing_lost(opened.report, progress);
        if (testing::Test::HasFailure()) return;
        // And once more, without a word about the same tail.
        const auto again = open_log(*disk);
        for (const Notice& notice : again.report.notices) ADD_FAILURE() << notice.text;
        expect_nothing_lost(again.report, progress);
      }
    }
  }
}

TEST(LogCrash, LosesNothingWhenRecoveryIsCutDownToo) {
  auto fresh = new_log_disk();
  new_log(*fresh).reset();
  Progress whole;
  auto rehearsal = fresh->copy();
  work(*rehearsal, whole);
  Prng random(Seed{7});
  for (std::uint64_t at = 3; at < rehearsal->operations(); at += 2) {
    auto crashed = fresh->copy();
    crashed->crash_at(at);
    Progress progress;
    work(*crashed, progress);
    crashed->power_loss(Unsynced::torn, random);
    for (std::uint64_t again = 0;; ++again) {
      SCOPED_TRACE("crash at " + std::to_string(at) + ", in recovery at " + std::to_string(again));
      auto disk = crashed->copy();
      disk->crash_at(again);
      const bool done = Log::open(*disk, kLogPlace, kSmallSegments).ok();
      disk->power_loss(Unsynced::torn, random);
      const auto opened = open_log(*disk);
      expect_nothing_lost(opened.report, progress);
      if (testing::Test::HasFailure() || done) break;
    }
    if (testing::Test::HasFailure()) return;
  }
}

TEST(LogCrash, StartingOverMayBeCutDownAnywhere) {
  auto damaged = new_log_disk();
  {
    auto log = new_log(*damaged);
    for (std::uint64_t slot = 1; slot <= 12; ++slot) {
      ASSERT_TRUE(log->append(Records{accept_record(slot, 4, 1500)}).ok());
    }
  }
  damaged->flip(segment_path(1), kSectorBytes + 5, 1);
  Prng random(Seed{5});
  for (const Mode& mode : kModes) {
    for (std::uint64_t at = 0; at < 20; ++at) {
      SCOPED_TRACE(std::string(mode.name) + ", crash at operation " + std::to_string(at));
      auto disk = damaged->copy();
      const LogReport report = open_log(*disk).report;
      ASSERT_TRUE(report.lost);
      disk->crash_at(disk->operations() + at);
      (void)Log::start_over(*disk, kLogPlace, kSmallSegments, SegmentOrigin::started_over, report);
      crash(*disk, mode, random);
      auto opened = open_log(*disk);
      if (opened.report.lost) {
        auto log = Log::start_over(*disk, kLogPlace, kSmallSegments, SegmentOrigin::started_over,
                                   opened.report);
        ASSERT_TRUE(log.ok()) << log.error().message;
        opened = open_log(*disk);
      }
      ASSERT_FALSE(opened.report.lost) << opened.report.damage;
      EXPECT_TRUE(opened.report.state.abstain.open) << "it never votes on what it may have lost";
      EXPECT_EQ(opened.report.state.promised.round, Round(4));
      EXPECT_EQ(disk->list(kLogPlace.set_aside)->empty(), false) << "evidence is kept";
    }
  }
}

}  // namespace
}  // namespace paxledger::storage
