// The same promises on a real file system, in a temporary directory.
#include "storage/posix_disk.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "storage/recovery.hpp"
#include "storage/verify.hpp"
#include "unit/storage/block_fixture.hpp"

namespace paxledger::storage {
namespace {

class OnARealDisk : public testing::Test {
 protected:
  OnARealDisk() {
    std::string pattern = (std::filesystem::temp_directory_path() / "paxledger-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~OnARealDisk() override { std::filesystem::remove_all(root_); }

  StorageOptions options(OpenMode mode) const {
    StorageOptions options;
    options.directory = root_ + "/data/node-2";
    options.cluster_name = "bank";
    options.cluster = kBlockPlace.cluster;
    options.node = NodeId(2);
    options.mode = mode;
    options.log.segment_bytes = 64 << 10;
    options.blocks = kSmallFiles;
    return options;
  }

  PosixDisk disk_;
  std::string root_;
};

TEST_F(OnARealDisk, FilesDoWhatTheInterfaceSays) {
  const std::string path = root_ + "/file";
  auto file = disk_.open(path, Disk::Access::create);
  ASSERT_TRUE(file.ok()) << file.error().message;
  EXPECT_FALSE(disk_.open(path, Disk::Access::create).ok());
  ASSERT_TRUE((*file)->reserve(10'000).ok());
  ASSERT_TRUE((*file)->write_at(0, std::string(10'000, '\0')).ok());
  (*file)->start_writeback(0, 10'000);
  EXPECT_EQ(*(*file)->size(), 10'000u);
  ASSERT_TRUE((*file)->write_at(9'998, "abcd").ok());
  ASSERT_TRUE((*file)->sync().ok());
  std::string octets(10, 'x');
  EXPECT_EQ(*(*file)->read_at(9'996, octets), 6u);
  EXPECT_EQ(octets.substr(0, 6), std::string("\0\0abcd", 6));
  ASSERT_TRUE((*file)->truncate(5).ok());
  EXPECT_EQ(*(*file)->size(), 5u);
  ASSERT_TRUE(disk_.rename(path, root_ + "/other").ok());
  EXPECT_EQ(*disk_.list(root_), std::vector<std::string>{"other"});
  ASSERT_TRUE(disk_.remove(root_ + "/other").ok());
  EXPECT_FALSE(*disk_.exists(root_ + "/other"));
  const auto missing = disk_.open(path, Disk::Access::read);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().message.find(path), std::string::npos);
  EXPECT_NE(missing.error().message.find("No such file"), std::string::npos);
}

TEST_F(OnARealDisk, SaysThatTheDiskIsFull) {
  auto full = disk_.open("/dev/full", Disk::Access::write);
  if (!full.ok()) {
    GTEST_SKIP() << full.error().message << "; that a full disk ends the node with these words is"
                 << " tested in tests/e2e/test_disk_failures.py as well";
  }
  const auto written = (*full)->write_at(0, "x");
  ASSERT_FALSE(written.ok());
  EXPECT_NE(written.error().message.find("No space left on device"), std::string::npos);
}

TEST_F(OnARealDisk, RefusesASecondProcessAndNamesTheFirst) {
  const auto first = recover_storage(disk_, options(OpenMode::initialise), {}, {});
  ASSERT_TRUE(first.ok()) << first.error().message;
  const std::string pid = std::to_string(::getpid());
  const pid_t child = ::fork();
  if (child == 0) {
    const auto second = recover_storage(disk_, options(OpenMode::open_existing), {}, {});
    const bool refused = !second.ok() && second.error().code == ErrorCode::configuration &&
                         second.error().message.find("process " + pid) != std::string::npos;
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_F(OnARealDisk, KeepsLogAndBlocksOverAReopening) {
  const auto chain = make_chain(30);
  {
    auto begun = recover_storage(disk_, options(OpenMode::initialise), {}, {});
    ASSERT_TRUE(begun.ok()) << begun.error().message;
    for (std::uint64_t slot = 1; slot <= 40; ++slot) {
      const std::vector<paxos::DurableRecord> records{paxos::AcceptRecord{
          {Round(1), NodeId(1)}, Slot(slot), SharedBytes(std::string(9000, 'v'))}};
      ASSERT_TRUE(begun->log->append(records).ok());
    }
    ASSERT_TRUE(begun->blocks->append(chain).ok());
    ASSERT_TRUE(begun->log->trim(*begun->blocks->sync()).ok());
  }
  {
    std::size_t blocks = 0;
    const auto recovered = recover_storage(
        disk_, options(OpenMode::open_existing),
        [&](const ledger::Block&) -> Result<void> { return ++blocks, Result<void>(); }, {});
    ASSERT_TRUE(recovered.ok()) << recovered.error().message;
    EXPECT_EQ(recovered->damage, "");
    EXPECT_EQ(blocks, 30u);
    EXPECT_EQ(recovered->durable.accepted.size(), 10u);
  }
  const auto verified = verify_directory(disk_, options(OpenMode::open_existing).directory, {});
  ASSERT_TRUE(verified.ok()) << verified.error().message;
  EXPECT_TRUE(verified->intact());
  EXPECT_EQ(verified->hash, chain.back().hash);
}

}  // namespace
}  // namespace paxledger::storage
