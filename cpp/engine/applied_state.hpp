// The decided history as one value: the chain's head, the state machine, and recent heads.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/state_hasher.hpp"
#include "engine/batch.hpp"
#include "kv/state_machine.hpp"
#include "ledger/block.hpp"
#include "ledger/chain.hpp"
#include "paxos/messages.hpp"

namespace paxledger::engine {

// Invariants:
//  1. The state machine has applied exactly the commands of the blocks 1 … height().
//  2. hash_at() knows every height from height() - kRecentHeads (or 0) to height().
class AppliedState {
 public:
  static constexpr std::size_t kRecentHeads = 4096;

  explicit AppliedState(ClusterId cluster);

  struct Applied {
    ledger::Block block;
    std::vector<kv::CommandResult> results;  // one for each command of the block
    std::vector<std::string_view> commands;  // views into block.ops
  };

  // Applies what was decided at slot height() + 1.
  Applied apply_batch(const Batch& batch);

  // Applies a block from a block file or a peer. Precondition: from ledger::decode_block.
  // Errors: damaged (does not link); the state is unchanged then.
  Result<Applied> apply_block(const ledger::Block& block);

  [[nodiscard]] Height height() const { return chain_.height(); }
  [[nodiscard]] paxos::Head head() const { return {chain_.height(), chain_.hash()}; }
  [[nodiscard]] std::optional<Digest> hash_at(Height height) const;
  [[nodiscard]] const kv::StateMachine& store() const { return store_; }
  [[nodiscard]] Timestamp timestamp() const { return chain_.timestamp(); }

  void hash_into(StateHasher& hasher) const {
    // The hashes before the head follow from the head, which is chained to them.
    const auto& [chain, store, recent, recent_first] = *this;
    hasher.add(chain, store, recent.size(), recent_first);
  }

 private:
  std::vector<kv::CommandResult> run(const std::vector<std::string_view>& commands, Timestamp now);
  void remember_head();

  ledger::Chain chain_;
  kv::StateMachine store_;
  std::deque<Digest> recent_;  // hashes of heights recent_first_ … height()
  Height recent_first_;
};

}  // namespace paxledger::engine
