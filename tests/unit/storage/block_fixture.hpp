// What the tests of the block files share: a chain of small blocks and a place for them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ledger/chain.hpp"
#include "sim/simulated_disk.hpp"
#include "storage/block_file.hpp"
#include "storage/block_store.hpp"
#include "storage/verify.hpp"

namespace paxledger::storage {

inline const BlockPlace kBlockPlace{"d/blocks", "d/set-aside", ClusterId(77)};
inline constexpr BlockStoreOptions kSmallFiles{2000};

// `count` linked blocks from height 1 on; block n carries n % 3 commands of about `bytes` octets.
inline std::vector<ledger::Block> make_chain(std::size_t count, std::size_t bytes = 60) {
  ledger::Chain chain(kBlockPlace.cluster);
  std::vector<ledger::Block> blocks;
  for (std::size_t n = 1; n <= count; ++n) {
    std::vector<std::string> commands;
    for (std::size_t i = 0; i < n % 3; ++i) {
      std::string command = "command " + std::to_string(i) + " of block " + std::to_string(n);
      while (command.size() < bytes) command += static_cast<char>('A' + command.size() % 26);
      commands.push_back(std::move(command));
    }
    std::string ops;
    for (const std::string& command : commands) {
      append_le(ops, static_cast<std::uint32_t>(command.size()));
      ops += command;
    }
    const std::vector<std::string_view> views(commands.begin(), commands.end());
    blocks.push_back(
        chain.extend(SharedBytes(std::move(ops)), views, Timestamp(1'000'000 + n), 0, n));
  }
  return blocks;
}

inline std::unique_ptr<sim::SimulatedDisk> new_block_disk() {
  auto disk = std::make_unique<sim::SimulatedDisk>();
  EXPECT_TRUE(disk->make_directories(kBlockPlace.directory).ok());
  EXPECT_TRUE(disk->make_directories(kBlockPlace.set_aside).ok());
  return disk;
}

// The store as it comes back, and what it handed over on the way.
struct Reopened {
  std::unique_ptr<BlockStore> store;
  BlockStore::Report report;
  std::vector<ledger::Block> blocks;
};

inline Reopened open_blocks(Disk& disk, Height known_durable = Height(0),
                            const BlockStoreOptions& options = kSmallFiles) {
  Reopened reopened;
  const auto consume = [&reopened](const ledger::Block& block) -> Result<void> {
    reopened.blocks.push_back(block);
    return {};
  };
  auto opened = BlockStore::open(disk, kBlockPlace, options, known_durable, consume, {});
  EXPECT_TRUE(opened.ok()) << opened.error().message;
  if (!opened.ok()) return reopened;
  reopened.store = std::move(opened->store);
  reopened.report = std::move(opened->report);
  return reopened;
}

inline std::string block_path(std::uint64_t first) {
  return kBlockPlace.directory + "/" + block_file_name(Height(first));
}

}  // namespace paxledger::storage
