#include "kv/session_results.hpp"

#include "base/invariant.hpp"

namespace paxledger::kv {

void SessionResults::acknowledge(Sequence sequence) {
  if (sequence <= acknowledged_) return;
  acknowledged_ = sequence;
  kept_.erase(kept_.begin(), kept_.upper_bound(sequence));
}

std::optional<CommandResult> SessionResults::find(Sequence sequence) const {
  const auto found = kept_.find(sequence);
  if (found == kept_.end()) return std::nullopt;
  return CommandResult{found->second.code, found->second.revision, {}};
}

void SessionResults::keep(Sequence sequence, const CommandResult& result) {
  invariant(fits(sequence), "a result is kept within the session's window");
  invariant(result.value.empty(), "no value is kept for a session");
  // Clients count up, so a new result nearly always goes to the end.
  const std::size_t before = kept_.size();
  kept_.try_emplace(kept_.end(), sequence, Kept{result.code, result.revision});
  invariant(kept_.size() == before + 1, "one result per sequence");
}

void SessionResults::hash_into(StateHasher& hasher) const {
  const auto& [acknowledged, kept] = *this;
  hasher.add(acknowledged, kept.size());
  for (const auto& [sequence, result] : kept) {
    const auto& [code, revision] = result;
    hasher.add(sequence, code, revision);
  }
}

}  // namespace paxledger::kv
