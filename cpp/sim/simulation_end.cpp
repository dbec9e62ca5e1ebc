// How a simulation ends: all is healed, progress is demanded, and the whole run is judged.
#include <algorithm>
#include <utility>

#include "sim/describe.hpp"
#include "sim/interruption.hpp"
#include "sim/simulation.hpp"

namespace paxledger::sim {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// Bounds of the liveness phase.
constexpr int kRecoveryElectionTimeouts = 10;
constexpr Duration kRecoverySlack = milliseconds(100);
// A node that is far behind fetches block by block where messages are small: question, reading,
// answer.
constexpr Duration kRecoveryPerMissingBlock = milliseconds(3);
constexpr Duration kClientsSettle = std::chrono::seconds(20);

}  // namespace

void Simulation::probe_all() {
  for (const NodeId node : world_->nodes()) {
    if (!world_->running(node) || probed_.contains(node)) continue;
    probed_.insert(node);
    const RequestKey key = world_->next_request();
    probes_[key] = node;
    (void)world_->read(node, "key0", engine::ReadConsistency::linearizable, milliseconds(1500));
  }
}

// Whether the whole cluster serves: one leader, every node whole, at one height, and answering.
bool Simulation::serves(std::string* why) const {
  const auto nodes = world_->nodes();
  for (const NodeId node : nodes) {
    if (world_->running(node)) continue;
    *why = "node " + name(node) + " is down";
    return false;
  }
  const auto first = world_->status(nodes.front());
  std::size_t leaders = 0;
  for (const NodeId node : nodes) {
    const auto status = world_->status(node);
    leaders += status.role == engine::Role::leader ? 1 : 0;
    if (status.abstaining || status.repairing) *why = "node " + name(node) + " is not whole";
    if (!(status.head == first.head)) *why = "node " + name(node) + " stands at another height";
  }
  if (leaders != 1) *why = std::to_string(leaders) + " nodes lead";
  if (!probes_.empty() || probed_.size() != nodes.size()) *why = "a node does not serve reads";
  return why->empty();
}

// Runs until `goal` holds; the failure says what was missing if it does not in the time that there
// is. What was interrupted goes on where it was.
Duration Simulation::wait_for(const std::string& promise,
                              const std::function<bool(std::string*)>& goal) {
  const Instant begin = ending_->phase_began;
  const Duration limit = ending_->phase_limit;
  std::string why;
  do {
    check_interruption();
    const Instant until = world_->now() + milliseconds(5);
    while (turn(until) && check()) {
    }
    if (failed()) return limit;
    world_->set_now(std::max(world_->now(), until));
    why.clear();
    if (goal(&why)) return world_->now() - begin;
  } while (world_->now() < begin + limit);
  std::string text = "progress: " + promise + ", " + why;
  for (const NodeId node : world_->nodes()) {
    text += "\n  " + name(node) + ": " +
            (world_->running(node) ? describe(world_->status(node)) : "down");
  }
  fail(RunVerdict::liveness, std::move(text));
  return limit;
}

// Bits that flipped unseen are found now: whoever has some starts anew, and tells of them.
void Simulation::look_through_disks() {
  for (const NodeId node : world_->nodes()) {
    if (!world_->disk(node).flawed()) continue;
    world_->kill(node, nullptr);
    world_->restart(node);
  }
}

void Simulation::begin_to_end() {
  calm_ = true;
  network_.calm_down();
  faults_->cease();
  heal();
  look_through_disks();
  clients_.settle_down();
  clients_.begin_no_more();
  std::uint64_t missing = 0;
  for (const NodeId node : world_->nodes()) {
    const Height height = world_->replica(node).applied().height();
    missing = std::max(missing, world_->history().height().value() - height.value());
  }
  const Duration limit = kRecoveryElectionTimeouts * plan_.profile.options.timing.election_timeout +
                         kRecoverySlack +
                         static_cast<std::int64_t>(missing) * kRecoveryPerMissingBlock;
  ending_ = {Ending::Phase::recovery, world_->now(), limit, kNobody};
}

