// Corners of the protocol that a hostile reader looked into. Each of these tests failed once.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/batch.hpp"
#include "ledger/chain.hpp"
#include "paxos/votes.hpp"
#include "support/describe.hpp"
#include "support/world.hpp"

namespace paxledger::world {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr SessionId kSession{7};
const NodeId kOne{1};
const NodeId kTwo{2};
const NodeId kThree{3};

// A world in which time passes: a message takes a millisecond, timers ring when they are due, disks
// are instant unless a test says otherwise.
class Play {
 public:
  explicit Play(Options options) {
    Listeners listeners;
    listeners.sent = [this](const InFlight& flight) {
      if (on_sent) on_sent(flight);
    };
    listeners.write_begun = [this](NodeId node) {
      if (disk_delay_ > Duration::zero()) begin_sync(node);
    };
    listeners.answered = [this](const Answered& answered) { answers_.push_back(answered); };
    world_ = std::make_unique<World>(options, std::move(listeners));
  }

  World& world() { return *world_; }

  void run(Duration time) {
    const Instant end = world_->now() + time;
    run_until([] { return false; }, end);
    world_->set_now(std::max(world_->now(), end));
  }
  // Whether `goal` came true within `patience`.
  bool reach(const std::function<bool()>& goal, Duration patience) {
    return run_until(goal, world_->now() + patience);
  }

  NodeId leader() {
    for (const NodeId node : world_->nodes()) {
      if (world_->running(node) && world_->status(node).role == engine::Role::leader) return node;
    }
    return kNobody;
  }
  // The only node whose messages may start an election leads.
  void elect(NodeId wanted) {
    const auto keep = std::exchange(may_run_, wanted);
    ASSERT_TRUE(reach([&] { return leader() == wanted; }, seconds(10)));
    may_run_ = keep;
    run(milliseconds(100));
  }
  void open(NodeId node) {
    kv::Command command;
    command.kind = kv::CommandKind::open_session;
    command.session = kSession;
    command.argument = 3'600'000;
    const RequestKey key = world_->propose(node, command, seconds(10));
    ASSERT_TRUE(reach([&] { return code_of(key) == ErrorCode::ok; }, seconds(10)));
  }
  RequestKey put(NodeId node, std::uint64_t sequence, const std::string& value,
                 Duration patience = seconds(10)) {
    kv::Command command;
    command.kind = kv::CommandKind::put;
    command.session = kSession;
    command.sequence = Sequence(sequence);
    command.acknowledged = Sequence(sequence > 1000 ? sequence - 1000 : 0);
    command.key = "key";
    command.value = value;
    return world_->propose(node, command, patience);
  }
  // Nothing while there is no answer.
  std::optional<ErrorCode> code_of(RequestKey key) const {
    for (const auto& answered : answers_) {
      if (answered.request.key != key) continue;
      const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
      return result == nullptr ? ErrorCode::ok : result->code;
    }
    return std::nullopt;
  }
  // What a read found; nothing if there is no answer or no value.
  std::string value_of(RequestKey key) const {
    for (const auto& answered : answers_) {
      if (answered.request.key != key) continue;
      const auto* result = std::get_if<kv::CommandResult>(&answered.reply.what);
      if (result != nullptr) return std::string(result->value.view());
    }
    return {};
  }
  // Neither timers nor messages reach the node. When it goes on, it reads what has come first.
  void pause(NodeId node) { paused_ = node; }
  void resume(NodeId node) {
    paused_ = kNobody;
    std::vector<std::uint64_t> waiting;
    for (const auto& [id, flight] : world_->in_flight()) {
      if (flight.to == node) waiting.push_back(id);
    }
    for (const std::uint64_t id : waiting) world_->deliver(id);
  }
  void inject(NodeId from, NodeId to, paxos::Message message) {
    world_->resubmit({0, from, to, std::move(message), world_->now()});
  }
  // From now on a sync takes this long at every node; what is written meanwhile waits for the next.
  void slow_disks(Duration delay) {
    disk_delay_ = delay;
    for (const NodeId node : world_->nodes()) world_->set_instant_disk(node, false);
  }
  void expect_no_violations() {
    for (const auto& violation : world_->violations()) ADD_FAILURE() << violation;
  }

  std::function<void(const InFlight&)> on_sent;
  std::function<bool(const InFlight&)> loses;  // messages that do not arrive

