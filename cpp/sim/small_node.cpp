#include "sim/small_node.hpp"

#include <algorithm>
#include <set>

#include "base/invariant.hpp"
#include "engine/batch.hpp"
#include "kv/command.hpp"
#include "ledger/chain.hpp"
#include "paxos/hash_messages.hpp"
#include "sim/describe.hpp"
#include "wire/log_record.hpp"
#include "wire/peer_messages.hpp"

namespace paxledger::sim {

namespace {

constexpr Slot kTrimmed{1};  // the log has forgotten the slot of the first block
constexpr std::uint64_t kWall = 1'000'000'000'000;

SessionId session_of(std::size_t command) {
  return SessionId(command + 1);
}

std::vector<NodeId> voters(std::uint32_t nodes) {
  std::vector<NodeId> names;
  for (std::uint32_t i = 1; i <= nodes; ++i) names.emplace_back(i);
  return names;
}

SharedBytes put_of(std::size_t index) {
  kv::Command command;
  command.kind = kv::CommandKind::put;
  command.session = session_of(index);
  command.sequence = Sequence(1);
  command.key = "x";
  const std::string value = std::to_string(index + 1);
  command.value = value;
  return SharedBytes(kv::encode_command(command));
}

SharedBytes opening_of(std::size_t index) {
  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = session_of(index);
  command.argument = kv::kSessionMillisecondsMax;
  return SharedBytes(kv::encode_command(command));
}

std::string at_slot(Slot slot) {
  return " at slot " + std::to_string(slot.value());
}

}  // namespace

SmallWorldSettings::SmallWorldSettings(std::uint32_t nodes, std::uint32_t command_count,
                                       WorldBug planted)
    : cluster(ledger::cluster_id("small world")), membership(voters(nodes)), bug(planted) {
  std::vector<SharedBytes> openings;
  for (std::size_t i = 0; i < command_count; ++i) {
    commands.push_back(put_of(i));
    openings.push_back(opening_of(i));
  }
  const auto batch = engine::decode_batch(engine::encode_batch(Timestamp(kWall), 0, openings));
  invariant(batch.ok(), "what is encoded can be decoded");
  ledger::Chain chain(cluster);
  first_block = chain.extend(batch->ops, batch->commands, batch->timestamp, 0, 0);
}

engine::Timing SmallWorldSettings::timing() {
  engine::Timing timing;
  timing.heartbeat_interval = std::chrono::milliseconds(10);
  timing.resend_interval = std::chrono::milliseconds(30);
  timing.election_timeout = std::chrono::seconds(1'000'000);
  // A wait would only leave out worlds with many slots in flight.
  timing.batch_wait_max = Duration::zero();
  return timing;
}

SmallNode::SmallNode(std::shared_ptr<const SmallWorldSettings> settings, NodeId self)
    : settings_(std::move(settings)),
      self_(self),
      now_(Instant() + 2 * SmallWorldSettings::kTime.horizon),
      decided_{settings_->first_block},
      outcomes_(settings_->commands.size()),
      replica_(start()) {}

engine::Replica SmallNode::start() const {
  engine::Recovered recovered(settings_->cluster);
  for (std::size_t i = 0; i < held_; ++i) {
    invariant(recovered.applied.apply_block(decided_[i]).ok(), "decided blocks are a chain");
  }
  recovered.blocks_synced = Height(1);
  recovered.durable = durable_;
  recovered.log_complete_above = kTrimmed;
  engine::Settings settings;
  settings.self = self_;
  settings.cluster = settings_->cluster;
  settings.timing = SmallWorldSettings::timing();
  return {settings_->membership, settings, std::move(recovered),
          Seed{self_.value() * std::uint64_t{1000} + life_}, now_};
}

// Clocks differ, so that the values of two leaders can be told apart even if both are no-ops.
Timestamp SmallNode::wall() const {
  return Timestamp(kWall + self_.value());
}

SmallNode::Effects SmallNode::receive(NodeId from, const paxos::Message& message) {
  Effects effects;
  step(engine::Received{from, message}, effects);
  return effects;
}

SmallNode::Effects SmallNode::propose(std::size_t command) {
  Effects effects;
  engine::Proposed proposed;
  proposed.commands.push_back(
      {RequestKey(command + 1), settings_->commands[command], Instant::never()});
  proposed.wall = wall();
  step(std::move(proposed), effects);
  return effects;
}

SmallNode::Effects SmallNode::complete_write() {
  invariant(!writes_.empty(), "a write is completed only while one is under way");
  Effects effects;
  engine::Persist persist = std::move(writes_.front().persist);
  writes_.pop_front();
  make_durable(persist, effects);
  for (auto& envelope : persist.send_after) leave(std::move(envelope), effects);
  step(engine::Persisted{persist.ticket, wall()}, effects);
  return effects;
}

SmallNode::Effects SmallNode::tick() {
  now_ = now_ + SmallWorldSettings::kTime.tick;
  return fire_timer();
}

void SmallNode::fall_silent() {
  now_ = now_ + SmallWorldSettings::kTime.horizon;
}

SmallNode::Effects SmallNode::fire_timer() {
  Effects effects;
  step(engine::TimerFired{wall()}, effects);
  return effects;
}

SmallNode::Effects SmallNode::crash(std::size_t survivors, bool keeps_blocks) {
  invariant(survivors <= writes_.size(), "only a write that was begun survives");
  Effects effects;
  for (std::size_t i = 0; i < survivors; ++i) make_durable(writes_[i].persist, effects);
  writes_.clear();
  if (!keeps_blocks) held_ = 1;
  if (settings_->bug == WorldBug::forgotten_promise) {
    durable_.promised = {};
    for (const auto& [slot, accepted] : durable_.accepted) {
      durable_.promised = std::max(durable_.promised, accepted.ballot);
    }
  }
  recorded_ = durable_.promised;
  ++life_;
  replica_ = start();
  return effects;
}

paxos::Heartbeat SmallNode::heartbeat() const {
  const engine::Status now = status();
  paxos::Heartbeat heartbeat;
  heartbeat.promised = now.promised;
  heartbeat.abstaining = now.abstaining;
  heartbeat.decided = slot_of(now.head.height);
  heartbeat.head = now.head;
  return heartbeat;
}

Fingerprint SmallNode::fingerprint() const {
  StateHasher hasher(now_);
  const Fingerprint replica = replica_.fingerprint(now_, SmallWorldSettings::kTime);
  hasher.add(self_, replica.high, replica.low, life_, durable_, held_, votes_.size(),
             proposed_.size(), recorded_, promised_, writes_.size(), decided_.size());
  for (const auto& write : writes_) hasher.add(write.fingerprint.high, write.fingerprint.low);
  for (const auto* values : {&votes_, &proposed_}) {
    for (const auto& [place, value] : *values) hasher.add(place.first, place.second, value);
  }
  for (const auto& block : decided_) hasher.add(block.hash);
  return hasher.fingerprint();
}

void SmallNode::step(engine::Input input, Effects& effects) {
  engine::Output out;
  replica_.step(std::move(input), now_, out);
  replica_.check_invariants();
  handle(std::move(out), effects);
}

void SmallNode::handle(engine::Output out, Effects& effects) {
  for (auto& envelope : out.send_now) leave(std::move(envelope), effects);
  hand_over(std::move(out.persist), effects);
  for (const auto& block : out.decided) take_block(block, effects);
  const paxos::Head head = replica_.applied().head();
  if (head.height != Height(held_) || head.hash != decided_[held_ - 1].hash) {
    violated(effects, "chain", "the head is not the block that was decided last");
  }
  check_revision(effects);
  for (const auto& reply : out.replies) {
    const auto* result = std::get_if<kv::CommandResult>(&reply.what);
    if (result != nullptr && result->code == ErrorCode::ok) {
      effects.answers.push_back({reply.request.value() - 1, result->revision});
    }
  }
  for (const auto& notice : out.notices) {
    if (notice.level == engine::Notice::Level::error) violated(effects, "trust", notice.text);
  }
  if (out.diverged_at) violated(effects, "trust", "finds its chain to be a wrong one");
  invariant(!out.sync_blocks, "no node of a small world loses its disk");
  // The block files answer at once: a slow answer is a slow message.
  for (const auto& load : out.loads) {
    engine::BlocksLoaded loaded{load.to, load.first, {}};
    for (std::size_t i = std::max<std::uint64_t>(load.first.value(), 1); i <= held_; ++i) {
      loaded.blocks.emplace_back(ledger::encode_block(decided_[i - 1]));
    }
    step(std::move(loaded), effects);
  }
}

void SmallNode::hand_over(engine::Persist persist, Effects& effects) {
  if (persist.records.empty()) return;
  StateHasher hasher(now_);
  for (const auto& record : persist.records) {
    check_record(record, effects);
    std::string octets;
    wire::append_log_record(octets, record);
    hasher.add(octets);
  }
  if (settings_->bug == WorldBug::early_message) {
    for (auto& envelope : persist.send_after) leave(std::move(envelope), effects);
    persist.send_after.clear();
  }
  for (const auto& [to, message] : persist.send_after) {
    hasher.add(wire::encode_packet({settings_->cluster, self_, to, {}}, {&message, 1}));
  }
  writes_.push_back({std::move(persist), hasher.fingerprint()});
}

void SmallNode::make_durable(const engine::Persist& persist, Effects& effects) {
  for (const auto& record : persist.records) {
    durable_.replay(record);
    if (const auto* accept = std::get_if<paxos::AcceptRecord>(&record)) {
      votes_.emplace(Place{accept->slot, accept->ballot}, accept->value);
      effects.voted = true;
    }
  }
}

void SmallNode::check_record(const paxos::DurableRecord& record, Effects& effects) {
  paxos::Ballot ballot;
  if (const auto* promise = std::get_if<paxos::PromiseRecord>(&record)) {
    ballot = promise->ballot;
  } else if (const auto* accept = std::get_if<paxos::AcceptRecord>(&record)) {
    ballot = accept->ballot;
  } else {
    return;
  }
  const paxos::Ballot before = std::max(recorded_, promised_);
  if (ballot < before) {
    violated(effects, "promise",
             describe(record) + " after " + to_string(before) + " was promised");
  }
  recorded_ = std::max(recorded_, ballot);
}

// As SafetyCheck::message_leaves() has it.
void SmallNode::leave(paxos::Envelope envelope, Effects& effects) {
  const paxos::Message& message = envelope.message;
  paxos::Ballot told;
  if (const auto* promise = std::get_if<paxos::Promise>(&message)) {
    told = promise->ballot;
  } else if (const auto* prepare = std::get_if<paxos::Prepare>(&message)) {
    told = prepare->ballot;
  } else if (const auto* accept = std::get_if<paxos::Accept>(&message)) {
    told = accept->ballot;
    const auto [place, is_new] = proposed_.emplace(Place{accept->slot, told}, accept->value);
    if (!is_new && !(place->second == accept->value)) {
      violated(effects, "value",
               "two values under ballot " + to_string(told) + at_slot(accept->slot));
    }
  } else if (const auto* accepted = std::get_if<paxos::Accepted>(&message)) {
    told = accepted->ballot;
    check_accepted(*accepted, effects);
  }
  if (durable_.promised < told) {
    violated(effects, "durable", "sends what is not in its log: " + describe(message));
  }
  promised_ = std::max(promised_, told);
  effects.sent.push_back(std::move(envelope));
}

void SmallNode::check_accepted(const paxos::Accepted& accepted, Effects& effects) const {
  // Of a slot that it has applied a node may say so without a record.
  if (height_of(accepted.slot) <= Height(held_)) return;
  const auto held = durable_.accepted.find(accepted.slot);
  const bool covered = held != durable_.accepted.end() && held->second.ballot >= accepted.ballot &&
                       votes_.contains({accepted.slot, accepted.ballot});
  if (!covered) {
    violated(effects, "durable",
             "sends an acceptance that is not in its log: " + describe(paxos::Message(accepted)));
  }
}

void SmallNode::take_block(const ledger::Block& block, Effects& effects) {
  const std::string which =
      "block " + std::to_string(block.header.height.value()) + " " + describe_block(block);
  if (block.header.height != Height(held_ + 1) ||
      block.header.previous != decided_[held_ - 1].hash) {
    violated(effects, "chain", which + " does not follow on block " + std::to_string(held_));
    return;
  }
  ++held_;
  if (held_ > decided_.size()) {
    decided_.push_back(block);
    note_outcomes(block);
    effects.decided = true;
  } else if (decided_[held_ - 1].hash != block.hash) {
    violated(effects, "chain", which + " was " + describe_block(decided_[held_ - 1]) + " before");
  }
}

// Every command is a put of its own session, so the first copy of each is one change.
void SmallNode::note_outcomes(const ledger::Block& block) {
  const auto ops = ledger::split_ops(block.ops.view(), block.header.op_count);
  invariant(ops.ok(), "the ops of a decided block can be split");
  for (const auto octets : *ops) {
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
      if (settings_->commands[i].view() != octets || outcomes_[i] != Revision(0)) continue;
      const auto before = *std::max_element(outcomes_.begin(), outcomes_.end());
      outcomes_[i] = before.next();
    }
  }
}

void SmallNode::check_revision(Effects& effects) const {
  if (held_ < decided_.size()) return;
  const Revision expected =
      outcomes_.empty() ? Revision(0) : *std::max_element(outcomes_.begin(), outcomes_.end());
  const Revision revision = replica_.applied().store().revision();
  if (revision == expected) return;
  violated(effects, "exactly-once",
           "the chain holds " + std::to_string(expected.value()) +
               " commands, and the map has revision " + std::to_string(revision.value()));
}

void SmallNode::violated(Effects& effects, const std::string& rule, const std::string& text) const {
  if (effects.violation.empty()) {
    effects.violation = rule + ": node " + name(self_) + ": " + text;
  }
}

}  // namespace paxledger::sim
