// What a simulated node finds on its disk when it starts, whatever befell the disk.
#include "sim/node_disk.hpp"

#include "storage/block_file.hpp"
#include "unit/sim/disk_life.hpp"

namespace paxledger::sim {
namespace {

// --- what is kept -------------------------------------------------------------------------------

TEST(NodeDisk, KeepsWhatItReportedAsDurableThroughAPowerLoss) {
  DiskLife life;
  life.write(2, 100);
  life.complete();
  life.write(2, 100);  // never completed
  life.disk.crash(nullptr);
  ASSERT_TRUE(life.start());
  EXPECT_EQ(life.last->durable.accepted.size(), 2u);
  EXPECT_FALSE(life.last->log_lost);
  expect_kept(life);
}

TEST(NodeDisk, WritesPendingWritesAsOneBatchWithOneSync) {
  DiskLife life;
  life.write(1, 10);
  life.complete();  // the spare segment is prepared meanwhile
  life.write(1, 10);
  life.complete();
  const std::uint64_t before = life.disk.disk().operations();
  for (int i = 0; i < 5; ++i) life.write(1, 10);
  const auto done = life.disk.complete_writes(5);
  EXPECT_EQ(done.size(), 5u);
  EXPECT_EQ(life.disk.disk().operations() - before, 2u) << "one write and one sync";
}

TEST(NodeDisk, ForgetsSegmentsThatSyncedBlocksCover) {
  DiskLife life;
  for (int i = 0; i < 60; ++i) {
    life.write(1, 600);
    life.complete();
    life.decide(100);
  }
  EXPECT_EQ(life.disk.trimmed(), Slot(0));
  life.disk.sync_blocks();
  EXPECT_GT(life.disk.trimmed(), Slot(30));
  life.disk.crash(nullptr);
  ASSERT_TRUE(life.start());
  EXPECT_EQ(life.last->log_complete_above, life.disk.trimmed());
  EXPECT_EQ(life.last->applied.height(), Height(60));
  expect_kept(life);
}

TEST(NodeDisk, LosesAtAPowerLossTheBlocksThatWereNotSyncedAndKeepsThemWhenOnlyTheProcessEnds) {
  for (const bool power : {true, false}) {
    DiskLife life({8192, 1 << 20});
    for (int i = 0; i < 5; ++i) life.decide(100);
    life.disk.sync_blocks();
    for (int i = 0; i < 5; ++i) life.decide(100);
    life.write(0, 0);
    life.complete();  // the blocks are in the file, not on the disk
    power ? life.disk.crash(nullptr) : life.disk.kill(nullptr);
    ASSERT_TRUE(life.start());
    EXPECT_EQ(life.last->applied.height(), Height(power ? 5 : 10));
    expect_kept(life);
  }
}

// --- crashes anywhere ---------------------------------------------------------------------------

TEST(NodeDisk, KeepsEveryPromiseThroughThousandsOfCrashesAnywhere) {
  std::uint64_t restarts = 0;
  std::uint64_t trimmed = 0;
  std::uint64_t torn = 0;
  std::uint64_t unreported = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Prng random(Seed{seed});
    DiskLife life({random.between(16, 40) * 512, random.between(600, 20'000)});
    for (int lives = 0; lives < 12; ++lives) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", life " + std::to_string(lives));
      life.work(random, random.below(60));
      const std::size_t known = life.disk.durable().accepted.size();
      random.chance(1, 3) ? life.disk.kill(&random) : life.disk.crash(&random);
      ASSERT_TRUE(life.start()) << life.refusal;
      ++restarts;
      trimmed += life.last->log_complete_above > Slot(0) ? 1 : 0;
      unreported += life.disk.durable().accepted.size() > known ? 1 : 0;
      for (const auto& notice : life.disk.notices()) {
        torn += notice.text.find("not completely written") != std::string::npos ? 1 : 0;
      }
      expect_kept(life);
      if (testing::Test::HasFailure()) return;
    }
  }
  // All of it happens, or the test proves little.
  EXPECT_EQ(restarts, 3600u);
  EXPECT_GT(trimmed, 300u);
  EXPECT_GT(torn, 100u);
  EXPECT_GT(unreported, 100u);
}

// --- disks that refuse --------------------------------------------------------------------------

TEST(NodeDisk, EndsTheNodeAtTheFirstFailedSyncOrWriteAndLosesNothing) {
  for (const bool sync : {true, false}) {
    for (const char* part : {"/log/", "/blocks/"}) {
      SCOPED_TRACE(std::string(sync ? "sync " : "write ") + part);
      DiskLife life;
      life.write(2, 50);
      life.complete();
      life.decide(100);
      sync ? life.disk.disk().fail_sync_of(part) : life.disk.disk().fail_write_of(part);
      life.write(2, 50);
      const auto done = life.disk.complete_writes(1);
      life.disk.sync_blocks();
      ASSERT_TRUE(life.disk.failure());
      EXPECT_NE(life.disk.failure()->message.find(part), std::string::npos);
      EXPECT_EQ(done.empty(), std::string(part) == "/log/" || !sync)
          << "a failed write is reported";
      life.write(1, 50);
      EXPECT_TRUE(life.disk.complete_writes(1).empty()) << "nothing is tried again";
      life.disk.kill(nullptr);
      ASSERT_TRUE(life.start());
      // And the power goes, which shows what the start has made durable.
      life.disk.crash(nullptr);
      ASSERT_TRUE(life.start());
      expect_kept(life);
    }
  }
}

TEST(NodeDisk, EndsTheNodeWhenTheDiskIsFullAndStartsAgainWhereThereIsRoom) {
  DiskLife life;
  life.write(1, 50);
  life.complete();
  SimulatedDisk& disk = life.disk.disk();
  disk.limit_bytes(disk.bytes_used() + 100);
  for (int i = 0; i < 40 && !life.disk.failure(); ++i) {
    life.write(1, 500);
    life.complete();
  }
  ASSERT_TRUE(life.disk.failure());
  EXPECT_NE(life.disk.failure()->message.find("No space left"), std::string::npos);
  life.disk.kill(nullptr);
  disk.limit_bytes(UINT64_MAX);
  ASSERT_TRUE(life.start());
  expect_kept(life);
}

// --- what is lost -------------------------------------------------------------------------------

TEST(NodeDisk, RejoinsAfterItsDiskWasLost) {
  DiskLife life;
  life.write(3, 50);
  life.complete();
  life.disk.crash(nullptr);
  life.disk.wipe();
  ASSERT_TRUE(life.start());
  EXPECT_TRUE(life.last->log_lost);
  EXPECT_TRUE(life.last->durable.abstain.open);
  EXPECT_EQ(life.last->applied.height(), Height(0));
  expect_kept(life);
}

TEST(NodeDisk, TellsOfALostLogAndOfLostBlocks) {
  for (const bool log : {true, false}) {
    DiskLife life;
    for (int i = 0; i < 10; ++i) {
      life.write(1, 50);
      life.complete();
      life.decide(100);
    }
    life.disk.sync_blocks();
    life.disk.crash(nullptr);
    log ? life.disk.lose_log() : life.disk.lose_blocks();
    ASSERT_TRUE(life.start());
    EXPECT_EQ(life.last->log_lost, log);
    EXPECT_NE(life.last->damage, "");
    EXPECT_EQ(life.last->applied.height(), Height(log ? 10 : 0));
    EXPECT_EQ(life.last->repair_through, Height(log ? 0 : 10));
    expect_kept(life);
  }
}

// --- flipped bits -------------------------------------------------------------------------------

// Every octet of a directory in turn: what must be told is told, with its place, and nothing that
// was promised is lost in silence.
TEST(NodeDisk, TellsOfAFlippedBitWhereverItIs) {
  std::uint64_t kept = 0;
  for (std::uint64_t stride = 0;; ++stride) {
    DiskLife life;
    Prng random(Seed{5});
    life.work(random, 150);
    life.disk.crash(nullptr);
    SimulatedDisk& disk = life.disk.disk();
    std::uint64_t at = stride * 37;  // of the octets of all files
    std::string path;
    for (const std::string& file : disk.paths()) {
      const std::uint64_t size = disk.content(file).size();
      if (at < size) {
        path = file;
        break;
      }
      at -= size;
    }
    if (path.empty()) break;
    SCOPED_TRACE(path + " at " + std::to_string(at));
    disk.flip(path, at, static_cast<unsigned char>(1U << stride % 8));
    kept += kept_flips(disk, life.disk.paths(), ledger::cluster_id(kDiskCluster), kDiskNode).size();
    ASSERT_TRUE(life.start()) << life.refusal;
    expect_kept(life);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(kept, 200u);
}

TEST(NodeDisk, TellsOfManyFlippedBitsBetweenCrashesAndWhileItRuns) {
  std::uint64_t kept = 0;
  std::uint64_t refused_loads = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Prng random(Seed{seed});
    DiskLife life({random.between(16, 40) * 512, random.between(600, 20'000)});
    for (int lives = 0; lives < 6; ++lives) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", life " + std::to_string(lives));
      life.work(random, random.below(60));
      for (std::uint64_t count = random.below(3); count > 0; --count) life.disk.flip_bit(random);
      life.work(random, random.below(20));
      const Height first(random.between(1, 20));
      refused_loads += life.disk.load(first, 10'000).ok() ? 0 : 1;
      random.chance(1, 3) ? life.disk.kill(&random) : life.disk.crash(&random);
      for (std::uint64_t count = random.below(3); count > 0; --count) life.disk.flip_bit(random);
      kept += kept_flips(life.disk.disk(), life.disk.paths(), ledger::cluster_id(kDiskCluster),
                         kDiskNode)
                  .size();
      ASSERT_TRUE(life.start()) << life.refusal;
      expect_kept(life);
      if (testing::Test::HasFailure()) return;
    }
  }
  EXPECT_GT(kept, 500u);
  EXPECT_GT(refused_loads, 20u);
}

TEST(NodeDisk, TellsOfAFrameWithoutItsHeaderTogetherWithTheDamagedOneBeforeIt) {
  DiskLife life;
  for (int i = 0; i < 4; ++i) life.decide(100);
  life.disk.sync_blocks();
  life.disk.crash(nullptr);
  SimulatedDisk& disk = life.disk.disk();
  const std::string path = life.disk.paths().blocks() + "/00000000000000000001.blocks";
  const std::uint64_t second = disk.content(path).find("command at 1 ");
  const std::uint64_t frame_bytes = disk.content(path).find("command at 2 ") - second;
  disk.flip(path, second - frame_bytes, 1);                          // a command of the first block
  disk.flip(path, storage::kBlockFileHeaderBytes + frame_bytes, 1);  // the second frame's header
  disk.flip(path, second, 1);                                        // and the command in it
  const auto flips =
      kept_flips(disk, life.disk.paths(), ledger::cluster_id(kDiskCluster), kDiskNode);
  ASSERT_EQ(flips.size(), 3u);
  EXPECT_FALSE(flips[0].may_be_hidden);
  EXPECT_TRUE(flips[1].may_be_hidden);
  EXPECT_EQ(flips[2].offset, flips[1].offset);
  ASSERT_TRUE(life.start()) << life.refusal;
  expect_kept(life);
}

// --- the checks themselves ----------------------------------------------------------------------

bool is_violated(const DiskLife& life, const std::string& rule) {
  for (const std::string& text : life.violations()) {
    if (text.starts_with(rule + ":")) return true;
  }
  return false;
}

TEST(NodeDisk, IsCaughtWhenItLosesWhatItReportedAsDurable) {
  DiskLife life;
  life.write(2, 50);
  life.complete();
  life.disk.lie();
  life.disk.crash(nullptr);
  ASSERT_TRUE(life.start());
  EXPECT_TRUE(is_violated(life, "regress"));
}

TEST(NodeDisk, IsCaughtWhenItForgetsAcceptances) {
  DiskLife life;
  life.write(2, 50);
  life.complete();
  life.disk.crash(nullptr);
  life.disk.forget_acceptances();
  ASSERT_TRUE(life.start());
  EXPECT_TRUE(is_violated(life, "regress"));
}

TEST(NodeDisk, IsCaughtWhenSyncedBlocksAreGone) {
  DiskLife life;
  for (int i = 0; i < 3; ++i) life.decide(100);
  life.disk.sync_blocks();
  life.disk.crash(nullptr);
  life.disk.disk().lose(life.disk.paths().blocks());
  ASSERT_TRUE(life.start());
  EXPECT_TRUE(is_violated(life, "regress"));
  EXPECT_TRUE(is_violated(life, "damage")) << "and the damage was not planted";
}

TEST(FlippedBits, ThatNobodyTellsOfAreComplaintsEachWithItsPlace) {
  DiskLife life;
  for (int i = 0; i < 3; ++i) {
    life.write(1, 50);
    life.complete();
    life.decide(100);
  }
  life.disk.sync_blocks();
  life.disk.crash(nullptr);
  const storage::DirectoryPaths paths = life.disk.paths();
  SimulatedDisk& disk = life.disk.disk();
  disk.flip(paths.log() + "/00000000000000000001.log", 512 + 40, 1);
  disk.flip(paths.blocks() + "/00000000000000000001.blocks", 70, 4);
  const auto flips = kept_flips(disk, paths, ledger::cluster_id(kDiskCluster), kDiskNode);
  ASSERT_EQ(flips.size(), 2u);
  EXPECT_EQ(flips[0].place(), paths.log() + "/00000000000000000001.log at offset 512");
  EXPECT_EQ(flips[1].place(), paths.blocks() + "/00000000000000000001.blocks at offset 60");
  EXPECT_EQ(untold(flips, storage::VerifyReport{}).size(), 2u);
  EXPECT_EQ(untold(flips, "", {}).size(), 2u);
  EXPECT_EQ(untold(flips, flips[0].place() + ": bad", {}).size(), 1u);
  EXPECT_EQ(untold(flips, flips[0].place() + "0: bad; " + flips[1].place(), {}).size(), 1u)
      << "another offset with the same first digits";
}

}  // namespace
}  // namespace paxledger::sim