 private:
  bool run_until(const std::function<bool()>& goal, Instant end) {
    while (!goal()) {
      Instant next = Instant::never();
      std::uint64_t message = 0;
      NodeId ringing = kNobody;
      for (const auto& [id, flight] : world_->in_flight()) {
        if (flight.to == paused_ || flight.sent + milliseconds(1) >= next) continue;
        next = flight.sent + milliseconds(1);
        message = id;
      }
      for (const NodeId node : world_->nodes()) {
        if (node == paused_ || world_->deadline(node) >= next) continue;
        next = world_->deadline(node);
        ringing = node;
      }
      if (end_sync(std::min(next, end))) continue;
      if (next > end) return false;
      world_->set_now(std::max(world_->now(), next));
      if (ringing != kNobody) {
        world_->fire(ringing);
      } else if (is_lost(world_->in_flight().at(message))) {
        world_->drop(message);
      } else {
        world_->deliver(message);
      }
    }
    return true;
  }
  void begin_sync(NodeId node) {
    for (const auto& sync : syncs_) {
      if (sync.node == node) return;
    }
    syncs_.push_back({world_->now() + disk_delay_, node, world_->disk(node).pending_count()});
  }
  bool end_sync(Instant end) {
    if (syncs_.empty() || syncs_.front().at > end) return false;
    const Sync sync = syncs_.front();
    syncs_.erase(syncs_.begin());
    world_->set_now(std::max(world_->now(), sync.at));
    // What was handed over while this sync ran is the next one's.
    const std::size_t waiting = world_->disk(sync.node).pending_count() - sync.writes;
    if (waiting > 0) syncs_.push_back({world_->now() + disk_delay_, sync.node, waiting});
    world_->complete_writes(sync.node, sync.writes);
    return true;
  }
  bool is_lost(const InFlight& flight) const {
    const bool runs = std::holds_alternative<paxos::PreVote>(flight.message);
    return (runs && may_run_ != kNobody && flight.from != may_run_) || (loses && loses(flight));
  }

  NodeId may_run_ = kNobody;
  NodeId paused_ = kNobody;
  Duration disk_delay_{0};
  struct Sync {
    Instant at;
    NodeId node;
    std::size_t writes = 0;
  };
  std::vector<Sync> syncs_;  // at most one of a node, in the order of their end
  std::vector<Answered> answers_;
  std::unique_ptr<World> world_;
};

template <class Message>
bool is(const InFlight& flight) {
  return std::holds_alternative<Message>(flight.message);
}

Options nodes(std::uint32_t count) {
  Options options;
  options.nodes = count;
  return options;
}

// --- power failure -----------------------------------------------------------------------------

// Block files are synced every few seconds, so a power failure of all nodes leaves everything since
// then in the logs alone: thousands of slots that a new leader must decide again.
class PowerFailure : public testing::TestWithParam<std::uint32_t> {};

TEST_P(PowerFailure, OfAllNodesIsOvercomeHoweverMuchOnlyTheLogsHold) {
  Options options = nodes(GetParam());
  options.limits.batch_commands_max = 1;
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  constexpr std::uint64_t kSlots = 3000;
  RequestKey last;
  for (std::uint64_t sequence = 1; sequence <= kSlots; ++sequence) {
    last = play.put(kOne, sequence, "v" + std::to_string(sequence));
    if (sequence % 64 == 0) play.run(milliseconds(5));
  }
  ASSERT_TRUE(play.reach([&] { return play.code_of(last) == ErrorCode::ok; }, seconds(10)));
  play.run(milliseconds(200));
  for (const NodeId node : play.world().nodes()) play.world().crash(node, nullptr);
  for (const NodeId node : play.world().nodes()) play.world().restart(node);
  ASSERT_EQ(play.world().status(kOne).head.height, Height(0));

  // Copies of one slot on the way to one peer show whether the leader floods its peers.
  std::uint64_t accepts = 0;
  play.on_sent = [&](const InFlight& flight) { accepts += is<paxos::Accept>(flight) ? 1 : 0; };
  EXPECT_TRUE(play.reach(
      [&] {
        const auto all = play.world().nodes();
        return std::all_of(all.begin(), all.end(), [&](NodeId node) {
          return play.world().status(node).head.height > Height(kSlots);
        });
      },
      10 * options.timing.election_timeout))
      << "node 1 stands at " << describe(play.world().status(kOne));
  EXPECT_LE(accepts, 2 * kSlots * GetParam());
  play.expect_no_violations();
}

INSTANTIATE_TEST_SUITE_P(Clusters, PowerFailure, testing::Values(1, 3));

// --- lost disks --------------------------------------------------------------------------------

// A node loses its disk twice. Answers that its first rejoin asked for arrive in its second one,
// and say that no rejoin ever happened. If it believed them, it would vote under the generation
// under which it voted before, and the votes that it forgot would still count.
TEST(LostDisk, TwiceIsNotHealedByAnswersToTheFirstRejoin) {
  Play play(nodes(5));
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(200));

