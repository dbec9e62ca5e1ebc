#include "kv/session_results.hpp"

#include <algorithm>

#include "base/invariant.hpp"

namespace paxledger::kv {

namespace {

// A row with room for so many results is never worth a smaller one, nor is one that holds a quarter
// of what it has room for.
constexpr std::size_t kRoomSmall = kResultsLight;
constexpr std::size_t kRoomForEach = 4;

}  // namespace

SessionResults::Row::const_iterator SessionResults::place_of(Sequence sequence) const {
  if (row_.size() == first_ || row_.back().sequence < sequence) return row_.end();
  return std::lower_bound(row_.begin() + static_cast<std::ptrdiff_t>(first_), row_.end(), sequence,
                          [](const Kept& kept, Sequence wanted) { return kept.sequence < wanted; });
}

void SessionResults::acknowledge(Sequence sequence) {
  if (sequence <= acknowledged_) return;
  acknowledged_ = sequence;
  while (first_ < row_.size() && row_[first_].sequence <= sequence) ++first_;
  if (row_.capacity() > kRoomSmall && row_.capacity() > kRoomForEach * count()) {
    row_ = Row(row_.begin() + static_cast<std::ptrdiff_t>(first_), row_.end());
    first_ = 0;
  } else if (first_ > count() || first_ == row_.size()) {
    row_.erase(row_.begin(), row_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

std::optional<CommandResult> SessionResults::find(Sequence sequence) const {
  const auto place = place_of(sequence);
  if (place == row_.end() || place->sequence != sequence) return std::nullopt;
  return CommandResult{place->code, place->revision, {}};
}

void SessionResults::keep(Sequence sequence, const CommandResult& result) {
  invariant(fits(sequence), "a result is kept within the session's window");
  invariant(result.value.empty(), "no value is kept for a session");
  const auto place = place_of(sequence);
  invariant(place == row_.end() || place->sequence != sequence, "one result per sequence");
  row_.insert(place, Kept{sequence, result.revision, result.code});
}

void SessionResults::hash_into(StateHasher& hasher) const {
  // What was forgotten makes no difference.
  const auto& [acknowledged, row, first] = *this;
  hasher.add(acknowledged, count());
  for (std::size_t i = first; i < row.size(); ++i) {
    const auto& [sequence, revision, code] = row[i];
    hasher.add(sequence, code, revision);
  }
}

}  // namespace paxledger::kv
