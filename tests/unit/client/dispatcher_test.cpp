#include "client/dispatcher.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wire/client_codec.hpp"

namespace paxledger::client {
namespace {

using std::chrono::milliseconds;

// A dispatcher with endpoints A, B, C, a clock that the test moves, and a list of what ended.
class DispatcherTest : public testing::Test {
 protected:
  struct Call {
    std::optional<wire::ValueReply> end;
    Trace trace;
  };
  struct Sent {
    std::uint64_t id = 0;
    std::string octets;
    kv::Command command;  // views into `octets`
  };

  void SetUp() override { start({"tcp://a:1", "tcp://b:1", "tcp://c:1"}); }

  void start(std::vector<std::string> endpoints) {
    Options options;
    options.endpoints = std::move(endpoints);
    options.deadline = milliseconds(5000);
    options.attempt_timeout = milliseconds(500);
    dispatcher_.emplace(options, Seed{1});
  }

  std::shared_ptr<Call> put(const std::string& key, milliseconds deadline = milliseconds(5000)) {
    Write write;
    write.key = key;
    write.value = "v";
    return submit(std::move(write), deadline, std::nullopt);
  }
  std::shared_ptr<Call> get(const std::string& key,
                            std::optional<std::size_t> endpoint = std::nullopt) {
    wire::GetRequest body;
    body.key = SharedBytes::copy_of(key);
    return submit(std::move(body), milliseconds(5000), endpoint);
  }
  std::shared_ptr<Call> submit(Body body, milliseconds deadline,
                               std::optional<std::size_t> endpoint) {
    auto call = std::make_shared<Call>();
    Request request;
    request.body = std::move(body);
    request.deadline = now_ + deadline;
    request.endpoint = endpoint;
    request.done = [call](Ended ended) {
      ASSERT_FALSE(call->end) << "a call ends once";
      call->end = std::get<wire::ValueReply>(std::move(ended.reply));
      call->trace = std::move(ended.trace);
    };
    dispatcher_->submit(std::move(request), now_);
    return call;
  }

  // The commands of the next packet over a link.
  std::vector<Sent> sent(std::size_t link) {
    std::vector<Sent> commands;
    for (const auto& request : dispatcher_->take_packet(link, now_)) {
      const auto& execute = std::get<wire::ExecuteRequest>(request);
      Sent one{execute.id, std::string(execute.command.view()), {}};
      commands.push_back(std::move(one));
      commands.back().command = *kv::parse_command(commands.back().octets);
    }
    return commands;
  }
  std::vector<std::uint64_t> ids(std::size_t link) {
    std::vector<std::uint64_t> found;
    for (const auto& request : dispatcher_->take_packet(link, now_)) {
      found.push_back(wire::id_of(request));
    }
    return found;
  }

  void reply(std::size_t link, std::uint64_t id, ErrorCode code, std::string message = {}) {
    wire::ValueReply reply;
    reply.id = id;
    reply.code = code;
    reply.message = std::move(message);
    if (code != ErrorCode::ok) reply.leader = NodeId(2);
    dispatcher_->replied(link, std::move(reply), now_);
  }
  void pass(milliseconds time) {
    for (milliseconds done{0}; done < time; done += milliseconds(10)) {
      now_ += milliseconds(10);
      dispatcher_->tick(now_);
    }
  }
  void open_session() {
    const auto opening = sent(0);
    ASSERT_EQ(opening.size(), 1u);
    ASSERT_EQ(opening[0].command.kind, kv::CommandKind::open_session);
    session_ = opening[0].command.session;
    reply(0, opening[0].id, ErrorCode::ok);
  }

  Clock::time_point now_ = Clock::time_point(std::chrono::hours(1));
  std::optional<Dispatcher> dispatcher_;
  SessionId session_;
};

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
  for (int round = 0; round < 200 && !call->end; ++round) {
    for (std::size_t link = 0; link < 3; ++link) {
      for (const auto& one : sent(link)) reply(link, one.id, ErrorCode::no_quorum);
    }
    pass(milliseconds(10));
  }
  ASSERT_TRUE(call->end);
  EXPECT_EQ(call->end->code, ErrorCode::no_quorum);
}

TEST_F(DispatcherTest, SaysThatTheOutcomeIsUnknownIfOneAttemptWasNotAnswered) {
  const auto call = put("a", milliseconds(1000));
  open_session();
  (void)sent(0);
  pass(milliseconds(600));
  for (int round = 0; round < 100 && !call->end; ++round) {
    for (std::size_t link = 1; link < 3; ++link) {
      for (const auto& one : sent(link)) reply(link, one.id, ErrorCode::no_quorum);
    }
    (void)sent(0);
    pass(milliseconds(10));
  }
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

// --- What is said of a failure ------------------------------------------------------------------

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
  for (int round = 0; round < 200 && !call->end; ++round) {
    for (std::size_t link = 1; link < 3; ++link) {
      for (const auto& one : sent(link)) reply(link, one.id, ErrorCode::no_quorum);
    }
    (void)sent(0);
    pass(milliseconds(10));
  }
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
