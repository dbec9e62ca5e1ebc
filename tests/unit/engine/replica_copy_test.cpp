// Copies of replicas and their fingerprints: what exploration stands on.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/replica.hpp"
#include "kv/command.hpp"

namespace paxledger::engine {
namespace {

const ClusterId kCluster = ledger::cluster_id("copied replicas");
constexpr Instant kStart{std::chrono::hours(1)};

SharedBytes command(kv::CommandKind kind, std::uint64_t session, std::uint64_t sequence) {
  kv::Command command;
  command.kind = kind;
  command.session = SessionId(session);
  command.sequence = Sequence(sequence);
  if (kind == kv::CommandKind::open_session) command.argument = 60'000;
  if (kind == kv::CommandKind::put) command.key = command.value = "x";
  return SharedBytes(kv::encode_command(command));
}

// One of three, and its clock.
struct Subject {
  explicit Subject(Instant at = kStart) : replica(start(at)), now(at) {}

  static Replica start(Instant at) {
    Settings settings;
    settings.self = NodeId(1);
    settings.cluster = kCluster;
    return {paxos::Membership({NodeId(1), NodeId(2), NodeId(3)}), settings, Recovered(kCluster),
            Seed{7}, at};
  }
  Output step(Input input) {
    Output out;
    replica.step(std::move(input), now, out);
    return out;
  }
  void hear(std::uint32_t from, paxos::Message message) {
    step(Received{NodeId(from), std::move(message)});
  }
  // What a peer with the same chain says.
  [[nodiscard]] paxos::Heartbeat heartbeat() const {
    paxos::Heartbeat heartbeat;
    heartbeat.head = replica.applied().head();
    return heartbeat;
  }
  void propose(kv::CommandKind kind, std::uint64_t sequence) {
    step(Proposed{
        {{RequestKey(sequence), command(kind, 5, sequence), now + std::chrono::seconds(10)}},
        Timestamp(1)});
  }
  void write(std::uint64_t ticket) { step(Persisted{Ticket(ticket), Timestamp(1)}); }
  // Takes part in an election, wins it and decides two commands.
  void lead() {
    hear(2, heartbeat());
    now = replica.next_deadline();
    while (replica.role() == Role::follower) {
      hear(2, heartbeat());
      now = replica.next_deadline();
      step(TimerFired{Timestamp(1)});
      hear(2, paxos::PreVoteReply{{Round(1), NodeId(1)}, true, {}});
    }
    write(1);
    hear(2, paxos::Promise{replica.promised(), Slot(1), Slot(1), true, Slot(0), {}, {}});
  }
  void accept(std::uint64_t slot) { hear(2, paxos::Accepted{replica.promised(), Slot(slot), {}}); }
  [[nodiscard]] Fingerprint print() const { return replica.fingerprint(now); }