  std::vector<Generation> announced;
  std::vector<InFlight> kept;
  play.on_sent = [&](const InFlight& flight) {
    const auto* request = std::get_if<paxos::RejoinRequest>(&flight.message);
    if (request != nullptr && request->generation != Generation(0)) {
      announced.push_back(request->generation);
    }
    if (flight.to == kTwo && is<paxos::RejoinReply>(flight)) kept.push_back(flight);
  };
  const auto voting = [&] { return !play.world().status(kTwo).abstaining; };
  play.world().wipe(kTwo);
  play.world().restart(kTwo);
  ASSERT_TRUE(play.reach(voting, seconds(5)));
  ASSERT_FALSE(announced.empty());
  const Generation first = announced.back();
  const std::vector<InFlight> late = kept;
  ASSERT_GE(late.size(), 6u);

  announced.clear();
  play.world().wipe(kTwo);
  play.world().restart(kTwo);
  for (const auto& flight : late) play.inject(flight.from, flight.to, flight.message);
  ASSERT_TRUE(play.reach(voting, seconds(5)));
  ASSERT_FALSE(announced.empty());
  for (const Generation generation : announced) EXPECT_GT(generation, first);
  play.expect_no_violations();
}

// Two of five disks are lost, one after the other. Node 2 votes, loses its log and rejoins; its
// vote is still on its way. Node 3 takes part in that, so that each vote of it tells that the old
// vote of node 2 is void. Then it loses its log as well. After its own rejoin its votes must tell
// so again: the old vote of node 2, the new one of node 3 and the leader are a majority by number
// only.
TEST(LostDisk, OfAnotherNodeDoesNotBringAForgottenVoteToLife) {
  Options options = nodes(5);
  options.timing.election_timeout = seconds(10);
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(200));
  const Height before = play.world().status(kOne).head.height;

  std::vector<InFlight> held;
  bool alone = true;  // node 1, but for what this test hands on
  play.loses = [&](const InFlight& flight) {
    const bool crosses = alone && (flight.from == kOne || flight.to == kOne);
    const bool vote = is<paxos::Accepted>(flight) && flight.from == kTwo;
    const bool second = is<paxos::Accept>(flight) && flight.to == kThree;
    if (crosses && (vote || (second && held.size() < 2))) held.push_back(flight);
    return crosses && !(is<paxos::Accept>(flight) && flight.to == kTwo);
  };
  play.put(kOne, 1, "v", seconds(60));
  play.run(milliseconds(20));
  ASSERT_EQ(held.size(), 2u);
  for (const NodeId lost : {kTwo, kThree}) {
    play.world().wipe(lost);
    play.world().restart(lost);
    ASSERT_TRUE(play.reach([&] { return !play.world().status(lost).abstaining; }, seconds(5)));
  }
  alone = false;
  play.loses = [&](const InFlight& flight) {  // only what was held, and what comes of it
    return !is<paxos::Accept>(flight) && !is<paxos::Accepted>(flight);
  };
  for (const auto& flight : held) play.inject(flight.from, flight.to, flight.message);
  play.run(milliseconds(5));
  EXPECT_EQ(play.world().status(kOne).head.height, before)
      << "node 1 counts a vote that nobody remembers";
  // Nodes 4 and 5 and one of those that lost their disks may decide something else by now.
  play.loses = nullptr;
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kOne).head.height > before; }, seconds(60)));
  play.expect_no_violations();
}

// The same, but that node 3 only restarts: what it told node 2 it must have written down.
TEST(LostDisk, IsRememberedByThoseWhoHelpedAcrossARestart) {
  Options options = nodes(5);
  options.timing.election_timeout = seconds(10);
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(200));
  bool alone = true;
  play.loses = [&](const InFlight& flight) {
    return alone && (flight.from == kOne || flight.to == kOne);
  };
  play.world().wipe(kTwo);
  play.world().restart(kTwo);
  ASSERT_TRUE(play.reach([&] { return !play.world().status(kTwo).abstaining; }, seconds(5)));
  play.world().crash(kThree, nullptr);
  play.world().restart(kThree);
  alone = false;
  std::size_t votes = 0;
  play.on_sent = [&](const InFlight& flight) {
    const auto* vote = std::get_if<paxos::Accepted>(&flight.message);
    if (vote == nullptr || flight.from != kThree) return;
    ++votes;
    EXPECT_EQ(paxos::own_generation(kTwo, vote->generations), Generation(1));
  };
  const RequestKey put = play.put(kOne, 1, "v");
  ASSERT_TRUE(play.reach([&] { return play.code_of(put) == ErrorCode::ok; }, seconds(5)));
  play.run(milliseconds(500));
  EXPECT_GT(votes, 0u);
  play.expect_no_violations();
}

