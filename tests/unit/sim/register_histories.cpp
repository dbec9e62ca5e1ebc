#include "unit/sim/register_histories.hpp"

#include <algorithm>

#include "sim/register_history.hpp"

namespace paxledger::sim {

using Kind = RegisterOperation::Kind;

EveryOrder::EveryOrder(const History& history)
    : history_(history), revisions_(has_revisions(history)), done_(history.size()) {
  constexpr std::uint64_t kFresh = 1'000'000;  // beyond those of the history, which differ from it
  for (const auto& op : history_) {
    guesses_.push_back(op.revision);
    guesses_.push_back(op.expected_revision);
  }
  guesses_.push_back(kFresh);
  std::sort(guesses_.begin(), guesses_.end());
  guesses_.erase(std::unique(guesses_.begin(), guesses_.end()), guesses_.end());
}

bool EveryOrder::may_be_next(std::size_t index) const {
  for (std::size_t i = 0; i < history_.size(); ++i) {
    if (i == index || done_[i] || !history_[i].known) continue;
    if (history_[i].answered < history_[index].invoked) return false;
  }
  return !done_[index];
}

bool EveryOrder::try_all(const Value& value, std::uint64_t revision, std::uint64_t last) {
  bool all = true;
  for (std::size_t i = 0; i < history_.size(); ++i) all = all && (done_[i] || !history_[i].known);
  if (all) return true;
  for (std::size_t i = 0; i < history_.size(); ++i) {
    if (!may_be_next(i)) continue;
    done_[i] = true;
    if (try_next(i, value, revision, last)) return true;
    done_[i] = false;
  }
  return false;
}

// `last`: the highest revision so far. A fresh one is higher than that, but nobody is told, so it
// does not count.
bool EveryOrder::try_next(std::size_t index, const Value& value, std::uint64_t revision,
                          std::uint64_t last) {
  const RegisterOperation& op = history_[index];
  const auto same = [&](const Value& other, std::uint64_t other_revision) {
    return value == other && (!revisions_ || !value || revision == other_revision);
  };
  if (op.kind == Kind::read) {
    return (!op.known || same(op.value, op.revision)) && try_all(value, revision, last);
  }
  if (op.kind == Kind::remove) {
    return (!op.known || op.succeeded == value.has_value()) && try_all({}, 0, last);
  }
  if (op.kind == Kind::swap) {
    const bool matches = same(op.expected, op.expected_revision);
    if (op.known && op.succeeded != matches) return false;
    if (!matches) return try_all(value, revision, last);
  }
  if (!revisions_) return try_all(op.value, 0, 0);
  if (op.known) return op.revision > last && try_all(op.value, op.revision, op.revision);
  return std::any_of(guesses_.begin(), guesses_.end(), [&](std::uint64_t guess) {
    const bool fresh = guess == guesses_.back();
    return (fresh || guess > last) && try_all(op.value, guess, fresh ? last : guess);
  });
}

}  // namespace paxledger::sim
