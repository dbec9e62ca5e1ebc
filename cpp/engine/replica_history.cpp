// The decided history: applying it, catching up with it, and noticing that it is not ours.

#include <algorithm>
#include <utility>

#include "base/invariant.hpp"
#include "engine/replica_impl.hpp"

namespace paxledger::engine {

// --- applying --------------------------------------------------------------------------------

void Replica::Impl::apply_decided() {
  while (leader_) {
    auto decided = leader_->take_decided();
    if (!decided) return;
    invariant(decided->slot == applied_slot().next(), "slots are applied in order");
    auto batch = decode_batch(decided->value);
    invariant(batch.ok(), "a decided value is a batch: acceptors check before they accept");
    batch_wait_.on_decided(batch->commands.size(), now_);
    on_applied(applied_.apply_batch(*batch));
  }
}

void Replica::Impl::apply_learned() {
  while (!leader_) {
    auto value = learner_.decided_at(applied_slot().next(), acceptor_);
    if (!value) return;
    auto batch = decode_batch(*value);
    invariant(batch.ok(), "a decided value is a batch: acceptors check before they accept");
    on_applied(applied_.apply_batch(*batch));
  }
}

void Replica::Impl::on_applied(AppliedState::Applied applied) {
  acceptor_.forget_through(applied_slot());
  catch_up_.on_progress(now_);
  if (candidate_) candidate_->progressed_at = now_;
  if (!requests_.empty()) {
    for (std::size_t i = 0; i < applied.commands.size(); ++i) {
      if (applied.commands[i].size() < kv::kCommandHeaderBytes) continue;
      resolve(command_key(applied.commands[i]), applied.results[i]);
    }
  }
  out_->decided.push_back(std::move(applied.block));
}

// Answers those to whom the block that was applied last owes it.
void Replica::Impl::resolve(const CommandKey& key, const kv::CommandResult& result) {
  const auto tell = [&](const Origin& origin) { answer(origin, result, {}); };
  if (!key.opens_session()) {
    requests_.resolve(key, tell);
  } else if (leader_ && applied_slot() > barrier_) {
    // What waits is proposed above the barrier only; up to there stand copies of other days.
    requests_.resolve_proposed(key, tell);
  }
}

// --- divergence ------------------------------------------------------------------------------

void Replica::Impl::compare_head(NodeId from, const paxos::Head& head) {
  const auto own = applied_.hash_at(head.height);
  if (!own) return;
  if (*own == head.hash) {
    conflicts_.erase(from);
    agreeing_[from] = head.height;
  } else {
    note_conflict(from, head.height);
  }
}

bool Replica::Impl::is_disputed(Instant now) const {
  if (conflicts_.empty()) return false;
  // A peer that lags has the same blocks as either side up to where the chains part, and confirms
  // nothing before it has passed a height at which the difference was seen.
  Height parted(UINT64_MAX);
  for (const auto& [node, at] : conflicts_) parted = std::min(parted, at);
  const auto confirming =
      std::count_if(agreeing_.begin(), agreeing_.end(), [&](const auto& agreement) {
        return agreement.second >= parted && election_.hears(agreement.first, now);
      });
  return static_cast<std::size_t>(confirming) + 1 < membership_.quorum_size();
}

void Replica::Impl::note_conflict(NodeId from, Height height) {
  agreeing_.erase(from);
  if (conflicts_.emplace(from, height).second) {
    notice(Notice::Level::error, "node " + std::to_string(from.value()) +
                                     " has another block at height " +
                                     std::to_string(height.value()) + " or below");
  }
  if (conflicts_.size() < membership_.quorum_size() || halted_) return;
  // A majority holds another history than this node: this node's is the wrong one.
  Height lowest = Height(UINT64_MAX);
  for (const auto& [node, at] : conflicts_) lowest = std::min(lowest, at);
  if (leader_) step_down("its history is not that of the majority");
  if (candidate_) abandon_candidacy();
  fail_everything();
  halted_ = true;
  out_->diverged_at = lowest;
  damage_ = "this node's chain differs from that of a majority at height " +
            std::to_string(lowest.value()) + " or below";
  notice(Notice::Level::error, damage_);
}

// --- catching up -----------------------------------------------------------------------------

void Replica::Impl::catch_up(bool urgent) {
  if (leader_ || halted_) return;
  if (const auto peer = catch_up_.pick(election_, applied_.height(), now_, urgent)) {
    send(*peer, paxos::FetchBlocks{applied_.height().next(),
                                   static_cast<std::uint32_t>(settings_.limits.catch_up_bytes)});
  }
}

void Replica::Impl::on(NodeId from, const paxos::FetchBlocks& message) {
  const std::size_t bytes =
      std::min<std::size_t>(message.bytes_max, settings_.limits.catch_up_bytes);
  out_->loads.push_back({from, message.first, bytes});
}

void Replica::Impl::take(BlocksLoaded& input) {
  if (input.blocks.empty() && input.first <= applied_.height()) return;  // not on disk yet
  send(input.to, paxos::Blocks{input.first, std::move(input.blocks), applied_.head()});
}

void Replica::Impl::on(NodeId from, const paxos::Blocks& message) {
  // A leader decides by itself; if it is deposed, it will hear of it.
  const bool progressed = !leader_ && apply_fetched(from, message);
  // What was accepted above the missing blocks is applied first, or the next question would be for
  // what this node has.
  if (progressed) apply_learned();
  const bool ended = catch_up_.on_blocks(from, message.first, applied_.height());
  if ((progressed || ended) && message.head.height > applied_.height()) catch_up(true);
}

bool Replica::Impl::apply_fetched(NodeId from, const paxos::Blocks& message) {
  bool progressed = false;
  Height height = message.first;
  for (const auto& octets : message.blocks) {
    const Height at = std::exchange(height, height.next());
    if (at <= applied_.height()) continue;
    if (at != applied_.height().next()) return false;  // a gap: not the answer to what we asked
    auto block = ledger::decode_block(octets);
    if (!block) {
      notice(Notice::Level::error, "refused block " + std::to_string(at.value()) + " from node " +
                                       std::to_string(from.value()) + ": " + block.error().message);
      return false;
    }
    // Rule 9: what comes from a peer must link to the head that this node knows.
    auto applied = applied_.apply_block(*block);
    if (!applied) {
      notice(Notice::Level::error, "block " + std::to_string(at.value()) + " from node " +
                                       std::to_string(from.value()) +
                                       " does not link: " + applied.error().message);
      note_conflict(from, at);
      return false;
    }
    on_applied(std::move(*applied));
    progressed = true;
  }
  return progressed;
}

// --- abstaining and rejoining ----------------------------------------------------------------

std::string Replica::Impl::repair_reason(Instant now) const {
  if (halted_) return damage_;
  if (!is_repairing() && is_disputed(now)) {
    return "another node has another history than this one, and no majority is heard that confirms "
           "either; serves no reads until one is";
  }
  if (!is_repairing()) return {};
  std::string reason = damage_;
  if (!reason.empty()) reason += "; ";
  if (rejoining()) {
    reason += rejoin_->possible() ? "the log was lost: asks " + std::to_string(rejoin_->needed()) +
                                        " peers how far its forgotten votes may reach"
                                  : "the log was lost, and there is no peer to learn from";
    return reason;
  }
  reason += is_abstaining() ? "does not vote or serve reads" : "serves no reads";
  const bool missing = applied_.height() < needed();
  return reason + " until " + (missing ? "it has " : "") + "the blocks up to height " +
         std::to_string(needed().value()) + (missing ? "" : " are on disk");
}

Height Replica::Impl::repair_through() const {
  if (!is_repairing() || rejoining()) return {};
  return needed();
}

// A node that says that it is whole may be one of those on which another's loss is recovered from:
// so the blocks of its repair are on disk before it says so.
void Replica::Impl::watch_repair() {
  if (!was_repairing_) return;
  if (is_repairing()) {
    const bool there = !rejoining() && applied_.height() >= needed();
    if (there && sync_asked_ < needed()) {
      sync_asked_ = needed();
      out_->sync_blocks = true;
    }
    return;
  }
  was_repairing_ = false;
  damage_.clear();
  notice(Notice::Level::info, "the history is complete and on disk up to height " +
                                  std::to_string(blocks_synced_.value()) +
                                  "; votes and serves reads again");
}

void Replica::Impl::take(BlocksSynced& input) {
  invariant(input.through <= applied_.height(), "only blocks that were handed out become durable");
  blocks_synced_ = std::max(blocks_synced_, input.through);
}

void Replica::Impl::drive_rejoin() {
  const bool asks = rejoin_ && rejoin_->phase() != Rejoin::Phase::bounded;
  if (!asks || now_ - rejoin_->sent_at < settings_.timing.resend_interval) return;
  rejoin_->sent_at = now_;
  send_to_peers(rejoin_->request());
}

void Replica::Impl::on(NodeId from, const paxos::RejoinRequest& message) {
  // A node that forgot its own votes cannot bound those of another.
  if (rejoining()) return;
  paxos::RejoinReply reply;
  reply.life = message.life;
  reply.promised = acceptor_.promised();
  reply.highest_slot = std::max(applied_slot(), abstain_through_);
  if (!acceptor_.accepted().empty()) {
    reply.highest_slot = std::max(reply.highest_slot, acceptor_.accepted().rbegin()->first);
  }
  const Generation known = generations_.of(from);
  // Announced by a rejoin that a later one has replaced.
  if (message.generation != Generation(0) && message.generation < known) return;
  // From here on every vote of this node tells that votes of `from` from before are void.
  reply.generation = std::max(known, message.generation);
  generations_.learn(from, reply.generation);
  reply.generations = generations_.entries();
  if (reply.generation == Generation(0)) {
    send(from, reply);
  } else {
    // The answer to a late copy of a question, too: `from` may have announced this generation
    // since, and counts whoever names it among those that will not forget it.
    persist(paxos::GenerationRecord{from, reply.generation});
    send_once_durable(from, reply);
  }
}

void Replica::Impl::on(NodeId from, const paxos::RejoinReply& message) {
  if (!rejoining()) return;
  generations_.learn(message.generations);
  if (const auto generation =
          rejoin_->on_answer_to_question(from, message, generations_, settings_.self)) {
    rejoin_->announce(*generation);
    rejoin_->sent_at = now_;
    generations_.learn(settings_.self, *generation);
    persist(paxos::GenerationRecord{settings_.self, *generation});
    for (const NodeId peer : peers_) send_once_durable(peer, rejoin_->request());
    return;
  }
  if (const auto bounds = rejoin_->on_answer_to_announcement(from, message, generations_)) {
    acceptor_.promise(bounds->promised);
    abstain_through_ = std::max(abstain_through_, bounds->through);
    abstain_record_ = {abstain_through_, false};
    // Others rejoined before, and this node's votes told so. They must go on telling.
    for (const auto& [node, generation] : generations_.known()) {
      persist(paxos::GenerationRecord{node, generation});
    }
    persist(paxos::PromiseRecord{acceptor_.promised()});
    bounds_ticket_ = persist(abstain_record_);
    notice(Notice::Level::info,
           "rejoins as generation " + std::to_string(generations_.of(settings_.self).value()) +
               "; abstains up to slot " + std::to_string(abstain_through_.value()));
  }
}

}  // namespace paxledger::engine