// A value is decided by nodes 1, 2 and 3. Nodes 2 and 3 lose their disks at once, node 1 goes down.
// Neither can bound the votes of the other: they wait for node 1.
TEST(LostDisk, OfTwoNodesAtOnceIsNotHealedByThemAlone) {
  Play play(nodes(5));
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(200));
  play.loses = [&](const InFlight& flight) {
    return is<paxos::Accept>(flight) && flight.to > kThree;
  };
  const RequestKey put = play.put(kOne, 1, "v");
  ASSERT_TRUE(play.reach([&] { return play.code_of(put) == ErrorCode::ok; }, seconds(5)));
  const Height height = play.world().status(kOne).head.height;
  play.world().crash(kOne, nullptr);
  play.loses = [&](const InFlight& flight) { return is<paxos::Accept>(flight); };
  for (const NodeId lost : {kTwo, kThree}) play.world().wipe(lost);
  for (const NodeId lost : {kTwo, kThree}) play.world().restart(lost);
  play.loses = nullptr;
  play.run(seconds(20));
  EXPECT_EQ(play.leader(), kNobody);
  play.world().restart(kOne);
  EXPECT_TRUE(play.reach([&] { return play.world().status(kTwo).head.height > height; },
                         seconds(10)));
  play.expect_no_violations();
}

// Node 2 promised the ballot of node 3, loses its disk, rejoins, and is asked by the leader before.
TEST(LostDisk, DoesNotLoseAPromise) {
  Play play(nodes(5));
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(200));
  const auto old_ballot = play.world().status(kOne).promised;
  const NodeId five(5);
  play.loses = [&](const InFlight& flight) {
    const auto apart = [&](NodeId node) { return node == kOne || node == five; };
    return apart(flight.from) != apart(flight.to);
  };
  ASSERT_TRUE(play.reach(
      [&] {
        const NodeId leads = play.leader();
        return leads != kNobody && leads != kOne && leads != five;
      },
      seconds(10)));
  play.run(milliseconds(200));
  const auto promised = play.world().status(kTwo).promised;
  ASSERT_GT(promised, old_ballot);
  // Nodes 4 and 5 answer, and whoever leads.
  play.loses = [&](const InFlight& flight) {
    return flight.from == kOne || flight.to == kOne ||
           (flight.from == five && flight.to != kTwo) || (flight.to == five && flight.from != kTwo);
  };
  play.world().wipe(kTwo);
  play.world().restart(kTwo);
  ASSERT_TRUE(play.reach([&] { return !play.world().status(kTwo).abstaining; }, seconds(5)));
  const Slot slot(play.world().status(kTwo).head.height.value() + 1);
  play.inject(kOne, kTwo,
              paxos::Accept{old_ballot, slot, engine::encode_batch(Timestamp(1), 0, {}), Slot(0)});
  play.loses = [&](const InFlight& flight) { return !is<paxos::Accept>(flight); };
  play.run(milliseconds(2));
  const auto accepted = play.world().replica(kTwo).durable().accepted;
  EXPECT_FALSE(accepted.contains(slot) && accepted.at(slot).ballot == old_ballot);
  EXPECT_GE(play.world().status(kTwo).promised, promised);
}

// --- reads -------------------------------------------------------------------------------------

// Node 1 leads and stands still while node 3 is elected and a write is done. When it goes on, it
// hears node 2 and not node 3, and is asked for a read before anybody can tell it.
TEST(Reads, AreNotConfirmedByThoseWhoPromisedAnotherLeader) {
  Play play(nodes(3));
  play.elect(kOne);
  play.open(kOne);
  const RequestKey first = play.put(kOne, 1, "old");
  ASSERT_TRUE(play.reach([&] { return play.code_of(first) == ErrorCode::ok; }, seconds(5)));
  play.run(milliseconds(100));
  play.pause(kOne);
  play.loses = [&](const InFlight& flight) {
    return is<paxos::PreVote>(flight) && flight.from == kTwo;
  };
  ASSERT_TRUE(play.reach(
      [&] { return play.world().status(kThree).role == engine::Role::leader; }, seconds(10)));
  const RequestKey second = play.put(kThree, 2, "new");
  ASSERT_TRUE(play.reach([&] { return play.code_of(second) == ErrorCode::ok; }, seconds(5)));
  play.run(milliseconds(100));
  play.world().cut(kOne, kThree);
  play.world().cut(kThree, kOne);
  play.resume(kOne);
  ASSERT_EQ(play.world().status(kOne).role, engine::Role::leader);
  const RequestKey read = play.world().read(kOne, "key", engine::ReadConsistency::linearizable,
                                            milliseconds(3000));
  ASSERT_TRUE(play.reach([&] { return play.code_of(read).has_value(); }, seconds(5)));
  EXPECT_NE(play.value_of(read), "old");
  play.expect_no_violations();
}

