// A single replica, seen from its caller. How replicas play together: tests/scenario.
#include "engine/replica.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "kv/command.hpp"

namespace paxledger::engine {
namespace {

using std::chrono::milliseconds;

const ClusterId kCluster = ledger::cluster_id("one replica");

std::string open_session() {
  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = SessionId(1);
  command.argument = 60'000;
  return kv::encode_command(command);
}

class ReplicaTest : public testing::Test {
 protected:
  explicit ReplicaTest(std::uint32_t nodes = 3, Timing timing = {})
      : nodes_(nodes), timing_(timing) {
    start(Recovered(kCluster));
  }

  void start(Recovered recovered) {
    std::vector<NodeId> voters;
    for (std::uint32_t i = 1; i <= nodes_; ++i) voters.emplace_back(i);
    Settings settings;
    settings.self = NodeId(1);
    settings.cluster = kCluster;
    settings.timing = timing_;
    replica_.emplace(paxos::Membership(voters), settings, std::move(recovered), Seed{7}, now_);
  }
  Output step(Input input) {
    Output out;
    replica_->step(std::move(input), now_, out);
    replica_->check_invariants();
    return out;
  }
  // Time passes in the steps that the replica asks for.
  std::vector<Reply> pass(Duration time) {
    const Instant end = now_ + time;
    std::vector<Reply> replies;
    while (replica_->next_deadline() <= end) {
      now_ = std::max(now_, replica_->next_deadline());
      Output out = step(TimerFired{Timestamp(1)});
      replies.insert(replies.end(), out.replies.begin(), out.replies.end());
    }
    now_ = end;
    return replies;
  }
  Output propose(std::uint64_t key, std::string octets, Duration patience) {
    return step(Proposed{{{RequestKey(key), SharedBytes(std::move(octets)), now_ + patience}},
                         Timestamp(1)});
  }
  static ErrorCode code(const Reply& reply) { return std::get<kv::CommandResult>(reply.what).code; }

