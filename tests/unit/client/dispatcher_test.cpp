#include "client/dispatcher.hpp"

#include <gtest/gtest.h>

#include "unit/client/dispatcher_fixture.hpp"

namespace paxledger::client {
namespace {

TEST_F(DispatcherTest, OpensASessionBeforeTheFirstWriteAndNumbersFromOne) {
  const auto a = put("a");
  const auto b = put("b");
  open_session();
  const auto writes = sent(0);
  ASSERT_EQ(writes.size(), 2u) << "requests that wait together travel together";
  EXPECT_EQ(writes[0].command.key, "a");
  EXPECT_EQ(writes[0].command.session, session_);
  EXPECT_EQ(writes[0].command.sequence, Sequence(1));
  EXPECT_EQ(writes[1].command.sequence, Sequence(2));
  reply(0, writes[1].id, ErrorCode::ok);
  EXPECT_TRUE(b->end);
  EXPECT_FALSE(a->end);
  const auto c = put("c");
  EXPECT_EQ(sent(0)[0].command.acknowledged, Sequence(0)) << "the result of 1 was not seen";
  reply(0, writes[0].id, ErrorCode::ok);
  const auto d = put("d");
  EXPECT_EQ(sent(0)[0].command.acknowledged, Sequence(2));
}

TEST_F(DispatcherTest, ReadsNeedNoSession) {
  const auto read = get("a");
  const auto asked = ids(0);
  ASSERT_EQ(asked.size(), 1u);
  reply(0, asked[0], ErrorCode::not_found);
  EXPECT_EQ(read->end->code, ErrorCode::not_found);
  EXPECT_EQ(dispatcher_->counters().sessions_opened, 0u);
}

TEST_F(DispatcherTest, RetriesAtTheNextNodeWithTheSameOctets) {
  const auto call = put("a");
  open_session();
  const auto first = sent(0);
  pass(milliseconds(600));
  const auto second = sent(1);
  ASSERT_EQ(second.size(), 1u) << "a node that is silent is passed over";
  EXPECT_EQ(second[0].octets, first[0].octets);
  reply(1, second[0].id, ErrorCode::ok);
  EXPECT_EQ(call->end->code, ErrorCode::ok);
}

TEST_F(DispatcherTest, TakesALateResultOfTheNodeThatWasPassedOver) {
  const auto call = put("a");
  open_session();
  const auto first = sent(0);
  pass(milliseconds(600));
  (void)sent(1);
  reply(0, first[0].id, ErrorCode::ok);
  EXPECT_EQ(call->end->code, ErrorCode::ok);
}

TEST_F(DispatcherTest, IsPatientWithANodeThatAnswersOthers) {
  const auto slow = put("slow");
  open_session();
  (void)sent(0);
  for (int i = 0; i < 10; ++i) {
    const auto quick = get("quick");
    pass(milliseconds(100));
    const auto asked = ids(0);
    ASSERT_EQ(asked.size(), 1u);
    reply(0, asked[0], ErrorCode::ok);
  }
  EXPECT_FALSE(dispatcher_->has_outbox(1));
}

TEST_F(DispatcherTest, AsksElsewhereAtOnceWhenAConnectionBreaks) {
  const auto call = put("a");
  open_session();
  const auto first = sent(0);
  dispatcher_->disconnected(0, now_);
  const auto second = sent(1);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].octets, first[0].octets);
  const auto later = put("b");
  EXPECT_EQ(sent(1).size(), 1u) << "later calls do not try the broken connection first";
}

TEST_F(DispatcherTest, ARefusalWithoutEffectIsTriedElsewhere) {
  const auto call = put("a");
  open_session();
  reply(0, sent(0)[0].id, ErrorCode::no_quorum);
  const auto second = sent(1);
  ASSERT_EQ(second.size(), 1u);
  reply(1, second[0].id, ErrorCode::ok);
  EXPECT_EQ(call->end->code, ErrorCode::ok);
}

