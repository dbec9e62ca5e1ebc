#include "node/keeper.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <spdlog/spdlog.h>

#include <filesystem>

#include "ledger/chain.hpp"
#include "node/exit_codes.hpp"
#include "storage/posix_disk.hpp"

namespace paxledger::node {
namespace {

using storage::OpenMode;

// A node's directory in a temporary folder. The keeper's threads are real, the waiting is for what
// they announce.
class KeeperTest : public testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);
    folder_ =
        std::filesystem::path(testing::TempDir()) /
        ("keeper-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder_);
    configuration_.cluster = "demo";
    configuration_.cluster_id = ledger::cluster_id("demo");
    configuration_.data_dir = folder_;
    configuration_.nodes = {{NodeId(1), {"127.0.0.1", 1}, {"127.0.0.1", 2}, {"127.0.0.1", 3}}};
    configuration_.service.log_segment_bytes = std::size_t{64} << 10;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::variant<Keeper::Opened, StartFailure> open(OpenMode mode) {
    return Keeper::open(disk_, configuration_, NodeId(1), mode, bell_, *events_);
  }
  // Expects that it opens.
  Keeper::Opened must_open(OpenMode mode) {
    auto opened = open(mode);
    if (const auto* failure = std::get_if<StartFailure>(&opened)) {
      ADD_FAILURE() << failure->message;
    }
    return std::move(std::get<Keeper::Opened>(opened));
  }
  void expect_refusal(OpenMode mode, const std::string& said) {
    const auto opened = open(mode);
    ASSERT_TRUE(std::holds_alternative<StartFailure>(opened)) << "it was opened";
    const auto& failure = std::get<StartFailure>(opened);
    EXPECT_EQ(failure.exit_code, kExitDirectory) << failure.message;
    EXPECT_NE(failure.message.find(said), std::string::npos) << failure.message;
  }

  static void wait_readable(int descriptor) {
    pollfd item{descriptor, POLLIN, 0};
    ASSERT_EQ(::poll(&item, 1, 10'000), 1) << "nothing came within 10 s";
  }
  void wait_durable(const Keeper& keeper, Ticket ticket) {
    while (keeper.durable() < ticket) {
      wait_readable(bell_.fd());
      bell_.clear();
    }
  }
  // The next event, which must be of the given kind.
  template <class Kind>
  Kind wait_event() {
    std::vector<Event> events;
    while (events.empty()) {
      wait_readable(events_->fd());
      if (HasFatalFailure()) break;
      events = events_->take_all();
    }
    EXPECT_EQ(events.size(), 1u);
    return std::move(std::get<Kind>(events.at(0)));
  }

  // The next `count` blocks of one and the same chain, each with one command.
  std::vector<ledger::Block> next_blocks(int count) {
    std::vector<ledger::Block> blocks;
    for (int i = 0; i < count; ++i) {
      std::string ops;
      append_le(ops, std::uint32_t{3});
      ops += "cmd";
      blocks.push_back(chain_.extend(SharedBytes(std::move(ops)), {"cmd"}, Timestamp(1), 0, 0));
    }
    return blocks;
  }

  std::filesystem::path folder_;
  Configuration configuration_;
  storage::PosixDisk disk_;
  net::Wakeup bell_ = std::move(*net::Wakeup::create());
  std::unique_ptr<EventMailbox> events_ = std::move(*EventMailbox::create(16));
  ledger::Chain chain_{ledger::cluster_id("demo")};
};

TEST_F(KeeperTest, RefusesAMissingDirectoryUntilToldToBegin) {
  expect_refusal(OpenMode::open_existing, "--rejoin");
  const auto opened = must_open(OpenMode::initialise);
  EXPECT_EQ(opened.recovered.applied.height(), Height(0));
  EXPECT_TRUE(opened.recovered.damage.empty());
}

TEST_F(KeeperTest, RefusesASecondUserOfTheDirectory) {
  const auto first = must_open(OpenMode::initialise);
  expect_refusal(OpenMode::open_existing, "uses this data directory");
}

TEST_F(KeeperTest, RefusesTheDirectoryOfAnotherCluster) {
  { const auto opened = must_open(OpenMode::initialise); }
  configuration_.cluster = "other";
  configuration_.cluster_id = ledger::cluster_id("other");
  expect_refusal(OpenMode::open_existing, "demo");
}

TEST_F(KeeperTest, RingsOnceATicketIsDurableAndFindsItsRecordsAgain) {
  {
    const auto opened = must_open(OpenMode::initialise);
    EXPECT_EQ(opened.keeper->durable(), Ticket(0));
    opened.keeper->submit(Ticket(7), {paxos::PromiseRecord{{Round(3), NodeId(1)}}});
    wait_durable(*opened.keeper, Ticket(7));
    EXPECT_EQ(opened.keeper->durable(), Ticket(7));
    EXPECT_GE(opened.keeper->log_report().syncs, 1u);
  }
  const auto again = must_open(OpenMode::open_existing);
  EXPECT_EQ(again.recovered.durable.promised, (paxos::Ballot{Round(3), NodeId(1)}));
}

// Otherwise the event loop would stand still with a slow disk before the replica notices.
TEST(KeeperOptions, TheLogTakesInWhateverTheReplicaLetsWaitForTheDisk) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  for (const std::size_t window : {2 * kMiB, 16 * kMiB, 64 * kMiB, 65 * kMiB, 1024 * kMiB}) {
    engine::Limits limits;
    limits.window_bytes = window;
    limits.batch_bytes_max = 2 * kMiB;
    EXPECT_GE(log_thread_options(limits).queue_bytes_max,
              limits.undurable_bytes_max() + 2 * limits.batch_bytes_max)
        << "with a window of " << window / kMiB << " MiB";
  }
}

TEST_F(KeeperTest, ReadsBlocksForPeersAndClients) {
  const auto opened = must_open(OpenMode::initialise);
  opened.keeper->append(next_blocks(3));
  opened.keeper->read_for_peer({NodeId(2), Height(2), 1 << 20});
  auto for_peer = wait_event<BlocksRead>();
  EXPECT_EQ(for_peer.to, NodeId(2));
  EXPECT_EQ(for_peer.first, Height(2));
  ASSERT_TRUE(for_peer.blocks.ok());
  EXPECT_EQ(for_peer.blocks->size(), 2u);
  opened.keeper->read_for_client(RequestKey(9), Height(1), 1);
  auto for_client = wait_event<BlocksRead>();
  EXPECT_EQ(for_client.to, kNobody);
  EXPECT_EQ(for_client.request, RequestKey(9));
  ASSERT_TRUE(for_client.blocks.ok());
  EXPECT_EQ(for_client.blocks->size(), 1u);
}

TEST_F(KeeperTest, VerifiesWhatIsOnDisk) {
  const auto opened = must_open(OpenMode::initialise);
  opened.keeper->append(next_blocks(3));
  opened.keeper->verify(RequestKey(4), false);
  auto verified = wait_event<ChainVerified>();
  EXPECT_EQ(verified.request, RequestKey(4));
  ASSERT_TRUE(verified.report.ok());
  EXPECT_TRUE(verified.report->intact());
  EXPECT_EQ(verified.report->height, Height(3));
  EXPECT_EQ(verified.report->hash, chain_.hash());
}

TEST_F(KeeperTest, WhatIsSetAsideIsGoneAfterTheNextStartAndTheRestIsThere) {
  {
    const auto opened = must_open(OpenMode::initialise);
    opened.keeper->append(next_blocks(5));
    opened.keeper->set_aside_from(Height(4));
    opened.keeper->stop();
  }
  EXPECT_FALSE(std::filesystem::is_empty(folder_ / "node-1" / "set-aside"))
      << "nothing is deleted, only set aside";
  const auto again = must_open(OpenMode::open_existing);
  EXPECT_EQ(again.recovered.applied.height(), Height(3));
}

TEST_F(KeeperTest, RestoresTheStateFromItsBlocks) {
  {
    const auto opened = must_open(OpenMode::initialise);
    opened.keeper->append(next_blocks(5));
  }
  const auto again = must_open(OpenMode::open_existing);
  EXPECT_EQ(again.recovered.applied.height(), Height(5));
  EXPECT_EQ(again.recovered.applied.head().hash, chain_.hash());
  EXPECT_TRUE(again.recovered.damage.empty()) << again.recovered.damage;
}

}  // namespace
}  // namespace paxledger::node
