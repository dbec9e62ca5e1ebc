#include "client/session.hpp"

#include <gtest/gtest.h>

namespace paxledger::client {
namespace {

TEST(Session, AcknowledgesOnlyWhatIsSettledWithoutAHole) {
  Session session(SessionId(7));
  for (std::uint64_t i = 1; i <= 3; ++i) EXPECT_EQ(session.take(), Sequence(i));
  session.settle(Sequence(2));
  EXPECT_EQ(session.acknowledged(), Sequence(0));
  session.settle(Sequence(1));
  EXPECT_EQ(session.acknowledged(), Sequence(2));
  session.settle(Sequence(3));
  EXPECT_EQ(session.acknowledged(), Sequence(3));
}

TEST(Session, GivesOutNoSequenceWhoseResultTheClusterCouldNotKeep) {
  Session session(SessionId(7));
  for (std::uint64_t i = 0; i < kv::kSessionWindow; ++i) (void)session.take();
  EXPECT_FALSE(session.has_room());
  session.settle(Sequence(2));
  EXPECT_FALSE(session.has_room()) << "the first is still open";
  session.settle(Sequence(1));
  EXPECT_TRUE(session.has_room());
}

TEST(Session, GoesOnPastItsWindow) {
  Session session(SessionId(7));
  for (std::uint64_t i = 1; i <= 3 * kv::kSessionWindow; ++i) {
    session.settle(session.take());
    ASSERT_EQ(session.acknowledged(), Sequence(i));
  }
}

TEST(Session, DrawsDistinctIds) {
  EXPECT_NE(draw_session_id(), SessionId(0));
  EXPECT_NE(draw_session_id(), draw_session_id());
}

}  // namespace
}  // namespace paxledger::client