// An answer to a question of an earlier life confirms nothing.
TEST(Reads, AreNotConfirmedByAnswersToAnEarlierLife) {
  Play play(nodes(3));
  play.elect(kOne);
  play.open(kOne);
  const RequestKey first = play.put(kOne, 1, "old");
  ASSERT_TRUE(play.reach([&] { return play.code_of(first) == ErrorCode::ok; }, seconds(5)));
  play.run(milliseconds(200));
  std::optional<InFlight> late;
  play.on_sent = [&](const InFlight& flight) {
    if (is<paxos::ReadIndexReply>(flight) && flight.to == kTwo) late = flight;
  };
  const auto read_at_two = [&] {
    return play.world().read(kTwo, "key", engine::ReadConsistency::linearizable, seconds(3));
  };
  (void)read_at_two();
  ASSERT_TRUE(play.reach([&] { return late.has_value(); }, seconds(1)));
  play.world().disk(kTwo).sync_blocks();
  play.world().crash(kTwo, nullptr);
  const RequestKey second = play.put(kOne, 2, "new");
  ASSERT_TRUE(play.reach([&] { return play.code_of(second) == ErrorCode::ok; }, seconds(5)));
  play.world().restart(kTwo);
  play.run(milliseconds(60));  // hears the leader
  play.loses = [&](const InFlight& flight) {
    return flight.to == kTwo && !is<paxos::Heartbeat>(flight) &&
           !(is<paxos::ReadIndexReply>(flight) && flight.sent == late->sent);
  };
  const RequestKey read = read_at_two();
  play.world().resubmit(*late);
  play.run(milliseconds(20));
  EXPECT_NE(play.value_of(read), "old");
  play.expect_no_violations();
}

// --- blocks ------------------------------------------------------------------------------------

TEST(Blocks, ThatDoNotLinkAreNotApplied) {
  Play play(nodes(3));
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(200));
  const auto head = play.world().status(kTwo).head;
  ledger::Chain other(play.world().cluster());
  ledger::Block block;
  for (std::uint64_t i = 0; i <= head.height.value(); ++i) {
    block = other.extend(SharedBytes(), {}, Timestamp(i), 0, 0);
  }
  play.inject(kThree, kTwo,
              paxos::Blocks{block.header.height,
                            {SharedBytes(ledger::encode_block(block))},
                            {block.header.height, block.hash}});
  play.run(milliseconds(10));
  EXPECT_EQ(play.world().status(kTwo).head, head);
  play.expect_no_violations();
}

// --- damaged blocks ----------------------------------------------------------------------------

// The leader knows of the newest decision before anybody else. If it then finds a damaged block
// while another node is down, the node that is left has accepted that decision and does not know
// it: neither can go on without the other's vote. The leader's log is whole, so it may vote.
TEST(DamagedBlocks, DoNotSilenceANodeWhoseLogTellsWhatItVoted) {
  Play play(nodes(3));
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(200));
  play.world().crash(kThree, nullptr);
  const RequestKey put = play.put(kOne, 1, "v");
  ASSERT_TRUE(play.reach([&] { return play.code_of(put) == ErrorCode::ok; }, seconds(5)));
  const Height height = play.world().status(kOne).head.height;
  ASSERT_LT(play.world().status(kTwo).head.height, height);

  play.world().disk(kOne).sync_blocks();
  play.world().crash(kOne, nullptr);
  play.world().disk(kOne).damage_blocks(Height(height.value() - 1));
  play.world().restart(kOne);
  EXPECT_TRUE(play.world().status(kOne).repairing);
  EXPECT_TRUE(play.reach([&] { return !play.world().status(kOne).repairing; }, seconds(5)))
      << describe(play.world().status(kOne)) << "\n"
      << describe(play.world().status(kTwo));
  EXPECT_NE(play.leader(), kNobody);
  play.expect_no_violations();
}

// --- slow disks --------------------------------------------------------------------------------

// A leader whose disk stands still decides by the disks of its followers until what waits for its
// own would fill the memory. A minority's disk must not stop the cluster then.
TEST(SlowDisk, OfTheLeaderDoesNotStopTheCluster) {
  Options options = nodes(3);
  options.limits.window_bytes = 2000;
  options.limits.batch_commands_max = 1;
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.world().set_instant_disk(kOne, false);
  const std::string value(300, 'x');
  RequestKey last;
  for (std::uint64_t sequence = 1; sequence <= 60; ++sequence) {
    last = play.put(kTwo, sequence, value, seconds(30));
    play.run(milliseconds(20));
  }
  EXPECT_TRUE(play.reach([&] { return play.code_of(last) == ErrorCode::ok; },
                         10 * options.timing.election_timeout));
  EXPECT_NE(play.leader(), kOne);
  // Nor does it run for leader as long as it could keep no promise.
  const auto elections = play.world().status(kOne).elections_started;
  play.run(10 * options.timing.election_timeout);
  EXPECT_EQ(play.world().status(kOne).elections_started, elections);
  play.expect_no_violations();
}