  std::uint32_t nodes_;
  Timing timing_;
  Instant now_{std::chrono::seconds(5)};
  std::optional<Replica> replica_;
};

TEST_F(ReplicaTest, SaysNoQuorumBeforeTheDeadlineWhenItIsAlone) {
  EXPECT_TRUE(propose(1, open_session(), milliseconds(500)).replies.empty());
  const auto replies = pass(milliseconds(500));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(replies.front().request, RequestKey(1));
  EXPECT_EQ(code(replies.front()), ErrorCode::no_quorum);
}

TEST_F(ReplicaTest, AnswersAMalformedCommandAtOnce) {
  const auto out = propose(1, "no command", milliseconds(500));
  ASSERT_EQ(out.replies.size(), 1u);
  EXPECT_EQ(code(out.replies.front()), ErrorCode::bad_request);
}

TEST_F(ReplicaTest, AnswersALinearizableReadWithNoQuorumWhenItIsAlone) {
  const auto out = step(ReadsRequested{{{RequestKey(4), ReadConsistency::linearizable,
                                         Lookup{SharedBytes("k")}, now_ + milliseconds(300)}}});
  EXPECT_TRUE(out.replies.empty());
  const auto replies = pass(milliseconds(300));
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(code(replies.front()), ErrorCode::no_quorum);
}

TEST_F(ReplicaTest, AnswersALocalReadAtOnceAndSaysFromWhichHeight) {
  const auto out = step(ReadsRequested{{{RequestKey(4), ReadConsistency::local,
                                         Lookup{SharedBytes("k")}, now_ + milliseconds(300)}}});
  ASSERT_EQ(out.replies.size(), 1u);
  EXPECT_EQ(code(out.replies.front()), ErrorCode::not_found);
  EXPECT_EQ(out.replies.front().height, Height(0));
}

TEST_F(ReplicaTest, PutsAPromiseNowhereButBehindTheRecordThatKeepsIt) {
  const paxos::Ballot ballot{Round(3), NodeId(2)};
  const auto out = step(Received{NodeId(2), paxos::Prepare{ballot, Slot(1)}});
  for (const auto& envelope : out.send_now) {
    EXPECT_FALSE(std::holds_alternative<paxos::Promise>(envelope.message));
  }
  ASSERT_EQ(out.persist.send_after.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<paxos::Promise>(out.persist.send_after.front().message));
  ASSERT_EQ(out.persist.records.size(), 1u);
  EXPECT_EQ(std::get<paxos::PromiseRecord>(out.persist.records.front()).ballot, ballot);
}

TEST_F(ReplicaTest, RefusesAnAcceptBelowItsPromise) {
  step(Received{NodeId(2), paxos::Prepare{{Round(3), NodeId(2)}, Slot(1)}});
  const auto out = step(Received{
      NodeId(3),
      paxos::Accept{{Round(2), NodeId(3)}, Slot(1), encode_batch(Timestamp(1), 0, {}), Slot(0)}});
  EXPECT_TRUE(out.persist.records.empty());
  ASSERT_FALSE(out.send_now.empty());
  EXPECT_TRUE(std::holds_alternative<paxos::Nack>(out.send_now.front().message));
}

TEST_F(ReplicaTest, DoesNotAcceptAValueThatIsNoBatch) {
  const auto out = step(Received{
      NodeId(2), paxos::Accept{{Round(1), NodeId(2)}, Slot(1), SharedBytes("garbage"), Slot(0)}});
  EXPECT_TRUE(out.persist.records.empty());
  EXPECT_TRUE(out.persist.send_after.empty());
}

TEST_F(ReplicaTest, DoesNotBelieveABallotThatIsNotTheSenders) {
  const paxos::Ballot foreign{Round(9), NodeId(3)};
  auto out = step(Received{NodeId(2), paxos::Prepare{foreign, Slot(1)}});
  EXPECT_TRUE(out.persist.records.empty());
  out = step(Received{NodeId(2),
                      paxos::Accept{foreign, Slot(1), encode_batch(Timestamp(1), 0, {}), Slot(0)}});
  EXPECT_TRUE(out.persist.records.empty());
}

TEST_F(ReplicaTest, IgnoresMessagesOfStrangersAndOfItself) {
  const auto before = replica_->status(now_).promised;
  step(Received{NodeId(9), paxos::Prepare{{Round(9), NodeId(9)}, Slot(1)}});
  step(Received{NodeId(1), paxos::Prepare{{Round(9), NodeId(1)}, Slot(1)}});
  EXPECT_EQ(replica_->status(now_).promised, before);
}

TEST_F(ReplicaTest, DoesNotVoteAfterItsLogWasLost) {
  Recovered lost(kCluster);
  lost.log_lost = true;
  start(std::move(lost));
  EXPECT_TRUE(replica_->status(now_).abstaining);
  auto out = step(Received{NodeId(2), paxos::Prepare{{Round(3), NodeId(2)}, Slot(1)}});
  EXPECT_TRUE(out.persist.send_after.empty());
  out = step(Received{
      NodeId(2),
      paxos::Accept{{Round(3), NodeId(2)}, Slot(1), encode_batch(Timestamp(1), 0, {}), Slot(0)}});
  for (const auto& envelope : out.persist.send_after) {
    EXPECT_FALSE(std::holds_alternative<paxos::Accepted>(envelope.message));
  }
  out = step(Received{NodeId(2), paxos::PreVote{{Round(4), NodeId(2)}}});
  ASSERT_EQ(out.send_now.size(), 1u);
  EXPECT_FALSE(std::get<paxos::PreVoteReply>(out.send_now.front().message).granted);
}

TEST_F(ReplicaTest, ServesNoReadsWhileItRepairs) {
  Recovered damaged(kCluster);
  damaged.damage = "blocks.000001: octet 17";
  damaged.repair_through = Height(4);
  start(std::move(damaged));
  EXPECT_EQ(replica_->status(now_).repair_through, Height(4)) << "it says how far it has to go";
  const auto out = step(ReadsRequested{{{RequestKey(4), ReadConsistency::local,
                                         Lookup{SharedBytes("k")}, now_ + milliseconds(300)}}});
  ASSERT_EQ(out.replies.size(), 1u);
  EXPECT_EQ(code(out.replies.front()), ErrorCode::repairing);
  EXPECT_NE(out.replies.front().message.find("octet 17"), std::string::npos);
}

// It votes as soon as it has applied what it lacked; but who is told that a node is whole again may
// take the next disk out, and a power failure must not make that two.
TEST_F(ReplicaTest, IsWholeAgainOnceTheBlocksOfItsRepairAreOnDisk) {
  Recovered found(kCluster);
  for (std::uint64_t height = 1; height <= 4; ++height) {
    found.applied.apply_batch(*decode_batch(encode_batch(Timestamp(height), 0, {})));
  }
  found.durable.abstain = {Slot(4), false};
  found.blocks_synced = Height(3);
  start(std::move(found));
  const auto whole = [this] { return !replica_->status(now_).repairing; };
  EXPECT_FALSE(whole());
  EXPECT_EQ(replica_->status(now_).repair_reason,
            "serves no reads until the blocks up to height 4 are on disk");
  EXPECT_EQ(replica_->status(now_).repair_through, Height(4));

  auto out = step(Received{NodeId(2), paxos::Prepare{{Round(3), NodeId(2)}, Slot(5)}});
  EXPECT_EQ(out.persist.send_after.size(), 1u) << "it votes";
  EXPECT_TRUE(out.sync_blocks);
  out = step(TimerFired{Timestamp(1)});
  EXPECT_FALSE(out.sync_blocks) << "it has asked for that";
  out = step(ReadsRequested{{{RequestKey(4), ReadConsistency::local, Lookup{SharedBytes("k")},
                              now_ + milliseconds(300)}}});
  ASSERT_EQ(out.replies.size(), 1u);
  EXPECT_EQ(code(out.replies.front()), ErrorCode::repairing);

  step(BlocksSynced{Height(3)});
  EXPECT_FALSE(whole());
  out = step(BlocksSynced{Height(4)});
  EXPECT_TRUE(whole());
  ASSERT_EQ(out.notices.size(), 1u);
  EXPECT_EQ(out.notices.front().text,
            "the history is complete and on disk up to height 4; votes and serves reads again");
  EXPECT_FALSE(out.sync_blocks);
}

TEST_F(ReplicaTest, AsksForNoSyncOfBlocksThatItNeverLacked) {
  Recovered found(kCluster);
  for (std::uint64_t height = 1; height <= 4; ++height) {
    found.applied.apply_batch(*decode_batch(encode_batch(Timestamp(height), 0, {})));
  }
  found.durable.abstain = {Slot(2), false};
  found.blocks_synced = Height(2);
  start(std::move(found));
  EXPECT_FALSE(replica_->status(now_).repairing);
  const Output out = step(TimerFired{Timestamp(1)});
  EXPECT_FALSE(out.sync_blocks);
  EXPECT_TRUE(out.notices.empty());
}

// Up to where two histories part both are the same, so a peer that is not there yet agrees with
// either. If it counted, a forged history would be served as soon as some node lags.
TEST_F(ReplicaTest, APeerThatLagsDoesNotConfirmADisputedHistory) {
  Recovered own(kCluster);
  std::vector<paxos::Head> heads;
  for (std::uint64_t height = 1; height <= 4; ++height) {
    const auto batch = encode_batch(Timestamp(height), 0, {});
    own.applied.apply_batch(*decode_batch(batch));
    heads.push_back(own.applied.head());
  }
  start(std::move(own));
  const auto hear = [this](NodeId from, const paxos::Head& head) {
    paxos::Heartbeat heartbeat;
    heartbeat.head = head;
    step(Received{from, heartbeat});
  };
  paxos::Head other = heads[2];
  other.hash.octets[0] ^= 1;
  hear(NodeId(2), other);
  EXPECT_TRUE(replica_->status(now_).repairing) << "nobody confirms its history";
  hear(NodeId(3), heads[1]);
  EXPECT_TRUE(replica_->status(now_).repairing) << "block 2 says nothing about block 3";
  hear(NodeId(3), heads[2]);
  EXPECT_FALSE(replica_->status(now_).repairing) << "a majority has the same block 3";
}

TEST_F(ReplicaTest, DoesNotVoteOnWhatItsTrimmedLogAndDamagedBlocksNoLongerTell) {
  Recovered damaged(kCluster);
  damaged.log_complete_above = Slot(4);
  start(std::move(damaged));
  EXPECT_TRUE(replica_->status(now_).abstaining);
  const auto out = step(Received{NodeId(2), paxos::Prepare{{Round(3), NodeId(2)}, Slot(1)}});
  EXPECT_TRUE(out.persist.send_after.empty());
}

TEST_F(ReplicaTest, GivesEqualOutputsForEqualInputs) {
  const auto play = [this] {
    now_ = Instant(std::chrono::seconds(5));
    start(Recovered(kCluster));
    std::string trace;
    for (int i = 0; i < 200; ++i) {
      if (i % 7 == 0) {
        paxos::Heartbeat beat;
        step(Received{NodeId(2), beat});
      }
      now_ = std::max(now_, replica_->next_deadline());
      const Output out = step(TimerFired{Timestamp(1)});
      trace += std::to_string(now_.since_origin().count()) + ":";
      for (const auto& envelope : out.send_now) trace += paxos::name_of(envelope.message);
      trace += std::to_string(out.persist.records.size());
    }
    return trace;
  };
  EXPECT_EQ(play(), play());
}

// Heartbeats that are far apart: what ends in between is not to wait for one of them.
class SlowHeartbeatTest : public ReplicaTest {
 protected:
  static constexpr Timing kTiming{std::chrono::seconds(1), std::chrono::seconds(8),
                                  std::chrono::seconds(3)};

