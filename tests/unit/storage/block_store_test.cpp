#include "storage/block_store.hpp"

#include <gtest/gtest.h>

#include <span>
#include <utility>

#include "unit/storage/block_fixture.hpp"

namespace paxledger::storage {
namespace {

constexpr std::size_t kBlocks = 30;

// A disk with a synced chain over several files.
std::unique_ptr<sim::SimulatedDisk> chain_on_disk(const std::vector<ledger::Block>& chain) {
  auto disk = new_block_disk();
  auto reopened = open_blocks(*disk);
  EXPECT_TRUE(reopened.store->append(chain).ok());
  EXPECT_TRUE(reopened.store->sync().ok());
  EXPECT_GT(reopened.store->extent().files.size(), 2u);
  return disk;
}

// The height of the block whose frame (or, for its first block, whose file's header) holds the
// octet.
Height height_at(const BlockStore::Extent& extent, const sim::SimulatedDisk& disk,
                 const std::string& path, std::uint64_t offset) {
  for (const auto& file : extent.files) {
    if (block_path(file.first.value()) != path) continue;
    const std::string octets = disk.content(path);
    Height height = file.first;
    std::uint64_t end = kBlockFileHeaderBytes;
    for (;; height = height.next()) {
      end += kFrameHeaderBytes + read_le<std::uint32_t>(octets, end + 4);
      if (offset < end) return height;
    }
  }
  return Height(0);
}

TEST(BlockStore, GivesBackWhatWasAppended) {
  const auto chain = make_chain(kBlocks);
  auto disk = chain_on_disk(chain);
  auto reopened = open_blocks(*disk, Height(kBlocks));
  EXPECT_EQ(reopened.report.damage, "");
  ASSERT_EQ(reopened.blocks.size(), chain.size());
  for (std::size_t i = 0; i < chain.size(); ++i) {
    EXPECT_EQ(reopened.blocks[i].hash, chain[i].hash);
    EXPECT_EQ(reopened.blocks[i].ops, chain[i].ops);
  }
}

TEST(BlockStore, ReadsEncodedBlocksFromAnyHeight) {
  const auto chain = make_chain(kBlocks);
  auto disk = chain_on_disk(chain);
  auto reopened = open_blocks(*disk);
  for (std::uint64_t first = 1; first <= kBlocks; ++first) {
    for (const std::size_t bytes_max : {std::size_t{0}, std::size_t{700}, std::size_t{1} << 20}) {
      const auto blocks = reopened.store->read(Height(first), bytes_max);
      ASSERT_TRUE(blocks.ok()) << blocks.error().message;
      ASSERT_FALSE(blocks->empty());
      if (bytes_max == 0) {
        EXPECT_EQ(blocks->size(), 1u);
      }
      for (std::size_t i = 0; i < blocks->size(); ++i) {
        EXPECT_EQ((*blocks)[i].view(), ledger::encode_block(chain[first - 1 + i]));
      }
    }
  }
  EXPECT_TRUE(reopened.store->read(Height(kBlocks + 1), 1000)->empty());
  EXPECT_TRUE(reopened.store->read(Height(0), 1000)->empty());
}

TEST(BlockStore, ReadsBlocksThatAreNotSyncedYet) {
  const auto chain = make_chain(3);
  auto disk = new_block_disk();
  auto reopened = open_blocks(*disk);
  ASSERT_TRUE(reopened.store->append(chain).ok());
  EXPECT_EQ(reopened.store->read(Height(1), 1 << 20)->size(), 3u);
  EXPECT_EQ(reopened.store->synced(), Height(0));
}

// A sync that finds megabytes to write makes the log's own syncs wait for it.
TEST(BlockStore, LetsTheDiskBeginLongBeforeItSyncs) {
  constexpr std::uint64_t kPieceBytes = std::uint64_t{256} << 10;
  const auto chain = make_chain(600, 3000);
  auto disk = new_block_disk();
  const auto store = std::move(open_blocks(*disk, Height(0), {}).store);
  std::uint64_t hinted = 0;
  for (std::size_t i = 0; i < chain.size(); i += 20) {
    ASSERT_TRUE(store->append(std::span(chain).subspan(i, 20)).ok());
    const std::uint64_t before = std::exchange(hinted, disk->hinted_through(block_path(1)));
    EXPECT_LT(store->extent().bytes - hinted, kPieceBytes) << "unsynced, and nobody was told";
    EXPECT_TRUE(hinted == before || hinted - before >= kPieceBytes) << "a page is written once";
  }
  EXPECT_GT(hinted, 3 * kPieceBytes);
}

TEST(BlockStore, FindsEveryFlippedBitWithItsHeight) {
  const auto chain = make_chain(kBlocks);
  const auto disk = chain_on_disk(chain);
  const auto extent = open_blocks(*disk).store->extent();
  for (const auto& file : extent.files) {
    const std::string path = block_path(file.first.value());
    for (std::uint64_t offset = 0; offset < file.bytes; ++offset) {
      const auto mask = static_cast<unsigned char>(1u << offset % 8);
      const Height expected = height_at(extent, *disk, path, offset);
      disk->flip(path, offset, mask);
      const auto verified = verify_blocks(*disk, kBlockPlace, extent, {});
      ASSERT_TRUE(verified.ok()) << verified.error().message;
      ASSERT_FALSE(verified->intact()) << path << " at " << offset;
      EXPECT_EQ(verified->problems.front().file, path);
      EXPECT_EQ(verified->problems.front().height, expected) << path << " at " << offset;
      EXPECT_EQ(verified->problems.size(), 1u) << path << " at " << offset;

      auto damaged = disk->copy();
      const auto reopened = open_blocks(*damaged, offset % 2 == 0 ? Height(0) : Height(kBlocks));
      ASSERT_NE(reopened.report.damage, "") << path << " at " << offset;
      EXPECT_NE(reopened.report.damage.find(path), std::string::npos);
      EXPECT_EQ(reopened.report.damaged_from, expected);
      EXPECT_EQ(reopened.store->height().next(), expected) << "good blocks stay";
      EXPECT_EQ(reopened.blocks.size() + 1, expected.value());
      EXPECT_EQ(reopened.report.known_through, Height(kBlocks)) << path << " at " << offset;
      EXPECT_FALSE(damaged->list(kBlockPlace.set_aside)->empty()) << "bad blocks are kept";
      disk->flip(path, offset, mask);
    }
  }
}

TEST(BlockStore, FindsADamagedBlockWhenItIsRead) {
  const auto disk = chain_on_disk(make_chain(kBlocks));
  auto reopened = open_blocks(*disk);
  disk->flip(block_path(1), kBlockFileHeaderBytes + kFrameHeaderBytes + 70, 1);
  const auto read = reopened.store->read(Height(1), 100);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::damaged);
  EXPECT_NE(read.error().message.find("height 1"), std::string::npos);
}

TEST(BlockStore, GoesOnAfterDamageWasSetAside) {
  const auto chain = make_chain(kBlocks);
  const auto disk = chain_on_disk(chain);
  disk->flip(block_path(1), 500, 1);
  auto reopened = open_blocks(*disk, Height(kBlocks));
  const std::size_t good = reopened.blocks.size();
  ASSERT_LT(good, 10u);
  ASSERT_TRUE(reopened.store->append(std::span(chain).subspan(good)).ok());
  ASSERT_TRUE(reopened.store->sync().ok());
  EXPECT_EQ(open_blocks(*disk, Height(kBlocks)).blocks.size(), kBlocks);
}

TEST(BlockStore, CutsATornTailAndSaysSo) {
  const auto chain = make_chain(5);
  auto disk = new_block_disk();
  {
    auto store = open_blocks(*disk).store;
    ASSERT_TRUE(store->append(std::span(chain).first(4)).ok());
    ASSERT_TRUE(store->sync().ok());
  }
  const std::size_t before = disk->content(block_path(1)).size();
  ASSERT_TRUE(open_blocks(*disk).store->append(std::span(chain).last(1)).ok());
  const std::string whole = disk->content(block_path(1));
  for (std::size_t length = before + 1; length < whole.size(); ++length) {
    disk->overwrite(block_path(1), whole.substr(0, length));
    auto reopened = open_blocks(*disk, Height(4));
    EXPECT_EQ(reopened.report.damage, "") << length;
    EXPECT_EQ(reopened.report.notices.size(), 1u) << length;
    EXPECT_EQ(reopened.store->height(), Height(4));
    EXPECT_EQ(disk->content(block_path(1)).size(), before);
    disk->overwrite(block_path(1), whole.substr(0, length));
    const auto damaged = open_blocks(*disk, Height(5));
    EXPECT_NE(damaged.report.damage, "") << "a synced block is never a torn tail";
    EXPECT_EQ(damaged.report.known_through, Height(5));
  }
}

TEST(BlockStore, CutsOffWhatNeverReachedTheDisk) {
  const auto chain = make_chain(8, 900);
  auto disk = new_block_disk();
  {
    auto store = open_blocks(*disk).store;
    ASSERT_TRUE(store->append(std::span(chain).first(1)).ok());
  }
  std::string octets = disk->content(block_path(1));
  std::fill(octets.begin() + 512, octets.begin() + 1024, '\0');
  disk->overwrite(block_path(1), octets);
  const auto reopened = open_blocks(*disk, Height(0));
  EXPECT_EQ(reopened.report.damage, "");
  EXPECT_EQ(reopened.store->height(), Height(0));
}

TEST(BlockStore, ReportsBlocksRemovedFromTheEnd) {
  const auto chain = make_chain(kBlocks);
  const auto disk = chain_on_disk(chain);
  const auto extent = open_blocks(*disk).store->extent();
  disk->lose(block_path(extent.files.back().first.value()));
  const auto reopened = open_blocks(*disk, Height(kBlocks));
  EXPECT_NE(reopened.report.damage.find("to " + std::to_string(kBlocks) + " are missing"),
            std::string::npos)
      << reopened.report.damage;
  EXPECT_EQ(reopened.report.known_through, Height(kBlocks));
  EXPECT_EQ(reopened.store->height().next(), extent.files.back().first);
}

TEST(BlockStore, ReportsAMissingFile) {
  const auto chain = make_chain(kBlocks);
  const auto whole = chain_on_disk(chain);
  const auto extent = open_blocks(*whole).store->extent();
  for (const auto& file : extent.files) {
    auto disk = whole->copy();
    disk->lose(block_path(file.first.value()));
    const auto verified = verify_blocks(*disk, kBlockPlace, extent, {});
    EXPECT_FALSE(verified->intact());
    const auto reopened = open_blocks(*disk, Height(kBlocks));
    EXPECT_NE(reopened.report.damage, "");
    EXPECT_EQ(reopened.store->height().next(), file.first);
    EXPECT_EQ(reopened.report.known_through, Height(kBlocks));
  }
}

TEST(BlockStore, TreatsABlockThatDoesNotLinkAsDamage) {
  const auto disk = chain_on_disk(make_chain(kBlocks));
  std::size_t seen = 0;
  const auto consume = [&seen](const ledger::Block&) -> Result<void> {
    if (++seen == 9) return Error{ErrorCode::damaged, "does not link"};
    return {};
  };
  const auto opened = BlockStore::open(*disk, kBlockPlace, kSmallFiles, Height(0), consume, {});
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(opened->store->height(), Height(8));
  EXPECT_NE(opened->report.damage.find("height 9: does not link"), std::string::npos);
}

TEST(BlockStore, SetsAsideFromAHeight) {
  const auto chain = make_chain(kBlocks);
  for (std::uint64_t first = 1; first <= kBlocks; ++first) {
    const auto disk = chain_on_disk(chain);
    auto reopened = open_blocks(*disk);
    ASSERT_TRUE(reopened.store->set_aside_from(Height(first)).ok());
    EXPECT_EQ(reopened.store->height().next(), Height(first));
    EXPECT_FALSE(disk->list(kBlockPlace.set_aside)->empty());
    ASSERT_TRUE(reopened.store->append(std::span(chain).subspan(first - 1)).ok());
    ASSERT_TRUE(reopened.store->sync().ok());
    EXPECT_EQ(open_blocks(*disk, Height(kBlocks)).blocks.size(), kBlocks) << first;
  }
}

TEST(BlockStore, DoesNothingMoreAfterAFailedSync) {
  const auto chain = make_chain(4);
  auto disk = new_block_disk();
  auto store = open_blocks(*disk).store;
  ASSERT_TRUE(store->append(std::span(chain).first(3)).ok());
  disk->fail_sync_of("blocks");
  EXPECT_FALSE(store->sync().ok());
  EXPECT_FALSE(store->sync().ok());
  EXPECT_FALSE(store->append(std::span(chain).last(1)).ok());
}

TEST(BlockStore, MakesDurableAgainWhatAFailedSyncLeftInTheCache) {
  const auto chain = make_chain(4);
  auto disk = new_block_disk();
  auto store = open_blocks(*disk).store;
  ASSERT_TRUE(store->append(chain).ok());
  disk->fail_sync_of("blocks");
  ASSERT_FALSE(store->sync().ok());
  disk->restart();
  auto reopened = open_blocks(*disk);
  ASSERT_EQ(reopened.blocks.size(), 4u);
  ASSERT_TRUE(reopened.store->sync().ok());
  Prng random(Seed{1});
  disk->power_loss(sim::SimulatedDisk::Unsynced::lost, random);
  EXPECT_EQ(open_blocks(*disk, Height(4)).blocks.size(), 4u);
}

// The log knows that twelve blocks were durable, and goes on to know it after the fifth was
// damaged. What comes back from peers was not synced then, whatever its height.
TEST(BlockStore, MakesDurableAgainWhatCameBackAfterDamage) {
  const auto chain = make_chain(14);
  const Height known(12);
  for (std::size_t given = 5; given <= 14; ++given) {
    for (const bool fails : {false, true}) {
      SCOPED_TRACE(std::to_string(given) + (fails ? ", the sync fails" : ""));
      auto disk = new_block_disk();
      {
        auto store =
            std::move(BlockStore::open(*disk, kBlockPlace, {1 << 20}, Height(0), {}, {})->store);
        ASSERT_TRUE(store->append(std::span(chain).first(12)).ok());
        ASSERT_TRUE(store->sync().ok());
        const auto fifth = disk->content(block_path(1)).find("command 0 of block 5");
        disk->flip(block_path(1), fifth, 1);
      }
      const auto open = [&] {
        return std::move(BlockStore::open(*disk, kBlockPlace, {1 << 20}, known, {}, {})->store);
      };
      {
        auto store = open();
        ASSERT_EQ(store->height(), Height(4));
        ASSERT_TRUE(store->append(std::span(chain).subspan(4, given - 4)).ok());
        if (fails) disk->fail_sync_of("blocks");
        if (fails) {
          EXPECT_FALSE(store->sync().ok());
        }
      }
      disk->restart();  // the process ended
      {
        auto store = open();
        ASSERT_EQ(store->height(), Height(given));
        EXPECT_EQ(*store->sync(), Height(given));
      }
      Prng random(Seed{1});
      disk->power_loss(sim::SimulatedDisk::Unsynced::lost, random);
      EXPECT_EQ(open()->height(), Height(given));
    }
  }
}

// A process ends when it has begun a file and put no block into it. For the next one there is
// nothing that was not synced, but for the file itself.
TEST(BlockStore, MakesAFileDurableThatAnEarlierProcessOnlyBegan) {
  const auto chain = make_chain(30);
  for (const std::size_t before : {std::size_t{0}, std::size_t{17}}) {
    SCOPED_TRACE(before);
    auto disk = new_block_disk();
    auto store = open_blocks(*disk).store;
    ASSERT_TRUE(store->append(std::span(chain).first(before)).ok());
    ASSERT_TRUE(store->sync().ok());
    // Room is left in no file: the next block begins one, whose header is all that is written.
    store = std::move(BlockStore::open(*disk, kBlockPlace, {1}, Height(before), {}, {})->store);
    disk->crash_at(disk->operations() + 1);
    ASSERT_FALSE(store->append(std::span(chain).subspan(before, 1)).ok());
    disk->restart();
    {
      auto reopened = open_blocks(*disk, Height(before));
      ASSERT_EQ(reopened.store->height(), Height(before));
      ASSERT_TRUE(reopened.store->append(std::span(chain).subspan(before, 2)).ok());
      EXPECT_EQ(*reopened.store->sync(), Height(before + 2));
    }
    Prng random(Seed{1});
    disk->power_loss(sim::SimulatedDisk::Unsynced::lost, random);
    EXPECT_EQ(open_blocks(*disk, Height(before + 2)).store->height(), Height(before + 2));
  }
}

TEST(BlockStore, KeepsEverythingSyncedWhereverACrashStrikes) {
  using Unsynced = sim::SimulatedDisk::Unsynced;
  const auto chain = make_chain(24, 300);
  const auto work = [&chain](sim::SimulatedDisk& disk, Height& synced) {
    auto opened = BlockStore::open(disk, kBlockPlace, kSmallFiles, Height(0), {}, {});
    if (!opened.ok()) return;
    BlockStore& store = *opened->store;
    while (store.height() < Height(24)) {
      const std::size_t done = store.height().value();
      if (!store.append(std::span(chain).subspan(done, std::min<std::size_t>(2, 24 - done))))
        return;
      if (done % 6 != 0) continue;
      const auto height = store.sync();
      if (!height) return;
      synced = *height;
    }
    (void)store.set_aside_from(Height(21));
  };
  auto rehearsal = new_block_disk();
  Height all;
  work(*rehearsal, all);
  Prng random(Seed{11});
  for (const Unsynced unsynced : {Unsynced::lost, Unsynced::kept, Unsynced::random}) {
    for (std::uint64_t at = 0; at < rehearsal->operations(); ++at) {
      for (int repetition = 0; repetition < 5; ++repetition) {
        SCOPED_TRACE("crash at operation " + std::to_string(at));
        auto disk = new_block_disk();
        disk->crash_at(disk->operations() + at);
        Height synced;
        work(*disk, synced);
        disk->power_loss(unsynced, random);
        const Height known = std::min(synced, Height(20));
        const auto reopened = open_blocks(*disk, known);
        // Files may be set aside in part; the rest of them follows now.
        if (reopened.report.damage != "") {
          EXPECT_EQ(reopened.report.damaged_from, Height(21)) << reopened.report.damage;
        }
        EXPECT_GE(reopened.store->height(), known);
        if (testing::Test::HasFailure()) return;
      }
    }
  }
}

TEST(VerifyBlocks, ReadsOnlyWhatWasThereWhenItBegan) {
  const auto chain = make_chain(kBlocks);
  auto disk = new_block_disk();
  auto store = open_blocks(*disk).store;
  ASSERT_TRUE(store->append(std::span(chain).first(10)).ok());
  const auto extent = store->extent();
  ASSERT_TRUE(store->append(std::span(chain).subspan(10)).ok());
  const auto report = verify_blocks(*disk, kBlockPlace, extent, {});
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->intact());
  EXPECT_EQ(report->blocks, 10u);
  EXPECT_EQ(report->height, Height(10));
  EXPECT_EQ(report->hash, chain[9].hash);
}

TEST(VerifyBlocks, GoesOnAfterDamageAndFindsTheNext) {
  const auto disk = chain_on_disk(make_chain(kBlocks));
  const auto extent = open_blocks(*disk).store->extent();
  disk->flip(block_path(1), kBlockFileHeaderBytes + 2, 1);        // frame header of block 1
  disk->flip(block_path(extent.files[1].first.value()), 400, 1);  // a block of the second file
  const auto report = verify_blocks(*disk, kBlockPlace, extent, {});
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->problems.size(), 2u);
  EXPECT_EQ(report->problems[0].height, Height(1));
  EXPECT_GT(report->problems[1].height, extent.files[1].first);
  EXPECT_EQ(report->blocks, kBlocks - 2);
}

}  // namespace
}  // namespace paxledger::storage