TEST_F(DispatcherTest, SaysNoQuorumWhereEveryAttemptWasRefused) {
  const auto call = put("a", milliseconds(1000));
  open_session();
  refuse(*call, {0, 1, 2}, milliseconds(2000));
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::no_quorum);
}

TEST_F(DispatcherTest, SaysThatTheOutcomeIsUnknownIfOneAttemptWasNotAnswered) {
  const auto call = put("a", milliseconds(1000));
  open_session();
  (void)sent(0);
  pass(milliseconds(600));
  refuse(*call, {1, 2}, milliseconds(1000));
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::timeout);
}

TEST_F(DispatcherTest, AWriteThatWasNeverSentHadNoEffect) {
  for (std::size_t link = 0; link < 3; ++link) dispatcher_->disconnected(link, now_);
  const auto call = put("a", milliseconds(300));
  pass(milliseconds(290));
  EXPECT_FALSE(call->end) << "it waits for a node to come up";
  pass(milliseconds(20));
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::no_quorum);
}

TEST_F(DispatcherTest, AsksAsSoonAsANodeComesUp) {
  for (std::size_t link = 0; link < 3; ++link) dispatcher_->disconnected(link, now_);
  const auto call = get("a");
  EXPECT_FALSE(dispatcher_->has_outbox(2));
  dispatcher_->connected(2, now_);
  dispatcher_->tick(now_);
  EXPECT_EQ(ids(2).size(), 1u);
}

TEST_F(DispatcherTest, ATimeoutOfTheNodeIsTriedAgainWithTheSameOctets) {
  const auto call = put("a");
  open_session();
  const auto first = sent(0);
  reply(0, first[0].id, ErrorCode::timeout);
  pass(milliseconds(100));
  const auto second = sent(1);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second[0].octets, first[0].octets);
  reply(1, second[0].id, ErrorCode::ok);
  EXPECT_EQ(call->end->code, ErrorCode::ok);
}

TEST_F(DispatcherTest, MovesAWriteWithoutEffectToANewSession) {
  const auto call = put("a");
  open_session();
  const SessionId old = session_;
  reply(0, sent(0)[0].id, ErrorCode::session_expired);
  EXPECT_FALSE(call->end);
  open_session();
  EXPECT_NE(session_, old);
  const auto again = sent(0);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].command.session, session_);
  EXPECT_EQ(again[0].command.sequence, Sequence(1));
  EXPECT_EQ(again[0].command.key, "a");
  EXPECT_EQ(again[0].command.value, "v");
}

// An opening whose answer was lost is tried again when its session has expired meanwhile.
TEST_F(DispatcherTest, OpensAnotherSessionIfTheOneItWasOpeningHasExpired) {
  const auto call = put("a");
  const auto opening = sent(0);
  ASSERT_EQ(opening.size(), 1u);
  reply(0, opening[0].id, ErrorCode::session_expired);
  EXPECT_FALSE(call->end) << "the call has nothing to do with that session";
  pass(milliseconds(10));
  open_session();
  EXPECT_NE(session_, opening[0].command.session);
  const auto writes = sent(0);
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].command.session, session_);
  reply(0, writes[0].id, ErrorCode::ok);
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::ok);
}

TEST_F(DispatcherTest, DoesNotRepeatAnUnknownOutcomeUnderANewSession) {
  const auto call = put("a");
  open_session();
  (void)sent(0);
  pass(milliseconds(600));
  reply(1, sent(1)[0].id, ErrorCode::session_expired);
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::timeout);
}

TEST_F(DispatcherTest, AFixedEndpointIsAskedAndNoOther) {
  const auto call = get("a", 1);
  EXPECT_EQ(ids(1).size(), 1u);
  pass(milliseconds(2000));
  EXPECT_FALSE(dispatcher_->has_outbox(0));
  EXPECT_FALSE(dispatcher_->has_outbox(2));
  dispatcher_->disconnected(1, now_);
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::timeout);
  const auto other = get("a", 1);
  ASSERT_TRUE(other->end) << "a connection that is known to be down fails at once";
  EXPECT_EQ(other->end->code, ErrorCode::io);
}