  SlowHeartbeatTest() : ReplicaTest(3, kTiming) { (void)pass(milliseconds(3)); }

  Output look_up(std::uint64_t key, Duration patience) {
    return step(ReadsRequested{{{RequestKey(key), ReadConsistency::linearizable,
                                 Lookup{SharedBytes("k")}, now_ + patience}}});
  }
};

TEST_F(SlowHeartbeatTest, AnswersCommandsAtTheirDeadlineAtTheLatest) {
  // Housekeeping has just been done for the first one, and is far away for the second.
  EXPECT_TRUE(propose(1, open_session(), milliseconds(600)).replies.empty());
  (void)pass(milliseconds(10));
  EXPECT_TRUE(propose(2, open_session(), milliseconds(30)).replies.empty());
  EXPECT_TRUE(pass(milliseconds(20)).empty());
  const auto second = pass(milliseconds(10));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second.front().request, RequestKey(2));
  EXPECT_TRUE(pass(milliseconds(400)).empty()) << "the first one has 160 ms left";
  const auto first = pass(milliseconds(160));
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first.front().request, RequestKey(1));
}

TEST_F(SlowHeartbeatTest, AnswersReadsAtTheirDeadlineAtTheLatest) {
  EXPECT_TRUE(look_up(1, milliseconds(600)).replies.empty());
  (void)pass(milliseconds(10));
  EXPECT_TRUE(look_up(2, milliseconds(30)).replies.empty());
  EXPECT_TRUE(pass(milliseconds(20)).empty());
  const auto second = pass(milliseconds(10));
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second.front().request, RequestKey(2));
  EXPECT_TRUE(pass(milliseconds(400)).empty()) << "the first one has 160 ms left";
  const auto first = pass(milliseconds(160));
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first.front().request, RequestKey(1));
}

