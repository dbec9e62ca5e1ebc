#include "engine/applied_state.hpp"

#include <utility>

namespace paxledger::engine {

AppliedState::AppliedState(ClusterId cluster) : chain_(cluster) {
  recent_.push_back(chain_.hash());
}

AppliedState::Applied AppliedState::apply_batch(const Batch& batch) {
  Applied applied;
  applied.block =
      chain_.extend(batch.ops, batch.commands, batch.timestamp, batch.work_bits, batch.nonce);
  applied.commands = batch.commands;
  applied.results = run(applied.commands, applied.block.header.timestamp);
  remember_head();
  return applied;
}

Result<AppliedState::Applied> AppliedState::apply_block(const ledger::Block& block) {
  auto commands = ledger::split_ops(block.ops.view(), block.header.op_count);
  if (!commands) return commands.error();
  if (auto linked = chain_.append(block); !linked) return linked.error();
  Applied applied;
  applied.block = block;
  applied.commands = std::move(*commands);
  applied.results = run(applied.commands, block.header.timestamp);
  remember_head();
  return applied;
}

std::optional<Digest> AppliedState::hash_at(Height height) const {
  if (height < recent_first_ || height > chain_.height()) return std::nullopt;
  return recent_[height.value() - recent_first_.value()];
}

std::vector<kv::CommandResult> AppliedState::run(const std::vector<std::string_view>& commands,
                                                 Timestamp now) {
  store_.advance_time(now);
  return store_.apply_all(commands, now);
}

void AppliedState::remember_head() {
  recent_.push_back(chain_.hash());
  if (recent_.size() > kRecentHeads + 1) {
    recent_.pop_front();
    recent_first_ = recent_first_.next();
  }
}

}  // namespace paxledger::engine
