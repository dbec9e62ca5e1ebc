#include "scenario/play.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

namespace paxledger::sim {

using std::chrono::milliseconds;
using std::chrono::seconds;

Play::Play(Options options) {
  Listeners listeners;
  listeners.texts = false;
  listeners.event = [this](const Event& event) {
    if (on_event) on_event(event);
  };
  listeners.sent = [this](const InFlight& flight) {
    if (on_sent) on_sent(flight);
  };
  listeners.write_begun = [this](NodeId node) {
    if (disk_delay_ > Duration::zero()) begin_sync(node);
  };
  listeners.answered = [this](const Answered& answered) { answers_.push_back(answered); };
  world_ = std::make_unique<World>(options, std::move(listeners));
}

Serving::Serving(Options options) : Play(options) {
  elect(kOne);
  open(kOne);
  run(milliseconds(100));
}

std::function<bool(const InFlight&)> across(std::set<NodeId> apart) {
  return [apart = std::move(apart)](const InFlight& flight) {
    return apart.contains(flight.from) != apart.contains(flight.to);
  };
}

// --- time ------------------------------------------------------------------------------------

void Play::run(Duration time) {
  const Instant end = world_->now() + time;
  run_until([] { return false; }, end);
  world_->set_now(std::max(world_->now(), end));
}

bool Play::reach(const std::function<bool()>& goal, Duration patience) {
  return run_until(goal, world_->now() + patience);
}

bool Play::run_until(const std::function<bool()>& goal, Instant end) {
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

// --- nodes -----------------------------------------------------------------------------------

NodeId Play::leader() const {
  for (const NodeId node : world_->nodes()) {
    if (world_->running(node) && world_->status(node).role == engine::Role::leader) return node;
  }
  return kNobody;
}

void Play::elect(NodeId wanted) {
  may_run_ = wanted;
  ASSERT_TRUE(reach([&] { return leader() == wanted; }, seconds(100)));
  may_run_ = kNobody;
  run(milliseconds(100));
}

void Play::lose_disk(NodeId node) {
  world_->wipe(node);
  world_->restart(node);
}

bool Play::votes_again(NodeId node, Duration patience) {
  return reach([&] { return !world_->status(node).abstaining; }, patience);
}

bool Play::agree(Duration patience) {
  const auto same = [&] {
    const auto all = world_->nodes();
    return std::all_of(all.begin(), all.end(), [&](NodeId node) {
      return world_->status(node).head == world_->status(all.front()).head;
    });
  };
  return reach(same, patience);
}

void Play::resume(NodeId node) {
  paused_ = kNobody;
  std::vector<std::uint64_t> waiting;
  for (const auto& [id, flight] : world_->in_flight()) {
    if (flight.to == node) waiting.push_back(id);
  }
  for (const std::uint64_t id : waiting) world_->deliver(id);
}

void Play::slow_disks(Duration delay) {
  disk_delay_ = delay;
  for (const NodeId node : world_->nodes()) world_->set_instant_disk(node, false);
}

void Play::begin_sync(NodeId node) {
  for (const auto& sync : syncs_) {
    if (sync.node == node) return;
  }
  syncs_.push_back({world_->now() + disk_delay_, node, world_->disk(node).pending_count()});
}

bool Play::end_sync(Instant end) {
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

// --- clients ---------------------------------------------------------------------------------

void Play::open(NodeId node) {
  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = kSession;
  command.argument = 3'600'000;
  const RequestKey key = world_->propose(node, command, seconds(10));
  ASSERT_TRUE(reach([&] { return code_of(key) == ErrorCode::ok; }, seconds(10)));
}

RequestKey Play::put(NodeId node, std::uint64_t sequence, const std::string& value,
                     Duration patience) {
  kv::Command command;
  command.kind = kv::CommandKind::put;
  command.session = kSession;
  command.sequence = Sequence(sequence);
  command.acknowledged = Sequence(sequence > 1000 ? sequence - 1000 : 0);
  command.key = "key";
  command.value = value;
  return world_->propose(node, command, patience);
}

const kv::CommandResult* Play::result_of(RequestKey key, bool* answered) const {
  const auto found = std::find_if(answers_.rbegin(), answers_.rend(), [&](const Answered& answer) {
    return answer.request.key == key;
  });
  *answered = found != answers_.rend();
  return *answered ? std::get_if<kv::CommandResult>(&found->reply.what) : nullptr;
}

bool Play::done(RequestKey key, Duration patience) {
  return reach([&] { return code_of(key) == ErrorCode::ok; }, patience);
}

std::optional<ErrorCode> Play::code_of(RequestKey key) const {
  bool answered = false;
  const auto* result = result_of(key, &answered);
  if (!answered) return std::nullopt;
  return result == nullptr ? ErrorCode::ok : result->code;
}

std::string Play::value_of(RequestKey key) const {
  bool answered = false;
  const auto* result = result_of(key, &answered);
  return result == nullptr ? std::string() : std::string(result->value.view());
}

// --- messages --------------------------------------------------------------------------------

void Play::inject(NodeId from, NodeId to, paxos::Message message) {
  world_->expect_lies();
  world_->resubmit({0, from, to, std::move(message), world_->now()});
}

bool Play::is_lost(const InFlight& flight) const {
  const bool asks_for_votes = is<paxos::PreVote>(flight);
  if (asks_for_votes && may_run_ != kNobody && flight.from != may_run_) return true;
  return loses && loses(flight);
}

void Play::expect_no_violations() const {
  for (const auto& violation : world_->violations()) ADD_FAILURE() << violation;
}

}  // namespace paxledger::sim
