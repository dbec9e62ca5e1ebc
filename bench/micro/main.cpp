// The parts of a write, timed one by one by Google Benchmark. Batches hold 1 or 64 puts of 256
// octets; items are puts, so that all figures can be added up and compared.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/invariant.hpp"
#include "engine/applied_state.hpp"
#include "engine/batch.hpp"
#include "engine/replica.hpp"
#include "in_process/cluster.hpp"
#include "in_process/memory_disk.hpp"
#include "kv/command.hpp"
#include "kv/state_machine.hpp"
#include "ledger/chain.hpp"
#include "storage/log.hpp"
#include "wire/peer_messages.hpp"

namespace paxledger::bench {
namespace {

const ClusterId kCluster = ledger::cluster_id("micro");
constexpr SessionId kSession{1};
constexpr Timestamp kWall{1'700'000'000'000'000};

SharedBytes open_session() {
  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = kSession;
  command.argument = kv::kSessionMillisecondsMax;
  return SharedBytes(kv::encode_command(command));
}

// The put of this sequence; the client has seen the results of all before.
SharedBytes put(std::uint64_t sequence) {
  const std::string key = "bench/" + std::to_string(sequence * 7919 % 10'000);
  const std::string value(256, static_cast<char>(sequence));
  kv::Command command;
  command.kind = kv::CommandKind::put;
  command.session = kSession;
  command.sequence = Sequence(sequence);
  command.acknowledged = Sequence(sequence - 1);
  command.key = key;
  command.value = value;
  return SharedBytes(kv::encode_command(command));
}

// The next `count` puts.
std::vector<SharedBytes> puts(std::uint64_t& last, std::int64_t count) {
  std::vector<SharedBytes> commands;
  for (std::int64_t i = 0; i < count; ++i) commands.push_back(put(++last));
  return commands;
}

SharedBytes batch_of(std::int64_t count) {
  std::uint64_t last = 0;
  return engine::encode_batch(kWall, 0, puts(last, count));
}

void per_put(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

// --- octets ---------------------------------------------------------------------------------

void encode_batch(benchmark::State& state) {
  std::uint64_t last = 0;
  const auto commands = puts(last, state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(engine::encode_batch(kWall, 0, commands));
  per_put(state);
}

void decode_batch(benchmark::State& state) {
  const SharedBytes octets = batch_of(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(engine::decode_batch(octets));
  per_put(state);
}

wire::PeerHeader header() {
  return {kCluster, NodeId(1), NodeId(2), Incarnation(1)};
}

std::vector<paxos::Message> accept_message(std::int64_t count) {
  return {paxos::Accept{{Round(1), NodeId(1)}, Slot(1), batch_of(count), Slot(0)}};
}

void encode_accept_packet(benchmark::State& state) {
  const auto messages = accept_message(state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(wire::encode_packets(header(), messages));
  per_put(state);
}

void decode_accept_packet(benchmark::State& state) {
  const SharedBytes packet(wire::encode_packet(header(), accept_message(state.range(0))));
  for (auto _ : state) benchmark::DoNotOptimize(wire::decode_packet(packet));
  per_put(state);
}

// --- log, chain, state machine --------------------------------------------------------------

void append_to_log(benchmark::State& state) {
  MemoryDisk disk;
  auto log = storage::Log::start_over(disk, {"log", "set-aside", kCluster, NodeId(1)}, {},
                                      storage::SegmentOrigin::initialised, {});
  invariant(log.ok(), "a log can be begun in memory");
  const SharedBytes batch = batch_of(state.range(0));
  std::uint64_t slot = 0;
  for (auto _ : state) {
    const paxos::DurableRecord record =
        paxos::AcceptRecord{{Round(1), NodeId(1)}, Slot(++slot), batch};
    const auto appended = (*log)->append({&record, 1});
    invariant(appended.ok(), "a disk in memory takes every record");
    if (slot % 10'000 != 0) continue;
    state.PauseTiming();  // or the disk in memory would hold every segment
    const auto trimmed = (*log)->trim(Height(slot));
    invariant(trimmed.ok(), "a log can be trimmed");
    state.ResumeTiming();
  }
  per_put(state);
}

void hash_and_chain(benchmark::State& state) {
  const auto batch = engine::decode_batch(batch_of(state.range(0)));
  invariant(batch.ok(), "a batch can be decoded");
  ledger::Chain chain(kCluster);
  for (auto _ : state) {
    benchmark::DoNotOptimize(chain.extend(batch->ops, batch->commands, batch->timestamp, 0, 0));
  }
  per_put(state);
}

void apply_to_state_machine(benchmark::State& state) {
  kv::StateMachine machine;
  static_cast<void>(machine.apply(open_session().view(), kWall));
  std::uint64_t last = 0;
  while (state.KeepRunningBatch(state.range(0))) {
    state.PauseTiming();
    const auto commands = puts(last, state.range(0));
    state.ResumeTiming();
    for (const SharedBytes& command : commands) {
      benchmark::DoNotOptimize(machine.apply(command.view(), kWall));
    }
  }
  state.SetItemsProcessed(state.iterations());
}

// --- a replica ------------------------------------------------------------------------------

// A leader of three nodes whose peers say what a write needs, and nothing else. Its clock stands
// still after the election, so no timer fires.
class LoneLeader {
 public:
  LoneLeader() {
    for (const NodeId id : ids_) {
      engine::Settings settings;
      settings.self = id;
      settings.cluster = kCluster;
      replicas_.emplace_back(paxos::Membership(ids_), settings, engine::Recovered(kCluster),
                             Seed{id.value()}, now_);
    }
    while (leader_ == nullptr) elect();
    commit({open_session()});
  }

  // The leader's steps from the commands to the replies: proposed, one vote, its own disk.
  void commit(const std::vector<SharedBytes>& commands) {
    engine::Proposed proposed;
    proposed.wall = kWall;
    for (const SharedBytes& command : commands) {
      request_ = request_.next();
      proposed.commands.push_back({request_, command, now_ + std::chrono::hours(1)});
    }
    engine::Output out;
    leader_->step(std::move(proposed), now_, out);
    const Ticket ticket = out.persist.ticket;
    const auto& accept = std::get<paxos::AcceptRecord>(out.persist.records.back());
    const paxos::Accepted vote{accept.ballot, accept.slot, {}};
    out.clear();
    leader_->step(engine::Received{voter_, vote}, now_, out);
    leader_->step(engine::Persisted{ticket, kWall}, now_, out);
    invariant(out.replies.size() == commands.size(), "every command is answered");
  }

 private:
  // A moment passes; every message arrives at once, and every write is durable at once.
  void elect() {
    now_ = now_ + std::chrono::milliseconds(10);
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      if (replicas_[i].next_deadline() <= now_) step(i, engine::TimerFired{kWall});
    }
    for (std::size_t i = 0; i < replicas_.size(); ++i) {
      if (replicas_[i].role() != engine::Role::leader) continue;
      leader_ = &replicas_[i];
      voter_ = ids_[(i + 1) % ids_.size()];
    }
  }

  void step(std::size_t node, engine::Input input) {
    engine::Output out;
    replicas_[node].step(std::move(input), now_, out);
    for (const auto& [to, message] : out.send_now) deliver(node, to, message);
    if (out.persist.empty()) return;
    for (const auto& [to, message] : out.persist.send_after) deliver(node, to, message);
    step(node, engine::Persisted{out.persist.ticket, kWall});
  }

  void deliver(std::size_t from, NodeId to, const paxos::Message& message) {
    step(to.value() - 1, engine::Received{ids_[from], message});
  }

  std::vector<NodeId> ids_{NodeId(1), NodeId(2), NodeId(3)};
  Instant now_{std::chrono::seconds(1)};
  std::vector<engine::Replica> replicas_;
  engine::Replica* leader_ = nullptr;
  NodeId voter_;
  RequestKey request_;
};

void step_of_a_committed_write(benchmark::State& state) {
  LoneLeader leader;
  std::uint64_t last = 0;
  while (state.KeepRunningBatch(state.range(0))) {
    state.PauseTiming();
    const auto commands = puts(last, state.range(0));
    state.ResumeTiming();
    leader.commit(commands);
  }
  state.SetItemsProcessed(state.iterations());
}

// Everything that the three nodes do for a write but sockets, threads and disks.
void write_through_three_nodes(benchmark::State& state) {
  InProcessCluster cluster;
  while (state.KeepRunningBatch(state.range(0))) {
    state.PauseTiming();
    auto requests = cluster.encode_puts(static_cast<std::size_t>(state.range(0)), 16);
    state.ResumeTiming();
    cluster.serve(std::move(requests));
    state.PauseTiming();
    invariant(cluster.take_successes() == static_cast<std::size_t>(state.range(0)),
              "every put is acknowledged");
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK(encode_batch)->Arg(1)->Arg(64);
BENCHMARK(decode_batch)->Arg(1)->Arg(64);
BENCHMARK(encode_accept_packet)->Arg(1)->Arg(64);
BENCHMARK(decode_accept_packet)->Arg(1)->Arg(64);
BENCHMARK(append_to_log)->Arg(1)->Arg(64);
BENCHMARK(hash_and_chain)->Arg(1)->Arg(64);
BENCHMARK(apply_to_state_machine)->Arg(64);
// A fixed number of writes, for all that is decided stays in memory.
BENCHMARK(step_of_a_committed_write)->Arg(1)->Iterations(20'000);
BENCHMARK(step_of_a_committed_write)->Arg(64)->Iterations(64 * 2000);
BENCHMARK(write_through_three_nodes)->Arg(1)->Iterations(5000);
BENCHMARK(write_through_three_nodes)->Arg(64)->Iterations(64 * 500);

}  // namespace
}  // namespace paxledger::bench

BENCHMARK_MAIN();
