#include "storage/directory.hpp"

#include <gtest/gtest.h>

#include <cstdio>

#include "sim/simulated_disk.hpp"
#include "storage/crc32c.hpp"
#include "storage/recovery.hpp"

namespace paxledger::storage {
namespace {

const Identity kWanted{ClusterId(77), "bank", NodeId(2), Identity::State::ready};
const std::string kRoot = "data/node-2";

StorageOptions options(OpenMode mode) {
  StorageOptions options;
  options.directory = kRoot;
  options.cluster_name = kWanted.cluster_name;
  options.cluster = kWanted.cluster;
  options.node = kWanted.node;
  options.mode = mode;
  options.log.segment_bytes = 8192;
  return options;
}

Result<RecoveredStorage> recover(Disk& disk, OpenMode mode) {
  return recover_storage(disk, options(mode), {}, {});
}

void initialise(sim::SimulatedDisk& disk) {
  const auto begun = recover(disk, OpenMode::initialise);
  ASSERT_TRUE(begun.ok()) << begun.error().message;
}

TEST(Identity, ComesBackAsItWasWhateverTheName) {
  for (const std::string name : {"bank", "", "a b\\c\n\x01", "größe"}) {
    const Identity identity{ClusterId(0xFEDC), name, NodeId(65), Identity::State::rejoining};
    const auto decoded = decode_identity(encode_identity(identity));
    ASSERT_TRUE(decoded.ok()) << name;
    EXPECT_EQ(*decoded, identity);
  }
}

TEST(Identity, IsATextThatAPersonCanRead) {
  const std::string text = encode_identity(kWanted);
  EXPECT_EQ(text.substr(0, text.find("crc32c")),
            "paxledger-data-directory 1\ncluster-id 000000000000004d\ncluster-name bank\nnode 2\n"
            "state ready\n");
}

TEST(Identity, IsRefusedAfterAnyFlippedBit) {
  const std::string octets = encode_identity(kWanted);
  for (std::size_t offset = 0; offset < octets.size(); ++offset) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string flipped = octets;
      flipped[offset] = static_cast<char>(flipped[offset] ^ static_cast<char>(1u << bit));
      EXPECT_FALSE(decode_identity(flipped).ok()) << offset << "." << bit;
    }
    EXPECT_FALSE(decode_identity(octets.substr(0, offset)).ok()) << offset;
  }
}

TEST(DataDirectory, RefusesAnEmptyOneAndSaysWhatToDo) {
  sim::SimulatedDisk disk;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto opened = recover(disk, OpenMode::open_existing);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::configuration);
    EXPECT_NE(opened.error().message.find("paxledger up"), std::string::npos);
    EXPECT_NE(opened.error().message.find("paxledgerd --rejoin"), std::string::npos);
    ASSERT_TRUE(disk.make_directories(kRoot).ok());
  }
}

TEST(DataDirectory, BeginsOnceAndIsOpenedAfterwards) {
  sim::SimulatedDisk disk;
  initialise(disk);
  const auto again = recover(disk, OpenMode::open_existing);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_FALSE(again->log_lost);
  EXPECT_FALSE(again->durable.abstain.open);
}

TEST(DataDirectory, RefusesToBeginOverAnOldOne) {
  sim::SimulatedDisk disk;
  initialise(disk);
  EXPECT_FALSE(recover(disk, OpenMode::initialise).ok());
  disk.lose(kRoot + "/identity");
  EXPECT_FALSE(recover(disk, OpenMode::initialise).ok());
  const auto opened = recover(disk, OpenMode::open_existing);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find("`identity` is missing"), std::string::npos);
}

TEST(DataDirectory, RefusesAnotherClusterOrNode) {
  sim::SimulatedDisk disk;
  initialise(disk);
  auto other = options(OpenMode::open_existing);
  other.node = NodeId(3);
  const auto node = recover_storage(disk, other, {}, {});
  ASSERT_FALSE(node.ok());
  EXPECT_NE(node.error().message.find("belongs to node 2 of cluster 'bank', not to node 3"),
            std::string::npos);
  other.node = NodeId(2);
  other.cluster = ClusterId(78);
  EXPECT_FALSE(recover_storage(disk, other, {}, {}).ok());
}

TEST(DataDirectory, RefusesANewerFormat) {
  sim::SimulatedDisk disk;
  initialise(disk);
  const std::string text = "paxledger-data-directory 2\nwhatever comes then\n";
  char sum[24];
  std::snprintf(sum, sizeof sum, "crc32c %08x\n", crc32c(text));
  disk.overwrite(kRoot + "/identity", text + sum);
  for (const OpenMode mode : {OpenMode::open_existing, OpenMode::rejoin}) {
    const auto opened = recover(disk, mode);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, ErrorCode::configuration);
    EXPECT_NE(opened.error().message.find("format 2, newer than this program"), std::string::npos);
  }
}

TEST(DataDirectory, RefusesASecondProcess) {
  sim::SimulatedDisk disk;
  const auto first = recover(disk, OpenMode::initialise);
  ASSERT_TRUE(first.ok());
  const auto second = recover(disk, OpenMode::open_existing);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().message.find("4711"), std::string::npos) << "the message names the pid";
}