TEST_F(DispatcherTest, TellsANodeThatIsSilentFromAPlaceWhereNobodyListens) {
  dispatcher_->dialled(0, false);
  dispatcher_->disconnected(0, now_);
  EXPECT_EQ(get("a", 0)->end->message, "cannot connect to tcp://a:1; nothing was read");
  // Somebody takes the connection and never greets, as a paused process does.
  dispatcher_->dialled(1, true);
  dispatcher_->disconnected(1, now_);
  EXPECT_EQ(get("a", 1)->end->message, "tcp://b:1 does not answer; nothing was read");
  const auto call = get("a", 2);
  pass(milliseconds(5000));
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::io);
  EXPECT_EQ(call->end->message, "tcp://c:1: does not answer; nothing was read");
}

TEST_F(DispatcherTest, AWriteThatIsRefusedForGoodEnds) {
  const auto call = put("a");
  open_session();
  reply(0, sent(0)[0].id, ErrorCode::unauthorized);
  EXPECT_EQ(call->end->code, ErrorCode::unauthorized);
}

TEST_F(DispatcherTest, IfNoSessionCanBeOpenedTheWaitingWritesLearnWhy) {
  const auto call = put("a");
  reply(0, sent(0)[0].id, ErrorCode::unauthorized);
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::unauthorized);
}

TEST_F(DispatcherTest, SendsNothingThatHasNoTimeLeft) {
  const auto write = put("a", milliseconds(0));
  const auto read = submit(wire::GetRequest{}, milliseconds(0), 0);
  for (const auto& call : {write, read}) {
    ASSERT_TRUE(call->end);
    EXPECT_EQ(call->end->code, ErrorCode::timeout);
    EXPECT_FALSE(call->trace.outcome_unknown);
  }
  EXPECT_EQ(write->end->message, "the time was up before it was sent; nothing was written");
  EXPECT_TRUE(dispatcher_->idle());
  EXPECT_FALSE(dispatcher_->has_outbox(0)) << "not even a session is opened";
}

TEST_F(DispatcherTest, ClosingTellsWhatIsUnknownFromWhatDidNotHappen) {
  const auto written = put("a");
  open_session();
  const auto write = sent(0);
  const auto waiting = put("b");
  const auto read = get("c");
  dispatcher_->close(now_);
  EXPECT_EQ(written->end->code, ErrorCode::timeout);
  EXPECT_EQ(waiting->end->code, ErrorCode::shutting_down);
  EXPECT_EQ(read->end->code, ErrorCode::shutting_down);
  EXPECT_FALSE(dispatcher_->idle()) << "the session is taken back";
  const auto farewell = sent(0);
  ASSERT_EQ(farewell.size(), 1u);
  EXPECT_EQ(farewell[0].command.kind, kv::CommandKind::close_session);
  reply(0, farewell[0].id, ErrorCode::ok);
  EXPECT_TRUE(dispatcher_->idle());
}

TEST_F(DispatcherTest, ClosingDoesNotWaitForeverForTheFarewell) {
  const auto call = put("a");
  open_session();
  dispatcher_->close(now_);
  (void)sent(0);
  pass(milliseconds(300));
  EXPECT_TRUE(dispatcher_->idle());
}

TEST_F(DispatcherTest, KeepsPacketsWithinTheirBounds) {
  for (int i = 0; i < 2000; ++i) (void)get("key" + std::to_string(i));
  std::size_t total = 0;
  while (dispatcher_->has_outbox(0)) {
    const auto packet = ids(0);
    ASSERT_LE(packet.size(), kPacketRequestsMax);
    total += packet.size();
  }
  EXPECT_EQ(total, 2000u);
}

}  // namespace
}  // namespace paxledger::client