TEST_F(SlowHeartbeatTest, AsksForNoTimerOnceNobodyWaits) {
  (void)look_up(1, milliseconds(100));
  (void)propose(2, open_session(), milliseconds(100));
  EXPECT_EQ(pass(milliseconds(100)).size(), 2u);
  // The next heartbeat is due one second after the first.
  EXPECT_GT(replica_->next_deadline(), now_ + milliseconds(800));
}

class LonelyReplicaTest : public ReplicaTest {
 protected:
  LonelyReplicaTest() : ReplicaTest(1) {}

  // Lets the replica lead, completing its writes at once.
  void lead() {
    for (int i = 0; i < 20 && replica_->status(now_).role != Role::leader; ++i) {
      now_ = std::max(now_, replica_->next_deadline());
      complete(step(TimerFired{Timestamp(1)}));
    }
  }
  void complete(const Output& out) {
    if (!out.persist.empty()) complete(step(Persisted{out.persist.ticket, Timestamp(1)}));
  }
};

TEST_F(LonelyReplicaTest, LeadsAndDecidesAlone) {
  lead();
  EXPECT_EQ(replica_->status(now_).role, Role::leader);
  EXPECT_EQ(replica_->status(now_).head.height, Height(1));
}

TEST_F(LonelyReplicaTest, AnswersOnlyOnceTheCommandIsDurable) {
  lead();
  const auto asked = propose(1, open_session(), milliseconds(500));
  EXPECT_TRUE(asked.replies.empty());
  EXPECT_TRUE(asked.decided.empty());
  ASSERT_FALSE(asked.persist.empty());
  const auto done = step(Persisted{asked.persist.ticket, Timestamp(1)});
  ASSERT_EQ(done.replies.size(), 1u);
  EXPECT_EQ(code(done.replies.front()), ErrorCode::ok);
  EXPECT_EQ(done.decided.size(), 1u);
}

TEST_F(LonelyReplicaTest, SaysWhatBecameOfASessionThatItDoesNotKnow) {
  lead();
  kv::Command put;
  put.session = SessionId(99);
  put.sequence = Sequence(1);
  put.key = "k";
  const auto asked = propose(1, kv::encode_command(put), milliseconds(500));
  const auto done = step(Persisted{asked.persist.ticket, Timestamp(1)});
  ASSERT_EQ(done.replies.size(), 1u);
  EXPECT_EQ(code(done.replies.front()), ErrorCode::session_expired);
  EXPECT_NE(done.replies.front().message.find("too many sessions"), std::string::npos);
  EXPECT_NE(done.replies.front().message.find("open a new session"), std::string::npos);
}

