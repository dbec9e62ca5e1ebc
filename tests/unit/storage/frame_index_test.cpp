#include "storage/frame_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "base/prng.hpp"
#include "unit/storage/block_fixture.hpp"

namespace paxledger::storage {
namespace {

TEST(FrameIndex, NamesAFrameThatBeginsLessThanAStrideBefore) {
  Prng prng(Seed{7});
  FrameIndex index;
  std::vector<std::uint64_t> offsets;
  std::uint64_t offset = 60;
  for (int i = 0; i < 2000; ++i) {
    offsets.push_back(offset);
    index.add(offset);
    offset += prng.chance(1, 50) ? prng.between(1, 200'000) : prng.between(100, 3000);
    if (prng.chance(1, 300)) {
      offsets.resize(offsets.size() / 2);
      index.keep(offsets.size());
      offset = offsets.empty() ? 60 : offsets.back() + 500;
    }
    ASSERT_EQ(index.count(), offsets.size());
  }
  for (std::size_t frame = 0; frame < offsets.size(); ++frame) {
    const FrameIndex::Mark mark = index.at_or_before(frame);
    ASSERT_LE(mark.frame, frame);
    EXPECT_EQ(mark.offset, offsets[mark.frame]);
    EXPECT_TRUE(mark.frame == frame || offsets[frame] - mark.offset < FrameIndex::kStrideBytes);
  }
}

TEST(FrameIndex, GrowsWithTheOctetsAndNotWithTheBlocks) {
  FrameIndex small;
  FrameIndex large;
  constexpr std::uint64_t kBytes = std::uint64_t{64} << 20;
  for (std::uint64_t offset = 0; offset < kBytes; offset += 200) small.add(offset);
  for (std::uint64_t offset = 0; offset < kBytes; offset += 60'000) large.add(offset);
  EXPECT_GT(small.count(), 300'000u);
  EXPECT_LE(small.marks().size(), kBytes / FrameIndex::kStrideBytes);
  EXPECT_LE(large.marks().size(), kBytes / FrameIndex::kStrideBytes);
}

// Blocks of very different sizes over several strides of one file.
std::vector<ledger::Block> uneven_chain() {
  ledger::Chain chain(kBlockPlace.cluster);
  Prng prng(Seed{3});
  std::vector<ledger::Block> blocks;
  for (std::uint64_t n = 1; n <= 400; ++n) {
    const std::uint64_t bytes = prng.chance(1, 40) ? prng.between(60'000, 90'000) : n % 900;
    const std::string command(bytes, static_cast<char>('a' + n % 26));
    std::string ops;
    append_le(ops, static_cast<std::uint32_t>(command.size()));
    ops += command;
    const std::vector<std::string_view> views{command};
    blocks.push_back(
        chain.extend(SharedBytes(std::move(ops)), views, Timestamp(1'000'000 + n), 0, n));
  }
  return blocks;
}

std::size_t frame_bytes(const ledger::Block& block) {
  return kFrameHeaderBytes + ledger::encode_block(block).size();
}

void expect_reads(BlockStore& store, std::span<const ledger::Block> chain) {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    for (const std::size_t bytes_max : {std::size_t{1}, std::size_t{5000}, std::size_t{100'000}}) {
      std::size_t expected = 1;
      std::size_t bytes = frame_bytes(chain[i]);
      while (i + expected < chain.size() && bytes + frame_bytes(chain[i + expected]) <= bytes_max) {
        bytes += frame_bytes(chain[i + expected++]);
      }
      const auto read = store.read(Height(i + 1), bytes_max);
      ASSERT_TRUE(read.ok()) << read.error().message;
      ASSERT_EQ(read->size(), expected) << "from height " << i + 1;
      for (std::size_t k = 0; k < expected; ++k) {
        EXPECT_EQ((*read)[k].view(), ledger::encode_block(chain[i + k])) << "height " << i + k + 1;
      }
    }
  }
}

TEST(BlockStore, ReadsFromAnyHeightBetweenTheFramesWhosePlacesItKnows) {
  const auto chain = uneven_chain();
  auto disk = new_block_disk();
  {
    const auto store = std::move(open_blocks(*disk, Height(0), {}).store);
    ASSERT_TRUE(store->append(chain).ok());
    EXPECT_GT(store->extent().bytes, 5 * FrameIndex::kStrideBytes);
    expect_reads(*store, chain);
    ASSERT_TRUE(store->sync().ok());
  }
  expect_reads(*open_blocks(*disk, Height(chain.size()), {}).store, chain);
}

TEST(BlockStore, SetsAsideFromAnyHeightBetweenTheFramesWhosePlacesItKnows) {
  const auto chain = uneven_chain();
  for (const std::uint64_t first : {2u, 57u, 200u, 399u}) {
    auto disk = new_block_disk();
    const auto store = std::move(open_blocks(*disk, Height(0), {}).store);
    ASSERT_TRUE(store->append(chain).ok());
    ASSERT_TRUE(store->set_aside_from(Height(first)).ok());
    EXPECT_EQ(store->height(), Height(first - 1));
    ASSERT_TRUE(store->append(std::span(chain).subspan(first - 1)).ok());
    ASSERT_TRUE(store->sync().ok());
    expect_reads(*store, chain);
  }
}

TEST(BlockStore, NamesTheDamagedFrameThatItPassesOver) {
  const auto chain = uneven_chain();
  auto disk = new_block_disk();
  const auto store = std::move(open_blocks(*disk, Height(0), {}).store);
  ASSERT_TRUE(store->append(chain).ok());
  // The length in the header of block 3, which every read of the blocks behind it goes by.
  const std::uint64_t offset =
      kBlockFileHeaderBytes + frame_bytes(chain[0]) + frame_bytes(chain[1]);
  disk->flip(block_path(1), offset + 4, 1);
  const auto read = store->read(Height(5), 1);
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code, ErrorCode::damaged);
  EXPECT_NE(read.error().message.find(block_path(1) + " at offset " + std::to_string(offset) +
                                      ", height 3"),
            std::string::npos)
      << read.error().message;
  EXPECT_TRUE(store->read(Height(2), 1).ok()) << "what comes before is whole";
}

TEST(BlockStore, ReadsABlockWhereOnlyOthersAreDamaged) {
  const auto chain = uneven_chain();
  auto disk = new_block_disk();
  const auto store = std::move(open_blocks(*disk, Height(0), {}).store);
  ASSERT_TRUE(store->append(chain).ok());
  std::uint64_t offset = kBlockFileHeaderBytes;
  for (std::size_t i = 0; i < 4; ++i) offset += frame_bytes(chain[i]);
  const auto expect_damage_at = [&](std::uint64_t height) {
    for (std::uint64_t first = 1; first <= 8; ++first) {
      const auto read = store->read(Height(first), 1);
      EXPECT_EQ(read.ok(), first != height) << "height " << first;
    }
  };
  // The block of height 5, past its header: it is passed over by its length, which is intact.
  disk->flip(block_path(1), offset + kFrameHeaderBytes + 9, 1);
  expect_damage_at(5);
  const auto over = store->read(Height(4), 1 << 20);
  ASSERT_FALSE(over.ok());
  EXPECT_NE(over.error().message.find("height 5"), std::string::npos) << over.error().message;
}

TEST(BlockStore, SetsAsideFromDamageOnTheWayToTheHeight) {
  const auto chain = uneven_chain();
  for (const std::uint64_t damaged : {1u, 3u, 9u}) {
    SCOPED_TRACE(damaged);
    auto disk = new_block_disk();
    const auto store = std::move(open_blocks(*disk, Height(0), {}).store);
    ASSERT_TRUE(store->append(chain).ok());
    ASSERT_TRUE(store->sync().ok());
    std::uint64_t offset = kBlockFileHeaderBytes;
    for (std::size_t i = 0; i + 1 < damaged; ++i) offset += frame_bytes(chain[i]);
    disk->flip(block_path(1), offset + 4, 1);
    ASSERT_TRUE(store->set_aside_from(Height(10)).ok()) << "a repair is not ended by more damage";
    EXPECT_EQ(store->height(), Height(damaged - 1));
    EXPECT_FALSE(disk->list(kBlockPlace.set_aside)->empty());
    ASSERT_TRUE(store->append(std::span(chain).subspan(damaged - 1)).ok());
    ASSERT_TRUE(store->sync().ok());
    expect_reads(*store, chain);
  }
}

// A catch-up takes as much at once as it asks for, although few places are known.
TEST(BlockStore, ReadsAllBlocksOnceInStretches) {
  const auto chain = make_chain(20'000);
  auto disk = new_block_disk();
  const auto store = std::move(open_blocks(*disk, Height(0), {}).store);
  ASSERT_TRUE(store->append(chain).ok());
  std::size_t reads = 0;
  for (std::uint64_t next = 1; next <= chain.size(); ++reads) {
    const auto blocks = store->read(Height(next), std::size_t{1} << 20);
    ASSERT_TRUE(blocks.ok()) << blocks.error().message;
    ASSERT_FALSE(blocks->empty());
    EXPECT_EQ(blocks->front().view(), ledger::encode_block(chain[next - 1]));
    next += blocks->size();
  }
  EXPECT_LE(reads, store->extent().bytes / ((std::size_t{1} << 20) - 1000) + 1);
}

}  // namespace
}  // namespace paxledger::storage