  Replica replica;
  Instant now;
};

TEST(ReplicaCopyTest, TheCopyGoesItsOwnWay) {
  Subject original;
  original.lead();
  original.propose(kv::CommandKind::open_session, 0);
  Subject copy = original;
  ASSERT_EQ(copy.print(), original.print());
  const Fingerprint before = original.print();

  copy.write(2);
  copy.accept(1);
  copy.write(3);
  copy.accept(2);
  EXPECT_EQ(copy.replica.applied().height(), Height(2));
  EXPECT_EQ(copy.replica.applied().store().session_count(), 1u);
  EXPECT_EQ(original.replica.applied().height(), Height(0)) << "the original went along";
  EXPECT_EQ(original.print(), before);
}

TEST(ReplicaCopyTest, EqualInputsBringCopyAndOriginalToEqualStates) {
  Subject original;
  original.lead();
  original.write(2);
  original.accept(1);
  Subject copy = original;
  for (Subject* each : {&original, &copy}) {
    each->propose(kv::CommandKind::open_session, 0);
    each->write(3);
    each->accept(2);
    each->propose(kv::CommandKind::put, 1);
    each->write(4);
    each->accept(3);
  }
  EXPECT_EQ(original.replica.applied().height(), Height(3));
  EXPECT_EQ(original.replica.applied().store().revision(), Revision(1));
  EXPECT_EQ(original.print(), copy.print());
}

// The copied sessions must stand in the rows of the copy: closing one there must neither reach the
// original nor leave a place behind that belongs to it.
TEST(ReplicaCopyTest, SessionsOfACopiedStoreAreItsOwn) {
  kv::StateMachine original;
  for (std::uint64_t i = 1; i <= 3; ++i) {
    original.apply(command(kv::CommandKind::open_session, i, 0).view(), Timestamp(1));
  }
  kv::StateMachine copy(original);
  original.apply(command(kv::CommandKind::close_session, 1, 1).view(), Timestamp(2));
  copy.apply(command(kv::CommandKind::put, 1, 1).view(), Timestamp(2));
  copy.apply(command(kv::CommandKind::close_session, 2, 1).view(), Timestamp(2));
  EXPECT_EQ(original.session_count(), 2u);
  EXPECT_EQ(copy.session_count(), 2u);
  EXPECT_TRUE(copy.has_session(SessionId(1)));
  EXPECT_TRUE(original.has_session(SessionId(2)));
  kv::StateMachine assigned;
  assigned = copy;
  assigned.advance_time(Timestamp(200'000'000));
  EXPECT_EQ(assigned.session_count(), 0u);
  EXPECT_EQ(copy.session_count(), 2u);
}

TEST(ReplicaFingerprintTest, CountsTimeFromNow) {
  Subject early;
  Subject late(kStart + std::chrono::hours(3));
  EXPECT_EQ(early.print(), late.print());
  early.lead();
  late.lead();
  EXPECT_EQ(early.print(), late.print());
  late.now = late.now + std::chrono::nanoseconds(1);
  EXPECT_NE(early.print(), late.print());
}

TEST(ReplicaFingerprintTest, ForgetsExactTimesWhereTheyAreClasses) {
  const TimeClasses classes{std::chrono::seconds(1), std::chrono::hours(1)};
  Subject a;
  Subject b;
  a.hear(2, a.heartbeat());
  b.hear(2, b.heartbeat());
  a.now = a.now + std::chrono::seconds(100);
  b.now = b.now + std::chrono::seconds(200);
  EXPECT_NE(a.print(), b.print());
  EXPECT_EQ(a.replica.fingerprint(a.now, classes), b.replica.fingerprint(b.now, classes));
  b.now = b.now + std::chrono::hours(1);
  EXPECT_NE(a.replica.fingerprint(a.now, classes), b.replica.fingerprint(b.now, classes));
}

struct Change {
  std::string what;
  std::function<void(Subject&)> make;
};

// Everything that a replica may be brought to remember, each on top of the same leader.
TEST(ReplicaFingerprintTest, SeesEveryChange) {
  const paxos::Ballot higher{Round(9), NodeId(2)};
  const std::vector<Change> changes = {
      {"nothing", [](Subject&) {}},
      {"a heartbeat", [](Subject& s) { s.hear(3, s.heartbeat()); }},
      {"a heartbeat of somebody ahead",
       [](Subject& s) {
         auto heartbeat = s.heartbeat();
         heartbeat.head.height = Height(7);
         s.hear(3, heartbeat);
       }},
      {"an abstaining peer",
       [](Subject& s) {
         auto heartbeat = s.heartbeat();
         heartbeat.abstaining = true;
         s.hear(3, heartbeat);
       }},
      {"a higher promise",
       [&](Subject& s) {
         s.hear(2, paxos::Prepare{higher, Slot(1)});
       }},
      {"a higher round",
       [&](Subject& s) {
         s.hear(2, paxos::PreVoteReply{{Round(1), NodeId(1)}, false, {Round(8), NodeId(3)}});
       }},
      {"a Nack", [&](Subject& s) { s.hear(2, paxos::Nack{higher}); }},
      {"a durable write", [](Subject& s) { s.write(2); }},
      {"a vote", [](Subject& s) { s.accept(1); }},
      {"a vote of another peer",
       [](Subject& s) {
         s.hear(3, paxos::Accepted{s.replica.promised(), Slot(1), {}});
       }},
      {"a vote of a later generation",
       [](Subject& s) {
         s.hear(2, paxos::Accepted{s.replica.promised(), Slot(1), {{NodeId(2), Generation(1)}}});
       }},
      {"a decided slot",
       [](Subject& s) {
         s.write(2);
         s.accept(1);
       }},
      {"a command", [](Subject& s) { s.propose(kv::CommandKind::open_session, 0); }},
      {"another command", [](Subject& s) { s.propose(kv::CommandKind::put, 1); }},
      {"a forwarded command",
       [](Subject& s) {
         s.hear(3, paxos::Forward{4, 0, 1000, command(kv::CommandKind::put, 5, 1)});
       }},
      {"a read",
       [](Subject& s) {
         ClientRead read;
         read.request = RequestKey(1);
         read.what = Lookup{SharedBytes("x")};
         read.deadline = s.now + std::chrono::seconds(10);
         ReadsRequested wanted;
         wanted.reads.push_back(read);
         s.step(std::move(wanted));
       }},
      {"a read for a peer",
       [](Subject& s) {
         s.hear(3, paxos::ReadIndexRequest{1, 0});
       }},
      {"a timer",
       [](Subject& s) {
         s.now = std::max(s.now, s.replica.next_deadline());
         s.step(TimerFired{Timestamp(1)});
       }},
      {"a later wall time", [](Subject& s) { s.step(TimerFired{Timestamp(2)}); }},
      {"an announced generation",
       [](Subject& s) {
         s.hear(3, paxos::RejoinRequest{Generation(1), 3});
       }},
      {"a peer with another chain",
       [](Subject& s) {
         auto heartbeat = s.heartbeat();
         heartbeat.head.hash.octets[0] = 1;
         s.hear(3, heartbeat);
       }},
      {"nonsense", [&](Subject& s) {
         s.hear(3, paxos::Prepare{higher, Slot(1)});
       }}};
  Subject leader;
  leader.lead();
  ASSERT_EQ(leader.replica.role(), Role::leader);
  std::vector<Fingerprint> prints;
  for (const auto& change : changes) {
    Subject changed = leader;
    change.make(changed);
    for (std::size_t i = 0; i < prints.size(); ++i) {
      EXPECT_NE(changed.print(), prints[i]) << change.what << " looks like " << changes[i].what;
    }
    prints.push_back(changed.print());
  }
}

}  // namespace
}  // namespace paxledger::engine
