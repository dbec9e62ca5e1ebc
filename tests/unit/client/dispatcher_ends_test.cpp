// What is said of a failure, and of who was asked.
#include "client/dispatcher.hpp"

#include <gtest/gtest.h>

#include "unit/client/dispatcher_fixture.hpp"

namespace paxledger::client {
namespace {

TEST_F(DispatcherTest, AWriteWhoseSessionCouldNotBeOpenedSaysWhoAnsweredWhat) {
  dispatcher_->disconnected(2, now_);
  const auto call = put("a", milliseconds(1000));
  reply(0, sent(0)[0].id, ErrorCode::no_quorum, "hears nobody");
  for (int round = 0; round < 200 && !call->end; ++round) {
    for (std::size_t link = 0; link < 3; ++link) (void)sent(link);  // and nobody answers any more
    pass(milliseconds(10));
  }
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::no_quorum);
  EXPECT_EQ(call->end->message,
            "tcp://a:1: no quorum: hears nobody; tcp://b:1: gave no answer; tcp://c:1: cannot be "
            "reached; nothing was written");
  EXPECT_FALSE(call->trace.outcome_unknown);
  EXPECT_EQ(call->trace.leader, NodeId(2)) << "as the last answer named it";
  ASSERT_EQ(call->trace.asked.size(), 3u);
  EXPECT_TRUE(call->trace.asked[0].answered);
  EXPECT_EQ(call->trace.asked[0].code, ErrorCode::no_quorum);
  EXPECT_FALSE(call->trace.asked[1].answered);
  EXPECT_EQ(call->trace.asked[2].code, ErrorCode::io);
}

// No node said that there is no quorum, and nobody knows the user's command.
TEST_F(DispatcherTest, AWriteWhoseTimeWasUpWhileItsSessionWasOpenedTimedOutWithoutEffect) {
  const auto call = put("a", milliseconds(300));
  reply(0, sent(0)[0].id, ErrorCode::timeout, "the command was sent to the log");
  pass(milliseconds(310));
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::timeout);
  EXPECT_EQ(call->end->message,
            "timed out while a session was opened; tcp://a:1: no decision came in time; nothing "
            "was written");
  EXPECT_FALSE(call->trace.outcome_unknown);

  start({"tcp://a:1", "tcp://b:1"});
  const auto silent = put("a", milliseconds(300));
  (void)sent(0);
  pass(milliseconds(310));
  ASSERT_TRUE(silent->end);
  EXPECT_EQ(silent->end->code, ErrorCode::timeout);
  EXPECT_EQ(silent->end->message,
            "timed out while a session was opened; tcp://a:1: gave no answer; nothing was written");
  EXPECT_FALSE(silent->trace.outcome_unknown);
}

TEST_F(DispatcherTest, ADeadlineThatIsTooShortToAskAnybodyIsATimeout) {
  dispatcher_->disconnected(2, now_);
  const auto write = put("a", milliseconds(10));
  const auto read = submit(wire::GetRequest{}, milliseconds(10), std::nullopt);
  pass(milliseconds(20));
  ASSERT_TRUE(write->end && read->end);
  EXPECT_EQ(write->end->code, ErrorCode::timeout);
  EXPECT_TRUE(write->end->message.starts_with("timed out while a session was opened; "));
  EXPECT_TRUE(write->end->message.ends_with("; nothing was written")) << write->end->message;
  EXPECT_FALSE(write->trace.outcome_unknown);
  EXPECT_EQ(read->end->code, ErrorCode::timeout);
}

// The opening gives up a moment before the write that waits for it does, and a second one begins.
TEST_F(DispatcherTest, AnAnswerToAnEarlierOpeningOfTheSessionIsNotForgotten) {
  start({"tcp://a:1"});
  const auto call = put("a", milliseconds(6000));
  reply(0, sent(0)[0].id, ErrorCode::no_quorum);
  for (int round = 0; round < 700 && !call->end; ++round) {
    (void)sent(0);
    pass(milliseconds(10));
  }
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::no_quorum);
  EXPECT_EQ(call->end->message, "tcp://a:1: no quorum; nothing was written");
}

