#include "net/wakeup.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <memory>
#include <thread>
#include <vector>

namespace paxledger::net {
namespace {

using testing::ElementsAre;

bool readable(int fd, int timeout_ms = 0) {
  pollfd item{fd, POLLIN, 0};
  return poll(&item, 1, timeout_ms) == 1;
}

TEST(Mailbox, IsReadableWhileItHoldsSomething) {
  auto box = Mailbox<int>::create(10);
  ASSERT_TRUE(box.ok());
  EXPECT_FALSE(readable((*box)->fd()));
  EXPECT_TRUE((*box)->push(1));
  EXPECT_TRUE((*box)->push(2));
  EXPECT_TRUE(readable((*box)->fd()));
  EXPECT_THAT((*box)->take_all(), ElementsAre(1, 2));
  EXPECT_FALSE(readable((*box)->fd()));
  EXPECT_TRUE((*box)->push(3));
  EXPECT_TRUE(readable((*box)->fd())) << "it wakes again after it was emptied";
}

TEST(Mailbox, RefusesWhenItIsFull) {
  auto box = Mailbox<int>::create(2);
  EXPECT_TRUE((*box)->push(1));
  EXPECT_TRUE((*box)->push(2));
  EXPECT_FALSE((*box)->push(3));
  EXPECT_EQ((*box)->take_all().size(), 2U);
  EXPECT_TRUE((*box)->push(4));
}

TEST(Mailbox, LosesNothingBetweenThreads) {
  constexpr int kWriters = 4;
  constexpr int kItems = 20'000;
  auto box = Mailbox<std::pair<int, int>>::create(kWriters * kItems);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&box, writer] {
      for (int i = 0; i < kItems; ++i) EXPECT_TRUE((*box)->push({writer, i}));
    });
  }
  std::vector<int> next(kWriters, 0);
  int taken = 0;
  while (taken < kWriters * kItems) {
    ASSERT_TRUE(readable((*box)->fd(), 10'000)) << "a writer did not wake the reader";
    for (const auto& [writer, i] : (*box)->take_all()) {
      EXPECT_EQ(i, next[static_cast<std::size_t>(writer)]++);
      ++taken;
    }
  }
  for (auto& writer : writers) writer.join();
}

TEST(Mailbox, CarriesWhatCanOnlyBeMoved) {
  auto box = Mailbox<std::unique_ptr<int>>::create(2);
  EXPECT_TRUE((*box)->push(std::make_unique<int>(7)));
  EXPECT_EQ(*(*box)->take_all().at(0), 7);
}

}  // namespace
}  // namespace paxledger::net
