// What goes into one write of the log.
#include "storage/log_queue.hpp"

#include <gtest/gtest.h>

#include "unit/storage/log_fixture.hpp"

namespace paxledger::storage {
namespace {

TEST(LogQueue, GathersSubmissionsIntoOneBatchInTheirOrder) {
  LogQueue queue;
  queue.submit(Ticket(1), {promise_record(1), accept_record(1, 1)});
  queue.submit(Ticket(2), {});
  queue.submit(Ticket(5), {accept_record(2, 1)});
  const LogWork work = queue.take(SIZE_MAX);
  ASSERT_EQ(work.records.size(), 3u);
  EXPECT_EQ(std::get<paxos::AcceptRecord>(work.records[1]).slot, Slot(1));
  EXPECT_EQ(std::get<paxos::AcceptRecord>(work.records[2]).slot, Slot(2));
  EXPECT_EQ(work.highest, Ticket(5));
  EXPECT_FALSE(work.trim_to);
  EXPECT_TRUE(queue.empty());
}

TEST(LogQueue, TakesAtLeastOneSubmissionAndNoMoreThanWasAskedFor) {
  LogQueue queue;
  for (std::uint64_t ticket = 1; ticket <= 4; ++ticket) {
    queue.submit(Ticket(ticket), {accept_record(ticket, 1, 1000)});
  }
  EXPECT_EQ(queue.take(1).highest, Ticket(1));
  EXPECT_EQ(queue.take(SIZE_MAX, 2).highest, Ticket(3));
  EXPECT_EQ(queue.submissions(), 1u);
  EXPECT_EQ(queue.take(SIZE_MAX, 0).highest, Ticket(0));
  EXPECT_EQ(queue.take(SIZE_MAX).highest, Ticket(4));
}

TEST(LogQueue, HandsOutATrimOnceAndNeverALowerOne) {
  LogQueue queue;
  EXPECT_TRUE(queue.trim(Height(7)));
  EXPECT_FALSE(queue.trim(Height(7)));
  EXPECT_FALSE(queue.trim(Height(3)));
  EXPECT_FALSE(queue.empty());
  EXPECT_EQ(queue.take(SIZE_MAX).trim_to, Height(7));
  EXPECT_TRUE(queue.empty());
  EXPECT_FALSE(queue.take(SIZE_MAX).trim_to);
}

}  // namespace
}  // namespace paxledger::storage
