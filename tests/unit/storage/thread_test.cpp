#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/block_thread.hpp"
#include "storage/log_thread.hpp"
#include "unit/storage/block_fixture.hpp"
#include "unit/storage/log_fixture.hpp"

namespace paxledger::storage {
namespace {

using Records = std::vector<paxos::DurableRecord>;

// A value that one thread sets and another one waits for.
template <class T>
class Awaited {
 public:
  void set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    changed_.notify_all();
  }
  template <class Predicate>
  T wait_until(Predicate holds) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(60),
                                        [&] { return value_.has_value() && holds(*value_); });
    EXPECT_TRUE(came) << "what was waited for did not come within a minute";
    return value_.value_or(T{});
  }
  T wait() {
    return wait_until([](const T&) { return true; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

TEST(LogThread, ReportsTicketsInOrderAndOnlyOnceTheyAreDurable) {
  auto disk = new_log_disk();
  std::vector<std::uint64_t> reported;
  Awaited<Ticket> durable;
  {
    LogThread thread(*disk, new_log(*disk), {}, [&](Ticket ticket) {
      reported.push_back(ticket.value());
      durable.set(ticket);
    });
    for (std::uint64_t ticket = 1; ticket <= 500; ++ticket) {
      thread.submit(Ticket(ticket), Records{accept_record(ticket, 1)});
    }
    durable.wait_until([](Ticket ticket) { return ticket == Ticket(500); });
    EXPECT_EQ(thread.counters().records.load(), 500u);
    EXPECT_LE(thread.counters().batches.load(), 500u);
  }
  EXPECT_TRUE(std::is_sorted(reported.begin(), reported.end()));
  EXPECT_EQ(std::adjacent_find(reported.begin(), reported.end()), reported.end());
  Prng random(Seed{1});
  disk->power_loss(sim::SimulatedDisk::Unsynced::lost, random);
  const auto opened = open_log(*disk);
  EXPECT_FALSE(opened.report.lost) << opened.report.damage;
  EXPECT_EQ(opened.report.state.accepted.size(), 500u);
}

// The nodes of a cluster fill their segments at the same time; zeros in one go would delay the
// syncs of all.
TEST(LogThread, SpreadsTheZerosOfTheNextSegmentOverThisOne) {
  constexpr std::uint64_t kSegmentBytes = std::uint64_t{4} << 20;
  constexpr std::uint64_t kPieceBytes = std::uint64_t{256} << 10;
  auto disk = new_log_disk();
  Awaited<Ticket> durable;
  LogThread thread(*disk, new_log(*disk, {kSegmentBytes}), {.zeros_per_octet = 2},
                   [&](Ticket ticket) { durable.set(ticket); });
  const std::string spare = kLogPlace.directory + "/spare.new";
  // 0 if there is none.
  const auto prepared = [&]() -> std::uint64_t {
    auto file = disk->open(spare, Disk::Access::read);
    return file ? *(*file)->size() : 0;
  };
  const auto becomes = [&](std::uint64_t bytes) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (prepared() != bytes && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(prepared(), bytes) << "the preparer goes on";
  };
  std::uint64_t ticket = 0;
  const auto write = [&] {
    ++ticket;
    thread.submit(Ticket(ticket), Records{accept_record(ticket, 1, 100'000)});
    durable.wait_until([&](Ticket told) { return told == Ticket(ticket); });
  };
  becomes(kSegmentBytes);  // the first one is made at once
  while (prepared() == kSegmentBytes) write();
  std::uint64_t before = thread.counters().bytes.load();
  becomes(kPieceBytes);
  while (prepared() < kSegmentBytes) {
    write();
    const std::uint64_t grown = thread.counters().bytes.load() - before;
    EXPECT_LE(prepared(), 2 * grown + kPieceBytes) << "after " << grown << " octets of log";
    becomes(std::min(kSegmentBytes, (2 * grown / kPieceBytes + 1) * kPieceBytes));
  }
  EXPECT_LE(thread.counters().bytes.load() - before, kSegmentBytes / 2 + 2 * 100'000);
}

TEST(LogThread, BearsItsNameSoThatAProfileShowsWhoseTimeItIs) {
  auto disk = new_log_disk();
  Awaited<std::string> name;
  LogThread thread(*disk, new_log(*disk), {}, [&](Ticket) {
    char text[16] = {};
    EXPECT_EQ(::pthread_getname_np(::pthread_self(), text, sizeof text), 0);
    name.set(text);
  });
  thread.submit(Ticket(1), Records{accept_record(1, 1)});
  EXPECT_EQ(name.wait(), "log");
}

TEST(LogThread, WritesWhatWasSubmittedBeforeItStops) {
  auto disk = new_log_disk();
  {
    LogThread thread(*disk, new_log(*disk), {}, [](Ticket) {});
    for (std::uint64_t ticket = 1; ticket <= 20; ++ticket) {
      thread.submit(Ticket(ticket), Records{accept_record(ticket, 1, 2000)});
    }
  }
  EXPECT_EQ(open_log(*disk).report.state.accepted.size(), 20u);
}

TEST(LogThread, ReportsNothingAfterAFailedSyncAndCallsTheFatalHandler) {
  auto disk = new_log_disk();
  std::atomic<std::uint64_t> highest{0};
  Awaited<std::string> last_words;
  LogThread thread(
      *disk, new_log(*disk), {.prepare_ahead = false},
      [&](Ticket ticket) { highest = ticket.value(); },
      [&](const Error& error) { last_words.set(error.message); });
  disk->fail_sync_of(segment_name(1));
  thread.submit(Ticket(1), Records{accept_record(1, 1)});
  EXPECT_NE(last_words.wait().find("sync of d/log/"), std::string::npos);
  thread.submit(Ticket(2), Records{accept_record(2, 1)});
  thread.stop();
  EXPECT_EQ(highest.load(), 0u);
}

TEST(LogThread, TrimsBetweenWrites) {
  auto disk = new_log_disk();
  {
    LogThread thread(*disk, new_log(*disk), {}, [](Ticket) {});
    for (std::uint64_t ticket = 1; ticket <= 60; ++ticket) {
      thread.submit(Ticket(ticket), Records{accept_record(ticket, 1, 900)});
    }
    thread.trim(Height(50));
  }
  const auto opened = open_log(*disk);
  EXPECT_FALSE(opened.report.lost) << opened.report.damage;
  EXPECT_EQ(opened.report.blocks_through, Height(50));
}

TEST(FatalHandler, EndsTheProcessWithItsExitCodeAndAMessage) {
  EXPECT_EXIT(end_the_process({ErrorCode::io, "sync of d/log/x: Input/output error (errno 5)"}),
              testing::ExitedWithCode(kExitDiskFailed), "d/log/x.*errno 5");
}

TEST(BlockThread, AppendsLoadsAndVerifiesInTheOrderOfTheCalls) {
  const auto chain = make_chain(30);
  auto disk = new_block_disk();
  Awaited<std::size_t> loaded;
  Awaited<VerifyReport> verified;
  BlockThread thread(*disk, open_blocks(*disk).store, {}, [](Height) {});
  thread.append({chain.begin(), chain.begin() + 10});
  thread.load(Height(4), 0, [&](Result<std::vector<SharedBytes>> blocks) {
    loaded.set(blocks.ok() ? blocks->size() : 0);
  });
  thread.verify([&](Result<VerifyReport> report) { verified.set(*report); });
  EXPECT_EQ(loaded.wait(), 1u);
  const auto report = verified.wait();
  EXPECT_TRUE(report.intact());
  EXPECT_GE(report.height, Height(10));
}

TEST(BlockThread, WritesAtOnceWhatSomebodyReadsAndAllThatWasGatheredInOneWrite) {
  const auto chain = make_chain(30);
  auto disk = new_block_disk();
  Awaited<std::size_t> loaded;
  BlockThread thread(*disk, open_blocks(*disk).store, {.gather_interval = std::chrono::hours(1)},
                     [](Height) {});
  for (const ledger::Block& block : chain) thread.append({block});
  thread.load(Height(30), 0, [&](Result<std::vector<SharedBytes>> blocks) {
    loaded.set(blocks.ok() ? blocks->size() : 0);
  });
  EXPECT_EQ(loaded.wait(), 1u);
  EXPECT_EQ(thread.counters().records.load(), 30u);
  EXPECT_EQ(thread.counters().batches.load(), 1u);
}

TEST(BlockThread, WritesWhatWasGatheredOnceItIsSoMuch) {
  const auto chain = make_chain(30);
  auto disk = new_block_disk();
  Awaited<Height> synced;
  BlockThread thread(
      *disk, open_blocks(*disk).store,
      {.gather_bytes = 1000, .gather_interval = std::chrono::hours(1), .sync_bytes = 1},
      [&](Height height) { synced.set(height); });
  for (const ledger::Block& block : chain) thread.append({block});
  synced.wait();
}

TEST(BlockThread, WritesWhatWasGatheredOnceItIsSoOld) {
  const auto chain = make_chain(3);
  auto disk = new_block_disk();
  Awaited<Height> synced;
  BlockThread thread(*disk, open_blocks(*disk).store,
                     {.gather_bytes = std::size_t{1} << 30, .sync_bytes = 1},
                     [&](Height height) { synced.set(height); });
  for (const ledger::Block& block : chain) thread.append({block});
  synced.wait_until([](Height height) { return height == Height(3); });
}

TEST(BlockThread, SyncsAfterSoManyOctetsAndSaysHowFar) {
  const auto chain = make_chain(30);
  auto disk = new_block_disk();
  Awaited<Height> synced;
  BlockThread thread(*disk, open_blocks(*disk).store,
                     {.sync_bytes = 1000, .sync_interval = std::chrono::hours(1)},
                     [&](Height height) { synced.set(height); });
  thread.append(chain);
  EXPECT_EQ(synced.wait(), Height(30));
  Prng random(Seed{1});
  disk->power_loss(sim::SimulatedDisk::Unsynced::lost, random);
  thread.stop();
  EXPECT_EQ(open_blocks(*disk, Height(30)).blocks.size(), 30u);
}

TEST(BlockThread, SyncsWhenItStops) {
  const auto chain = make_chain(5);
  auto disk = new_block_disk();
  Height synced;
  {
    BlockThread thread(*disk, open_blocks(*disk).store, {},
                       [&](Height height) { synced = height; });
    thread.append(chain);
  }
  EXPECT_EQ(synced, Height(5));
}

TEST(BlockThread, SetsAsideAndGoesOn) {
  const auto chain = make_chain(20);
  auto disk = new_block_disk();
  {
    BlockThread thread(*disk, open_blocks(*disk).store, {}, [](Height) {});
    thread.append(chain);
    Awaited<bool> done;
    thread.set_aside_from(Height(7), [&] { done.set(true); });
    EXPECT_TRUE(done.wait());
    thread.append({chain.begin() + 6, chain.end()});
  }
  EXPECT_EQ(open_blocks(*disk, Height(20)).blocks.size(), 20u);
}

TEST(BlockThread, CallsTheFatalHandlerWhenTheDiskIsFull) {
  const auto chain = make_chain(30);
  auto disk = new_block_disk();
  Awaited<std::string> last_words;
  BlockThread thread(
      *disk, open_blocks(*disk).store, {}, [](Height) {},
      [&](const Error& error) { last_words.set(error.message); });
  disk->limit_bytes(1000);
  thread.append(chain);
  EXPECT_NE(last_words.wait().find("No space left"), std::string::npos);
}

}  // namespace
}  // namespace paxledger::storage