// Every sync takes longer than an election timeout: a candidate's own, then those of its voters.
TEST(SlowDisk, OfEveryNodeDoesNotKeepTheClusterFromElecting) {
  const Options options = nodes(3);
  Play play(options);
  play.slow_disks(milliseconds(900));
  ASSERT_TRUE(play.reach([&] { return play.leader() != kNobody; }, seconds(60)));
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kOne).head.height > Height(0); }, seconds(20)));
  play.expect_no_violations();
}

// --- exactly once ------------------------------------------------------------------------------

// A node sends a command twice. The first copy may have been applied before the session ended, the
// second says that there is no such session. A client that was told so would begin anew.
TEST(ExactlyOnce, AnExpiredSessionIsNoOutcomeWhereAnotherCopyMayHaveBeenApplied) {
  const Options options = nodes(3);
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(100));
  std::vector<std::uint64_t> forwards;
  play.on_sent = [&](const InFlight& flight) {
    const auto* forward = std::get_if<paxos::Forward>(&flight.message);
    if (forward != nullptr) forwards.push_back(forward->id);
  };
  play.loses = [&](const InFlight& flight) { return is<paxos::Forward>(flight); };
  const RequestKey put = play.put(kTwo, 1, "v", seconds(5));
  ASSERT_TRUE(play.reach([&] { return forwards.size() >= 2; }, seconds(2)));
  play.inject(kOne, kTwo, paxos::ForwardReply{forwards.back(), ErrorCode::session_expired, {}, {}});
  ASSERT_TRUE(play.reach([&] { return play.code_of(put).has_value(); }, seconds(1)));
  EXPECT_EQ(play.code_of(put), ErrorCode::timeout);
}

// A node that repairs its history refuses what was forwarded to it. Another node may do it.
TEST(ExactlyOnce, ARefusalByANodeThatRepairsIsNotTheEnd) {
  const Options options = nodes(3);
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(100));
  bool refused = false;
  play.on_sent = [&](const InFlight& flight) {
    const auto* forward = std::get_if<paxos::Forward>(&flight.message);
    if (forward == nullptr || std::exchange(refused, true)) return;
    play.inject(kOne, kTwo, paxos::ForwardReply{forward->id, ErrorCode::repairing, {}, {}});
  };
  play.loses = [&](const InFlight& flight) { return is<paxos::Forward>(flight) && !refused; };
  const RequestKey put = play.put(kTwo, 1, "v", seconds(5));
  ASSERT_TRUE(play.reach([&] { return play.code_of(put).has_value(); }, seconds(6)));
  EXPECT_EQ(play.code_of(put), ErrorCode::ok);
}

// --- bounds ------------------------------------------------------------------------------------

TEST(Bounds, HoldForTheOctetsOfRequestsThatFindNoLeader) {
  Options options = nodes(3);
  options.limits.pending_bytes_max = 10'000;
  Play play(options);
  const std::string value(1000, 'x');
  std::size_t refused = 0;
  for (std::uint64_t sequence = 1; sequence <= 40; ++sequence) {
    const RequestKey key = play.put(kTwo, sequence, value, seconds(30));
    refused += play.code_of(key) == ErrorCode::overloaded ? 1 : 0;
  }
  EXPECT_GE(refused, 29u);
  EXPECT_LE(refused, 31u);
}

// A follower that misses one slot cannot apply those above it. What it accepts meanwhile is bounded
// by its weight, not only by its number.
TEST(Bounds, HoldForTheOctetsThatAFollowerAcceptsAheadOfWhatItCanApply) {
  Options options = nodes(3);
  options.limits.window_bytes = 2000;
  options.limits.batch_commands_max = 1;
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(100));
  bool cut = true;
  const Slot gap(play.world().status(kThree).head.height.value() + 1);
  play.loses = [&](const InFlight& flight) {
    const auto* accept = std::get_if<paxos::Accept>(&flight.message);
    return cut && flight.to == kThree &&
           (is<paxos::Blocks>(flight) || (accept != nullptr && accept->slot == gap));
  };
  const std::string value(500, 'x');
  std::size_t most = 0;
  for (std::uint64_t sequence = 1; sequence <= 60; ++sequence) {
    play.put(kOne, sequence, value);
    play.run(milliseconds(5));
    std::size_t bytes = 0;
    for (const auto& [slot, accepted] : play.world().replica(kThree).durable().accepted) {
      bytes += accepted.value.size();
    }
    most = std::max(most, bytes);
  }
  EXPECT_LE(most, 5 * options.limits.window_bytes);
  EXPECT_LT(play.world().status(kThree).head.height, height_of(gap));
  cut = false;
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kThree).head == play.world().status(kOne).head; },
                 seconds(5)));
  play.expect_no_violations();
}