TEST(DataDirectory, RejoinsFromNothingAsANodeThatAbstains) {
  sim::SimulatedDisk disk;
  const auto rejoined = recover(disk, OpenMode::rejoin);
  ASSERT_TRUE(rejoined.ok()) << rejoined.error().message;
  EXPECT_TRUE(rejoined->log_lost);
  EXPECT_TRUE(rejoined->durable.abstain.open);
}

TEST(DataDirectory, StillAbstainsWhenTheRejoinWasNotFinished) {
  sim::SimulatedDisk disk;
  (void)recover(disk, OpenMode::rejoin);
  const auto again = recover(disk, OpenMode::open_existing);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(again->log_lost);
}

TEST(DataDirectory, LeavesAnIntactDirectoryAloneOnRejoin) {
  sim::SimulatedDisk disk;
  initialise(disk);
  const auto rejoined = recover(disk, OpenMode::rejoin);
  ASSERT_TRUE(rejoined.ok());
  EXPECT_FALSE(rejoined->log_lost);
  EXPECT_FALSE(rejoined->notices.empty());
}

TEST(DataDirectory, ComesBackByRejoinFromADamagedIdentity) {
  sim::SimulatedDisk disk;
  {
    auto begun = recover(disk, OpenMode::initialise);
    ASSERT_TRUE(begun.ok());
    const std::vector<paxos::DurableRecord> records{paxos::PromiseRecord{{Round(5), NodeId(1)}}};
    ASSERT_TRUE(begun->log->append(records).ok());
  }
  disk.flip(kRoot + "/identity", 40, 1);
  const auto refused = recover(disk, OpenMode::open_existing);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::damaged);
  EXPECT_NE(refused.error().message.find("--rejoin"), std::string::npos);
  const auto rejoined = recover(disk, OpenMode::rejoin);
  ASSERT_TRUE(rejoined.ok()) << rejoined.error().message;
  EXPECT_TRUE(rejoined->log_lost);
  EXPECT_EQ(disk.list(kRoot + "/set-aside")->size(), 2u) << "identity and log are kept";
}

TEST(DataDirectory, CanBeBegunAgainWhereverACrashStruck) {
  using Unsynced = sim::SimulatedDisk::Unsynced;
  Prng random(Seed{3});
  for (const OpenMode mode : {OpenMode::initialise, OpenMode::rejoin}) {
    sim::SimulatedDisk rehearsal;
    ASSERT_TRUE(recover(rehearsal, mode).ok());
    for (const Unsynced unsynced : {Unsynced::lost, Unsynced::kept, Unsynced::torn}) {
      for (std::uint64_t at = 0; at < rehearsal.operations(); ++at) {
        SCOPED_TRACE("crash at operation " + std::to_string(at));
        sim::SimulatedDisk disk;
        disk.crash_at(at);
        (void)recover(disk, mode);
        disk.power_loss(unsynced, random);
        // As a supervisor would: start it; if it says that it is empty, begin again.
        auto opened = recover(disk, OpenMode::open_existing);
        if (!opened.ok()) {
          ASSERT_NE(opened.error().message.find("paxledger up"), std::string::npos)
              << opened.error().message;
          opened = recover(disk, mode);
        }
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        EXPECT_EQ(opened->log_lost, mode == OpenMode::rejoin) << opened->damage;
        EXPECT_EQ(opened->damage, "");
      }
    }
  }
}

void put_mark(Disk& disk) {
  ASSERT_TRUE(disk.make_directories("data").ok());
  auto file = disk.open(kRoot + ".unbegun", Disk::Access::create);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->sync().ok());
  ASSERT_TRUE(disk.sync_directory("data").ok());
}

TEST(DataDirectory, IsNotTakenForOneThatNeverBeganWhereverACrashStruck) {
  using Unsynced = sim::SimulatedDisk::Unsynced;
  Prng random(Seed{4});
  for (const OpenMode mode : {OpenMode::initialise, OpenMode::rejoin}) {
    sim::SimulatedDisk rehearsal;
    put_mark(rehearsal);
    const std::uint64_t before = rehearsal.operations();
    ASSERT_TRUE(recover(rehearsal, mode).ok());
    EXPECT_FALSE(*rehearsal.exists(kRoot + ".unbegun"));
    for (const Unsynced unsynced : {Unsynced::lost, Unsynced::kept, Unsynced::torn}) {
      for (std::uint64_t at = before; at < rehearsal.operations(); ++at) {
        SCOPED_TRACE("crash at operation " + std::to_string(at));
        sim::SimulatedDisk disk;
        put_mark(disk);
        disk.crash_at(at);
        (void)recover(disk, mode);
        disk.power_loss(unsynced, random);
        EXPECT_FALSE(*disk.exists(kRoot + ".unbegun") && *disk.exists(kRoot + "/identity"))
            << "a node that may have voted counts as one that never began";
      }
    }
  }
}

TEST(DataDirectory, OfANodeThatRunsTakesAwayAMarkThatSaysItNeverBegan) {
  sim::SimulatedDisk disk;
  initialise(disk);
  put_mark(disk);
  ASSERT_TRUE(recover(disk, OpenMode::open_existing).ok());
  EXPECT_FALSE(*disk.exists(kRoot + ".unbegun"));
}

}  // namespace
}  // namespace paxledger::storage
