#include "node/wakefulness.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "base/invariant.hpp"

namespace paxledger::node {
namespace {

using std::chrono::milliseconds;

constexpr std::int32_t kAwake = 0;
constexpr std::int32_t kNoRequest = 2'000'000'000;

constexpr Wakefulness::Turn kWork{.did_something = true};
constexpr Wakefulness::Turn kWait{.awaits_something = true};
constexpr Wakefulness::Turn kNothing{};

Instant at(int ms) {
  return Instant(milliseconds(ms));
}

// Files stand for those of the system; that of the device holds the last request.
class WakefulnessTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("wakefulness-" + std::to_string(getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    files_.device = (folder_ / "device").string();
    files_.driver = (folder_ / "driver").string();
    write(-1);
    std::ofstream(files_.driver) << "haltpoll\n";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(std::int32_t request) const {
    std::ofstream stream(files_.device, std::ios::binary);
    stream.write(reinterpret_cast<const char*>(&request), sizeof request);
  }
  [[nodiscard]] std::int32_t requested() const {
    std::int32_t found = -2;
    std::ifstream stream(files_.device, std::ios::binary);
    stream.read(reinterpret_cast<char*>(&found), sizeof found);
    return found;
  }
  [[nodiscard]] Wakefulness open() const {
    auto opened = Wakefulness::open(milliseconds(5), files_);
    invariant(opened.ok(), "the files can be opened");
    return std::move(*opened);
  }
  [[nodiscard]] std::string refusal() const {
    const auto opened = Wakefulness::open(milliseconds(5), files_);
    if (opened.ok()) return "none";
    EXPECT_EQ(opened.error().code, ErrorCode::io);
    return opened.error().message;
  }

  std::filesystem::path folder_;
  CpuLatencyFiles files_;
};

TEST_F(WakefulnessTest, RequestsNothingBeforeThereIsWork) {
  Wakefulness wakefulness = open();
  EXPECT_EQ(requested(), kNoRequest);
  EXPECT_EQ(wakefulness.rests_at(), Instant::never());
  wakefulness.end_turn(kNothing, at(1000));
  EXPECT_EQ(requested(), kNoRequest);
}

TEST_F(WakefulnessTest, KeepsAwakeForALittleLongerThanItWorks) {
  Wakefulness wakefulness = open();
  wakefulness.end_turn(kWork, at(100));
  EXPECT_EQ(requested(), kAwake);
  EXPECT_EQ(wakefulness.rests_at(), at(105));
  wakefulness.end_turn(kWork, at(103));
  EXPECT_EQ(wakefulness.rests_at(), at(108));
  wakefulness.end_turn(kNothing, at(107));
  EXPECT_EQ(requested(), kAwake);
  wakefulness.end_turn(kNothing, at(108));
  EXPECT_EQ(requested(), kNoRequest);
  EXPECT_EQ(wakefulness.rests_at(), Instant::never());
  wakefulness.end_turn(kWork, at(200));
  EXPECT_EQ(requested(), kAwake);
}

// A disk took longer than the moment, and the loop had no turn meanwhile.
TEST_F(WakefulnessTest, CountsWhatWasWaitedForUntilThisTurn) {
  Wakefulness wakefulness = open();
  wakefulness.end_turn(kWait, at(100));
  wakefulness.end_turn(kNothing, at(108));
  EXPECT_EQ(wakefulness.rests_at(), at(113));
  wakefulness.end_turn(kNothing, at(112));
  EXPECT_EQ(wakefulness.rests_at(), at(113)) << "it ended at 108";
  wakefulness.end_turn(kNothing, at(113));
  EXPECT_EQ(requested(), kNoRequest);
}

// The next turn may be that of a heartbeat, or the one that is there to let them sleep.
TEST_F(WakefulnessTest, CountsWhatWasDoneOnce) {
  Wakefulness wakefulness = open();
  wakefulness.end_turn(kWork, at(100));
  wakefulness.end_turn(kNothing, at(105));
  EXPECT_EQ(requested(), kNoRequest);
}

TEST_F(WakefulnessTest, TellsTheDeviceOnlyWhatIsNew) {
  Wakefulness wakefulness = open();
  wakefulness.end_turn(kWork, at(100));
  write(7);
  wakefulness.end_turn(kWork, at(101));
  wakefulness.end_turn(kNothing, at(102));
  EXPECT_EQ(requested(), 7);
  wakefulness.end_turn(kNothing, at(106));
  EXPECT_EQ(requested(), kNoRequest);
  write(7);
  wakefulness.end_turn(kNothing, at(200));
  wakefulness.sleep();
  EXPECT_EQ(requested(), 7);
}

TEST_F(WakefulnessTest, SleepsAtOnceWhenToldTo) {
  Wakefulness wakefulness = open();
  wakefulness.end_turn(kWork, at(100));
  wakefulness.sleep();
  EXPECT_EQ(requested(), kNoRequest);
  EXPECT_EQ(wakefulness.rests_at(), Instant::never());
}

TEST_F(WakefulnessTest, MovesWithWhatItHasRequested) {
  Wakefulness first = open();
  first.end_turn(kWork, at(100));
  Wakefulness second = std::move(first);
  EXPECT_EQ(second.rests_at(), at(105));
  second.end_turn(kNothing, at(105));
  EXPECT_EQ(requested(), kNoRequest);
}

TEST_F(WakefulnessTest, SaysWhyItCannot) {
  const std::string device = std::exchange(files_.device, files_.device + "-missing");
  EXPECT_EQ(refusal(), "cannot open " + files_.device + ": No such file or directory");
  files_.device = "/dev/full";
  EXPECT_EQ(refusal(), "cannot write to /dev/full: No space left on device");
  files_.device = device;
  for (const char* driver : {"", "none\n"}) {
    std::ofstream(files_.driver) << driver;
    EXPECT_EQ(refusal(), "no driver for idle processors obeys " + device + " (" + files_.driver +
                             " names none)");
  }
  std::filesystem::remove(files_.driver);
  EXPECT_NE(refusal(), "none");
}

}  // namespace
}  // namespace paxledger::node