// A peer that does not answer is merely slow, perhaps because so much is on its way to it. It is
// not sent everything again and again.
TEST(Bounds, HoldForWhatIsSentAgainToAPeerThatDoesNotAnswer) {
  Options options = nodes(3);
  options.limits.catch_up_bytes = 4000;
  options.limits.batch_commands_max = 1;
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.run(milliseconds(100));
  play.loses = [](const InFlight& flight) { return is<paxos::Accepted>(flight); };
  const std::string value(900, 'x');
  for (std::uint64_t sequence = 1; sequence <= 60; ++sequence) play.put(kOne, sequence, value);
  play.run(milliseconds(20));
  std::map<NodeId, std::size_t> sent;
  play.on_sent = [&](const InFlight& flight) {
    const auto* accept = std::get_if<paxos::Accept>(&flight.message);
    if (accept != nullptr) sent[flight.to] += accept->value.size();
  };
  play.run(4 * options.timing.resend_interval);
  for (const auto& [peer, bytes] : sent) EXPECT_LE(bytes, 5 * options.limits.catch_up_bytes);
  EXPECT_EQ(sent.size(), 2u);
  play.loses = nullptr;
  EXPECT_TRUE(
      play.reach([&] { return play.world().status(kTwo).head.height >= Height(60); }, seconds(10)));
  play.expect_no_violations();
}

// --- candidates --------------------------------------------------------------------------------

// Answers that bring nothing new keep no candidacy alive.
TEST(Candidate, GivesUpAlthoughItHearsTheSamePromiseAgainAndAgain) {
  const Options options = nodes(3);
  Play play(options);
  play.elect(kOne);
  play.open(kOne);
  play.world().crash(kOne, nullptr);
  std::optional<InFlight> promise;
  play.loses = [&](const InFlight& flight) {
    if (is<paxos::Promise>(flight) && !promise) promise = flight;
    return is<paxos::Promise>(flight);
  };
  ASSERT_TRUE(play.reach([&] { return promise.has_value(); }, seconds(10)));
  const NodeId runner = promise->to;
  auto& answer = std::get<paxos::Promise>(promise->message);
  answer.first = answer.through = Slot(99);  // a part that nobody asked for
  play.loses = [&](const InFlight& flight) {
    const auto* promised = std::get_if<paxos::Promise>(&flight.message);
    return is<paxos::PreVote>(flight) || (promised != nullptr && promised->first != Slot(99));
  };
  const auto ended = [&] { return play.world().status(runner).role != engine::Role::candidate; };
  const Instant patience = play.world().now() + 3 * options.timing.election_timeout;
  while (!ended() && play.world().now() < patience) {
    play.inject(promise->from, runner, answer);
    play.run(milliseconds(20));
  }
  EXPECT_TRUE(ended());
}

// --- peers out of their minds --------------------------------------------------------------------