void Simulation::await_recovery() {
  const Duration taken =
      wait_for("10 election timeouts after everything was healed", [this](auto* why) {
        probe_all();
        return serves(why);
      });
  const Duration election = plan_.profile.options.timing.election_timeout;
  result_.recovery_ms = static_cast<std::uint64_t>(duration_cast<milliseconds>(taken).count());
  result_.recovery_election_timeouts =
      static_cast<double>(taken.count()) / static_cast<double>(election.count());
  // Clients whose request went down with a node notice it only at their deadline.
  ending_ = {Ending::Phase::clients, world_->now(), kClientsSettle, kNobody};
}

void Simulation::await_clients() {
  wait_for("long after everything was healed", [this](auto* why) {
    if (!clients_.idle()) *why = "clients still wait";
    return why->empty();
  });
  const bool forges = plan_.profile.faults.forgery && world_->nodes().size() >= 3;
  // Whoever lags might fetch what was rewritten: blocks of a peer need only link.
  deserted_ = forges;
  ending_ = {forges ? Ending::Phase::quiet : Ending::Phase::verdict, world_->now(), kClientsSettle,
             kNobody};
}

void Simulation::await_quiet() {
  wait_for("long after the clients have gone", [this](auto* why) {
    for (const NodeId node : world_->nodes()) {
      const auto status = world_->status(node);
      if (status.pending_requests > 0) *why = "requests are still in hand";
      // One liar after the other, or they are a majority.
      for (const engine::PeerStatus& peer : status.peers) {
        if (peer.conflicting) *why = "a node holds against another what was altered on its way";
      }
    }
    return why->empty() && serves(why);
  });
  ending_->phase = Ending::Phase::verdict;
  if (!failed()) forge_some_blocks();
}

// A whole cluster at rest: somebody rewrites the blocks of one node. It must find out, must not
// serve reads as soon as it has seen that another node's history is another one, and must be as the
// others in the end.
void Simulation::forge_some_blocks() {
  const auto nodes = world_->nodes();
  const Height height = world_->history().height();
  if (height == Height(0)) return;
  std::uint64_t from = timing_.between(1, height.value());
  // A block without operations would be rewritten as what it is.
  while (from > 0 && world_->history().block(Height(from)).header.op_count == 0) --from;
  if (from == 0) return;
  const NodeId node = nodes[timing_.below(nodes.size())];
  world_->sync_blocks(node);
  held_[node].clear();
  world_->kill(node, nullptr);
  world_->forge(node, Height(from));
  world_->restart(node);
  const Duration limit = kRecoveryElectionTimeouts * plan_.profile.options.timing.election_timeout +
                         kRecoverySlack +
                         static_cast<std::int64_t>(height.value()) * kRecoveryPerMissingBlock;
  ending_ = {Ending::Phase::exposure, world_->now(), limit, node};
  probed_.clear();
  look_at_forgery();
}

void Simulation::look_at_forgery() {
  const NodeId node = ending_->forged;
  if (!world_->running(node) || !world_->forged(node)) return;
  (void)world_->read(node, "key0", engine::ReadConsistency::local, milliseconds(100));
  after(milliseconds(1), [this] { look_at_forgery(); });
}

void Simulation::await_exposure() {
  wait_for("10 election timeouts after blocks were rewritten", [this](auto* why) {
    if (world_->forged(ending_->forged)) {
      *why = "node " + name(ending_->forged) + " has not found out";
      return false;
    }
    probe_all();
    return serves(why);
  });
  ending_->phase = Ending::Phase::verdict;
}

RunResult Simulation::finish() {
  if (!failed() && !ending_) begin_to_end();
  if (!failed() && ending_->phase == Ending::Phase::recovery) await_recovery();
  if (!failed() && ending_->phase == Ending::Phase::clients) await_clients();
  if (!failed() && ending_->phase == Ending::Phase::quiet) await_quiet();
  if (!failed() && ending_->phase == Ending::Phase::exposure) await_exposure();
  if (check()) {
    std::uint64_t undecided = 0;
    std::string verdict = clients_.verdict(world_->history(), duplicated_, &undecided);
    result_.undecided_histories = undecided;
    if (!verdict.empty()) fail(RunVerdict::correctness, std::move(verdict));
  }
  result_.profile = plan_.profile.describe();
  result_.height = world_->history().height().value();
  result_.answered = clients_.answered_count();
  for (const NodeId node : world_->nodes()) {
    if (world_->running(node)) result_.elections += world_->status(node).elections_started;
  }
  result_.trace_hash = world_->trace_hash();
  result_.simulated = now();
  return result_;
}

}  // namespace paxledger::sim