TEST_F(DispatcherTest, NodesThatSayTheSameStandTogetherAndTheOutcomeStandsLast) {
  const auto call = put("a", milliseconds(1000));
  open_session();
  (void)sent(0);
  refuse(*call, {1, 2}, milliseconds(2000));
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::timeout);
  EXPECT_EQ(call->end->message,
            "timeout, outcome unknown: tcp://a:1: gave no answer; tcp://b:1, tcp://c:1: no quorum; "
            "it may or may not have been written");
  EXPECT_TRUE(call->trace.outcome_unknown);
}

TEST_F(DispatcherTest, AReadSaysThatNothingWasRead) {
  const auto refused = get("a", 1);
  for (int round = 0; round < 600 && !refused->end; ++round) {
    for (const auto id : ids(1)) reply(1, id, ErrorCode::no_quorum, "no majority");
    pass(milliseconds(10));
  }
  ASSERT_TRUE(refused->end);
  EXPECT_EQ(refused->end->code, ErrorCode::no_quorum);
  EXPECT_EQ(refused->end->message, "tcp://b:1: no quorum: no majority; nothing was read");
  EXPECT_EQ(refused->trace.endpoint, 1u);

  const auto silent = get("a", 2);
  (void)ids(2);
  pass(milliseconds(5010));
  ASSERT_TRUE(silent->end);
  EXPECT_EQ(silent->end->code, ErrorCode::timeout);
  EXPECT_EQ(silent->end->message, "tcp://c:1: gave no answer; nothing was read");
  EXPECT_FALSE(silent->trace.outcome_unknown);
}

TEST_F(DispatcherTest, AResultSaysWhoGaveIt) {
  const auto call = get("a");
  (void)ids(0);
  pass(milliseconds(600));
  reply(1, ids(1)[0], ErrorCode::ok);
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->trace.endpoint, 1u);
}

TEST_F(DispatcherTest, ANodeOfAnotherClusterIsPassedOver) {
  const auto call = get("a");
  dispatcher_->found_foreign(0, ids(0)[0], "a is of another cluster", now_);
  EXPECT_FALSE(call->end);
  reply(1, ids(1)[0], ErrorCode::ok);
  EXPECT_EQ(call->end->code, ErrorCode::ok);
  const auto next = get("a");
  EXPECT_FALSE(dispatcher_->has_outbox(0)) << "it is not asked again";
  reply(1, ids(1)[0], ErrorCode::ok);
}

TEST_F(DispatcherTest, EndsAtOnceWhereOnlyNodesOfAnotherClusterAnswer) {
  dispatcher_->disconnected(1, now_);
  dispatcher_->disconnected(2, now_);
  const auto write = put("a");
  dispatcher_->found_foreign(0, sent(0)[0].id, "a is of another cluster", now_);
  ASSERT_TRUE(write->end);
  EXPECT_EQ(write->end->code, ErrorCode::bad_request);
  EXPECT_EQ(write->end->message, "a is of another cluster; nothing was written");
  const auto read = get("a");
  ASSERT_TRUE(read->end);
  EXPECT_EQ(read->end->message, "a is of another cluster; nothing was read");
  // Whoever listens there next is asked again.
  dispatcher_->disconnected(0, now_);
  dispatcher_->connected(0, now_);
  const auto again = get("a");
  reply(0, ids(0)[0], ErrorCode::ok);
  EXPECT_EQ(again->end->code, ErrorCode::ok);
}

TEST_F(DispatcherTest, ANodeOfAnotherClusterDoesNotMakeAnUnknownOutcomeKnown) {
  const auto call = put("a", milliseconds(1000));
  open_session();
  (void)sent(0);
  dispatcher_->disconnected(0, now_);
  dispatcher_->disconnected(2, now_);
  dispatcher_->found_foreign(1, sent(1)[0].id, "b is of another cluster", now_);
  EXPECT_FALSE(call->end);
  pass(milliseconds(1010));
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::timeout);
  EXPECT_TRUE(call->trace.outcome_unknown);
}

}  // namespace
}  // namespace paxledger::client