std::vector<paxos::Message> nonsense(NodeId from, paxos::Ballot promised) {
  using namespace paxos;  // NOLINT: this is about that vocabulary
  constexpr std::uint64_t kFar = (std::uint64_t{1} << 62) - 1;
  const Slot far(kFar);
  const Ballot mine{Round(promised.round.value() + 1), from};
  const Ballot last{Round(kFar), from};
  const Ballot strange{Round(promised.round.value() + 1), NodeId(77)};
  const SharedBytes batch = engine::encode_batch(Timestamp(1), 0, {});
  const Generations poison{{NodeId(1), Generation(UINT32_MAX)}, {NodeId(99), Generation(1)}};
  Promise circle{promised, Slot(1), Slot(0), false, Slot(0), {}, {}};
  Promise garbage{promised, Slot(1), Slot(9), true, Slot(0), {{Slot(9), promised, batch}}, {}};
  garbage.accepted.front().value = SharedBytes("no batch");
  Promise distant{promised, Slot(1), far, true, Slot(0), {{far, promised, batch}}, {}};
  return {
      Heartbeat{last, false, false, kNobody, false, far, {Height(kFar), {}}},
      Heartbeat{strange, true, true, NodeId(77), false, far, {Height(kFar), {}}},
      PreVote{last},
      PreVoteReply{last, true, last},
      PreVoteReply{strange, true, strange},
      Prepare{last, far},
      Prepare{strange, Slot(1)},
      circle,
      garbage,
      distant,
      Promise{promised, Slot(5), Slot(2), true, far, {}, poison},
      Accept{last, far, batch, far},
      Accept{mine, Slot(0), batch, far},
      Accepted{promised, far, poison},
      Nack{last},
      Nack{strange},
      Forward{1, 255, 0, SharedBytes("x")},
      Forward{2, 0, 0, SharedBytes()},
      Forward{3, 0, UINT32_MAX, SharedBytes(std::string(8, '\xff'))},
      ForwardReply{1, ErrorCode::ok, Revision(kFar), batch},
      ReadIndexRequest{1, 255},
      ReadIndexReply{1, true, far},
      ReadProbe{last, 1},
      ReadProbeAck{promised, 1, poison},
      FetchBlocks{Height(0), 0},
      FetchBlocks{Height(kFar), UINT32_MAX},
      Blocks{Height(0), {batch, batch}, {Height(kFar), {}}},
      Blocks{Height(kFar), {batch}, {Height(kFar), {}}},
      Blocks{Height(1), {SharedBytes()}, {Height(1), {}}},
      RejoinRequest{Generation(UINT32_MAX), 0},
      RejoinReply{Generation(UINT32_MAX), last, far, 0, poison},
  };
}

// One message of each kind from a member of the cluster that has gone mad, to every node in every
// role, after each other. Nobody falls over it, and no single one of them may do harm that lasts.
TEST(Nonsense, FromAMemberHurtsNobodyForLong) {
  const std::size_t count = nonsense(kThree, {}).size();
  for (std::size_t i = 0; i < count; ++i) {
    Play play(nodes(3));
    play.elect(kOne);
    play.open(kOne);
    const auto promised = play.world().status(kOne).promised;
    const std::string what = describe(nonsense(kThree, promised)[i]);
    SCOPED_TRACE(what);
    for (const NodeId to : {kOne, kTwo}) {
      play.inject(kThree, to, nonsense(kThree, promised)[i]);
      play.run(milliseconds(50));
    }
    play.world().crash(kOne, nullptr);  // the others must elect
    play.inject(kThree, kTwo, nonsense(kThree, play.world().status(kTwo).promised)[i]);
    ASSERT_TRUE(play.reach([&] { return play.leader() != kNobody; }, seconds(5)));
    play.world().restart(kOne);
    const RequestKey put = play.put(kOne, 1, "v");
    EXPECT_TRUE(play.reach([&] { return play.code_of(put) == ErrorCode::ok; }, seconds(5)));
    EXPECT_TRUE(play.reach(
        [&] {
          return play.world().status(kOne).head == play.world().status(kTwo).head &&
                 play.world().status(kTwo).head == play.world().status(kThree).head;
        },
        seconds(5)));
    for (const NodeId node : play.world().nodes()) {
      EXPECT_FALSE(play.world().status(node).repairing) << name(node);
      // What nobody can count up to must not get around.
      EXPECT_LT(play.world().status(node).promised.round, Round(1000)) << name(node);
    }
    play.expect_no_violations();
  }
}

// A candidate asks for promises; the nonsense comes as an answer to it.
TEST(Nonsense, InAPromiseDoesNotMakeALeaderProposeIt) {
  const std::size_t count = nonsense(kThree, {}).size();
  for (std::size_t i = 0; i < count; ++i) {
    Play play(nodes(3));
    play.elect(kOne);
    play.open(kOne);
    play.run(milliseconds(100));
    play.world().crash(kOne, nullptr);
    bool mad = true;
    play.loses = [&](const InFlight& flight) {
      return mad && is<paxos::Promise>(flight) && flight.to == kTwo;
    };
    if (!play.reach([&] { return play.world().status(kTwo).role == engine::Role::candidate; },
                    seconds(10))) {
      continue;
    }
    const auto ballot = play.world().status(kTwo).promised;
    SCOPED_TRACE(describe(nonsense(kThree, ballot)[i]));
    auto message = nonsense(kThree, ballot)[i];
    if (auto* promise = std::get_if<paxos::Promise>(&message)) {
      promise->first = Slot(play.world().status(kTwo).head.height.value() + 1);
    }
    play.inject(kThree, kTwo, message);
    play.run(milliseconds(20));
    mad = false;
    const RequestKey put = play.put(kTwo, 1, "v");
    EXPECT_TRUE(play.reach([&] { return play.code_of(put) == ErrorCode::ok; }, seconds(5)));
    play.expect_no_violations();
  }
}

}  // namespace
}  // namespace paxledger::world
