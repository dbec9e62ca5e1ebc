#include "node/read_queue.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace paxledger::node {
namespace {

using std::chrono::seconds;

const net::ConnectionId kAlice{1};
const net::ConnectionId kBob{2};

ReadQueue::Waiting read(net::ConnectionId who, std::uint64_t request, std::size_t cost,
                        Instant expires = Instant(seconds(9))) {
  ReadQueue::Waiting waiting;
  waiting.connection = who;
  waiting.cost = cost;
  waiting.expires = expires;
  waiting.read.request = RequestKey(request);
  return waiting;
}

// Begins all that may begin.
std::vector<RequestKey> begin(ReadQueue& queue) {
  std::vector<RequestKey> begun;
  while (const auto next = queue.next()) begun.push_back(next->read.request);
  return begun;
}

std::vector<RequestKey> keys(std::initializer_list<std::uint64_t> numbers) {
  std::vector<RequestKey> result;
  for (const std::uint64_t number : numbers) result.emplace_back(number);
  return result;
}

TEST(ReadQueue, BeginsNoMoreThanMayBeUnderWay) {
  ReadQueue queue(100);
  for (std::uint64_t i = 1; i <= 5; ++i) queue.add(read(kAlice, i, 40));
  EXPECT_EQ(begin(queue), keys({1, 2}));
  EXPECT_FALSE(queue.can_begin());
  queue.end(RequestKey(99));
  EXPECT_EQ(begin(queue), keys({})) << "only an answer makes room";
  queue.end(RequestKey(2));
  EXPECT_TRUE(queue.can_begin());
  EXPECT_EQ(begin(queue), keys({3}));
  queue.end(RequestKey(1));
  queue.end(RequestKey(3));
  EXPECT_EQ(begin(queue), keys({4, 5}));
  queue.end(RequestKey(4));
  queue.end(RequestKey(5));
  EXPECT_TRUE(queue.empty());
}

TEST(ReadQueue, BeginsALargeOneAlone) {
  ReadQueue queue(100);
  queue.add(read(kAlice, 1, 10));
  queue.add(read(kAlice, 2, 1000));
  EXPECT_EQ(begin(queue), keys({1}));
  queue.end(RequestKey(1));
  EXPECT_EQ(begin(queue), keys({2}));
}

TEST(ReadQueue, WhoAsksForMuchWaitsForItself) {
  ReadQueue queue(2);
  for (std::uint64_t i = 1; i <= 1000; ++i) queue.add(read(kAlice, i, 1));
  queue.add(read(kBob, 2001, 1));
  queue.add(read(kBob, 2002, 1));
  EXPECT_EQ(begin(queue), keys({1, 2001}));
  queue.end(RequestKey(1));
  queue.end(RequestKey(2001));
  EXPECT_EQ(begin(queue), keys({2, 2002}));
}

TEST(ReadQueue, GivesUpWhatWaitsForTooLong) {
  ReadQueue queue(1);
  EXPECT_EQ(queue.next_expiry(), Instant::never());
  queue.add(read(kAlice, 1, 1, Instant(seconds(1))));
  queue.add(read(kAlice, 2, 1, Instant(seconds(5))));
  queue.add(read(kBob, 3, 1, Instant(seconds(3))));
  EXPECT_EQ(begin(queue), keys({1}));
  EXPECT_EQ(queue.take_expired(Instant(seconds(2))), keys({})) << "what is under way is not here";
  EXPECT_EQ(queue.next_expiry(), Instant(seconds(3)));
  EXPECT_EQ(queue.take_expired(Instant(seconds(4))), keys({3}));
  EXPECT_EQ(queue.next_expiry(), Instant(seconds(5)));
  queue.end(RequestKey(1));
  EXPECT_EQ(begin(queue), keys({2}));
  EXPECT_EQ(queue.next_expiry(), Instant::never());
}

}  // namespace
}  // namespace paxledger::node