TEST_F(LonelyReplicaTest, SaysTimeoutNotFailureWhenTheOutcomeIsUnknown) {
  lead();
  const auto asked = propose(1, open_session(), milliseconds(500));
  const auto replies = pass(milliseconds(500));  // the disk does not answer
  ASSERT_EQ(replies.size(), 1u);
  EXPECT_EQ(code(replies.front()), ErrorCode::timeout);
  // The late decision is not answered a second time.
  EXPECT_TRUE(step(Persisted{asked.persist.ticket, Timestamp(1)}).replies.empty());
}

// Node 1 with node 2, which agrees to everything at once, and node 3, of which nobody hears.
class LeaderTest : public ReplicaTest {
 protected:
  void lead() {
    hear_peer(false);
    for (int i = 0; i < 20 && replica_->status(now_).role != Role::leader; ++i) {
      now_ = std::max(now_, replica_->next_deadline());
      hear_peer(false);
      agree(step(TimerFired{Timestamp(1)}));
    }
    ASSERT_EQ(replica_->status(now_).role, Role::leader);
  }
  Output hear_peer(bool abstaining) {
    paxos::Heartbeat heartbeat;
    heartbeat.promised = replica_->promised();
    heartbeat.abstaining = abstaining;
    heartbeat.decided = Slot(replica_->applied().height().value());
    heartbeat.head = replica_->applied().head();
    if (replica_->role() == Role::leader) {
      heartbeat.hears_leader = true;
      heartbeat.leader = NodeId(1);
    }
    return step(Received{NodeId(2), heartbeat});
  }
  // The disk of node 1 and node 2 do what `out` asks of them.
  void agree(const Output& out) {
    if (!out.persist.empty()) agree(step(Persisted{out.persist.ticket, Timestamp(1)}));
    for (const auto& [to, message] : out.send_now) {
      if (to == NodeId(2)) agree_to(message);
    }
  }
  void agree_to(const paxos::Message& message) {
    if (const auto* asked = std::get_if<paxos::PreVote>(&message)) {
      answer(paxos::PreVoteReply{asked->ballot, true, {}});
    } else if (const auto* prepare = std::get_if<paxos::Prepare>(&message)) {
      answer(paxos::Promise{prepare->ballot, prepare->first, prepare->first, true, {}, {}, {}});
    } else if (const auto* accept = std::get_if<paxos::Accept>(&message)) {
      answer(paxos::Accepted{accept->ballot, accept->slot, {}});
    }
  }
  void answer(const paxos::Message& message) { agree(step(Received{NodeId(2), message})); }
  // One request for each of these sequences.
  Output propose_puts(std::initializer_list<std::uint64_t> sequences) {
    Proposed input{{}, Timestamp(1)};
    for (const std::uint64_t sequence : sequences) {
      kv::Command put;
      put.session = SessionId(1);
      put.sequence = Sequence(sequence);
      put.key = "k";
      input.commands.push_back(
          {RequestKey(sequence), SharedBytes(kv::encode_command(put)), now_ + milliseconds(500)});
    }
    return step(std::move(input));
  }
  static bool proposes(const Output& out) {
    return std::any_of(out.send_now.begin(), out.send_now.end(), [](const auto& envelope) {
      return std::holds_alternative<paxos::Accept>(envelope.message);
    });
  }
};

TEST_F(LeaderTest, MovesOnForAPeerThatAbstains) {
  lead();
  EXPECT_FALSE(proposes(hear_peer(false)));
  EXPECT_TRUE(proposes(hear_peer(true)));
}

// The batch moves on as well, and the no-op would make it wait for one more slot.
TEST_F(LeaderTest, DoesNotMoveOnAheadOfABatchThatWaits) {
  lead();
  const Output batch = propose_puts({1, 2, 3, 4});
  ASSERT_TRUE(proposes(batch));
  now_ = now_ + milliseconds(5);
  agree(batch);
  EXPECT_FALSE(proposes(propose_puts({5}))) << "it waits for the other three who were answered";
  EXPECT_FALSE(proposes(hear_peer(true)));
  EXPECT_TRUE(proposes(propose_puts({6, 7, 8})));
}

}  // namespace
}  // namespace paxledger::engine
