#include "storage/recovery.hpp"

#include <gtest/gtest.h>

#include "storage/verify.hpp"
#include "unit/storage/block_fixture.hpp"

namespace paxledger::storage {
namespace {

StorageOptions options(OpenMode mode) {
  StorageOptions options;
  options.directory = "d";
  options.cluster_name = "bank";
  options.cluster = kBlockPlace.cluster;
  options.node = NodeId(2);
  options.mode = mode;
  options.log.segment_bytes = 8192;
  options.blocks = kSmallFiles;
  return options;
}

Result<RecoveredStorage> reopen(Disk& disk) {
  return recover_storage(disk, options(OpenMode::open_existing), {}, {});
}

paxos::DurableRecord accept_record(std::uint64_t slot) {
  return paxos::AcceptRecord{{Round(4), NodeId(1)}, Slot(slot), SharedBytes(std::string(800, 'v'))};
}

// A node that accepted 40 slots, applied 30 of them and synced 24.
std::unique_ptr<sim::SimulatedDisk> used_directory() {
  auto disk = std::make_unique<sim::SimulatedDisk>();
  auto begun = recover_storage(*disk, options(OpenMode::initialise), {}, {});
  EXPECT_TRUE(begun.ok()) << begun.error().message;
  for (std::uint64_t slot = 1; slot <= 40; ++slot) {
    const std::vector<paxos::DurableRecord> records{accept_record(slot)};
    EXPECT_TRUE(begun->log->append(records).ok());
  }
  const auto chain = make_chain(30);
  EXPECT_TRUE(begun->blocks->append(std::span(chain).first(24)).ok());
  EXPECT_TRUE(begun->log->trim(*begun->blocks->sync()).ok());
  EXPECT_TRUE(begun->blocks->append(std::span(chain).subspan(24)).ok());
  return disk;
}

std::string only(const sim::SimulatedDisk& disk, const std::string& part, bool last) {
  std::string found;
  for (const std::string& path : disk.paths()) {
    if (path.find(part) == std::string::npos) continue;
    found = path;
    if (!last) break;
  }
  return found;
}

TEST(RecoverStorage, LeavesOutAcceptancesThatStandInBlocks) {
  auto disk = used_directory();
  const auto recovered = reopen(*disk);
  ASSERT_TRUE(recovered.ok()) << recovered.error().message;
  EXPECT_EQ(recovered->damage, "");
  EXPECT_FALSE(recovered->log_lost);
  EXPECT_EQ(recovered->repair_through, Height(0));
  EXPECT_EQ(recovered->blocks->height(), Height(30));
  ASSERT_EQ(recovered->durable.accepted.size(), 10u);
  EXPECT_EQ(recovered->durable.accepted.begin()->first, Slot(31));
  EXPECT_LE(recovered->log_complete_above, Slot(24));
}

TEST(RecoverStorage, LosesOnlyUnsyncedBlocksWithThePower) {
  auto disk = used_directory();
  Prng random(Seed{1});
  disk->power_loss(sim::SimulatedDisk::Unsynced::lost, random);
  const auto recovered = reopen(*disk);
  ASSERT_TRUE(recovered.ok());
  EXPECT_EQ(recovered->damage, "");
  EXPECT_GE(recovered->blocks->height(), Height(24));
  // The log still has what the blocks lost.
  EXPECT_EQ(recovered->durable.accepted.size(), 40 - recovered->blocks->height().value());
}

TEST(RecoverStorage, AbstainsAfterDamageOfTheLog) {
  auto disk = used_directory();
  disk->flip(only(*disk, "/log/", true), kSectorBytes + 40, 1);
  const auto recovered = reopen(*disk);
  ASSERT_TRUE(recovered.ok()) << recovered.error().message;
  EXPECT_TRUE(recovered->log_lost);
  EXPECT_TRUE(recovered->durable.abstain.open);
  EXPECT_TRUE(recovered->durable.accepted.empty());
  EXPECT_EQ(recovered->durable.promised.round, Round(4));
  EXPECT_NE(recovered->damage.find("at offset"), std::string::npos) << recovered->damage;
  EXPECT_EQ(recovered->blocks->height(), Height(30)) << "the blocks are not touched";
}

TEST(RecoverStorage, StillAbstainsAtTheStartAfter) {
  auto disk = used_directory();
  disk->flip(only(*disk, "/log/", true), kSectorBytes + 40, 1);
  ASSERT_TRUE(reopen(*disk).ok());
  const auto recovered = reopen(*disk);
  ASSERT_TRUE(recovered.ok());
  EXPECT_TRUE(recovered->log_lost);
  EXPECT_EQ(recovered->damage, "") << "it is reported once";
}

TEST(RecoverStorage, NamesWhatMustBeRepairedAfterDamageOfABlock) {
  auto disk = used_directory();
  disk->flip(only(*disk, "/blocks/", false), 700, 1);
  const auto recovered = reopen(*disk);
  ASSERT_TRUE(recovered.ok());
  EXPECT_FALSE(recovered->log_lost);
  EXPECT_EQ(recovered->repair_through, Height(30));
  EXPECT_LT(recovered->blocks->height(), Height(10));
  EXPECT_NE(
      recovered->damage.find("height " + std::to_string(recovered->blocks->height().value() + 1)),
      std::string::npos)
      << recovered->damage;
}

TEST(RecoverStorage, NoticesThatTheNewestBlocksWereRemoved) {
  auto disk = used_directory();
  // Clean cuts, between files: nothing in the block files themselves tells.
  while (true) {
    const std::string path = only(*disk, "/blocks/", true);
    const auto first = parse_block_file_name(path.substr(path.find_last_of('/') + 1));
    disk->lose(path);
    if (*first <= Height(24)) break;
  }
  const auto recovered = reopen(*disk);
  ASSERT_TRUE(recovered.ok());
  EXPECT_NE(recovered->damage.find("to 24 are missing"), std::string::npos) << recovered->damage;
  EXPECT_EQ(recovered->repair_through, Height(24));
}

TEST(VerifyDirectory, FindsAFlippedBitInEachKindOfFile) {
  auto disk = used_directory();
  disk->restart();
  const auto intact = verify_directory(*disk, "d", {});
  ASSERT_TRUE(intact.ok()) << intact.error().message;
  EXPECT_TRUE(intact->intact());
  EXPECT_EQ(intact->height, Height(30));
  for (const std::string part : {"/identity", "/log/", "/blocks/"}) {
    auto damaged = disk->copy();
    const std::string path = only(*damaged, part, false);
    damaged->flip(path, 30, 1);
    const auto report = verify_directory(*damaged, "d", {});
    ASSERT_TRUE(report.ok()) << report.error().message;
    ASSERT_FALSE(report->intact()) << path;
    EXPECT_EQ(report->problems.front().file, path);
  }
}

// The beginning of a rejoin was interrupted. The blocks of the life before are there, and count.
TEST(VerifyDirectory, ChecksTheBlocksOfANodeThatWasAboutToRejoin) {
  auto disk = used_directory();
  disk->restart();
  disk->overwrite("d/identity", encode_identity({kBlockPlace.cluster, "bank", NodeId(2),
                                                 Identity::State::rejoining}));
  const auto intact = verify_directory(*disk, "d", {});
  ASSERT_TRUE(intact.ok()) << intact.error().message;
  EXPECT_TRUE(intact->intact());
  EXPECT_EQ(intact->height, Height(30));
  const std::string path = only(*disk, "/blocks/", false);
  disk->flip(path, 100, 1);
  const auto damaged = verify_directory(*disk, "d", {});
  ASSERT_FALSE(damaged->intact());
  EXPECT_EQ(damaged->problems.front().file, path);
}

TEST(VerifyDirectory, IsRefusedWhileANodeUsesIt) {
  auto disk = used_directory();
  const auto running = reopen(*disk);
  ASSERT_TRUE(running.ok());
  EXPECT_FALSE(verify_directory(*disk, "d", {}).ok());
}

TEST(VerifyDirectory, ChangesNothing) {
  auto disk = used_directory();
  disk->restart();
  const std::uint64_t before = disk->operations();
  ASSERT_TRUE(verify_directory(*disk, "d", {}).ok());
  EXPECT_EQ(disk->operations(), before);
}

}  // namespace
}  // namespace paxledger::storage
